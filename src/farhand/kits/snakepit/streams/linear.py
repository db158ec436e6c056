"""Regular expressions that take time in proportion to the text, whatever the pattern: they come from callers.

A pattern is parsed into a non-deterministic automaton, of which only the states that texts lead to are made, and at
most so many kept. What such an automaton can't do is refused: look-around, back references. Understood are literals and
escapes, ``.``, classes, groups, ``|``, ``* + ? {m,n}`` (lazy ones too, which find the same lines), ``^ $ \\b \\B``, and
a leading ``(?i)``. Only whether a text holds a match is asked, not where."""

from __future__ import annotations

from collections.abc import Callable, Iterator

PATTERN_LIMIT = 1000
"""Characters of a pattern."""
STATES_LIMIT = 1000
"""States of a pattern's automaton; a counted repeat takes those of what it repeats as often as it may be repeated."""
DEPTH_LIMIT = 50
CACHED = 2000
"""Sets of states that are kept at once."""

Test = Callable[[str], bool]
_START, _END, _WORD = 1, 2, 4
_REPEATS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_SHORT: dict[str, Test] = {
    "d": str.isdigit,
    "s": str.isspace,
    "w": lambda char: char.isalnum() or char == "_",
}
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


class BadPattern(ValueError):
    """A pattern is none, or asks for what isn't done here."""


class _Node:
    """A state: it takes a character that passes `test` on to `to`; or, without a test, it is left at once, to `ways`,
    if the place is as `needs` says (its flags set) and not as `never` says."""

    __slots__ = ("needs", "never", "number", "test", "to", "ways")

    def __init__(self, number: int) -> None:
        self.number = number
        self.test: Test | None = None
        self.to: _Node | None = None
        self.ways: list[_Node] = []
        self.needs = self.never = 0


class Pattern:
    """One pattern; `found` says whether a text holds a match.

    Raises:
        BadPattern: it can't be read, or is too large.
    """

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_LIMIT:
            raise BadPattern(f"a pattern of {len(text):,} characters is over the limit of {PATTERN_LIMIT:,}")
        self.text = text
        self._literal = text if text.replace(" ", "").replace("_", "").isalnum() else None
        self._match = _Node(-1)
        self._fold = text.startswith("(?i)")
        parser = _Parser(text, self._fold)
        self._first = parser.whole(self._match)
        self._closures: dict[tuple[frozenset[_Node], int], tuple[tuple[_Node, ...], bool]] = {}
        self._steps: dict[tuple[tuple[_Node, ...], str], frozenset[_Node]] = {}

    def found(self, text: str) -> bool:
        """Whether some part of `text`, which is one line, matches."""
        if self._literal is not None:
            return self._literal in text
        if self._fold:
            text = text.lower()
        word = _SHORT["w"]
        states: frozenset[_Node] = frozenset((self._first,))
        before = False
        for at, char in enumerate(text):
            now = word(char)
            flags = (0 if at else _START) | (_WORD if now != before else 0)
            closure, matched = self._closure(states, flags)
            if matched:
                return True
            states, before = self._step(closure, char), now
        flags = (0 if text else _START) | _END | (_WORD if before else 0)
        return self._closure(states, flags)[1]

    def _closure(self, states: frozenset[_Node], flags: int) -> tuple[tuple[_Node, ...], bool]:
        """The states that wait for a character, in their order, where the place is as `flags` say; whether it
        matches."""
        found = self._closures.get((states, flags))
        if found is None:
            if len(self._closures) >= CACHED:
                self._closures.clear()
            found = self._closures[states, flags] = _close(states, flags, self._match)
        return found

    def _step(self, closure: tuple[_Node, ...], char: str) -> frozenset[_Node]:
        """Where a character leads; a match may begin at each place."""
        found = self._steps.get((closure, char))
        if found is None:
            if len(self._steps) >= CACHED:
                self._steps.clear()
            next_ones = {node.to for node in closure if node.test is not None and node.test(char)}
            found = self._steps[closure, char] = frozenset([self._first, *(one for one in next_ones if one)])
        return found


def _close(states: frozenset[_Node], flags: int, match: _Node) -> tuple[tuple[_Node, ...], bool]:
    stack, seen = list(states), set(states)
    while stack:
        node = stack.pop()
        if node.test is None and flags & node.needs == node.needs and not flags & node.never:
            for way in node.ways:
                if way not in seen:
                    seen.add(way)
                    stack.append(way)
    waiting = sorted((one for one in seen if one.test is not None), key=lambda one: one.number)
    return tuple(waiting), match in seen


class _Parser:
    """Reads a pattern from its start. A piece is built from its end: given the state that follows it, it gives its own
    first, so that a repeat is the piece built anew."""

    def __init__(self, text: str, fold: bool) -> None:
        self._text = text
        self._at = 4 if fold else 0
        self._fold = fold
        self._count = 0
        self._depth = 0

    def whole(self, following: _Node) -> _Node:
        """The first state of the whole pattern."""
        build = self._alternatives()
        if self._at < len(self._text):
            raise self._wrong("there is a ) too many")
        return build(following)

    def _wrong(self, why: str) -> BadPattern:
        return BadPattern(f"the pattern {self._text[:60]!r} can't be used: {why}, at character {self._at + 1}")

    def _node(self) -> _Node:
        self._count += 1
        if self._count > STATES_LIMIT:
            raise self._wrong(f"it takes more than {STATES_LIMIT:,} states")
        return _Node(self._count)

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise self._wrong("it ends too early")
        self._at += 1
        return char

    # -- pieces ------------------------------------------------------------------------------------------------------

    def _alternatives(self) -> Callable[[_Node], _Node]:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self._wrong(f"groups are more than {DEPTH_LIMIT} deep")
        builds = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            builds.append(self._sequence())
        self._depth -= 1

        def build(following: _Node) -> _Node:
            if len(builds) == 1:
                return builds[0](following)
            node = self._node()
            node.ways = [one(following) for one in builds]
            return node

        return build

    def _sequence(self) -> Callable[[_Node], _Node]:
        builds: list[Callable[[_Node], _Node]] = []
        while self._peek() not in ("", "|", ")"):
            builds.append(self._repeated(self._atom()))

        def build(following: _Node) -> _Node:
            for one in reversed(builds):
                following = one(following)
            return following

        return build

    def _repeated(self, build: Callable[[_Node], _Node]) -> Callable[[_Node], _Node]:
        while (bounds := self._bounds()) is not None:
            if self._peek() == "?":
                self._at += 1
            build = self._repeat(build, *bounds)
        return build

    def _bounds(self) -> tuple[int, int | None] | None:
        char = self._peek()
        if char in _REPEATS and char:
            self._at += 1
            return _REPEATS[char]
        end = self._text.find("}", self._at)
        if char != "{" or end < 0:
            return None
        low, comma, high = self._text[self._at + 1 : end].partition(",")
        if not all(one.isascii() and (one.isdigit() or not one) for one in (low, high)) or not (low or high):
            return None  # a brace that counts nothing stands for itself
        if len(low) > 4 or len(high) > 4:
            raise self._wrong("it repeats something too often")
        self._at = end + 1
        least = int(low or 0)
        most = (int(high) if high else None) if comma else least
        if most is not None and most < least:
            raise self._wrong(f"it repeats something {least} to {most} times")
        return least, most

    def _repeat(self, build: Callable[[_Node], _Node], least: int, most: int | None) -> Callable[[_Node], _Node]:
        def repeated(following: _Node) -> _Node:
            if most is None:
                loop = self._node()
                loop.ways = [following, build(loop)]
                first = loop
            else:
                first = following
                for _ in range(most - least):
                    maybe = self._node()
                    maybe.ways = [following, build(first)]
                    first = maybe
            for _ in range(least):
                first = build(first)
            return first

        return repeated

    def _atom(self) -> Callable[[_Node], _Node]:
        char = self._take()
        if char == "(":
            return self._group()
        if char in _REPEATS:
            raise self._wrong(f"there is nothing that {char} repeats")
        if char == "^":
            return self._place(_START)
        if char == "$":
            return self._place(_END)
        if char == ".":
            return self._one(lambda one: one != "\n")
        if char == "[":
            return self._one(self._class())
        if char == "\\":
            return self._escaped(self._take())
        return self._one(self._is(char))

    def _group(self) -> Callable[[_Node], _Node]:
        if self._peek() == "?":
            if not self._text.startswith("?:", self._at):
                raise self._wrong("only plain groups and (?:…) are known, no look-around and no flags")
            self._at += 2
        build = self._alternatives()
        if self._peek() != ")":
            raise self._wrong("a ( has no )")
        self._at += 1
        return build

    def _escaped(self, char: str) -> Callable[[_Node], _Node]:
        if char == "b":
            return self._place(_WORD)
        if char == "B":
            return self._place(0, _WORD)
        return self._one(self._escape(char))

    def _escape(self, char: str) -> Test:
        short = _SHORT.get(char.lower())
        if short is not None:
            return short if char.islower() else lambda one: not short(one)
        if char.isalnum() and char not in _CONTROL:
            raise self._wrong(f"\\{char} is not known")
        return self._is(_CONTROL.get(char, char))

    def _class(self) -> Test:
        negative = self._peek() == "^"
        self._at += negative
        tests: list[Test] = []
        while self._peek() != "]" or not tests:
            tests.append(self._range())
        self._at += 1
        return lambda one: any(test(one) for test in tests) != negative

    def _range(self) -> Test:
        char = self._take()
        if char == "\\":
            return self._escape(self._take())
        if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
            self._at += 1
            last = self._take()
            if last == "\\":
                last = self._take()
            if last < char:
                raise self._wrong(f"the range {char}-{last} is empty")
            low, high = char, last
            if self._fold:
                return lambda one: low <= one <= high or low <= one.upper() <= high
            return lambda one: low <= one <= high
        return self._is(char)

    def _is(self, char: str) -> Test:
        wanted = char.lower() if self._fold else char
        return lambda one: one == wanted

    def _one(self, test: Test) -> Callable[[_Node], _Node]:
        def build(following: _Node) -> _Node:
            node = self._node()
            node.test, node.to = test, following
            return node

        return build

    def _place(self, needs: int, never: int = 0) -> Callable[[_Node], _Node]:
        def build(following: _Node) -> _Node:
            node = self._node()
            node.needs, node.never, node.ways = needs, never, [following]
            return node

        return build


def matching(patterns: list[str]) -> Callable[[str], str | None]:
    """A function that says which of the patterns a line holds first, in their own order; None for none.

    Raises:
        BadPattern: one of them can't be used.
    """
    made = [Pattern(one) for one in patterns]

    def first(line: str) -> str | None:
        return next(_found(made, line), None)

    return first


def _found(patterns: list[Pattern], line: str) -> Iterator[str]:
    for one in patterns:
        if one.found(line):
            yield one.text

"""Codecs from elsewhere: entry points of the group ``farhand.codecs``, and pickle where both ends have named it.

They are loaded when the first value or media type comes that farhand itself has no codec for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from farhand.errors import InvalidArguments
from farhand.model.payload import Media
from farhand.wire.codecs.base import Broken, Codec, Encoded, Limits, Missing, Unsendable, encoded, type_name, with_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "farhand.codecs"
PICKLE = "pickle"
PICKLED = "application/x-python-pickle"
NO_PICKLE = 'pickle is refused unless both ends name it: Client(…, codecs=["pickle"]) and App(codecs=["pickle"])'


class PickleCodec:
    """Any Python object, and any code: whoever sends a pickle runs what he likes where it is read."""

    name = PICKLE
    media = PICKLED

    def encode(self, value: Any) -> Sequence[Any] | None:
        """A pickle; None where there can be none."""
        import pickle

        try:
            return [pickle.dumps(value, protocol=5)]
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            return None

    def decode(self, buffers: Sequence[Any], media: str, limits: Limits) -> Any:
        """The object."""
        import pickle

        return pickle.loads(b"".join(buffers))  # noqa: S301  # both ends have asked for it by name


class Plugins:
    """The codecs of one client or app: those given, then those installed, then pickle if it was named."""

    def __init__(self, given: Iterable[str | Codec] = ()) -> None:
        """`given` are codecs, or names of installed ones; "pickle" allows pickle.

        Raises:
            InvalidArguments: one is neither.
        """
        if isinstance(given, str):
            raise InvalidArguments(f"codecs is a list, as in [{given!r}]")
        self.pickles = False
        self._given: list[Codec] = []
        for one in given:
            if one == PICKLE:
                self.pickles = True
            elif isinstance(one, str):
                self._given.append(_loaded(_named(one)))
            else:
                self._given.append(_checked(one, f"the codec {one!r}"))

    def encode(self, value: Any) -> Encoded | None:
        """A value as the first codec that takes it has it; None where none does.

        Raises:
            Unsendable: a codec failed.
        """
        for codec in self._all():
            try:
                buffers = codec.encode(value)
                if buffers is not None:
                    return encoded(Media.NAMED, with_name(codec.media, buffers))
            except Exception as error:
                raise Unsendable(
                    value, f"the codec {codec.name!r} failed on it: {type_name(type(error))}: {error}"
                ) from error
        return None

    def decode(self, name: str, data: memoryview, limits: Limits) -> Any:
        """The value of a payload of the media type `name`.

        Raises:
            Missing: no codec knows it, or it is a pickle and those were not asked for.
            Broken: its codec failed.
        """
        media = name.partition(";")[0].strip()
        if media == PICKLED and not self.pickles:
            raise Missing(f"a payload is a pickle, and {NO_PICKLE}")
        codec = next((one for one in self._all() if one.media == media), None)
        if codec is None:
            raise Missing(f"a payload is {media[:80]!r}, which no codec here reads: install the one that wrote it")
        try:
            return codec.decode([data], name, limits)
        except Exception as error:
            raise Broken(f"the codec {codec.name!r} can't read a payload: {type_name(type(error))}: {error}") from error

    def _all(self) -> Iterable[Codec]:
        yield from self._given
        yield from installed()
        if self.pickles:
            yield PickleCodec()


@functools.cache
def installed() -> tuple[Codec, ...]:
    """The installed codecs, loaded once.

    Raises:
        Missing: one can't be loaded; the error names it.
    """
    return tuple(_loaded(one) for one in _points())


def _points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))


def _named(name: str) -> EntryPoint:
    found = [one for one in _points() if one.name == name]
    if not found:
        known = ", ".join(sorted({PICKLE, *(one.name for one in _points())}))
        raise InvalidArguments(f"there is no codec {name!r}; there are: {known}")
    return found[0]


def _loaded(point: EntryPoint) -> Codec:
    what = f"the codec {point.name!r} of {point.dist.name if point.dist else point.value}"
    try:
        made = point.load()
        codec = made() if isinstance(made, type) else made
    except Exception as error:
        raise Missing(f"{what} can't be loaded ({type_name(type(error))}: {error}): mend it or uninstall it") from error
    return _checked(codec, what)


def _checked(codec: Any, what: str) -> Codec:
    media = getattr(codec, "media", None)
    fits = isinstance(getattr(codec, "name", None), str) and callable(getattr(codec, "encode", None))
    if not fits or not callable(getattr(codec, "decode", None)) or not isinstance(media, str):
        raise Missing(f"{what} is none: it needs name, media, encode and decode")
    if "/" not in media or ";" in media or not media.isascii() or not media.isprintable():
        raise Missing(f"{what} has {media!r} for a media type; it is a name as application/vnd.example.thing")
    found: Codec = codec
    return found

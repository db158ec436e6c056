"""The words for what was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Any


class Status(Enum):
    """How a row came about."""

    MEASURED = "measured"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Options:
    """How to measure. `seconds` is how long one figure takes, `rounds` how many figures each contender gives."""

    seconds: float = 3.0
    rounds: int = 3
    quick: bool = False

    @property
    def warm_up(self) -> float:
        """Seconds before the first round whose figure is thrown away."""
        return min(1.0, self.seconds)


@dataclass(frozen=True)
class Target:
    """What is wanted of a ratio, or of a figure: at least (">=") or at most ("<=") a value."""

    sign: str
    value: float

    def met(self, value: float) -> bool:
        """Whether this value is good enough."""
        return value >= self.value if self.sign == ">=" else value <= self.value


@dataclass(frozen=True)
class Sample:
    """The figures of one contender, one a round."""

    name: str
    figures: tuple[float, ...] = ()
    skipped: str = ""

    @property
    def median(self) -> float:
        """The one in the middle."""
        return median(self.figures)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        if self.skipped:
            return {"name": self.name, "skipped": self.skipped}
        return {"name": self.name, "median": self.median, "figures": list(self.figures)}


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` has each round's; it is empty where the target is for farhand's own figure."""

    name: str
    title: str
    unit: str
    target: Target
    status: Status
    farhand: Sample | None = None
    baselines: tuple[Sample, ...] = ()
    best: str = ""
    ratio: tuple[float, ...] = ()
    why: str = ""
    judged: bool = True
    least: float = 0.0
    """What farhand's own figure must reach beside the target."""

    @property
    def judged_value(self) -> float | None:
        """What the target is held against."""
        if self.status is not Status.MEASURED or self.farhand is None:
            return None
        return median(self.ratio) if self.ratio else self.farhand.median

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing is judged."""
        value = self.judged_value
        if value is None or self.farhand is None or not self.judged:
            return None
        return self.target.met(value) and self.farhand.median >= self.least

    def document(self) -> dict[str, Any]:
        """For JSON."""
        ratio = {"median": median(self.ratio), "rounds": list(self.ratio)} if self.ratio else None
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "status": self.status.value,
            "why": self.why,
            "farhand": self.farhand.document() if self.farhand else None,
            "baselines": [sample.document() for sample in self.baselines],
            "against": self.best,
            "ratio": ratio,
            "target": {"of": "ratio" if self.best else "farhand", **asdict(self.target), "least": self.least},
            "met": self.met,
        }

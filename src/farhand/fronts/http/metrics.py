"""`GET /metrics`."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from farhand.fronts.http.door import Door


class Metrics:
    """What is measured of one hub, in a registry of its own."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._registry = CollectorRegistry()
        Gauge("farhand_build_info", "The version.", ["version"], registry=self._registry).labels(
            version("farhand")
        ).set(1)

    def fold(self) -> None:
        """Take in what was measured."""

    def late(self, seconds: float) -> None:
        """The event loop was so late."""

    def close(self) -> None:
        """Measure no more."""

    def render(self) -> bytes:
        """All of it as Prometheus' text."""
        return generate_latest(self._registry)

"""`GET /metrics`: what is measured of a hub, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from farhand.core.dispatch import GroupView
from farhand.errors import FarhandError
from farhand.fronts.http.door import Door
from farhand.hub.metering import Meter, Times, cumulative
from farhand.model.worker import WorkerState

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
GROUPS = 500
"""Groups that are told apart, those with most in them; the others are one."""
OTHER = "other"

_BY_HANDLER = ("handler", "group")


class Metrics(Collector):
    """All of one hub, in a registry of its own. The hub is measured from when this is made until `close`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._meter = door.hub.meter = Meter(door.hub.now)
        self._lag = Times()
        self._kept: Mapping[str, int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def tick(self, late: float) -> None:
        """A second passed, and the event loop was so late."""
        self._meter.tick()
        self._lag.add(late)

    def close(self) -> None:
        """Measure no more."""
        self._door.hub.meter = None

    async def render(self) -> bytes:
        """All of it as Prometheus' text. A store that is away is left out."""
        try:
            self._kept = {} if self._door.durables is None else await self._door.durables.waiting()
        except FarhandError:
            self._kept = {}
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each metric."""
        yield from self._histograms()
        yield self._ends()
        yield from self._gauges()
        lag = HistogramMetricFamily("farhand_event_loop_lag_seconds", "How late the hub's event loop is, each second.")
        lag.add_metric([], cumulative(self._lag), self._lag.total)
        yield lag
        build = GaugeMetricFamily("farhand_build_info", "The hub's version.", labels=["version"])
        build.add_metric([version("farhand")], 1)
        yield build

    def _histograms(self) -> Iterator[Metric]:
        queue = HistogramMetricFamily(
            "farhand_queue_seconds", "From when a job could begin until a worker had it.", labels=_BY_HANDLER
        )
        run = HistogramMetricFamily(
            "farhand_run_seconds",
            "From when a worker had it, or an attempt of it, until its end.",
            labels=_BY_HANDLER,
        )
        first = HistogramMetricFamily(
            "farhand_first_chunk_seconds", "From a call to its first chunk.", labels=_BY_HANDLER
        )
        for key, series in self._meter.series():
            for family, times in ((queue, series.queue), (run, series.run), (first, series.first)):
                if any(times.counts):
                    family.add_metric(key, cumulative(times), times.total)
        yield from (queue, run, first)

    def _ends(self) -> Metric:
        ends = CounterMetricFamily("farhand_jobs", "Jobs that ended.", labels=["kind", "state", *_BY_HANDLER])
        for key, series in self._meter.series():
            for kind, count in series.calls.items():
                ends.add_metric(["call", kind.name.lower(), *key], count)
            for state, count in series.durables.items():
                ends.add_metric(["durable", state, *key], count)
        return ends

    def _gauges(self) -> Iterator[Metric]:
        views = list(self._door.hub.groups())
        yield _by_group("farhand_waiting", "Calls that wait for a slot.", {one.name: one.waiting for one in views})
        yield _by_group("farhand_running", "Slots taken.", {one.name: one.running for one in views})
        yield _by_group("farhand_slots", "Slots of the connected workers.", self._slots(views))
        yield _by_group("farhand_durable_waiting", "Durable jobs that wait in the store.", self._kept)
        states = Counter(view.state for view in self._door.hub.workers())
        workers = GaugeMetricFamily("farhand_workers", "Connected workers.", labels=["state"])
        for state in WorkerState:
            workers.add_metric([state.value], states[state])
        yield workers
        followers = GaugeMetricFamily("farhand_http_followers", "Those who follow a job's log over HTTP.")
        followers.add_metric([], len(self._door.followers))
        yield followers

    def _slots(self, views: list[GroupView]) -> dict[str, int]:
        slots = {one.name: 0 for one in views}
        for view in self._door.hub.workers():
            slots[view.info.group] = slots.get(view.info.group, 0) + view.info.slots
        return slots


def _by_group(name: str, said: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=["group"])
    ordered = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    for group, value in ordered[:GROUPS]:
        family.add_metric([group], value)
    if len(ordered) > GROUPS:
        family.add_metric([OTHER], sum(value for _, value in ordered[GROUPS:]))
    return family

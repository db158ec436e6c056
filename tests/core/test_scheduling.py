"""When schedules fire: in any zone, across changes of the clocks, and after nobody was there."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.core.scheduling import (
    ON_TIME,
    BadCron,
    Firing,
    Missed,
    check_cron,
    decide,
    firing_id,
    next_time,
    schedule_name,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
CRONS = [
    "* * * * *",
    "*/20 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "15,45 1-3 * * *",
    "0 */2 * * *",
    "5 4 * * SUN",
    "0 12 L * *",
    "*/10 30 1 * * *",
    "0 3 31 * *",
]
zones = st.sampled_from(ZONES)
crons = st.sampled_from(CRONS)
# Around changes of the clocks as well as anywhere: 2011 has the day that Apia left out.
starts = st.integers(1_301_000_000, 1_335_000_000) | st.sampled_from(
    [1_301_184_000, 1_319_932_800, 1_300_000_000, 1_320_562_800, 1_325_239_200, 1_301_752_800]
).flatmap(lambda at: st.integers(at - 10_000, at + 10_000))


def at(text: str, zone: tzinfo = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@settings(max_examples=400, deadline=None)
@given(crons, zones, starts, st.floats(0, 1, exclude_max=True))
def test_the_next_time_is_the_same_from_wherever_one_looks(cron: str, name: str, start: int, part: float) -> None:
    zone = ZoneInfo(name)
    found = next_time(cron, zone, start)
    assert found is not None
    assert found > start
    between = start + (found - start) * part
    assert next_time(cron, zone, min(between, found - 0.001)) == found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), zones, st.integers(2008, 2030))
def test_a_daily_job_runs_once_a_day_whatever_the_clocks_do(hour: int, minute: int, name: str, year: int) -> None:
    zone = ZoneInfo(name)
    now = at(f"{year}-01-01T00:00:00", zone) - 1
    end = at(f"{year + 1}-01-01T00:00:00", zone)
    days: dict[date, int] = {}
    while (now := next_time(f"{minute} {hour} * * *", zone, now) or end) < end:
        day = datetime.fromtimestamp(now, zone).date()
        days[day] = days.get(day, 0) + 1
    every = {date(year, 1, 1) + timedelta(days=n) for n in range(365 + (year % 4 == 0))}
    missing = {date(2011, 12, 30)} if (name, year) == ("Pacific/Apia", 2011) else set()  # there was no such day
    assert set(days) == every - missing
    assert {day for day, count in days.items() if count > 1} <= {date(2011, 12, 31)}


def test_an_hour_that_is_left_out_or_comes_twice() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = at("2026-03-29T00:00:00")
    assert next_time("30 2 * * *", berlin, before) == at("2026-03-29T01:00:00")  # 03:00 there, as 02:30 is left out
    twice = at("2026-10-25T00:00:00")
    first = next_time("30 2 * * *", berlin, twice)
    assert first == at("2026-10-25T00:30:00")
    assert next_time("30 2 * * *", berlin, at("2026-10-25T01:10:00")) == at("2026-10-26T01:30:00")
    assert next_time("30 * * * *", berlin, first) == at("2026-10-25T01:30:00")
    assert next_time("30 * * * *", timezone(timedelta(hours=1)), first) == at("2026-10-25T01:30:00")


def test_what_never_comes_again_is_none() -> None:
    assert next_time("* * */20 * 1L", UTC, at("2026-01-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("61 * * * *", r"^'61 \* \* \* \*' has the minute '61', which can't be read; 0-59 may stand there"),
        ("* 24 * * *", "the hour '24'"),
        ("* * 32 * *", "the day-of-month '32'"),
        ("* * * FOO *", "the month 'FOO', which can't be read; 1-12 or JAN-DEC"),
        ("* * * * 8", "the day-of-week '8'"),
        ("60 * * * * *", "the second '60'"),
        ("* * * * 1,2#1/2", "the day-of-week"),
        ("²L * * * *", "the minute '²L'"),
        ("* * * *", "has 4 fields; 5 are needed"),
        ("@daily", "has 1 fields"),
        ("", "has 0 fields"),
        ("0 0 30 2 *", "never comes"),
        ("* * */20 * 1L", "never comes"),
        ("9" * 201, "is longer than 200 characters"),
    ],
)
def test_a_wrong_expression_shows_its_field(cron: str, said: str) -> None:
    with pytest.raises(BadCron, match=said):
        check_cron(cron)


@given(st.text("0123456789*,-/L#W SUNJAN²", max_size=30))
def test_whatever_is_no_expression_is_told_so(text: str) -> None:
    with suppress(BadCron):
        assert check_cron(text) == text


@pytest.mark.parametrize("cron", [*CRONS, "0 0 LW * *", "0 9 * jan-mar mon-fri", "5 0 * 2 MON#5"])
def test_a_right_one_is_given_back(cron: str) -> None:
    assert check_cron(cron) == cron


def hourly(after: float) -> float | None:
    return after // 3600 * 3600 + 3600


def secondly(after: float) -> float | None:
    return after // 1 + 1


@pytest.mark.parametrize("missed", ["skip", "once"])
def test_what_is_on_time_fires(missed: Missed) -> None:
    assert decide(3600, missed, 3599.9, True, hourly) is None
    assert decide(3600, missed, 3600, True, hourly) == Firing(3600, 7200)
    assert decide(3600, missed, 3600 + ON_TIME - 1, True, hourly) == Firing(3600, 7200)
    assert decide(3600, missed, 5 * 3600 + 1, True, hourly) == Firing(5 * 3600, 6 * 3600)
    assert decide(3600, missed, 3600, True, lambda _: None) == Firing(3600, float("inf"))
    assert decide(float("inf"), missed, 1e9, True, hourly) is None


def test_what_was_missed_is_skipped_or_fires_once() -> None:
    assert decide(3600, "skip", 5 * 3600 + 61, True, hourly) == Firing(None, 6 * 3600)
    assert decide(3600, "once", 5 * 3600 + 61, True, hourly) == Firing(3600, 6 * 3600)
    assert decide(100, "once", 1000.5, True, secondly) == Firing(1000, 1001)
    assert decide(100, "skip", 1000.5, True, secondly) == Firing(1000, 1001)


def test_none_is_added_to_one_that_has_not_begun() -> None:
    assert decide(3600, "skip", 3600, False, hourly) == Firing(None, 7200)
    assert decide(3600, "once", 3600, False, hourly) is None


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(["skip", "once"]), st.booleans())
def test_a_decision_goes_forward_and_never_doubles(next_at: float, now: float, missed: Missed, begun: bool) -> None:
    found = decide(next_at, missed, now, begun, hourly)
    if found is not None:
        assert found.next_at > now >= next_at
        assert found.due is None or next_at <= found.due <= now
        assert decide(found.next_at, missed, now, begun, hourly) is None


def test_a_firing_has_one_id_whoever_computes_it() -> None:
    id = firing_id("g/f", 3, 1_700_000_000.25)
    assert id == firing_id("g/f", 3, 1_700_000_000.25)
    assert (UUID(id).version, UUID(id).variant) == (7, "specified in RFC 4122")
    assert UUID(id).int >> 80 == 1_700_000_000_250
    assert len({id, firing_id("f", 3, 1_700_000_000.25), firing_id("g/f", 4, 1_700_000_000.25)}) == 3
    assert firing_id("f", 0, 1.0) < firing_id("f", 0, 2.0)


def test_schedules_are_named_by_group_and_handler() -> None:
    assert (schedule_name("default", "f"), schedule_name("g", "f")) == ("f", "g/f")

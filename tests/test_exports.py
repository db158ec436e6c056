"""The shop window: small, lazy, and every name in it is real."""

from __future__ import annotations

import subprocess
import sys

import pytest

import farhand
from farhand import errors


def test_it_is_small_and_sorted() -> None:
    assert len(farhand.__all__) <= 20
    assert farhand.__all__ == sorted(set(farhand.__all__))


@pytest.mark.parametrize("name", farhand.__all__)
def test_each_name_is_real(name: str) -> None:
    found = getattr(farhand, name)
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(farhand)


def test_every_error_a_caller_can_meet_is_there() -> None:
    inside = {"ProtocolViolation", "Replaced"}
    inside |= {"ScheduleNotFound", "LogPruned"}  # for who tends schedules or reads logs from an offset, by their room
    inside |= {"TaskFailed", "InputRefused", "ResultGone"}  # for services, in whose answers they are text
    of_durable_jobs = {"AttemptsExhausted", "ParentFailed"}  # the window has 20 names; these are in farhand.errors
    over_http = {"HeadersTooLarge", "MethodNotAllowed", "RouteNotFound", "TooSlow", "UnsupportedMedia"}
    of_refs = {"RefNotFound", "RefExpired", "OutOfSpace", "DataDamaged"}
    assert {one.__name__ for one in errors.BY_CODE.values()} - inside - of_durable_jobs - over_http - of_refs <= set(
        farhand.__all__
    )


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        farhand.nothing  # noqa: B018
    assert farhand.__version__


@pytest.mark.parametrize(
    ("used", "absent"),
    [
        ("farhand", ("grpc", "google", "msgspec", "asyncio", "farhand.errors")),
        ("farhand.FarhandError", ("grpc", "google", "msgspec", "farhand.client", "farhand.worker")),
        ("farhand.App", ("grpc", "farhand.client", "farhand.hub")),
        ("farhand.Client", ("farhand.worker", "farhand.hub", "farhand.fronts", "rich", "typer")),
    ],
)
def test_it_loads_what_is_used_and_no_more(used: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, farhand; {used}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"

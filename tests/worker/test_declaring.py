"""What a handler declares of its durable jobs is checked where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from farhand import App
from farhand.model.durable import Keep
from farhand.model.handler import JobDefaults
from farhand.wire.farhand import nouns


class Own(Exception):
    """One of a module's own."""


def declare(**options: Any) -> JobDefaults:
    app = App()

    @app.handler(name="f", **options)
    def f() -> None: ...

    return app.handlers["f"].spec.durable


def test_what_is_declared_reaches_the_hub() -> None:
    app = App()

    @app.handler(retries=3, backoff=0.5, never=(ValueError, Own, "x.Y"), cache=60, version="2")
    def all_of_it() -> None: ...

    @app.handler(cache=True)
    def cached() -> None: ...

    @app.handler
    def plain() -> None: ...

    read = {name: nouns.handler_spec(nouns.handler_message(one.spec)) for name, one in app.handlers.items()}
    assert read == {name: one.spec for name, one in app.handlers.items()}
    assert read["all_of_it"].durable == JobDefaults(
        attempts=4, backoff=0.5, never=("ValueError", f"{__name__}.Own", "x.Y"), cache_ttl=60.0, version="2"
    )
    assert read["cached"].durable.cache_ttl == float("inf")
    assert read["plain"].durable == JobDefaults()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": -1}, "handler 'f': retries is a whole number from 0 to 999, not -1"),
        ({"retries": True}, "retries is a whole number"),
        ({"retries": 1.5}, "retries is a whole number"),
        ({"backoff": 0}, "backoff is more than 0 seconds, not 0"),
        ({"backoff": float("nan")}, "backoff is more than 0 seconds"),
        ({"never": ValueError}, "error types come as a list"),
        ({"never": "ValueError"}, "error types come as a list"),
        ({"never": [7]}, "an error type is a class or its name, not 7"),
        ({"never": [int]}, "an error type is a class or its name"),
        ({"never": ["x"] * 101}, "never has at most 100 names"),
        ({"cache": 0}, "cache, where not True or False, is more than 0 seconds, not 0"),
        ({"version": 2}, "version is a text of at most 200 characters, not 2"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        declare(**options)


def test_a_schedule_is_checked_too() -> None:
    said = declare(schedule="*/5 * * * *", timezone="Europe/Berlin", missed="once")
    assert (said.schedule, said.timezone, said.missed) == ("*/5 * * * *", "Europe/Berlin", "once")
    assert declare(schedule="0 0 * * *").timezone == "UTC"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schedule": "61 * * * *"}, r"handler 'f': '61 \* \* \* \*' has the minute '61', which can't be read"),
        ({"schedule": 5}, "schedule is a cron expression"),
        ({"schedule": "0 0 * * *", "timezone": "Europe/Berlinn"}, "did you mean Europe/Berlin"),
        ({"schedule": "0 0 * * *", "timezone": "../etc/passwd"}, "there is no timezone"),
        ({"schedule": "0 0 * * *", "timezone": "Europe"}, "there is no timezone"),
        ({"schedule": "0 0 * * *", "timezone": 2}, "timezone is a name"),
        ({"schedule": "0 0 * * *", "missed": "all"}, "missed is 'skip' or 'once', not 'all'"),
        ({"timezone": "UTC"}, "timezone and missed are for a schedule"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        declare(**options)


def test_a_handler_with_a_schedule_needs_no_arguments() -> None:
    with pytest.raises(
        ValueError, match="handler 'f' runs by a schedule, which gives no arguments: day needs a default"
    ):

        @App().handler(schedule="0 0 * * *")
        def f(day: str, n: int = 1) -> None: ...


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="'f': there is no option 'retrys'; did you mean retries"):
        declare(retrys=3)
    with pytest.raises(TypeError, match=r"there is no option 'colour'$"):
        declare(colour="red")


def test_what_is_to_be_kept() -> None:
    assert declare(keep=5, keep_for=60, keep_log=7).keep == Keep(jobs=5, seconds=60.0, entries=7)
    assert declare(keep=0, keep_for=0).keep == Keep(jobs=0, seconds=0.0)
    assert declare().keep == Keep()
    for options, said in (
        ({"keep": -1}, "keep is a whole number from 0 to 1,000,000,000"),
        ({"keep": True}, "keep is a whole number"),
        ({"keep_for": -1}, "keep_for, where not 0, is more than 0 seconds"),
        ({"keep_log": 1.5}, "keep_log is a whole number"),
    ):
        with pytest.raises(ValueError, match=said):
            declare(**options)

"""Job handlers as apps, and hello_world to the letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from farhand.errors import FarhandError
from farhand.kits.devaria import JOB_HANDLERS, HelloWorld, JobHandler, app_of, hello, load_app

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ")


def _beat(progress_current: Any, progress_total: Any, console_output: Any) -> None:
    raise AssertionError("a short job has no heartbeat")


def test_hello_world_greets() -> None:
    result = HelloWorld().execute({"name": "Alice", "processing_time": 0.01}, _beat)
    lines = result.pop("console_output").splitlines()
    assert result == {"message": "Hello, Alice!", "processing_time": 0.01}
    assert all(LINE.match(line) for line in lines)
    assert [LINE.sub("", line) for line in lines] == [
        "Starting hello_world job for Alice",
        "Processing time: 0.01 seconds",
        "Completed!",
    ]


def test_hello_world_beats_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hello, "BEAT_EVERY", 0.1)
    beats: list[dict[str, Any]] = []

    def beat(progress_current: Any, progress_total: Any, console_output: str) -> None:
        beats.append({"progress_total": progress_total, "console_output": console_output})

    HelloWorld().execute({"name": "Bob", "processing_time": 0.35}, beat)
    assert len(beats) == 3
    assert {beat["progress_total"] for beat in beats} == {0}
    assert [LINE.sub("", beat["console_output"].splitlines()[-1])[:10] for beat in beats] == ["Progress: "] * 3


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": "A"},
        {"processing_time": 1},
        {"name": 1, "processing_time": 1},
        {"name": "A", "processing_time": "1"},
        {"name": "A", "processing_time": True},
        {"name": "A", "processing_time": -0.1},
        {"name": "A", "processing_time": 300.1},
        {"name": None, "processing_time": 1},
    ],
)
def test_hello_world_refuses_what_is_wrong(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="arameter"):
        HelloWorld().execute(params, _beat)


def test_a_handler_without_execute_is_none() -> None:
    with pytest.raises(NotImplementedError, match="Half has no execute"):
        type("Half", (JobHandler,), {})().execute({}, _beat)
    with pytest.raises(TypeError, match=r"JOB_HANDLERS\['a'\] has no execute"):
        app_of({"a": object()})
    with pytest.raises(FarhandError):
        app_of({"not a name": HelloWorld})
    assert list(app_of(JOB_HANDLERS).handlers) == ["hello_world"]


def test_a_module_is_loaded_by_its_handlers_or_its_app(tmp_path: Path) -> None:
    both = "import farhand\nfrom farhand.kits.devaria import HelloWorld\n"
    (tmp_path / "one.py").write_text(f"{both}JOB_HANDLERS = {{'hi': HelloWorld}}\n")
    (tmp_path / "two.py").write_text(f"{both}app = farhand.App()\n@app.handler\ndef go(): ...\n")
    (tmp_path / "three.py").write_text("x = 1\n")
    assert list(load_app(str(tmp_path / "one.py")).handlers) == ["hi"]
    assert list(load_app(str(tmp_path / "two.py")).handlers) == ["go"]
    assert list(load_app(f"{tmp_path / 'two.py'}:app").handlers) == ["go"]
    with pytest.raises(FarhandError, match="has no dict JOB_HANDLERS, and no App"):
        load_app(str(tmp_path / "three.py"))

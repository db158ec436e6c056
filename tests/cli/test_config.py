"""Flag, else variable, else farhand.toml, else default."""

from __future__ import annotations

from pathlib import Path

import pytest

from farhand import config
from farhand.config import SLOTS, BadSetting, Value, resolve


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    assert resolve(SLOTS, None, {}, tmp_path) == Value(32, "default")
    (tmp_path / "farhand.toml").write_text("slots = 4\n")
    assert resolve(SLOTS, None, {}, tmp_path) == Value(4, str(tmp_path / "farhand.toml"))
    assert resolve(SLOTS, None, {"FARHAND_SLOTS": "5"}, tmp_path) == Value(5, "FARHAND_SLOTS")
    assert resolve(SLOTS, 6, {"FARHAND_SLOTS": "5"}, tmp_path) == Value(6, "flag")


@pytest.mark.parametrize(("text", "said"), [("slot = 4", "did you mean slots"), ("= 1", "can't be read")])
def test_a_bad_file_teaches(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "farhand.toml").write_text(text)
    with pytest.raises(BadSetting, match=said):
        resolve(SLOTS, None, {}, tmp_path)


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda one: one.name)
def test_each_default_is_a_value_it_would_take(setting: config.Setting[object]) -> None:
    assert setting.read(setting.default) == setting.default

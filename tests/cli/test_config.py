"""Flag, else variable, else farhand.toml, else default."""

from __future__ import annotations

from pathlib import Path

import pytest

from farhand import config
from farhand.config import GROUP, HUB, LOG_LEVEL, SLOTS, TIMEOUT, BadSetting, Setting, Value, resolve

SETTINGS_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "settings.md"


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


@pytest.mark.parametrize(
    ("setting", "raw", "said"),
    [
        (HUB, "nowhere", "a host, a colon and a port"),
        (HUB, "h:0", "a host, a colon and a port"),
        (HUB, ":1", "a host, a colon and a port"),
        (HUB, "h:99999", "a host, a colon and a port"),
        (config.GRPC, "h:x", "a host, a colon and a port"),
        (GROUP, "a b", "group name 'a b' must be"),
        (SLOTS, "0", "1 or more"),
        (SLOTS, "2.5", "a whole number"),
        (SLOTS, True, "a whole number"),
        (SLOTS, 2.5, "a whole number"),
        (config.GRACE, "-1", "0 or more seconds"),
        (config.GRACE, "soon", "a number of seconds"),
        (TIMEOUT, "0", "more than 0 seconds"),
        (TIMEOUT, "inf", "more than 0 seconds"),
        (TIMEOUT, [1], "a number of seconds"),
        (LOG_LEVEL, "debgu", "did you mean debug"),
        (LOG_LEVEL, "loud", "one of debug, info, warning, error is needed"),
        (config.LOG_FORMAT, "xml", "one of console, json is needed"),
    ],
)
def test_a_value_that_makes_no_sense_is_told_with_its_source(setting: Setting[object], raw: object, said: str) -> None:
    with pytest.raises(BadSetting, match=said) as caught:
        resolve(setting, raw)
    assert f"{setting.name} = {raw!r} (from flag) can't be used" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "raw", "value"),
    [
        (HUB, "[::1]:50051", "[::1]:50051"),
        (config.GRPC, "127.0.0.1:0", "127.0.0.1:0"),
        (SLOTS, "7", 7),
        (config.GRACE, 0, 0.0),
        (TIMEOUT, "1.5", 1.5),
        (LOG_LEVEL, "error", "error"),
    ],
)
def test_a_value_is_read_from_text_and_number(setting: Setting[object], raw: object, value: object) -> None:
    assert resolve(setting, raw) == Value(value, "flag")


def test_another_file_may_be_named(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("slots = 9\n")
    (tmp_path / "farhand.toml").write_text("slots = 4\n")
    assert resolve(SLOTS, None, {"FARHAND_CONFIG": str(other)}, tmp_path) == Value(9, str(other))
    with pytest.raises(BadSetting, match="there is no settings file nowhere"):
        resolve(SLOTS, None, {"FARHAND_CONFIG": "nowhere.toml"}, tmp_path)


def test_an_unknown_name_that_is_near_none_lists_all(tmp_path: Path) -> None:
    (tmp_path / "farhand.toml").write_text("zzz = 1\n")
    with pytest.raises(BadSetting, match=r"unknown setting 'zzz'; known: hub, grpc, .*log_format"):
        resolve(SLOTS, None, {}, tmp_path)


NO_FLAGS = {setting.name: "" for setting in config.SETTINGS if setting.name.startswith(("agnt_", "devaria_"))}
"""Settings of doors that a hub may have, which have no flags of their own; and one whose flag is short."""
NO_FLAGS["devaria_worker_url"] = "--url"


def test_the_page_lists_each_setting_as_it_is() -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in SETTINGS_PAGE.read_text().splitlines()]
    table = {row[0]: row for row in rows if len(row) == 5 and row[1].startswith(("FARHAND_", "DEVARIA_"))}
    assert list(table) == [setting.name for setting in config.SETTINGS]
    for setting in config.SETTINGS:
        _, variable, flag, default, _ = table[setting.name]
        own = NO_FLAGS.get(setting.name, f"--{setting.name.replace('_', '-')}")
        assert (variable, flag) == (setting.variable, own)
        if setting.default is not None:
            shown = f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)
            assert default == shown

"""Indicators give the values of their published examples, which the docstrings name."""

from __future__ import annotations

import pytest

from farhand.kits.snakepit.streams.indicators import Ema, Macd, Rsi, Sma

QQQQ = [
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328, 45.6140,
    46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548,
    44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
]  # fmt: skip
RSI = [
    70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87, 45.46,
    37.30, 33.08, 37.77,
]  # fmt: skip
APPLE = [
    459.99, 448.85, 446.06, 450.81, 442.8, 448.97, 444.57, 441.4, 430.47, 420.05, 431.14, 425.66, 430.58, 431.72,
    437.87, 428.43, 428.35, 432.5, 443.66, 455.72, 454.49, 452.08, 452.73, 461.91, 463.58, 461.14, 452.08, 442.66,
    428.91, 429.79, 431.99, 427.72, 423.2, 426.21, 426.98, 435.69, 434.33,
]  # fmt: skip
MACD = [
    8.275270,
    7.703378,
    6.416075,
    4.237520,
    2.552583,
    1.378886,
    0.102981,
    -1.258402,
    -2.070558,
    -2.621842,
    -2.329067,
]
SIGNAL = [3.037526, 1.905652, 1.058708]
INTEL = [
    22.27, 22.19, 22.08, 22.17, 22.18, 22.13, 22.23, 22.43, 22.24, 22.29, 22.15, 22.39, 22.38, 22.61, 23.36, 24.05,
    23.75, 23.83, 23.95, 23.63,
]  # fmt: skip
EMA = [22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34]


def test_rsi() -> None:
    one = Rsi()
    found = [one.add(price) for price in QQQQ]
    assert found[:14] == [None] * 14
    assert found[14:] == pytest.approx(RSI, abs=0.006)


def test_rsi_at_its_ends() -> None:
    up, down, flat = Rsi(3), Rsi(3), Rsi(3)
    assert [up.add(price) for price in (1, 2, 3, 4)][-1] == 100
    assert [down.add(price) for price in (4, 3, 2, 1)][-1] == 0
    assert [flat.add(1) for _ in range(4)][-1] == 50


def test_macd() -> None:
    one = Macd()
    rows = [one.add(price) for price in APPLE]
    assert rows[:25] == [(None, None, None)] * 25
    lines = [line for line, _, _ in rows[25:]]
    assert lines[: len(MACD)] == pytest.approx(MACD, abs=1e-6)
    assert [signal for _, signal, _ in rows[33:36]] == pytest.approx(SIGNAL, abs=1e-6)
    assert rows[33][2] == pytest.approx(-5.108084, abs=1e-6)


def test_averages() -> None:
    five, ten = Sma(5), Ema(10)
    assert [five.add(value) for value in range(11, 18)] == [None] * 4 + [13, 14, 15]
    found = [ten.add(price) for price in INTEL]
    assert found[:9] == [None] * 9
    assert found[9:] == pytest.approx(EMA, abs=0.006)

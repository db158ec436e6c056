"""realtime_stock_analysis: indicators, signals and alerts over a feed of prices, which may grow."""

from __future__ import annotations

import csv
import math
import re
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec

from farhand.kits.snakepit.streams.following import Follower
from farhand.kits.snakepit.streams.indicators import Ema, Macd, Rsi, Sma
from farhand.kits.snakepit.streams.pausing import check, pause
from farhand.kits.snakepit.streams.tail import CHECK_EVERY, MARGIN, POLL
from farhand.worker.context import Context

INDICATORS = ["RSI", "MACD", "SMA_20"]
SYMBOLS_LIMIT, INDICATORS_LIMIT, PERIOD_LIMIT = 10_000, 20, 10_000
VOLUMES = 20
"""Rows whose mean volume a spike is measured by."""
_NAMED = re.compile(r"(SMA|EMA|RSI)(?:_(\d{1,5}))?|MACD")
_PERIODS = {"SMA": 20, "EMA": 20, "RSI": 14}


class Thresholds(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When there is an alert: an RSI below or above, a volume of so many times the mean of the twenty before it."""

    rsi_oversold: float = 30.0
    rsi_overbought: float = 70.0
    volume_spike: float = 2.0


DEFAULT = Thresholds()


def realtime_stock_analysis(
    ctx: Context,
    feed: str,
    symbols: list[str] = [],  # noqa: B006 - handlers' defaults are copied
    indicators: list[str] = INDICATORS,
    alert_thresholds: Thresholds = DEFAULT,
    follow: bool = False,
    idle_seconds: float = 0,
) -> Iterator[dict[str, Any]]:
    """Analyse each price of a feed as it comes.

    Args:
        feed: a CSV file whose header names at least `symbol` and `price` (or `close`); `volume` and `timestamp` are
            used where they are there. It may grow where `follow` is true.
        symbols: which to take; all, where none is named.
        indicators: ``RSI`` (14 rows, or ``RSI_n``), ``MACD`` (12, 26, 9), ``SMA_n``, ``EMA_n``.
        follow: go on as the feed grows, until shortly before the deadline, or `idle_seconds` without a row (0: never).

    Chunks: `symbol`, `price`, `volume`, `timestamp`, `trading_signal`, `alerts` (a list of `rsi_oversold`,
    `rsi_overbought`, `volume_spike`), and for each indicator its name in small letters (`rsi`, `sma_20`), for MACD
    `macd`, `macd_signal` and `macd_histogram`; None before there are rows enough. The signal is BUY where the RSI is
    below `rsi_oversold`, SELL where it is above `rsi_overbought`, else HOLD: it says what the rule says, and is no
    advice. Where the feed is followed, the last has `rows`, `skipped` and `ended`.

    Raises:
        ValueError: the feed's header or an indicator isn't known.
        OSError: the feed can't be opened.
    """
    if len(symbols) > SYMBOLS_LIMIT or not 0 <= len(indicators) <= INDICATORS_LIMIT:
        raise ValueError(f"there may be {SYMBOLS_LIMIT:,} symbols and {INDICATORS_LIMIT} indicators")
    market = _Market(frozenset(symbols), [_checked(one) for one in indicators], alert_thresholds)
    with closing(Follower(feed)) as file:
        ended, heard = "", time.monotonic()
        while not ended:
            seen = market.lines
            for line in _lines(file, follow):
                if market.lines % CHECK_EVERY == 0:
                    check(ctx)
                found = market.take(line)
                if found is not None:
                    yield {**found, "is_final": False} if follow else found
            heard = time.monotonic() if market.lines > seen else heard
            if not follow:
                return
            if idle_seconds and time.monotonic() - heard >= idle_seconds:
                ended = "idle"
            elif ctx.deadline is not None and ctx.deadline < MARGIN:
                ended = "deadline"
            else:
                pause(ctx, POLL)
    yield {"rows": market.rows, "skipped": market.skipped, "ended": ended, "is_final": True}


def _lines(file: Follower, follow: bool) -> Iterator[str]:
    yield from file.lines()
    if not follow:
        yield from file.rest()


def _checked(indicator: str) -> str:
    name = indicator.upper()
    found = _NAMED.fullmatch(name)
    if found is None or (found[2] and not 1 <= int(found[2]) <= PERIOD_LIMIT):
        raise ValueError(f"the indicator {indicator[:40]!r} isn't known: RSI, RSI_n, MACD, SMA_n, EMA_n")
    return name


class _Market:
    """What is known of each symbol. `rows` were analysed, `skipped` can't be read, of so many `lines`."""

    def __init__(self, symbols: frozenset[str], indicators: list[str], thresholds: Thresholds) -> None:
        self._symbols, self._indicators, self._thresholds = symbols, indicators, thresholds
        self._columns: dict[str, int] = {}
        self._stocks: dict[str, _Stock] = {}
        self.lines = self.rows = self.skipped = 0

    def take(self, line: str) -> dict[str, Any] | None:
        """What a line says; None where it is the header, another symbol's, or can't be read."""
        self.lines += 1
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            cells = []
        if not self._columns:
            self._columns = _columns(cells)
            return None
        symbol, price = self._cell(cells, "symbol"), _number(self._cell(cells, "price"))
        if not symbol or price is None:
            self.skipped += 1
            return None
        if self._symbols and symbol not in self._symbols:
            return None
        stock = self._stocks.get(symbol)
        if stock is None:
            if len(self._stocks) >= SYMBOLS_LIMIT:
                self.skipped += 1
                return None
            stock = self._stocks[symbol] = _Stock(self._indicators, self._thresholds)
        self.rows += 1
        said = {"symbol": symbol, "timestamp": self._cell(cells, "timestamp")}
        return said | stock.take(price, _number(self._cell(cells, "volume")) or 0.0)

    def _cell(self, cells: list[str], column: str) -> str:
        at = self._columns.get(column, len(cells))
        return cells[at].strip() if at < len(cells) else ""


def _columns(header: list[str]) -> dict[str, int]:
    found = {name.strip().lstrip("\ufeff").lower(): at for at, name in enumerate(header)}
    for name, others in {"price": ("close", "last"), "timestamp": ("time", "date")}.items():
        for other in others:
            if name not in found and other in found:
                found[name] = found[other]
    if "symbol" not in found or "price" not in found:
        raise ValueError("a feed's first line names its columns: symbol and price at least")
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class _Stock:
    """The indicators of one symbol."""

    def __init__(self, names: list[str], thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._rsi = Rsi()
        self._volumes = Sma(VOLUMES)
        self._usual: float | None = None
        self._macd = Macd() if "MACD" in names else None
        self._others = {name.lower(): _made(name) for name in names if name not in ("MACD", "RSI")}

    def take(self, price: float, volume: float) -> dict[str, Any]:
        """What a price and a volume make of them."""
        rsi = self._rsi.add(price)
        found: dict[str, Any] = {"price": price, "volume": volume, "rsi": _rounded(rsi)}
        if self._macd is not None:
            names = ("macd", "macd_signal", "macd_histogram")
            found |= dict(zip(names, map(_rounded, self._macd.add(price)), strict=True))
        found |= {name: _rounded(one.add(price)) for name, one in self._others.items()}
        limits, alerts = self._thresholds, []
        signal = "HOLD"
        if rsi is not None and rsi < limits.rsi_oversold:
            alerts.append("rsi_oversold")
            signal = "BUY"
        elif rsi is not None and rsi > limits.rsi_overbought:
            alerts.append("rsi_overbought")
            signal = "SELL"
        if self._usual and volume >= limits.volume_spike * self._usual:
            alerts.append("volume_spike")
        self._usual = self._volumes.add(volume)
        return {**found, "trading_signal": signal, "alerts": alerts}


def _made(name: str) -> Sma | Ema | Rsi:
    kind, _, period = name.partition("_")
    makers: dict[str, type[Sma | Ema | Rsi]] = {"SMA": Sma, "EMA": Ema, "RSI": Rsi}
    return makers[kind](int(period or _PERIODS[kind]))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

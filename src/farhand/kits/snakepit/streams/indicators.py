"""Technical indicators, one price at a time, in constant memory."""

from __future__ import annotations

from collections import deque


class Sma:
    """Simple moving average: the mean of the last `period` values; None before there are as many.

    Checked against ChartSchool of StockCharts.com, "Moving Averages - Simple and Exponential": for 11, 12 … 17 and five
    days it is 13, 14, 15.
    """

    def __init__(self, period: int) -> None:
        self._values: deque[float] = deque(maxlen=period)

    def add(self, value: float) -> float | None:
        """The average with this value."""
        self._values.append(value)
        return sum(self._values) / len(self._values) if len(self._values) == self._values.maxlen else None


class Ema:
    """Exponential moving average, of factor 2 / (period + 1), which begins with the simple one of the first `period`.

    Checked against the same page of ChartSchool: its ten-day average of Intel's prices.
    """

    def __init__(self, period: int) -> None:
        self._factor = 2 / (period + 1)
        self._first: Sma | None = Sma(period)
        self._value = 0.0

    def add(self, value: float) -> float | None:
        """The average with this value; None before there are enough."""
        if self._first is None:
            self._value += (value - self._value) * self._factor
            return self._value
        first = self._first.add(value)
        if first is not None:
            self._value, self._first = first, None
        return first


class Macd:
    """Moving average convergence/divergence: the average of 12 less that of 26, their signal (its average of 9), and
    what lies between.

    Checked against the worked example "How to Calculate MACD in Excel" of investexcel.net, over Apple's closing prices
    of February to May 2013: the first line is 8.275270, the first signal 3.037526.
    """

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast, self._slow, self._signal = Ema(fast), Ema(slow), Ema(signal)

    def add(self, value: float) -> tuple[float | None, float | None, float | None]:
        """Line, signal and histogram with this value; None before there are enough."""
        fast, slow = self._fast.add(value), self._slow.add(value)
        if fast is None or slow is None:
            return None, None, None
        line = fast - slow
        signal = self._signal.add(line)
        return line, signal, None if signal is None else line - signal


class Rsi:
    """Relative strength index with Wilder's smoothing; None before there are `period` changes. 100 where nothing fell,
    50 where nothing moved.

    Checked against ChartSchool of StockCharts.com, "Relative Strength Index (RSI)": its spreadsheet of 14 days begins
    with 70.53, 66.32, 66.55, 69.41.
    """

    def __init__(self, period: int = 14) -> None:
        self._period = period
        self._last: float | None = None
        self._count = 0
        self._gain = self._loss = 0.0

    def add(self, value: float) -> float | None:
        """The index with this value."""
        last, self._last = self._last, value
        if last is None:
            return None
        gain, loss = max(0.0, value - last), max(0.0, last - value)
        self._count += 1
        share = min(self._count, self._period)  # plain means at first, then Wilder's
        self._gain += (gain - self._gain) / share
        self._loss += (loss - self._loss) / share
        if self._count < self._period:
            return None
        moved = self._gain + self._loss
        return 50.0 if moved == 0 else 100 * self._gain / moved

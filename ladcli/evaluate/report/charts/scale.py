"""Numbers to places on an axis, and back to short texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Steps between ticks are these times a power of ten.
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` onto places from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where ``value`` stands; values outside are moved to the nearer end."""
        inside = min(max(value, self.low), self.high)
        low, high, at = (self._bend(v) for v in (self.low, self.high, inside))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the range, ``about`` as many."""
        if self.log:
            return log_ticks(self.low, self.high)
        return round_ticks(self.low, self.high, about)

    def _bend(self, value: float) -> float:
        return math.log10(value) if self.log else value


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of a round step from ``low`` to ``high``, ``about`` as many.

    Both ends are included where they are multiples themselves.
    """
    if not high > low:
        return [low]
    step = round_step(high - low, about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, last + 1)]


def round_step(span: float, about: int = 5) -> float:
    """The smallest round step that divides ``span`` (> 0) into at most ``about`` parts."""
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    return next(f * power for f in _ROUND if f * power >= raw * (1 - 1e-9))


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from ``low`` to ``high``; only powers over three decades."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if math.log10(high / low) > 3 else (1, 2, 5)
    ticks = [round(f * 10.0**p, 12) for p in powers for f in factors]
    return [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]


def rounded_range(values: Iterable[float], *, from_zero: bool = False) -> tuple[float, float]:
    """The range of ``values``, widened to round numbers."""
    listed = list(values) or [0.0]
    low, high = min(listed), max(listed)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        return (low, low + 1.0) if low == 0 else (low - abs(low) / 2, high + abs(high) / 2)
    step = round_step(high - low)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many digits as tell them apart; thousands as k, millions as M."""
    largest = max((abs(t) for t in ticks), default=0.0)
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if largest >= limit:
            return [f"{t / (1e6 if unit == 'M' else 1e3):g}{unit}" if t else "0" for t in ticks]
    return [_minus(f"{t:.6g}") for t in ticks]


def _minus(number: str) -> str:
    return number.replace("-", "−")

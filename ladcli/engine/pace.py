"""How long a piece of work still takes, judged by what was done so far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: From so many moments on, the older half of the time says nothing any more.
_MANY = 20
#: Moments that are kept; of more, every second one goes.
_KEPT = 400


class Pace:
    """Time left for ``total`` units of work, and for what interrupts it at known places.

    Args:
        total: units, all of them.
        asides: pieces of other work that are still to come, such as evaluations; their time does
            not count as time of the units, and once one was seen, those to come count too.
    """

    def __init__(self, total: int, asides: int = 0) -> None:
        self.total = total
        self.begun = time.monotonic()
        self.moved = self.begun  # when something was done the last time
        self._moments: list[tuple[float, int]] = []  # (seconds of work, units done)
        self._away = 0.0  # seconds spent on asides
        self._asides_to_come = asides
        self._aside_seconds: float | None = None  # of the last one
        self._aside_begun: float | None = None

    @property
    def first(self) -> int | None:
        """Units that were done when this began: of a resumed piece of work, more than none."""
        return self._moments[0][1] if self._moments else None

    def tick(self, done: int) -> None:
        """``done`` units are done now."""
        now = time.monotonic()
        if self._moments and done <= self._moments[-1][1]:
            return
        if not self._moments:
            self.begun = now
        self.moved = now
        self._moments.append((now - self._away, done))
        if len(self._moments) > _KEPT:
            self._moments = [*self._moments[:-1:2], self._moments[-1]]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Time inside the block is that of an aside."""
        self._aside_begun = begun = time.monotonic()
        try:
            yield
        finally:
            now = time.monotonic()
            self._aside_begun, self.moved = None, now
            self._away += now - begun
            self._aside_seconds = now - begun
            self._asides_to_come = max(0, self._asides_to_come - 1)

    @property
    def asides_unknown(self) -> bool:
        """True where asides are to come and nobody knows how long they take."""
        return self._asides_to_come > 0 and self._aside_seconds is None

    def seconds_per_unit(self) -> float | None:
        """None before anything was done."""
        moments = self._moments
        if len(moments) < 2:
            return None
        # The first unit pays for what starts: workers, the choice of kernels.
        start = 1 if len(moments) > 2 else 0
        (end, done), (begun, _) = moments[-1], moments[start]
        if len(moments) >= _MANY:
            middle = begun + (end - begun) / 2
            start = next(i for i, (at, _) in enumerate(moments) if at >= middle)
            start = min(start, len(moments) - 2)
        begun, before = moments[start]
        return (end - begun) / (done - before)

    def elapsed(self) -> float:
        """Seconds since the first moment, asides included."""
        return time.monotonic() - self.begun

    def left(self) -> float | None:
        """Seconds to the end; None before anything was done."""
        each = self.seconds_per_unit()
        if each is None:
            return None
        now = time.monotonic()
        units = each * (self.total - self._moments[-1][1])
        asides = (self._aside_seconds or 0.0) * self._asides_to_come
        if self._aside_begun is None:
            # The step under way is partly done, and may take longer than expected.
            size = self._moments[-1][1] - self._moments[-2][1]
            return units - min(now - self.moved, each * size, units) + asides
        spent = min(now - self._aside_begun, self._aside_seconds or 0.0)
        return units + max(0.0, asides - spent)

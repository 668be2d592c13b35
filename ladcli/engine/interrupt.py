"""Ctrl-C as a wish that the loop looks at between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """True once the user pressed Ctrl-C (or the system sent SIGTERM)."""

    def __init__(self) -> None:
        self.wanted = False

    def __bool__(self) -> bool:
        return self.wanted


_open_wishes: list[StopWish] = []


@contextmanager
def stop_on_signal() -> Iterator[StopWish]:
    """Catch the first Ctrl-C or SIGTERM as a wish; a second one interrupts at once.

    Where one such block runs inside another, the wish is made to both: the inner loop may be at
    its end and not look again.
    Outside the main thread, where Python allows no handlers, the wish is never made.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if wish.wanted:
            raise KeyboardInterrupt
        for each in _open_wishes:
            each.wanted = True

    _open_wishes.append(wish)
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        _open_wishes.remove(wish)
        for number, handler in before.items():
            signal.signal(number, handler)

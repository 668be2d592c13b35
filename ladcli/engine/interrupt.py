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


@contextmanager
def stop_on_signal() -> Iterator[StopWish]:
    """Catch the first Ctrl-C or SIGTERM as a wish; a second one interrupts at once.

    Outside the main thread, where Python allows no handlers, the wish is never made.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if wish.wanted:
            raise KeyboardInterrupt
        wish.wanted = True

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

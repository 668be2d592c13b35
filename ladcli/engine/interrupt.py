"""Ctrl-C and SIGTERM: the first is a wish to stop after this step, the second ends the process.

Python runs its signal handlers in the main thread between two bytecodes, so during a step of
minutes inside torch none is run for minutes.  `listen` therefore puts a thread beside the main
one: the interpreter writes the number of every signal into a pipe at the moment it arrives, and
the thread reads it, answers the user, and on the second signal ends the process.  Where nothing
can be finished (no block of `stop_on_signal` is open), the first signal ends it already.

This file is the first that the command line imports, so it imports next to nothing itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ladcli.last_words import last_words
from ladcli.terminal import print_urgently

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds within which signals are one wish: some parents pass on what the terminal sent already.
SAME_PRESS = 0.1
#: Seconds that the main thread has to come to rest, and that putting things in order may take.
_TO_REST, _TO_TIDY = 0.2, 0.6


class StopWish:
    """True once the user pressed Ctrl-C (or the system sent SIGTERM).

    Attributes:
        after: what is still finished; may be changed as the work moves on.
        keeps: names what remains if the process ends now.
    """

    def __init__(self, after: str = "this step", keeps: Callable[[], str] | None = None) -> None:
        self.wanted = False
        self.after = after
        self.keeps = keeps

    def __bool__(self) -> bool:
        return self.wanted


#: How to print a line while a progress display is up; the newest counts.
speakers: list[Callable[[str], None]] = []

_open_wishes: list[StopWish] = []  # those whose work looks at them
_hearers: list[StopWish] = []  # those of the work around it
_received: list[tuple[int, float]] = []  # signals, and when they came
_answers: list[threading.Thread] = []  # that were begun
_listening = threading.Event()
_ending = threading.Event()
_resting = threading.Event()


@contextmanager
def stop_on_signal(
    after: str = "this step", keeps: Callable[[], str] | None = None
) -> Iterator[StopWish]:
    """Catch the first Ctrl-C or SIGTERM as a wish; a second one interrupts at once.

    Where one such block runs inside another, the wish is made to both: the inner loop may be at
    its end and not look again.  Where nobody listens (`listen`), as in a program of somebody else,
    the second signal is a KeyboardInterrupt; outside the main thread, where Python allows no
    handlers, the wish is never made then.

    Args:
        after, keeps: as the attributes of `StopWish`.
    """
    wish = StopWish(after, keeps)
    with _registered(_open_wishes, wish), _answered():
        if _listening.is_set() or threading.current_thread() is not threading.main_thread():
            yield wish
            return
        before = {s: signal.signal(s, _handle) for s in SIGNALS}
        try:
            yield wish
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def wishes_inside() -> Iterator[StopWish]:
    """Hear of wishes made to blocks inside this one, without being such a block.

    For work made of parts: a wish made to a part that was at its end stops the next one.
    """
    wish = StopWish()
    with _registered(_hearers, wish):
        yield wish


@contextmanager
def _registered(wishes: list[StopWish], wish: StopWish) -> Iterator[None]:
    wishes.append(wish)
    try:
        yield
    finally:
        wishes.remove(wish)


@contextmanager
def _answered() -> Iterator[None]:
    """Let an answer that is just being given come before whatever is said next."""
    try:
        yield
    finally:
        for speaking in _answers:
            speaking.join(_TO_TIDY)


def exit_code() -> int:
    """128 plus the number of the signal that came first, as shells have it; 130 without one."""
    return 128 + (_received[0][0] if _received else signal.SIGINT)


def listen() -> None:
    """Answer signals from now on, whatever the main thread does, until the process ends.

    A signal that is ignored already (in a shell's background job) stays ignored.
    """
    if _listening.is_set() or threading.current_thread() is not threading.main_thread():
        return
    _listening.set()
    read, write = os.pipe()
    os.set_blocking(write, False)
    threading.Thread(target=_answer, args=(read,), name="signals", daemon=True).start()
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _rest_if_ending)
    os.register_at_fork(
        before=_hold_signals, after_in_parent=_release_signals, after_in_child=_leave_to_parent
    )


def _handle(number: int, frame: FrameType | None) -> None:
    """The handler where nobody listens."""
    if any(_open_wishes):
        raise KeyboardInterrupt
    _make_wish()


def _make_wish() -> None:
    for wish in (*_open_wishes, *_hearers):
        wish.wanted = True


def _answer(pipe: int) -> None:
    """Read signals for ever; runs in a thread of its own, which must not wait for anything."""
    while True:
        for number in os.read(pipe, 64):
            if number in SIGNALS:  # the numbers of others' handlers come here too
                _receive(number)


def _receive(number: int) -> None:
    now = time.monotonic()
    again = bool(_received)
    if again and now - _received[-1][1] < SAME_PRESS:
        return
    _received.append((number, now))
    if again or not _open_wishes:
        _end_now(number)
    text = _announcement(number, _open_wishes[-1])
    speak = speakers[-1] if speakers else print_urgently
    # A display's lock may be held by somebody who waits for a terminal.
    speaking = threading.Thread(target=speak, args=(f"lad: {text}",), daemon=True)
    speaking.start()
    _answers.append(speaking)
    _make_wish()


def _announcement(number: int, wish: StopWish) -> str:
    again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
    kept = _kept()
    keeps = f" and keeps {kept}" if kept else ""
    return f"stopping after {wish.after}; {again} stops now{keeps}"


def _kept() -> str:
    """What remains if the process ends now, as the innermost block that knows it says."""
    known = [wish.keeps for wish in reversed(_open_wishes) if wish.keeps is not None]
    return known[0]() if known else ""


def _end_now(number: int) -> None:
    """Leave things in order, and the process with them.  Never returns."""
    _ending.set()
    main = threading.main_thread().ident
    if main is not None:
        # So that the files of the main thread do not grow while they are removed.
        signal.pthread_kill(main, number)
        _resting.wait(_TO_REST)
    tidy = threading.Thread(target=_tidy_up, daemon=True)
    tidy.start()
    tidy.join(_TO_TIDY)
    with contextlib.suppress(Exception):
        # Only children of this process; without that module there are none.
        processes = sys.modules.get("multiprocessing")
        for child in processes.active_children() if processes else ():
            child.kill()
    os._exit(exit_code())


def _tidy_up() -> None:
    kept = _kept()
    text = f"lad: interrupted; keeps {kept}" if kept else "lad: interrupted"
    print_urgently(text, below_display=bool(speakers))
    for words in list(last_words.values()):
        with contextlib.suppress(Exception):
            words()
    files = sys.modules.get("ladcli.files")  # without that module nothing was written
    if files is not None:
        files.remove_temporaries()


def _rest_if_ending(number: int, frame: FrameType | None) -> None:
    """The main thread's handler where a thread listens: that one decides, this one makes way."""
    if _ending.is_set():
        _resting.set()
        threading.Event().wait()


_mask: list[set[signal.Signals]] = []


def _hold_signals() -> None:
    """Before a fork: the child would answer with the parent's pipe."""
    _mask.append(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))  # type: ignore[arg-type]


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask.pop())


def _leave_to_parent() -> None:
    """In the child: Ctrl-C reaches the whole process group, and the parent alone decides."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _release_signals()

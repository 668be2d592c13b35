"""What a person sees of a long piece of work: a display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ladcli.engine import interrupt
from ladcli.engine.pace import Pace
from ladcli.plain_text import one_line
from ladcli.terminal import print_remark, wrapped

#: Columns of a terminal from which the bar and the time spent are shown too.
WIDE = 90
#: Seconds between two plain lines.
LINE_INTERVAL = 20.0
#: After so many steps and seconds the end is foretold; the second pair is for slow steps.
_FORETELL = ((5, 10.0), (2, 30.0))
#: Ends that are nearer need no foretelling.
_SOON = 60.0
_BAR = 18  # columns


class Reporter(Protocol):
    """Receives the position of a piece of work."""

    def update(self, done: int, note: str = "") -> None:
        """``done`` units are done.

        Call it first with the units that were done before, and after every step.  The note stays
        until there is a new one; its parts are two spaces apart, and on a narrow terminal the last
        ones are left out.
        """

    def line(self, text: str) -> None:
        """Say something that stays."""

    def aside(self, title: str) -> AbstractContextManager[None]:
        """Inside the block the work rests for something else, such as an evaluation."""


class _Work:
    """A piece of work, and the words for it."""

    def __init__(self, title: str, pace: Pace, unit: str, step: str) -> None:
        title = one_line(title)  # it may name a file
        self.title, self.pace, self._unit, self._step = title, pace, unit, step
        self.done, self.note, self.aside = 0, "", ""
        self._steps = -1  # the first update tells where it begins
        self._foretold = False

    def update(self, done: int, note: str) -> None:
        self.done = done
        self.note = " ".join(note.split("\n")) or self.note
        self._steps += 1
        self.pace.tick(done)

    def count(self) -> str:
        """``1,579/2,460 images``."""
        unit = f" {self._unit}" if self._unit else ""
        return f"{self.done:,}/{self.pace.total:,}{unit}"

    def time(self) -> str:
        """The time that is left, in the end the time it took; nothing before that is known."""
        if self.done >= self.pace.total and not self.aside:
            return f"in {clock(self.pace.elapsed())}"
        left = self.pace.left()
        return "" if left is None else f"{clock(left)} left"

    def notes(self) -> list[str]:
        return [part for part in self.note.split("  ") if part]

    def prophecy(self) -> str | None:
        """When it will be done; once, as soon as that is known, and None at all other times.

        Empty where it will be soon.
        """
        took = self.pace.elapsed()
        if self._foretold or not any(
            self._steps >= steps and took >= seconds for steps, seconds in _FORETELL
        ):
            return None
        self._foretold = True
        left, each = self.pace.left(), self.pace.seconds_per_unit()
        first = self.pace.first
        if not self._step or left is None or each is None or first is None or left < _SOON:
            return ""
        per_step = each * (self.done - first) / self._steps
        also = " without evaluations" if self.pace.asides_unknown else ""
        speed = f"{per_step:.1f} s" if per_step >= 1 else f"{per_step:.2g} s"
        return f"{speed} a {self._step}: done at about {_time_of_day(left)} ({spell(left)}{also})"


class _Silent:
    def update(self, done: int, note: str = "") -> None:
        pass

    def line(self, text: str) -> None:
        pass

    @contextmanager
    def aside(self, title: str) -> Iterator[None]:
        yield


class _Shown:
    """A piece of work on the terminal's display, which shows all pieces that are under way."""

    def __init__(self, work: _Work, live: Live) -> None:
        self._work, self._live = work, live

    def update(self, done: int, note: str = "") -> None:
        self._work.update(done, note)
        prophecy = self._work.prophecy()
        if prophecy:
            self.line(prophecy)

    def line(self, text: str) -> None:
        console = self._live.console
        text = one_line(text)
        console.print(wrapped(text, console.width), markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def aside(self, title: str) -> Iterator[None]:
        self._work.aside = title
        try:
            with self._work.pace.aside():
                yield
        finally:
            self._work.aside = ""


class _Lines:
    """A piece of work as plain lines; one inside another says less."""

    def __init__(self, work: _Work, *, inner: bool) -> None:
        self._work, self._inner = work, inner
        self._last = time.monotonic()
        self._said = self._ended = False

    def update(self, done: int, note: str = "") -> None:
        work = self._work
        work.update(done, note)
        prophecy = work.prophecy()
        due = time.monotonic() - self._last >= LINE_INTERVAL
        early = prophecy is not None and not self._inner
        ended = done >= work.pace.total and not self._ended
        # The end of a short piece inside another is no news.
        if not (due or early or (ended and (self._said or not self._inner))):
            return
        self._ended = ended
        self._last, self._said = time.monotonic(), True
        parts = [work.title, work.count(), *work.notes(), work.time(), _overall(work)]
        self.line("  ".join(part for part in parts if part))
        if prophecy:
            self.line(prophecy)

    def line(self, text: str) -> None:
        print_remark(text)

    @contextmanager
    def aside(self, title: str) -> Iterator[None]:
        self.line(title)
        with self._work.pace.aside():
            yield


class _Display:
    """What the terminal shows now: a line for every piece of work, and one for their whole."""

    def __init__(self, console: Console) -> None:
        self.works: list[_Work] = []
        self.ended = False  # what stays on the terminal says nothing of the whole
        self._console = console

    def __rich__(self) -> Text:
        width = self._console.width
        lines = []
        for work in self.works:
            lines.append(work_line(work, width))
            if work.aside and work is self.works[-1]:
                lines.append(fitted([work.aside], [], width))
        whole = "" if self.ended else _overall(self.works[0])
        if whole:
            lines.append(fitted([], whole.split("  "), width))
        return Text("\n".join(lines), no_wrap=True, overflow="crop")


_displays: list[tuple[_Display, Live]] = []  # at most one
_under_way: list[_Work] = []
_whole: list[Callable[[float | None], str]] = []


@contextmanager
def progress(
    title: str,
    total: int,
    *,
    unit: str = "",
    step: str = "",
    asides: int = 0,
    quiet: bool = False,
) -> Iterator[Reporter]:
    """Report on ``total`` units of work, on standard error.

    A piece of work may be part of another, whose display then shows both.

    Args:
        title: what is done.
        total: number of units.
        unit: what they are, in the plural.
        step: what lies between two updates, in the singular; where it is given, the reporter
            foretells the end as soon as it can.
        asides: how many times the work will rest for something else (`Reporter.aside`).
        quiet: report nothing.
    """
    if quiet:
        yield _Silent()
        return
    work = _Work(title, Pace(total, asides), unit, step)
    inner = bool(_under_way)
    _under_way.append(work)
    try:
        if _displays:
            display, live = _displays[0]
            display.works.append(work)
            try:
                yield _Shown(work, live)
            finally:
                display.works.remove(work)
            return
        console = Console(stderr=True)
        if not console.is_terminal:
            yield _Lines(work, inner=inner)
            return
        with _shown(console, work) as shown:
            yield shown
    finally:
        _under_way.remove(work)


@contextmanager
def _shown(console: Console, work: _Work) -> Iterator[_Shown]:
    display = _Display(console)
    display.works.append(work)
    with Live(display, console=console, refresh_per_second=4) as live:
        shown = _Shown(work, live)
        _displays.append((display, live))
        interrupt.speakers.append(shown.line)
        try:
            yield shown
        finally:
            display.ended = True
            interrupt.speakers.remove(shown.line)
            _displays.clear()


@contextmanager
def part_of(whole: Callable[[float | None], str]) -> Iterator[None]:
    """Let all progress inside the block end with a line about the whole that it is part of.

    Args:
        whole: gives that line, of parts that are two spaces apart; called with the seconds that
            the piece of work under way still takes, None where that is not known.
    """
    _whole.append(whole)
    try:
        yield
    finally:
        _whole.remove(whole)


def _overall(work: _Work) -> str:
    outer = _under_way[0] if _under_way else work
    return _whole[-1](outer.pace.left()) if _whole else ""


def work_line(work: _Work, width: int) -> str:
    """One line about a piece of work, of whole words, at most ``width`` columns."""
    optional = work.notes()
    if width >= WIDE:
        share = work.done / max(1, work.pace.total)
        filled = min(_BAR, round(_BAR * share))
        optional.insert(0, "━" * filled + "╺" * (_BAR - filled))
        optional.insert(1, f"{clock(work.pace.elapsed())} spent")
    return fitted([work.title, work.count(), work.time()], optional, width)


def fitted(needed: list[str], optional: list[str], width: int) -> str:
    """Parts two spaces apart: those that are needed, then as many others as find room.

    Where even the needed do not fit, the last ones are left out, and a first one that is too long
    loses words.
    """
    chosen: list[str] = []
    for part in filter(None, [*needed, *optional]):
        longer = "  ".join([*chosen, part])
        if len(longer) > width:
            break
        chosen.append(part)
    if chosen:
        return "  ".join(chosen)
    return next(iter(wrapped(needed[0] if needed else "", width).splitlines()), "")[:width]


def clock(seconds: float) -> str:
    """``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def spell(seconds: float) -> str:
    """``2 h 10 min``; ``1 d 4 h``; ``40 s``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(1, round(seconds))} s"
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _time_of_day(seconds: float) -> str:
    """The time in so many seconds; with the day, where that is another one."""
    now = datetime.now().astimezone()
    then = now + timedelta(seconds=seconds)
    return then.strftime("%H:%M" if then.date() == now.date() else "%a %d %b %H:%M")


def announce(text: str, *, quiet: bool = False) -> None:
    """One line about what comes next, on standard error."""
    if quiet:
        return
    text = one_line(text)
    if _displays:
        _displays[0][1].console.print(text, markup=False, highlight=False)
        return
    console = Console(stderr=True)
    text = wrapped(text, console.width) if console.is_terminal else text
    console.print(text, style="bold", markup=False, highlight=False, soft_wrap=True)

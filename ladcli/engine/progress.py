"""What a person sees of a long piece of work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

#: Columns of a terminal from which the bar and the time spent are shown too.
WIDE = 90
#: Seconds between two plain lines.
LINE_INTERVAL = 20.0


class Reporter(Protocol):
    """Receives the position of a piece of work."""

    def update(self, done: int, note: str = "") -> None: ...

    def line(self, text: str) -> None: ...


class _Silent:
    def update(self, done: int, note: str = "") -> None:
        pass

    def line(self, text: str) -> None:
        pass


class _Bar:
    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, note="")

    def update(self, done: int, note: str = "") -> None:
        fields = {"note": note} if note else {}
        self._progress.update(self._task, completed=done, **fields)  # type: ignore[arg-type]

    def line(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class _Lines:
    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._start = self._last = time.monotonic()
        self._first: int | None = None

    def update(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if self._first is None:  # of a resumed piece of work, this is not its beginning
            self._first, self._start = done, now
        if now - self._last < LINE_INTERVAL and done < self._total:
            return
        self._last = now
        text = f"{self._title}  {done}/{self._total}  {note}"
        if done > self._first:
            left = (now - self._start) / (done - self._first) * (self._total - done)
            text += f"  {_clock(left)} left"
        print(" ".join(text.split("\n")), file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: int, *, quiet: bool = False) -> Iterator[Reporter]:
    """Report on ``total`` units of work, on standard error.

    Args:
        title: what is done.
        total: number of units.
        quiet: report nothing.
    """
    if quiet:
        yield _Silent()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title, total)
        return
    wide = console.width >= WIDE
    with Progress(
        TextColumn("[bold]{task.description}", table_column=Column(min_width=len(title))),
        *([BarColumn(bar_width=18)] if wide else []),
        _whole(MofNCompleteColumn),
        *([_whole(TimeElapsedColumn)] if wide else []),
        _whole(TimeRemainingColumn),
        # What does not fit on a narrow terminal is cut from the end of the note.
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
    ) as bar:
        yield _Bar(bar, title, total)


def _whole(column: type[ProgressColumn]) -> ProgressColumn:
    """A column that is never cut."""
    return column(table_column=Column(no_wrap=True, min_width=8))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def announce(text: str, *, quiet: bool = False) -> None:
    """One line about what comes next, on standard error."""
    if not quiet:
        console = Console(stderr=True)
        console.print(text, style="bold", markup=False, highlight=False, soft_wrap=True)

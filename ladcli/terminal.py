"""Lines for people, which no terminal breaks inside a word."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import textwrap
from typing import TextIO

from ladcli.plain_text import one_line

#: Seconds that an urgent line waits for a reader before it is given up.
_PATIENCE = 0.3


def wrapped(text: str, width: int) -> str:
    """``text`` on lines of at most ``width`` columns, broken between words.

    A longer word (a path) stays whole on a line of its own: the terminal folds it, and it can be
    copied.
    """
    lines = text.splitlines()
    return "\n".join(
        textwrap.fill(line, max(1, width), break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


def print_line(text: str, *, file: TextIO | None = None) -> None:
    """Print ``text``, on standard output by default; only on a terminal is it wrapped.

    It is one line: whatever it quotes, a control character shows as an escape sequence.
    """
    stream = sys.stdout if file is None else file
    text = one_line(text)
    if stream.isatty():
        text = wrapped(text, shutil.get_terminal_size().columns)
    print(text, file=stream, flush=True)


def print_remark(text: str) -> None:
    """As `print_line`, on standard error."""
    print_line(text, file=sys.stderr)


def print_urgently(text: str, *, below_display: bool = False) -> None:
    """Write to standard error past all buffers and locks: another thread may hold them for long.

    Args:
        below_display: a progress display is up; leave it where it is and show the cursor again.
    """
    with contextlib.suppress(OSError, ValueError):
        if os.isatty(2):
            text = wrapped(text, os.get_terminal_size(2).columns)
            text = ("\r\n\x1b[?25h" if below_display else "\r") + text.replace("\n", "\r\n") + "\r"
        if select.select([], [2], [], _PATIENCE)[1]:
            os.write(2, f"{text}\n".encode(errors="replace"))

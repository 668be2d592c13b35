"""Printing for people: results to standard output, remarks to standard error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from ladcli.terminal import print_remark

#: Width of tables where the output is no terminal, so that logs and pipes show them whole.
PLAIN_WIDTH = 100


def print_table(table: Table) -> None:
    """A table on standard output, as wide as it needs to be."""
    if sys.stdout.isatty():
        Console().print(table)
    else:
        width = max(PLAIN_WIDTH, shutil.get_terminal_size().columns)
        Console(width=width, no_color=True).print(table)


def print_notes(notes: Iterable[str]) -> None:
    """Remarks on the input, one line each, on standard error."""
    for note in notes:
        print_remark(f"note: {note}")


def counted(number: int, what: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

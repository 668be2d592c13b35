"""Printing for people: results to standard output, remarks to standard error."""

from __future__ import annotations

import copy
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text, TextType

from ladcli.plain_text import CONTROL, one_line, safe_lines
from ladcli.terminal import print_remark

if TYPE_CHECKING:
    from ladcli.evaluate.method_cost import MethodCost

#: Width of tables where the output is no terminal, so that logs and pipes show them whole.
PLAIN_WIDTH = 100
_UNLIMITED = 10_000


def table_width() -> int:
    """Columns that a table on standard output may fill."""
    if sys.stdout.isatty():
        return Console().width
    return max(PLAIN_WIDTH, shutil.get_terminal_size().columns)


def print_table(table: Table) -> None:
    """A table on standard output, as wide as it needs to be.

    On a terminal that is too narrow for it, columns that find no room go below, beside the names
    once more.
    """
    table = _safe(table)
    if sys.stdout.isatty():
        console = Console()
        for number, part in enumerate(_parts(table, console)):
            if number:
                console.print()
            console.print(part)
    else:
        Console(width=table_width(), no_color=True).print(table)


def print_costs(costs: Sequence[MethodCost]) -> None:
    """What methods cost, as a table, and what is compared in sentences below it."""
    from ladcli.evaluate.cost_table import cost_sentences, cost_table

    if any(cost.known for cost in costs):  # bare results files tell nothing
        print_table(cost_table(costs, width=table_width()))
    for line in cost_sentences(costs):
        print_sentence(line)


def print_sentence(text: str) -> None:
    """A sentence on standard output; on a terminal, lines end between words."""
    text = one_line(text)
    print(textwrap.fill(text, table_width()) if sys.stdout.isatty() else text)


def _safe(table: Table) -> Table:
    """A table whose cells hold no control characters, whatever class or file they name."""
    safe = copy.copy(table)
    safe.title = _safe_cell(table.title)
    safe.columns = [
        replace(
            column, header=_safe_cell(column.header), _cells=list(map(_safe_cell, column._cells))
        )
        for column in table.columns
    ]
    return safe


def _safe_cell(cell: Any) -> Any:
    text = cell.plain if isinstance(cell, Text) else cell
    if not isinstance(text, str) or CONTROL.search(text.replace("\n", " ")) is None:
        return cell
    return Text(safe_lines(text), style=cell.style) if isinstance(cell, Text) else safe_lines(text)


def _parts(table: Table, console: Console) -> Iterator[Table]:
    """The table, or several of some of its columns, that a narrow terminal has room for."""
    numbers = [i for i, column in enumerate(table.columns) if column.justify == "right"]
    names = list(range(numbers[0] if numbers else len(table.columns)))
    rest = list(range(len(names), len(table.columns)))
    title = table.title
    while rest:
        taken = 1
        while taken < len(rest) and _fits(_some(table, names + rest[: taken + 1], title), console):
            taken += 1
        yield _some(table, names + rest[:taken], title)
        rest, title = rest[taken:], ""
    if not numbers:
        yield table


def _some(table: Table, columns: list[int], title: TextType | None) -> Table:
    """Some columns of a table."""
    part = copy.copy(table)
    part.title = title
    part.columns = [
        replace(table.columns[column], _index=number) for number, column in enumerate(columns)
    ]
    return part


def _fits(table: Table, console: Console) -> bool:
    # Without a limit of its own, a table says that it needs no more than there is.
    unlimited = console.options.update_width(_UNLIMITED)
    return Measurement.get(console, unlimited, table).minimum <= console.width


def print_notes(notes: Iterable[str]) -> None:
    """Remarks on the input, one line each, on standard error."""
    for note in notes:
        print_remark(f"note: {note}")


@contextmanager
def working(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """On a terminal, what is done now, for work that cannot say how long it takes.

    Yields:
        Takes the words for what is done next.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda words: None
        return
    with console.status("") as status:
        yield status.update


def counted(number: int, what: str) -> str:
    """``1 image``, ``2 images``, ``1,200 images``."""
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"

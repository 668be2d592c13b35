"""Metrics as tables: for the terminal in points of 100, readable at 80 columns and without color;
for other programs as CSV in shares of 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ladcli.evaluate.tide_repairs import ALL_KINDS
from ladcli.plain_text import to_csv
from ladcli.runs.coco_numbers import ALL_AP_KEYS, CocoMetrics
from ladcli.runs.tide_numbers import TideReport

#: What stands where a number is undefined (no ground truth of that kind).
UNDEFINED = "–"
#: Columns of the terminal between two of a table; longer words than that are broken.
_GAP, _LONG_WORD = 2, 16
NUMBERS = (*ALL_AP_KEYS, "AR100")


def metrics_table(metrics: CocoMetrics, *, per_class: bool) -> Table:
    """AP and AR100 of all classes together and, with ``per_class``, of each one."""
    table = _empty("class", NUMBERS)
    _add(table, "all classes", metrics.stats, NUMBERS, end_section=per_class)
    if per_class:
        for name, values in metrics.per_class.items():
            _add(table, name, values, NUMBERS)
    return table


def metrics_csv(metrics: CocoMetrics) -> str:
    """The same with a row per class, ``all`` first; a cell is empty where nothing is defined."""
    rows = [["class", *NUMBERS]]
    for name, values in (("all", metrics.stats), *metrics.per_class.items()):
        rows.append([name, *(csv_number(values[key]) for key in NUMBERS)])
    return to_csv(rows)


def csv_number(value: float | None) -> str:
    """A number as CSV files of this program write it."""
    return "" if value is None else f"{value:.6f}"


def tide_table(report: TideReport) -> Table:
    """What each kind of error costs in points of AP, and how many there are."""
    title = "TIDE" if report.definition == "corrected" else report.definition
    table = _empty(title, ALL_KINDS)
    for entry in report.entries:
        at = f"{entry.thresholds.positive:g}:{entry.thresholds.background:g}"
        costs = (entry.dap[kind] for kind in ALL_KINDS)
        table.add_row(at, *(UNDEFINED if c is None else f"{c:.2f}" for c in costs))
        counts = (str(entry.counts.get(kind, UNDEFINED)) for kind in ALL_KINDS)
        table.add_row("count", *counts, end_section=True)
    return table


def fitted(
    build: Callable[[Sequence[str]], Table],
    columns: Sequence[str],
    given_up: Sequence[str],
    width: int | None,
) -> Table:
    """A table that shows no more columns than there is room for.

    Args:
        build: makes the table with the columns that it is given.
        columns: all of them.
        given_up: those that go where there is no room, the first first.
        width: columns of the terminal; None for as many as are needed.
    """
    shown = list(columns)
    table = build(shown)
    for name in given_up:
        if width is None or _least_width(table) <= width:
            break
        shown.remove(name)
        table = build(shown)
    return table


def _least_width(table: Table) -> int:
    """Columns of the terminal with which numbers stay whole, and names break between words."""
    total = _GAP * (len(table.columns) - 1)
    for column in table.columns:
        texts = [str(cell) for cell in (column.header, *column.cells)]
        pieces = texts if column.no_wrap else [word for text in texts for word in text.split()]
        longest = max(map(len, pieces), default=0)
        needed = longest if column.no_wrap else min(longest, _LONG_WORD)
        total += max(needed, column.min_width or 0)
    return total


def points(share: float | None) -> str:
    """A share of 1 in points of 100 with one decimal."""
    return UNDEFINED if share is None else f"{100 * share:.1f}"


def signed(value: float) -> str:
    """A difference with one decimal and its sign; zero is never negative."""
    return f"{value:+.1f}".replace("-0.0", "+0.0")


def _empty(first: str, columns: Iterable[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    # Long names wrap; numbers never do.
    table.add_column(first, overflow="fold", min_width=8)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=5)
    return table


def _add(
    table: Table,
    name: str,
    values: Mapping[str, float | None],
    columns: Iterable[str],
    *,
    end_section: bool = False,
) -> None:
    # Text, not str: a name such as "[red]" is no markup.
    table.add_row(Text(name), *(points(values[c]) for c in columns), end_section=end_section)

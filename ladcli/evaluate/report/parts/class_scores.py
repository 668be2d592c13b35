"""AP of every class: bars, and a table beside them or on demand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.charts.svg import NUM_PATTERNS, Bars, bar_chart
from ladcli.evaluate.report.html import Child, Html, fold, join, table, tag
from ladcli.evaluate.report.parts.cells import number_cell
from ladcli.evaluate.table import NUMBERS, UNDEFINED, points

#: Classes that get bars; of more, the best and the worst.
MAX_BARS = 90
#: Bars and rows of one chart: of many entries a chart shows fewer classes.
_BARS_PER_CHART, _MIN_ROWS, _MAX_ROWS = 80, 10, 30
#: So many classes are shown without being asked for.
FEW = 8


def class_scores(entries: Sequence[MeasuredMethod], differences: bool) -> Html:
    """AP of every class of measured entries; ``differences`` shows gains over the first."""
    bars, numbers = _bars(entries), _table(entries, differences)
    if len(class_names(entries)) <= FEW:
        return tag("div", bars, numbers, class_="beside")
    return join([bars, fold("All numbers per class", numbers)])


def class_names(entries: Sequence[MeasuredMethod]) -> list[str]:
    """The classes of all entries, each once, in the order of the class tables."""
    return list(dict.fromkeys(name for entry in entries for name in entry.class_names()))


def object_counts(entries: Sequence[MeasuredMethod]) -> dict[str, int]:
    """How many objects each class has in the ground truth, where it is known."""
    truth = next((t for t in (entry.truth() for entry in entries) if t is not None), None)
    if truth is None:
        return {}
    told = truth.annotations
    counts = np.bincount(told.class_row[~told.crowd], minlength=len(told.classes))
    return dict(zip(told.classes.names, counts.tolist(), strict=True))


def _bars(entries: Sequence[MeasuredMethod]) -> Html:
    """AP of every class, the best one of the first entry at the top."""
    names = [n for n in class_names(entries) if any(e.mean("AP", n) is not None for e in entries)]
    names.sort(key=lambda name: -(entries[0].mean("AP", name) or 0.0))
    first = f" of {entries[0].name}" if len(entries) > 1 else ""
    aid = f"Longer is better; classes are sorted by the AP{first}."
    if len(names) > MAX_BARS:
        half = MAX_BARS // 2
        aid += (
            f" Shown are the {half} best and the {half} worst of {len(names)}; the table has all."
        )
        names = names[:half] + names[-half:]
    charts = []
    step = min(_MAX_ROWS, max(_MIN_ROWS, _BARS_PER_CHART // len(entries)))
    for start in range(0, len(names), step):
        rows = names[start : start + step]
        groups = [
            Bars(
                entry.name,
                [_points(entry.mean("AP", row)) for row in rows],
                entry.place,
                entry.place % (NUM_PATTERNS + 1),
                [[100 * value for value in entry.values("AP", row)] for row in rows],
            )
            for entry in entries
        ]
        title = "AP per class" + (f", from place {start + 1}" if start else "")
        charts.append(
            bar_chart(title, aid, rows, groups, unit="AP, points of 100", limits=(0.0, 100.0))
        )
    return tag("div", *charts, class_="grid") if charts else Html("")


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _table(entries: Sequence[MeasuredMethod], differences: bool) -> Html:
    """One entry: all its numbers per class.  Several: their AP side by side."""
    counts = object_counts(entries)
    columns = NUMBERS if len(entries) == 1 else tuple(entry.name for entry in entries)
    rows = []
    for name in class_names(entries):
        row: list[Child] = [name]
        if counts:
            row.append(str(counts.get(name, UNDEFINED)))
        if len(entries) == 1:
            row += [points(entries[0].mean(key, name)) for key in NUMBERS]
        else:
            first = entries[0].mean("AP", name) if differences else None
            row += [
                number_cell(entry.mean("AP", name), points, base=first if k else None)
                for k, entry in enumerate(entries)
            ]
        rows.append(row)
    title = "Numbers per class" if len(entries) == 1 else "AP per class"
    return table(("class", *(("objects",) if counts else ()), *columns), rows, caption=title)

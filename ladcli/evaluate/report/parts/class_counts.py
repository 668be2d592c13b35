"""How often every class occurs in every set: bars, and a table beside them or on demand."""

from __future__ import annotations

from ladcli.data.statistics import DataStatistics
from ladcli.evaluate.report.charts.scale import rounded_range
from ladcli.evaluate.report.charts.svg import NUM_PATTERNS, Bars, bar_chart
from ladcli.evaluate.report.html import Child, Html, fold, join, table, tag
from ladcli.evaluate.report.parts.class_scores import FEW, MAX_BARS
from ladcli.evaluate.statistics_table import NO_BOX, NOT_KNOWN, by_frequency, class_cells

#: Rows of one chart.
_MAX_ROWS = 30


def class_counts(found: DataStatistics) -> Html:
    """Shares of the boxes as bars, counts as a table."""
    bars, numbers = _bars(found), _table(found)
    if len(found.class_names) <= FEW:
        return tag("div", bars, numbers, class_="beside")
    return join([bars, fold("All numbers per class", numbers)])


def _bars(found: DataStatistics) -> Html:
    names = by_frequency(found)
    aid = "Of a set's boxes, so that sets compare; the most frequent class is at the top."
    if len(names) > MAX_BARS:
        half = MAX_BARS // 2
        aid += f" Shown are the {half} most and the {half} least frequent of {len(names):,}."
        names = names[:half] + names[-half:]
    shares = {
        one.name: [
            100 * count.boxes / one.boxes if count is not None and count.boxes else None
            for count in map(one.count, names)
        ]
        for one in found.sets
    }
    # The same axis for all charts, so that bars compare.
    limits = rounded_range([v for all_ in shares.values() for v in all_ if v], from_zero=True)
    charts = []
    for start in range(0, len(names), _MAX_ROWS):
        rows = names[start : start + _MAX_ROWS]
        groups = [
            Bars(
                one.name,
                shares[one.name][start : start + _MAX_ROWS],
                place,
                place % (NUM_PATTERNS + 1),
            )
            for place, one in enumerate(found.sets)
        ]
        title = "Boxes per class" + (f", from place {start + 1}" if start else "")
        charts.append(
            bar_chart(
                title,
                aid,
                rows,
                groups,
                unit="share of the boxes, %",
                limits=limits,
                decimals=1 if len(names) <= FEW else 2,
            )
        )
    return tag("div", *charts, class_="grid")


def _table(found: DataStatistics) -> Html:
    head = ["class"]
    for one in found.sets:
        head += [f"{one.name}: boxes", "images"]
    rows: list[list[Child]] = []
    for name in by_frequency(found):
        cells = [cell for one in found.sets for cell in class_cells(one.count(name))]
        rows.append([name, *map(_marked, cells)])
    return table(head, rows, caption="Boxes and images of every class")


def _marked(cell: str) -> Child:
    return tag("span", cell, class_="lacking") if cell in (NO_BOX, NOT_KNOWN) else cell

"""A chart of intervals: a dot with whiskers per number and method, on either side of zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ladcli.evaluate.report.charts.axes import LETTER, WIDTH, Frame, short
from ladcli.evaluate.report.charts.scale import Scale, rounded_range
from ladcli.evaluate.report.charts.svg import (
    MAX_LABEL,
    NUM_HUES,
    Bars,
    bar_legend,
    drawing,
    figure,
    row_name,
)
from ladcli.evaluate.report.html import Html, join, tag
from ladcli.evaluate.table import signed

_ROW, _GAP, _CAP = 12, 8, 3  # pitch inside a group, space between groups, half a whisker's end


@dataclass(frozen=True)
class Span:
    """An interval around a difference."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Spans:
    """One interval for each row of a chart."""

    name: str
    spans: Sequence[Span | None]  # None where undefined
    hue: int = 0


def interval_chart(
    title: str, aid: str, rows: Sequence[str], groups: Sequence[Spans], *, unit: str
) -> Html:
    """Intervals under each other over one axis; nothing where there is none.

    Args:
        title: of the figure.
        aid: one sentence on how to read it.
        rows: names of the rows, from the top.
        groups: intervals of every row, in the order of the legend.
        unit: what the numbers are.
    """
    known = [span for group in groups for span in group.spans if span is not None]
    if not known:
        return Html("")
    low, high = rounded_range([v for s in known for v in (s.low, s.high)], from_zero=True)
    top, group_height = 6, _ROW * len(groups) + _GAP
    height = top + group_height * len(rows) + 36
    left = 10 + LETTER * min(MAX_LABEL, max(len(row) for row in rows))
    scale = Scale(low, high, left, WIDTH - 10)
    frame = Frame(scale, Scale(0, 1, height - 36, top), height)
    drawn = []
    for k, row in enumerate(rows):
        y = top + k * group_height
        drawn.append(row_name(row, left - 6, y + (group_height - _GAP) / 2 + 4))
        drawn += [
            _span(group.spans[k], f"{row}, {group.name}", scale, y + (n + 0.5) * _ROW, group.hue)
            for n, group in enumerate(groups)
        ]
    chart = drawing(
        f"{title}. {aid}",
        height,
        frame.vertical_grid(scale.ticks(5)),
        frame.x_axis(scale.ticks(5), unit),
        tag(
            "line",
            x1=short(scale.place(0)),
            x2=short(scale.place(0)),
            y1=top,
            y2=height - 36,
            class_="rule zero",
        ),
        *drawn,
    )
    legend = Html("")
    if len(groups) > 1:
        legend = bar_legend(Bars(group.name, (), group.hue) for group in groups)
    return figure(title, aid, legend, chart)


def _span(span: Span | None, name: str, scale: Scale, y: float, hue: int) -> Html:
    if span is None:
        return Html("")
    low, middle, high = (scale.place(v) for v in (span.low, span.middle, span.high))
    path = f"M{short(low)},{short(y)}H{short(high)}" + "".join(
        f"M{short(x)},{short(y - _CAP)}v{2 * _CAP}" for x in (low, high)
    )
    numbers = f"{signed(span.middle)} [{signed(span.low)}, {signed(span.high)}]".replace("-", "−")
    return join(
        [
            tag("path", d=path, class_=f"line h{hue % NUM_HUES}"),
            tag(
                "circle",
                tag("title", f"{name}: {numbers}"),
                cx=short(middle),
                cy=short(y),
                r=3.5,
                class_=f"dot h{hue % NUM_HUES}",
            ),
        ]
    )

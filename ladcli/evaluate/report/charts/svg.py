"""Charts as inline SVG: lines, bars and histograms.

A chart is 360 units wide, so that its letters have their size on a phone; wider screens show
several side by side.  Colors are classes of page.css (``h0`` to ``h7``), one hue per network or
kind; dashes (``d0``...) and hatching (``p1``...) tell the same apart without color.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ladcli.evaluate.report.charts.axes import LETTER, WIDTH, Frame, label, short
from ladcli.evaluate.report.charts.scale import Scale, rounded_range, tick_texts
from ladcli.evaluate.report.html import Html, join, tag

NUM_HUES, NUM_DASHES, NUM_PATTERNS = 8, 6, 4
Point = tuple[float, float]

_LINE_HEIGHT = 220
_ROW, _GAP, _BAR = 13, 7, 10  # of bars: pitch inside a group, space between groups, thickness
_RADIUS = 2.5  # of circles and dots
MAX_LABEL = 19  # letters of a bar's label; the whole name is in its tooltip
#: With no more points than this each one gets a dot.
_MAX_DOTS = 40


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    points: Sequence[Point]  # ascending in x; gaps are simply bridged
    hue: int = 0
    dash: int = 0
    thin: bool = False


@dataclass(frozen=True)
class Bars:
    """One bar for each row of a bar chart."""

    name: str
    values: Sequence[float | None]  # None where undefined
    hue: int = 0
    pattern: int = 0
    #: What each value is a mean of, row by row; shown where there are several.
    parts: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Counts:
    """A part of every bar of a histogram."""

    name: str
    counts: Sequence[int]
    hue: int = 0
    pattern: int = 0


def figure(title: str, aid: str, *content: Html, class_: str = "chart") -> Html:
    """A chart under its title, with the sentence that says how to read it."""
    caption = tag("figcaption", tag("b", title), " ", tag("span", aid))
    return tag("figure", caption, *content, class_=class_)


def line_chart(
    title: str,
    aid: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    log_y: bool = False,
    whole_x: bool = False,
    legend: bool = True,
    dots: bool = False,
) -> Html:
    """Lines over a common pair of axes; nothing where there is no point.

    Args:
        title: of the figure.
        aid: one sentence on how to read it.
        lines: in the order of the legend.
        x_label: what x is, with its unit; ``y_label`` likewise.
        x: range of x, by default that of the points; ``y`` likewise, widened to round numbers.
        log_y: logarithmic axis; points that are not above 0 are left out.
        whole_x: x counts something, so that ticks are whole numbers.
        legend: name the lines.
        dots: mark the points, where there are few.
    """
    lines = [_drawable(line, log_y=log_y) for line in lines]
    points = [point for line in lines for point in line.points]
    if not points:
        return Html("")
    x = x or _span([p[0] for p in points])
    y = y or _y_range([p[1] for p in points], log=log_y)
    y_ticks = Scale(*y, 0, 0, log_y).ticks()
    left = 8 + LETTER * max(len(t) for t in tick_texts(y_ticks))
    frame = Frame(
        Scale(*x, left, WIDTH - 12),
        Scale(*y, _LINE_HEIGHT - 36, 20, log_y),
        _LINE_HEIGHT,
    )
    x_ticks = frame.x.ticks()
    if whole_x:
        x_ticks = [t for t in x_ticks if t == int(t)]
    chart = drawing(
        f"{title}. {aid}",
        _LINE_HEIGHT,
        frame.horizontal_grid(y_ticks),
        frame.x_axis(x_ticks, x_label),
        label(0, 10, y_label, "axis"),
        join(_line(line, frame, x_label, dots=dots) for line in lines),
    )
    names = line_legend(lines) if legend else Html("")
    return figure(title, aid, names, chart, class_="chart lines")


def bar_chart(
    title: str,
    aid: str,
    rows: Sequence[str],
    groups: Sequence[Bars],
    *,
    unit: str,
    limits: tuple[float, float] | None = None,
    decimals: int = 1,
) -> Html:
    """Horizontal bars from zero, one per row and group, each with its number.

    Args:
        title: of the figure.
        aid: one sentence on how to read it.
        rows: names of the rows, from the top.
        groups: bars side by side in every row, in the order of the legend.
        unit: what the numbers are.
        limits: range of the axis, by default that of the values.
        decimals: of the numbers.
    """
    values = [v for bars in groups for v in bars.values if v is not None]
    values += [v for bars in groups for parts in bars.parts for v in parts]
    low, high = limits or rounded_range(values, from_zero=True)
    circles = any(len(parts) > 1 for bars in groups for parts in bars.parts)
    if circles:
        aid += " Circles are single runs, bars their means."
    top, group_height = 6, _ROW * len(groups) + _GAP
    height = top + group_height * len(rows) + 36
    left = 8 + LETTER * min(MAX_LABEL, max((len(r) for r in rows), default=0))
    # Numbers stand beyond the ends of their bars.
    room = LETTER * (4 + decimals) + (_RADIUS if circles else 0)
    scale = Scale(low, high, left + (room if low < 0 else 0), WIDTH - room - 4)
    frame = Frame(scale, Scale(0, 1, height - 36, top), height)
    drawn = []
    for k, row in enumerate(rows):
        y = top + k * group_height
        drawn.append(row_name(row, left - 6, y + (group_height - _GAP) / 2 + 4))
        drawn += [_bar(bars, k, frame.x, y + n * _ROW, decimals) for n, bars in enumerate(groups)]
    chart = drawing(
        f"{title}. {aid}",
        height,
        frame.vertical_grid(scale.ticks(4)),
        frame.x_axis(scale.ticks(4), unit),
        *drawn,
    )
    legend = bar_legend(groups) if len(groups) > 1 else Html("")
    return figure(title, aid, legend, chart)


def histogram(
    description: str,
    edges: Sequence[float],
    stack: Sequence[Counts],
    curves: Sequence[Line],
    *,
    x_label: str,
    top: float,
    size: tuple[int, int] = (200, 150),
    log_x: bool = False,
    whole_x: bool = False,
) -> Html:
    """Stacked counts per bin under curves in the same unit; the bare drawing.

    Args:
        description: for those who cannot see it.
        edges: of the bins, ascending, one more than each of ``stack`` counts.
        stack: parts of the bars, from the bottom.
        curves: lines over the bars; cut off at ``top``.
        x_label: what is counted.
        top: end of the axis of counts.
        size: width and height in units.
        log_x: logarithmic axis; edges are above 0 then.
        whole_x: x counts something, so that ticks are whole numbers.
    """
    width, height = size
    scale = Scale(0, top, height - 32, 8)
    y_ticks = [t for t in scale.ticks(3) if t == int(t)]
    left = max(26, 8 + LETTER * max(len(t) for t in tick_texts(y_ticks)))
    frame = Frame(Scale(edges[0], edges[-1], left, width - 8, log_x), scale, height, width)
    drawn = []
    bottom = [0] * (len(edges) - 1)
    for part in stack:
        for k, count in enumerate(part.counts):
            if count:
                x1, x2 = frame.x.place(edges[k]), frame.x.place(edges[k + 1])
                y1, y2 = (frame.y.place(bottom[k] + n) for n in (count, 0))
                box = (x1 + 0.5, y1, max(x2 - x1 - 1, 0.5), y2 - y1)
                drawn.append(_filled(box, part.hue, part.pattern))
                bottom[k] += count
    x_ticks = [t for t in frame.x.ticks(4) if t == int(t) or not whole_x]
    return drawing(
        description,
        height,
        frame.horizontal_grid(y_ticks),
        frame.x_axis(x_ticks, x_label),
        *drawn,
        *(_line(curve, frame, x_label) for curve in curves),
        width=width,
    )


def line_legend(lines: Iterable[Line]) -> Html:
    """The names of lines beside a piece of each."""
    swatches = (
        (line.name, tag("line", x1=0, y1=6, x2=26, y2=6, class_=_line_class(line)))
        for line in lines
    )
    return _legend(swatches)


def bar_legend(groups: Iterable[Bars | Counts]) -> Html:
    """The names of bars beside a piece of each."""
    return _legend((g.name, _filled((6, 1, 14, 10), g.hue, g.pattern)) for g in groups)


def color_legend(colors: Iterable[tuple[str, str]]) -> Html:
    """Names beside a piece of their color, as CSS writes it."""
    return _legend(
        (name, tag("rect", x=6, y=1, width=14, height=10, fill=color)) for name, color in colors
    )


def hatching() -> Html:
    """The patterns that bars of all charts on a page refer to; goes into the page once."""
    shapes = (
        tag("path", d="M-1,1l2,-2M0,6l6,-6M5,7l2,-2"),
        tag("path", d="M0,1.5h6M0,4.5h6"),
        tag("path", d="M1.5,0v6M4.5,0v6"),
        tag("path", d="M-1,5l2,2M0,0l6,6M5,-1l2,2"),
    )
    patterns = (
        tag(
            "pattern",
            shape,
            id=f"hatch-{number}",
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
            class_="hatch",
        )
        for number, shape in enumerate(shapes, start=1)
    )
    return tag("svg", tag("defs", *patterns), width=0, height=0, class_="defs", aria_hidden="true")


def drawing(description: str, height: float, *content: Html, width: float = WIDTH) -> Html:
    """The frame of a drawing; ``description`` is for those who cannot see it."""
    return tag(
        "svg",
        *content,
        viewBox=f"0 0 {short(width)} {short(height)}",
        role="img",
        aria_label=description,
    )


def _drawable(line: Line, *, log_y: bool) -> Line:
    points = [
        (x, y)
        for x, y in line.points
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log_y)
    ]
    return Line(line.name, points, line.hue, line.dash, line.thin)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1, low + 1)


def _y_range(values: Sequence[float], *, log: bool) -> tuple[float, float]:
    if not log:
        return rounded_range(values, from_zero=True)
    low, high = min(values), max(values)
    return low / 1.1, high * 1.1


def _line(line: Line, frame: Frame, x_label: str, *, dots: bool = False) -> Html:
    places = " ".join(
        f"{short(frame.x.place(x))},{short(frame.y.place(y))}" for x, y in line.points
    )
    path = tag("polyline", points=places, class_=_line_class(line))
    # A single point is no line, so it is always marked.
    if len(line.points) > (_MAX_DOTS if dots else 1):
        return path
    marks = (
        tag(
            "circle",
            tag("title", f"{line.name}, {x_label} {x:g}: {y:.4g}"),
            cx=short(frame.x.place(x)),
            cy=short(frame.y.place(y)),
            r=_RADIUS,
            class_=f"dot h{line.hue % NUM_HUES}",
        )
        for x, y in line.points
    )
    return join([path, *marks])


def _line_class(line: Line) -> str:
    thin = " thin" if line.thin else ""
    return f"line h{line.hue % NUM_HUES} d{line.dash % NUM_DASHES}{thin}"


def _bar(bars: Bars, row: int, scale: Scale, y: float, decimals: int) -> Html:
    """The bar of one row from the height ``y`` down, its number, and circles for its parts."""
    value = bars.values[row]
    parts = bars.parts[row] if bars.parts else ()
    zero = scale.place(0)
    base = y + _BAR - 1
    if value is None:
        return label(zero + 4, base, "–", "value")
    end = scale.place(value)
    box = (min(zero, end), y, abs(end - zero), _BAR)
    number = f"{value:.{decimals}f}".replace("-", "−")
    circles = [scale.place(part) for part in parts] if len(parts) > 1 else []
    # The number stands beyond everything else.
    if value < 0:
        left = min([end, *(x - _RADIUS for x in circles)])
        beside = label(left - 4, base, number, "value", "end")
    else:
        right = max([end, *(x + _RADIUS for x in circles)])
        beside = label(right + 4, base, number, "value")
    return join(
        [
            _filled(box, bars.hue, bars.pattern),
            *(
                tag("circle", cx=short(x), cy=short(y + _BAR / 2), r=_RADIUS, class_="part")
                for x in circles
            ),
            beside,
        ]
    )


def _filled(box: tuple[float, float, float, float], hue: int, pattern: int) -> Html:
    """A rectangle (x, y, width, height) in a hue, hatched unless the pattern is 0."""
    x, y, width, height = (short(v) for v in box)
    place = {"x": x, "y": y, "width": width, "height": height}
    solid = tag("rect", class_=f"fill h{hue % NUM_HUES}", **place)
    if not pattern:
        return solid
    number = (pattern - 1) % NUM_PATTERNS + 1
    return join([solid, tag("rect", fill=f"url(#hatch-{number})", **place)])


def row_name(name: str, x: float, y: float) -> Html:
    """The name of a row, ending at ``x``; cut where it is long, and whole in its tooltip."""
    if len(name) <= MAX_LABEL:
        return label(x, y, name, "name", "end")
    shortened = name[: MAX_LABEL - 1] + "…"
    whole = tag("title", name)
    return tag("text", whole, shortened, x=short(x), y=short(y), class_="name", text_anchor="end")


def _legend(entries: Iterable[tuple[str, Html]]) -> Html:
    items = (
        tag(
            "li",
            tag("svg", swatch, viewBox="0 0 26 12", width=26, height=12, aria_hidden="true"),
            tag("span", name),
        )
        for name, swatch in entries
    )
    return tag("ul", *items, class_="legend")

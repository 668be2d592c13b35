"""Is the gain real?  Differences with their intervals, as a section of a comparison's page."""

from __future__ import annotations

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.comparison_table import gain_rows, verdicts
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.report.charts.interval_chart import Span, Spans, interval_chart
from ladcli.evaluate.report.html import Html, fold, join, paragraph, table, tag
from ladcli.evaluate.report.parts.class_scores import FEW

_HEAD = ("method", "number", "difference", "interval", "above 0")
#: Classes that are drawn, the first ones of the class table; a table has all.
MAX_CLASSES = 20


def intervals(result: ComparisonResult) -> Html:
    """A sentence per method, and its differences to the first as a chart and as a table."""
    others = _others(result)
    reading = (
        f"On {result.set_name}, points of 100. The interval holds the difference in "
        f"{100 * result.confidence:g} % of {result.resamples} draws of the {result.num_images} "
        "images with repeats; it says nothing of other seeds, whose standard error stands behind "
        "it where there are several. The last column is the share of draws with a difference "
        "above 0."
    )
    if any(gains.tide for _, gains in others):
        reading += " Of TIDE's costs, less is better."
    sentences = tag("ul", *(tag("li", line) for line in verdicts(result)))
    few = all(len(gains.per_class) <= FEW for _, gains in others)
    chart, overall = tag("div", _chart(result), class_="grid"), _table(result, per_class=few)
    every = None if few else fold("All numbers per class", _table(result, per_class=True))
    return join([paragraph(reading), sentences, tag("div", chart, overall, class_="beside"), every])


def _others(result: ComparisonResult) -> list[tuple[str, Gains]]:
    """Names and gains of all methods but the first, which has none."""
    return [(method.name, method.gains) for method in result.methods if method.gains is not None]


def _chart(result: ComparisonResult) -> Html:
    others = _others(result)
    _, first = others[0]
    classes = list(first.per_class)[:MAX_CLASSES]
    rows = [*first.overall, *(f"AP {name}" for name in classes)]
    groups = [
        Spans(name, [_span(gain) for gain in _gains(gains, classes)], k)
        for k, (name, gains) in enumerate(others, start=1)
    ]
    aid = (
        f"Dots are differences to {result.methods[0].name}, whiskers their intervals; one that "
        "crosses zero may be luck of the draw."
    )
    if len(classes) < len(first.per_class):
        aid += f" Of {len(first.per_class)} classes the first {len(classes)} are drawn."
    return interval_chart("Differences", aid, rows, groups, unit="points of AP")


def _gains(gains: Gains, classes: list[str]) -> list[Gain]:
    return [*gains.overall.values(), *(gains.per_class[name]["AP"] for name in classes)]


def _span(gain: Gain) -> Span | None:
    if gain.difference is None or gain.low is None or gain.high is None:
        return None
    return Span(100 * gain.low, 100 * gain.difference, 100 * gain.high)


def _table(result: ComparisonResult, *, per_class: bool) -> Html:
    rows = [
        (name, label, *(cell.replace("-", "−") for cell in cells))
        for name, gains in _others(result)
        for label, *cells in gain_rows(gains, per_class=per_class)
    ]
    return table(_HEAD, rows, caption=f"Differences to {result.methods[0].name}")

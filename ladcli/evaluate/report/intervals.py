"""Is the gain real?  Differences with their intervals, as a section of a comparison's page."""

from __future__ import annotations

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparedMethod, ComparisonResult
from ladcli.evaluate.comparison_table import gain_rows, verdicts
from ladcli.evaluate.report.html import Html, join, paragraph, table, tag
from ladcli.evaluate.report.interval_chart import Span, Spans, interval_chart

_HEAD = ("method", "number", "difference", "interval", "above 0")
#: Classes that are drawn, the first ones of the class table; the table has all.
MAX_CLASSES = 20


def intervals(result: ComparisonResult) -> Html:
    """A sentence per method, and its differences to the first as a chart and as a table."""
    reading = (
        f"On {result.set_name}, points of 100. The interval holds the difference in "
        f"{100 * result.confidence:g} % of {result.resamples} draws of the {result.num_images} "
        "images with repeats; it says nothing of other seeds. The last column is the share of "
        "draws in which the method is ahead."
    )
    sentences = tag("ul", *(tag("li", line) for line in verdicts(result)))
    return join(
        [
            paragraph(reading),
            sentences,
            tag("div", tag("div", _chart(result), class_="grid"), _table(result), class_="beside"),
        ]
    )


def _chart(result: ComparisonResult) -> Html:
    others = result.methods[1:]
    first = others[0].gains
    assert first is not None  # all but the baseline have them
    classes = list(first.per_class)[:MAX_CLASSES]
    rows = [*first.overall, *(f"AP {name}" for name in classes)]
    groups = [
        Spans(method.name, [_span(gain) for gain in _gains(method, classes)], k)
        for k, method in enumerate(others, start=1)
    ]
    aid = (
        f"Dots are differences to {result.methods[0].name}, whiskers their intervals; one that "
        "crosses zero may be luck of the draw."
    )
    return interval_chart("Differences", aid, rows, groups, unit="points of AP")


def _gains(method: ComparedMethod, classes: list[str]) -> list[Gain]:
    assert method.gains is not None
    return [
        *method.gains.overall.values(),
        *(method.gains.per_class[name]["AP"] for name in classes),
    ]


def _span(gain: Gain) -> Span | None:
    if gain.difference is None or gain.low is None or gain.high is None:
        return None
    return Span(100 * gain.low, 100 * gain.difference, 100 * gain.high)


def _table(result: ComparisonResult) -> Html:
    rows = []
    for method in result.methods[1:]:
        assert method.gains is not None
        for label, *cells in gain_rows(method.gains, per_class=True):
            rows.append((method.name, label, *(cell.replace("-", "−") for cell in cells)))
    return table(_HEAD, rows, caption=f"Differences to {result.methods[0].name}")

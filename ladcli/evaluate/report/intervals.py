"""Is the gain real?  Differences with their intervals, as a section of a comparison's page."""

from __future__ import annotations

from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.comparison_table import gain_rows, verdicts
from ladcli.evaluate.report.html import Html, join, paragraph, table, tag

_HEAD = ("method", "number", "difference", "interval", "above 0")


def intervals(result: ComparisonResult) -> Html:
    """A sentence per method, and a table of its differences to the first, classes included."""
    rows: list[tuple[str, ...]] = []
    for method in result.methods[1:]:
        assert method.gains is not None  # all but the first have them
        rows += [(method.name, *row) for row in gain_rows(method.gains, per_class=True)]
    reading = (
        f"On {result.set_name}, points of 100. The interval holds the difference in "
        f"{100 * result.confidence:g} % of {result.resamples} draws of the {result.num_images} "
        "images with repeats; it says nothing of other seeds. The last column is the share of "
        "draws in which the method is ahead."
    )
    sentences = tag("ul", *(tag("li", line) for line in verdicts(result)))
    baseline = f"Differences to {result.methods[0].name}"
    return join([paragraph(reading), sentences, table(_HEAD, rows, caption=baseline)])

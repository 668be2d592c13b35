"""A comparison of methods as tables for the terminal, as CSV, and in sentences."""

from __future__ import annotations

import csv
import io

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparedMethod, ComparisonResult
from ladcli.evaluate.table import PRECISIONS, UNDEFINED, points
from ladcli.evaluate.tide import MAIN_KINDS, SPECIAL_KINDS

#: Numbers that come with an interval.
WITH_INTERVAL = ("AP", "AP50", "AP75")
#: Head of the column that names a number.
NUMBER = "number"


def methods_table(result: ComparisonResult) -> Table:
    """What every method reached: means over its runs, AP with the spread over seeds."""
    title = f"{result.set_name}, {result.num_images} images, points of 100"
    table = _table(title, "method", ("runs", *PRECISIONS))
    for method in result.methods:
        numbers = [points(method.mean(key)) for key in PRECISIONS]
        spread = method.spread("AP")
        if spread is not None:
            numbers[0] += f" ±{100 * spread:.1f}"
        table.add_row(Text(method.name), str(len(method.runs)), *numbers)
    return table


def gains_table(result: ComparisonResult, *, per_class: bool) -> Table:
    """Differences to the baseline, with their intervals."""
    baseline = result.methods[0].name
    title = f"difference to {baseline}, {100 * result.confidence:g} % interval"
    table = _table(title, "method", (NUMBER, "difference", "interval", "above 0"))
    for method in result.methods[1:]:
        assert method.gains is not None  # all but the first have them
        rows = [(key, method.gains.overall[key]) for key in WITH_INTERVAL]
        if per_class:
            rows += [(f"AP {name}", g["AP"]) for name, g in method.gains.per_class.items()]
        for number, (label, gain) in enumerate(rows):
            name = method.name if number == 0 else ""
            table.add_row(
                Text(name), Text(label), *gain_cells(gain), end_section=number == len(rows) - 1
            )
    return table


def tide_comparison(result: ComparisonResult) -> Table:
    """What each kind of error costs every method, points of AP at IoU 0.5."""
    kinds = (*MAIN_KINDS, *SPECIAL_KINDS)
    table = _table("what errors cost (TIDE, points of AP50)", "method", kinds)
    for method in result.methods:
        costs = [method.tide_cost(kind) for kind in kinds]
        cells = [UNDEFINED if cost is None else f"{cost:.1f}" for cost in costs]
        table.add_row(Text(method.name), *cells)
    return table


def verdicts(result: ComparisonResult) -> list[str]:
    """One sentence per method: is its AP really above the baseline's?"""
    return [_verdict(method, result) for method in result.methods[1:]]


def comparison_csv(result: ComparisonResult) -> str:
    """A row per method and class (``all`` first): AP, AP50, AP75, difference and interval of AP."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["method", "class", *WITH_INTERVAL, "AP_difference", "AP_low", "AP_high", "share_above_0"]
    )
    names = [None, *result.methods[0].metrics[0].per_class]
    for method in result.methods:
        for name in names:
            values = [method.mean(key, name) for key in WITH_INTERVAL]
            gain = _ap_gain(method, name)
            rest = [gain.difference, gain.low, gain.high, gain.share_above] if gain else [None] * 4
            cells = ["" if value is None else f"{value:.6f}" for value in (*values, *rest)]
            writer.writerow([method.name, "all" if name is None else name, *cells])
    return text.getvalue()


def _ap_gain(method: ComparedMethod, class_name: str | None) -> Gain | None:
    if method.gains is None:
        return None
    if class_name is None:
        return method.gains.overall["AP"]
    return method.gains.per_class[class_name]["AP"]


def _verdict(method: ComparedMethod, result: ComparisonResult) -> str:
    assert method.gains is not None
    gain = method.gains.overall["AP"]
    baseline = result.methods[0].name
    if gain.difference is None or gain.low is None or gain.high is None:
        return f"{method.name}: no AP to compare with {baseline}"
    measured = (
        f"{100 * gain.difference:+.1f} AP on {baseline} "
        f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    )
    if gain.low > 0:
        return f"{method.name}: better, {measured}"
    if gain.high < 0:
        return f"{method.name}: worse, {measured}"
    return f"{method.name}: not told apart on these images, {measured}"


def gain_cells(gain: Gain) -> tuple[str, str, str]:
    """Difference and interval in points of 100, and the share of resamples above 0."""
    if gain.difference is None:
        return (UNDEFINED,) * 3
    difference = f"{100 * gain.difference:+.1f}"
    if gain.low is None or gain.high is None or gain.share_above is None:
        return difference, UNDEFINED, UNDEFINED
    interval = f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    return difference, interval, f"{100 * gain.share_above:.1f} %"


def _table(title: str, first: str, columns: tuple[str, ...]) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column(first, overflow="fold", min_width=8)
    for column in columns:
        justify: JustifyMethod = "left" if column == NUMBER else "right"
        table.add_column(column, justify=justify, no_wrap=True)
    return table

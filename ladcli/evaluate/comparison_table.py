"""A comparison of methods as tables for the terminal, as CSV, and in sentences."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.method_cost import Figures, MethodCost
from ladcli.evaluate.table import UNDEFINED, csv_number, fitted, points, signed
from ladcli.evaluate.tide_repairs import ALL_KINDS
from ladcli.plain_text import to_csv
from ladcli.runs.coco_numbers import ALL_AP_KEYS

#: Verdicts in more words, where they need them.
_WORDS = {
    "not told apart": "not told apart on these images",
    "no further apart than seeds": "no further apart than seeds are",
}
#: CSV columns of what a method cost, means over its runs; ``earlier_`` is its teacher's.
_COST_COLUMNS = (
    *("epochs", "images", "seconds", "parameters", "trained_parameters"),
    *("earlier_epochs", "earlier_images", "earlier_seconds"),
)
#: Head of the column that names a number.
NUMBER = "number"
_ABOVE = "above 0"


def methods_table(result: ComparisonResult, *, width: int | None = None) -> Table:
    """What every method reached: means over its runs, AP with the spread over seeds.

    Args:
        width: columns of the terminal; where they are few, object sizes go first.
    """
    title = f"{result.set_name}, {result.num_images} images, points of 100"

    def build(columns: Sequence[str]) -> Table:
        table = _table(title, "method", columns)
        for method in result.methods:
            numbers = {key: points(method.mean(key)) for key in ALL_AP_KEYS}
            spread = method.spread("AP")
            if spread is not None:
                numbers["AP"] += f" ±{100 * spread:.1f}"
            cells = {"runs": str(len(method.runs)), **numbers}
            table.add_row(Text(method.name), *(cells[column] for column in columns))
        return table

    return fitted(build, ("runs", *ALL_AP_KEYS), (*ALL_AP_KEYS[:2:-1], "runs", "AP75"), width)


def gains_table(result: ComparisonResult, *, per_class: bool, width: int | None = None) -> Table:
    """Differences to the baseline, with their intervals.

    Args:
        width: columns of the terminal; where they are few, the share of resamples above 0 goes.
    """
    baseline = result.methods[0].name
    title = f"difference to {baseline}, {100 * result.confidence:g} % interval"
    heads = (NUMBER, "difference", "interval", _ABOVE)

    def build(columns: Sequence[str]) -> Table:
        table = _table(title, "method", columns)
        for method in result.methods[1:]:
            assert method.gains is not None  # all but the first have them
            rows = gain_rows(method.gains, per_class=per_class)
            for number, row in enumerate(rows):
                name = method.name if number == 0 else ""
                cells = dict(zip(heads, row, strict=True))
                shown = (Text(name), *(Text(cells[column]) for column in columns))
                table.add_row(*shown, end_section=number == len(rows) - 1)
        return table

    return fitted(build, heads, (_ABOVE,), width)


def gain_rows(gains: Gains, *, per_class: bool) -> list[tuple[str, str, str, str]]:
    """Every number with its difference, interval, and share of resamples above 0; in points."""
    in_shares = dict(gains.overall)
    if per_class:
        in_shares |= {f"AP {name}": numbers["AP"] for name, numbers in gains.per_class.items()}
    rows = [(name, *_gain_cells(gain, 100)) for name, gain in in_shares.items()]
    return rows + [(f"TIDE {kind}", *_gain_cells(gain, 1)) for kind, gain in gains.tide.items()]


def tide_comparison(result: ComparisonResult, *, width: int | None = None) -> Table:
    """What each kind of error costs every method, points of AP at IoU 0.5.

    Args:
        width: columns of the terminal; where they are few, FalsePos and FalseNeg go.
    """

    def build(columns: Sequence[str]) -> Table:
        table = _table("what errors cost (TIDE, points of AP50)", "method", columns)
        for method in result.methods:
            costs = (method.tide_cost(kind) for kind in columns)
            cells = (UNDEFINED if cost is None else f"{cost:.1f}" for cost in costs)
            table.add_row(Text(method.name), *cells)
        return table

    return fitted(build, ALL_KINDS, ("FalseNeg", "FalsePos"), width)


def verdicts(result: ComparisonResult) -> list[str]:
    """One sentence per method: is its AP really above the baseline's?"""
    return [_verdict(method, result.methods[0]) for method in result.methods[1:]]


def comparison_csv(result: ComparisonResult) -> str:
    """A row per method and class (``all`` first): AP numbers, and AP's difference and interval."""
    gained = ("AP_difference", "AP_low", "AP_high", "share_above_0")
    rows = [["method", "class", *ALL_AP_KEYS, *gained, *_COST_COLUMNS]]
    names = [None, *dict.fromkeys(result.methods[0].class_names())]
    for method in result.methods:
        cost = _cost_cells(method.cost)
        for name in names:
            values = [method.mean(key, name) for key in ALL_AP_KEYS]
            gain = _ap_gain(method, name)
            rest = [gain.difference, gain.low, gain.high, gain.share_above] if gain else [None] * 4
            cells = [csv_number(value) for value in (*values, *rest)]
            rows.append([method.name, "all" if name is None else name, *cells, *cost])
    return to_csv(rows)


def _cost_cells(cost: MethodCost) -> list[str]:
    """The figures of `_COST_COLUMNS`; empty where they are not known."""
    if not cost.known:
        return [""] * len(_COST_COLUMNS)
    own, before = cost.own, cost.before
    earlier = [0.0] * 3 if before is None else _work(before)
    numbers = [*_work(own), cost.parameters, own.trained, *earlier]
    return ["" if number is None else f"{number:.10g}" for number in numbers]


def _work(figures: Figures) -> list[float | None]:
    epochs = None if figures.epochs is None else statistics.fmean(figures.epochs)
    return [epochs, figures.images, figures.seconds]


def _ap_gain(method: MeasuredMethod, class_name: str | None) -> Gain | None:
    if method.gains is None:
        return None
    if class_name is None:
        return method.gains.overall["AP"]
    return method.gains.per_class[class_name]["AP"]


def _verdict(method: MeasuredMethod, baseline: MeasuredMethod) -> str:
    verdict = method.verdict(baseline)
    if verdict == "undefined":
        return f"{method.name}: no AP to compare with {baseline.name}"
    assert method.gains is not None
    gain = method.gains.overall["AP"]
    assert gain.difference is not None
    assert gain.low is not None
    assert gain.high is not None
    difference = f"{signed(100 * gain.difference)} AP on {baseline.name}"
    interval = f"[{signed(100 * gain.low)}, {signed(100 * gain.high)}]"
    return (
        f"{method.name}: {_WORDS.get(verdict, verdict)}, {difference} {interval}, "
        f"{_seeds(method, baseline)}"
    )


def _seeds(method: MeasuredMethod, baseline: MeasuredMethod) -> str:
    """The standard error over seeds, or which method has but one."""
    error = method.seed_error(baseline)
    if error is not None:
        return f"seeds ±{100 * error:.1f}"
    alone = [one.name for one in (method, baseline) if len(one.values("AP")) < 2]
    return "one seed only" if len(alone) == 2 else f"{alone[0]} has one seed only"


def _gain_cells(gain: Gain, unit: float) -> tuple[str, str, str]:
    """Difference and interval, of numbers that count ``unit`` points, and the share above 0."""
    if gain.difference is None:
        return (UNDEFINED,) * 3
    difference = signed(unit * gain.difference)
    if gain.low is None or gain.high is None or gain.share_above is None:
        return difference, UNDEFINED, UNDEFINED
    interval = f"[{signed(unit * gain.low)}, {signed(unit * gain.high)}]"
    return difference, interval, f"{100 * gain.share_above:.1f} %"


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
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

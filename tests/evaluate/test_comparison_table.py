"""A comparison as a narrow terminal shows it, as CSV, and in sentences."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.comparison_table import (
    comparison_csv,
    gains_table,
    methods_table,
    tide_comparison,
    verdicts,
)
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun
from ladcli.evaluate.tide_repairs import ALL_KINDS
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.tide_numbers import TideErrors, TideThresholds
from ladcli.training_cost import TrainingCost

NUMBERS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
UNDEFINED = Gain(None, None, None, None, None, None)


def metrics(ap: float | None) -> CocoMetrics:
    """Everything is ``ap``, but nothing is small."""
    numbers = {**dict.fromkeys(NUMBERS, ap), "APs": None}
    return CocoMetrics(dict(numbers), {"[red] cell": dict(numbers), "cup": dict(numbers)})


def tide(cost: float | None) -> TideErrors:
    return TideErrors(TideThresholds(), cost, dict.fromkeys(ALL_KINDS, cost), {})


def gain(difference: float, low: float, high: float, share: float) -> Gain:
    return Gain(0.5, 0.5 + difference, difference, low, high, share)


def method(name: str, *aps: float | None, ap_gain: Gain | None = None) -> MeasuredMethod:
    """A method of one run per AP, whose AP gains ``ap_gain``; all else gains nothing."""
    nothing = gain(0.0, 0.0, 0.0, 0.0)
    comparison = None
    if ap_gain is not None:
        numbers = {"AP": ap_gain, "AP50": nothing, "AP75": nothing}
        of_classes = {"[red] cell": numbers, "cup": {**numbers, "AP": UNDEFINED}}
        comparison = Gains(numbers, of_classes)
    costs = [None if ap is None else 10 * ap for ap in aps]
    return MeasuredMethod(
        name,
        tuple(
            MeasuredRun("model", "test", metrics(ap), tide(cost), name=f"runs/{name}{i}")
            for i, (ap, cost) in enumerate(zip(aps, costs, strict=True))
        ),
        gains=comparison,
    )


def result(*methods: MeasuredMethod, confidence: float = 0.95) -> ComparisonResult:
    return ComparisonResult(methods, "test", 72, 10_000, confidence)


BETTER = gain(0.0251, 0.0149, 0.0382, 0.9996)
TWO = result(method("paa", 0.5), method("[b]lad", 0.5, 0.52, 0.54, ap_gain=BETTER))


def rows(table: Table) -> list[list[str]]:
    """Title, head and rows that a terminal of 80 columns shows, in words."""
    console = Console(width=80, file=io.StringIO(), no_color=True)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    return [line.split() for line in lines if line.strip(" ─")]


def test_methods_show_means_and_the_spread_over_seeds() -> None:
    title, head, first, second = rows(methods_table(TWO))
    assert " ".join(title) == "test, 72 images, points of 100"
    assert head == ["method", "runs", *NUMBERS]
    assert first == ["paa", "1", "50.0", "50.0", "50.0", "–", "50.0", "50.0"]
    assert second == ["[b]lad", "3", "52.0", "±2.0", "52.0", "52.0", "–", "52.0", "52.0"]


def test_gains_show_their_interval_and_share() -> None:
    title, head, *shown = rows(gains_table(TWO, per_class=False))
    assert " ".join(title) == "difference to paa, 95 % interval"
    assert head == ["method", "number", "difference", "interval", "above", "0"]
    assert shown == [
        ["[b]lad", "AP", "+2.5", "[+1.5,", "+3.8]", "100.0", "%"],
        ["AP50", "+0.0", "[+0.0,", "+0.0]", "0.0", "%"],
        ["AP75", "+0.0", "[+0.0,", "+0.0]", "0.0", "%"],
    ]


def test_classes_have_rows_of_their_own_on_request() -> None:
    shown = rows(gains_table(TWO, per_class=True))
    assert shown[5] == ["AP", "[red]", "cell", "+2.5", "[+1.5,", "+3.8]", "100.0", "%"]
    assert shown[6] == ["AP", "cup", "–", "–", "–"]


def test_an_interval_may_be_undefined_where_the_difference_is_not() -> None:
    """The one image of a class was drawn in no resample."""
    lone = Gain(0.5, 0.4, -0.1, None, None, None)
    table = gains_table(result(method("a", 0.5), method("b", 0.4, ap_gain=lone)), per_class=False)
    assert rows(table)[2] == ["b", "AP", "-10.0", "–", "–"]


def test_sizes_and_tide_have_rows_where_they_were_resampled() -> None:
    """Costs of errors are points already."""
    small, cost = gain(0.01, -0.02, 0.03, 0.7), Gain(9.2, 6.8, -2.4, -3.5, -1.2, 0.0)
    found = method("lad", 0.5, ap_gain=BETTER)
    assert found.gains is not None
    everything = Gains({**found.gains.overall, "APs": small}, {}, {"Loc": cost})
    table = gains_table(
        result(method("paa", 0.5), replace(found, gains=everything)), per_class=True
    )
    assert rows(table)[5:] == [
        ["APs", "+1.0", "[-2.0,", "+3.0]", "70.0", "%"],
        ["TIDE", "Loc", "-2.4", "[-3.5,", "-1.2]", "0.0", "%"],
    ]


def test_confidence_is_named() -> None:
    ninety = result(*TWO.methods, confidence=0.9)
    assert " ".join(rows(gains_table(ninety, per_class=False))[0]).endswith(" 90 % interval")


def test_errors_show_their_mean_cost() -> None:
    title, head, first, second = rows(tide_comparison(TWO))
    assert " ".join(title) == "what errors cost (TIDE, points of AP50)"
    assert head == ["method", *ALL_KINDS]
    assert first == ["paa", *["5.0"] * 8]
    assert second == ["[b]lad", *["5.2"] * 8]
    undefined = tide_comparison(result(method("paa", None), method("x", 0.5, ap_gain=BETTER)))
    assert rows(undefined)[2] == ["paa", *["–"] * 8]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (BETTER, "lad: better, +2.5 AP on paa [+1.5, +3.8], one seed only"),
        (
            gain(-0.02, -0.03, -0.01, 0.001),
            "lad: worse, -2.0 AP on paa [-3.0, -1.0], one seed only",
        ),
        (
            gain(0.02, -0.01, 0.05, 0.93),
            "lad: not told apart on these images, +2.0 AP on paa [-1.0, +5.0], one seed only",
        ),
        # An interval that ends at zero holds zero.
        (
            gain(0.02, 0.0, 0.05, 0.97),
            "lad: not told apart on these images, +2.0 AP on paa [+0.0, +5.0], one seed only",
        ),
        (
            gain(0.0, 0.0, 0.0, 0.0),
            "lad: not told apart on these images, +0.0 AP on paa [+0.0, +0.0], one seed only",
        ),
        (UNDEFINED, "lad: no AP to compare with paa"),
    ],
)
def test_verdicts_say_whether_the_interval_holds_zero(found: Gain, sentence: str) -> None:
    assert verdicts(result(method("paa", 0.5), method("lad", 0.5, ap_gain=found))) == [sentence]


@pytest.mark.parametrize(
    ("aps", "sentence"),
    [
        # The difference is 2.5 points; standard errors over seeds are 0.1 and 2.0.
        ((0.439, 0.441), "better, +2.5 AP on paa [+1.5, +3.8], seeds ±0.1"),
        ((0.42, 0.46), "no further apart than seeds are, +2.5 AP on paa [+1.5, +3.8], seeds ±2.0"),
        ((0.44,), "better, +2.5 AP on paa [+1.5, +3.8], lad has one seed only"),
    ],
)
def test_seeds_must_be_closer_together_than_the_methods(
    aps: tuple[float, ...], sentence: str
) -> None:
    both = result(method("paa", 0.4149, 0.4149), method("lad", *aps, ap_gain=BETTER))
    assert verdicts(both) == [f"lad: {sentence}"]


def test_a_difference_within_its_interval_is_none_whatever_the_seeds_say() -> None:
    unsure = gain(0.02, -0.01, 0.05, 0.93)
    both = result(method("paa", 0.4, 0.4), method("lad", 0.42, 0.42, ap_gain=unsure))
    assert verdicts(both) == [
        "lad: not told apart on these images, +2.0 AP on paa [-1.0, +5.0], seeds ±0.0"
    ]


def test_every_method_but_the_first_has_a_verdict() -> None:
    three = result(*TWO.methods, method("soft", 0.5, ap_gain=BETTER))
    assert [line.split(":")[0] for line in verdicts(three)] == ["[b]lad", "soft"]


def test_csv_has_a_row_per_method_and_class() -> None:
    text = comparison_csv(TWO)
    assert "\r" not in text
    head, *body = list(csv.reader(io.StringIO(text)))
    assert head == [
        "method", "class", "AP", "AP50", "AP75", "APs", "APm", "APl",
        "AP_difference", "AP_low", "AP_high", "share_above_0",
        "epochs", "images", "seconds", "parameters", "trained_parameters",
        "earlier_epochs", "earlier_images", "earlier_seconds",
    ]  # fmt: skip
    assert [row[:2] for row in body] == [
        [name, label] for name in ("paa", "[b]lad") for label in ("all", "[red] cell", "cup")
    ]
    baseline, mean = ([*[ap] * 3, "", ap, ap] for ap in ("0.500000", "0.520000"))
    gains = ["0.025100", "0.014900", "0.038200", "0.999600"]
    unknown = [""] * 8
    assert body[0][2:] == [*baseline, *[""] * 4, *unknown]
    assert body[3][2:] == [*mean, *gains, *unknown]
    assert body[4][2:] == [*mean, *gains, *unknown]
    assert body[5][2:] == [*mean, *[""] * 4, *unknown]


def test_csv_tells_the_cost_of_a_method_and_of_its_teacher() -> None:
    cost = TrainingCost(12, 2460, 374.25, 2_900_000, 2_800_000)
    paa, lad = (
        replace(method, runs=tuple(replace(run, cost=own) for run in method.runs))
        for method, own in zip(TWO.methods, (cost, replace(cost, earlier=(cost,))), strict=True)
    )
    _, *body = list(csv.reader(io.StringIO(comparison_csv(result(paa, lad)))))
    own = ["12", "2460", "374.25", "2900000", "2800000"]
    assert body[0][12:] == [*own, "0", "0", "0"]
    assert body[3][12:] == [*own, "12", "2460", "374.25"]


@pytest.mark.parametrize(
    ("width", "columns"),
    [(80, ["runs", *NUMBERS]), (44, ["runs", *NUMBERS[:4]]), (30, ["AP", "AP50"])],
)
def test_columns_go_from_the_end_where_there_is_no_room(width: int, columns: list[str]) -> None:
    console = Console(width=width, file=io.StringIO(), no_color=True)
    console.print(methods_table(TWO, width=width))
    console.print(tide_comparison(TWO, width=50))
    console.print(gains_table(TWO, per_class=False, width=44))
    assert isinstance(console.file, io.StringIO)
    heads = [line.split() for line in console.file.getvalue().splitlines() if "method" in line]
    assert heads[0] == ["method", *columns]
    if width == 80:
        assert heads[1:] == [
            ["method", *ALL_KINDS[:6]],
            ["method", "number", "difference", "interval"],
        ]

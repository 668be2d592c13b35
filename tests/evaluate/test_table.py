"""Tables of metrics as a narrow terminal without color shows them, and as CSV."""

from __future__ import annotations

import csv
import io

from rich.console import Console
from rich.table import Table

from ladcli.evaluate.table import (
    metrics_csv,
    metrics_table,
    points,
    signed,
    tide_table,
)
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.tide_numbers import TideErrors, TideReport, TideThresholds

STATS = {
    "AP": 0.4464,
    "AP50": 0.7321,
    "AP75": 0.5402,
    "APs": None,
    "APm": 0.4479,
    "APl": 1.0,
    "AR1": 0.27,
    "AR10": 0.55,
    "AR100": 0.56,
    "ARs": None,
    "ARm": 0.5,
    "ARl": 0.6,
}
CLASS = {name: STATS[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")}
METRICS = CocoMetrics(STATS, {"[red] cell": CLASS, "a very long class name " * 3: CLASS})


def lines(table: Table) -> list[str]:
    """What a terminal of 80 columns shows, line by line."""
    console = Console(width=80, file=io.StringIO(), no_color=True)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b" not in text
    return text.splitlines()


def test_points_have_one_decimal() -> None:
    assert [points(x) for x in (0.44649, 1.0, 0.0, None)] == ["44.6", "100.0", "0.0", "–"]


def test_differences_carry_their_sign_and_zero_is_positive() -> None:
    shown = [signed(x) for x in (2.46, -0.04, 0.0, -0.06, -10.0)]
    assert shown == ["+2.5", "+0.0", "+0.0", "-0.1", "-10.0"]


def test_all_classes_alone() -> None:
    header, _, row = lines(metrics_table(METRICS, per_class=False))
    assert header.split() == ["class", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"]
    assert row.split()[2:] == ["44.6", "73.2", "54.0", "–", "44.8", "100.0", "56.0"]


def test_each_class_has_a_row_and_names_are_no_markup() -> None:
    shown = lines(metrics_table(METRICS, per_class=True))
    assert max(map(len, shown)) <= 80
    row = next(line for line in shown if line.startswith("[red] cell"))
    assert row.split()[2:] == ["44.6", "73.2", "54.0", "–", "44.8", "100.0", "56.0"]


def test_long_names_wrap_and_numbers_stay_whole() -> None:
    named = CocoMetrics(STATS, {"x" * 200: CLASS})
    shown = lines(metrics_table(named, per_class=True))
    assert max(map(len, shown)) <= 80
    assert sum(line.count("x") for line in shown) == 200
    assert sum("100.0" in line for line in shown) == 2


def tide_entry(positive: float, loc: float | None) -> TideErrors:
    costs = {"Cls": 9.826, "Loc": loc, "Both": 0.0, "Dupe": 100.0, "Bkg": 1.0, "Miss": -0.126}
    counts = {"Cls": 83, "Loc": 79, "Both": 0, "Dupe": 1234567, "Bkg": 1, "Miss": 5}
    costs |= {"FalsePos": 7.0, "FalseNeg": 17.9}
    return TideErrors(TideThresholds(positive), 73.2, costs, counts)


def test_tide_shows_costs_and_counts_for_each_threshold() -> None:
    report = TideReport("corrected", (tide_entry(0.5, 1.516), tide_entry(0.75, None)))
    shown = lines(tide_table(report))
    assert max(map(len, shown)) <= 80
    rows = [line.split() for line in shown if line.strip()]
    assert rows[0] == ["TIDE", "Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FalsePos", "FalseNeg"]
    assert rows[2] == [
        "0.5:0.1",
        "9.83",
        "1.52",
        "0.00",
        "100.00",
        "1.00",
        "-0.13",
        "7.00",
        "17.90",
    ]
    assert rows[3] == ["count", "83", "79", "0", "1234567", "1", "5", "–", "–"]
    assert rows[4][:3] == ["0.75:0.1", "9.83", "–"]


def test_tide_table_names_the_definition_that_is_not_ours() -> None:
    shown = lines(tide_table(TideReport("tidecv", (tide_entry(0.5, 1.516),))))
    assert shown[0].startswith("tidecv ")
    assert max(map(len, shown)) <= 80


def test_csv_has_a_row_per_class_and_empty_cells_where_nothing_is_defined() -> None:
    named = CocoMetrics(STATS, {'"a", b': CLASS})
    text = metrics_csv(named)
    assert "\r" not in text
    head, everything, one = list(csv.reader(io.StringIO(text)))
    assert head == ["class", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"]
    numbers = ["0.446400", "0.732100", "0.540200", "", "0.447900", "1.000000", "0.560000"]
    assert everything == ["all", *numbers]
    assert one == ['"a", b', *numbers]

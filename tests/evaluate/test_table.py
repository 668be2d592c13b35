"""Tables of metrics as a narrow terminal without color shows them."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from ladcli.evaluate.coco import CocoMetrics
from ladcli.evaluate.table import comparison_table, metrics_table, points

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
    shown = lines(comparison_table([("runs/" + "x" * 200, METRICS), ("b", METRICS)]))
    assert max(map(len, shown)) <= 80
    assert sum(line.count("x") for line in shown) == 200
    assert sum("100.0" in line for line in shown) == 2


def test_runs_keep_their_order() -> None:
    shown = lines(comparison_table([("second", METRICS), ("first", METRICS)]))
    assert shown[0].split() == ["run", "AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert [line.split()[0] for line in shown[2:]] == ["second", "first"]

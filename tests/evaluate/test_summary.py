"""The table and the sentences at the end of a pipeline."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ladcli.evaluate.summary import StageResult, costs_by_method, summary_table
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.training_cost import TrainingCost


def measured(
    stage: str, seed: int, split: str, ap: float | None, title: str | None = None
) -> StageResult:
    stats = {"AP": ap, "AP50": None if ap is None else ap + 0.2, "AP75": ap}
    return StageResult(
        stage, title or stage, f"{stage}-seed{seed}", seed, split, CocoMetrics(stats, {})
    )


LAD_TITLE = "LAD, cached teacher"
#: LAD wins on test and loses on val; its deviation on test is 1 point, that of PAA 2.
BOTH = [
    *(measured("paa", s, "test", ap, "PAA") for s, ap in enumerate((0.58, 0.60, 0.62))),
    *(measured("paa", s, "val", 0.7, "PAA") for s in range(3)),
    *(measured("lad", s, "test", ap, LAD_TITLE) for s, ap in enumerate((0.62, 0.64, 0.63))),
    *(measured("lad", s, "val", 0.65, LAD_TITLE) for s in range(3)),
]


def lines(rows: list[StageResult], baseline: str | None, width: int = 80) -> list[list[str]]:
    """The table as a terminal of some width shows it: cells of every line."""
    console = Console(width=width, file=io.StringIO(), no_color=True)
    console.print(summary_table(rows, baseline=baseline))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    return [line.split("  ") for line in text.splitlines() if line.strip()]


def cells(line: list[str]) -> list[str]:
    return [cell.strip() for cell in line if cell.strip()]


def test_rows_are_means_and_sample_deviations_over_the_seeds() -> None:
    shown = [cells(line) for line in lines(BOTH, "paa")]
    assert shown[0] == ["COCO metrics, points of 100"]
    assert shown[1] == ["set", "method", "seeds", "AP", "AP50", "AP75", "gain"]
    assert shown[3:] == [
        ["test", "PAA", "0, 1, 2", "60.0 ±2.0", "80.0 ±2.0", "60.0 ±2.0", "–"],
        ["test", "LAD, cached teacher", "0, 1, 2", "63.0 ±1.0", "83.0 ±1.0", "63.0 ±1.0", "+3.0"],
        ["val", "PAA", "0, 1, 2", "70.0 ±0.0", "90.0 ±0.0", "70.0 ±0.0", "–"],
        ["val", "LAD, cached teacher", "0, 1, 2", "65.0 ±0.0", "85.0 ±0.0", "65.0 ±0.0", "-5.0"],
    ]


def test_one_seed_has_no_deviation() -> None:
    rows = [measured("paa", 0, "val", 0.5), measured("lad", 0, "val", 0.512)]
    shown = [cells(line) for line in lines(rows, "paa")]
    assert shown[3:] == [
        ["val", "paa", "0", "50.0", "70.0", "50.0", "–"],
        ["val", "lad", "0", "51.2", "71.2", "51.2", "+1.2"],
    ]


def test_without_a_baseline_nothing_is_compared() -> None:
    shown = [cells(line) for line in lines(BOTH, None)]
    assert shown[1] == ["set", "method", "seeds", "AP", "AP50", "AP75"]
    assert len(shown[3]) == 6


def test_stage_may_be_measured_on_one_set_only() -> None:
    rows = [*BOTH, measured("extra", 0, "test", 0.1)]
    shown = [cells(line) for line in lines(rows, "paa")]
    assert [(row[0], row[1]) for row in shown[3:]] == [
        ("test", "PAA"), ("test", "LAD, cached teacher"), ("test", "extra"),
        ("val", "PAA"), ("val", "LAD, cached teacher"),
    ]  # fmt: skip


def test_two_networks_of_a_stage_have_a_row_each_and_either_may_be_the_baseline() -> None:
    rows = [
        measured("duo/a", 0, "val", 0.5, "CoLAD, network a"),
        measured("duo/b", 0, "val", 0.4, "CoLAD, network b"),
        measured("lad", 0, "val", 0.45, "LAD"),
    ]
    shown = [cells(line) for line in lines(rows, "duo/b")]
    assert shown[3:] == [
        ["val", "CoLAD, network a", "0", "50.0", "70.0", "50.0", "+10.0"],
        ["val", "CoLAD, network b", "0", "40.0", "60.0", "40.0", "–"],
        ["val", "LAD", "0", "45.0", "65.0", "45.0", "+5.0"],
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_numbers_are_whole_at_every_width(width: int) -> None:
    text = "\n".join("  ".join(line) for line in lines(BOTH, "paa", width))
    assert "…" not in text
    for number in ("60.0 ±2.0", "83.0 ±1.0", "+3.0", "-5.0"):
        assert number in text


def test_title_is_text_and_no_markup() -> None:
    shown = lines([measured("a", 0, "val", 0.5, "[red]a[/red]")], None)
    assert "[red]a[/red]" in cells(shown[3])


def test_undefined_numbers_count_as_nothing_found() -> None:
    """A set without objects."""
    rows = [measured("paa", 0, "val", None), measured("lad", 0, "val", None)]
    assert [cells(line) for line in lines(rows, "paa")][3][3] == "0.0"


def test_columns_go_in_order_where_there_is_no_room() -> None:
    heads = [
        cells(line)
        for width in (66, 54, 44)
        for line in _shown(width)
        if cells(line)[:2] == ["set", "method"]
    ]
    assert heads == [
        ["set", "method", "seeds", "AP", "AP50", "AP75", "gain"],
        ["set", "method", "seeds", "AP", "AP50", "gain"],
        ["set", "method", "AP", "AP50", "gain"],
    ]


def _shown(width: int) -> list[list[str]]:
    console = Console(width=width, file=io.StringIO(), no_color=True)
    console.print(summary_table(BOTH, baseline="paa", width=width))
    assert isinstance(console.file, io.StringIO)
    return [line.split("  ") for line in console.file.getvalue().splitlines() if line.strip()]


def test_a_run_counts_once_for_all_sets() -> None:
    cost = TrainingCost(12, 2460)
    costs = costs_by_method([replace(m, cost=cost) for m in BOTH])
    assert [(c.name, len(c.runs), c.own.images) for c in costs] == [
        ("PAA", 3, 2460), (LAD_TITLE, 3, 2460),
    ]  # fmt: skip

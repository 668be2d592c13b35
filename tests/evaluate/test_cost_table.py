"""The table of costs as terminals of several widths show it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ladcli.evaluate.cost_table import cost_sentences, cost_table
from ladcli.evaluate.method_cost import MethodCost
from ladcli.training_cost import UNKNOWN, TrainingCost

ONE = TrainingCost(12, 2460, 372.0, 2_900_000, 2_800_000)
COSTS = [
    MethodCost("PAA", (ONE,)),
    MethodCost("LAD, cached teacher", (replace(ONE, earlier=(ONE,)),)),
    MethodCost("[red] LAD", (replace(ONE, earlier=(UNKNOWN,)),)),
    MethodCost("CoLAD", (replace(ONE, networks=2, trained=5_600_000, earlier=(ONE,)),)),
    MethodCost("theirs", (UNKNOWN,)),
]


def lines(width: int, costs: list[MethodCost] = COSTS) -> list[str]:
    console = Console(width=width, file=io.StringIO(), no_color=True)
    console.print(cost_table(costs, width=width))
    assert isinstance(console.file, io.StringIO)
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert max(map(len, shown)) <= width
    return [line for line in shown if line.strip(" ─")]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_every_method_has_a_row_and_its_teacher_one_below_it() -> None:
    shown = [cells(line) for line in lines(80)]
    assert shown == [
        ["what training cost"],
        ["method", "epochs", "images", "time", "params", "trained"],
        ["PAA", "12", "2,460", "6.2 min", "2.9 M", "2.8 M"],
        ["LAD, cached teacher", "12", "2,460", "6.2 min", "2.9 M", "2.8 M"],
        ["+ teacher", "12", "2,460", "6.2 min", "2.8 M"],
        ["[red] LAD", "12", "2,460", "6.2 min", "2.9 M", "2.8 M"],
        ["+ teacher: unknown", "–", "–", "–", "–"],
        ["CoLAD", "12", "2 × 2,460", "6.2 min", "2.9 M", "5.6 M"],
        ["+ initial networks", "12", "2,460", "6.2 min", "2.8 M"],
        ["theirs", "–", "–", "–", "–", "–"],
    ]


@pytest.mark.parametrize(("width", "gone"), [(61, 0), (57, 0), (50, 1), (48, 1), (46, 2), (40, 2)])
def test_columns_go_in_order_and_words_stay_whole(width: int, gone: int) -> None:
    shown = lines(width)
    heads = ["method", "epochs", "images", "time", "params", "trained"]
    assert shown[1].split() == heads[: len(heads) - gone]
    words = {word for line in shown[2:] for word in line.split()}
    assert {"cached", "teacher", "initial", "networks", "2,460"} <= words


def test_the_sentence_says_what_is_compared() -> None:
    first, *others = cost_sentences(COSTS[:2])
    assert first.startswith("Compared at equal student schedule (12 epochs), not at equal total")
    assert others == ["A teacher that several runs share is counted in full for each."]

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun, Truth
from ladcli.evaluate.report.html import join
from ladcli.evaluate.report.parts.curves import MAX_CURVES, precision_recall
from tests.evaluate.random_sets import RandomSet
from tests.evaluate.report.markup import Node, figures, legend_of, parse, places
from tests.evaluate.report.runs import plain_result, random_entry


def shown(*entries: MeasuredMethod) -> Node:
    return parse(join(precision_recall(entries)))


def drawn(*levels: Sequence[float], names: Sequence[str] = ("cup",)) -> MeasuredRun:
    """Curves that are level: precision of each class at IoU 0.5, then at 0.75."""
    table = RandomSet(images=1, classes=len(names), boxes=0).draw(0)[0]
    truth = replace(table, classes=replace(table.classes, names=tuple(names)))
    curves = np.stack([np.tile(np.array(of)[:, None], 101) for of in levels])
    known = plain_result(0.4, classes=dict.fromkeys(names, 0.4))
    return replace(known, precision=curves, truth=Truth(truth, Path()))


def heights(chart: Node) -> list[list[float]]:
    """Precision of every line, at the points that are drawn."""
    low, high = _height_of(chart, "0"), _height_of(chart, "1")
    lines = (places(line) for line in chart.all("polyline"))
    return [[round((low - y) / (low - high), 2) for _, y in line] for line in lines]


def _height_of(chart: Node, tick: str) -> float:
    (text,) = (
        t for t in chart.all("text", "tick")
        if t.text == tick and t.attributes.get("text-anchor") == "end"
    )  # fmt: skip
    return text.number("y") - 4  # text stands on its line


def test_curves_at_both_thresholds_for_the_mean_and_every_class() -> None:
    page = shown(random_entry("run"))
    charts = [f for f in page.all("figure") if f.one("span").text.startswith("AP50")]
    assert [f.one("b").text for f in charts] == ["Mean over classes", "class 0", "class 1"]
    for chart in charts:
        strong, thin = chart.all("polyline")
        assert "thin" not in strong.classes
        assert "thin" in thin.classes
    assert legend_of(page) == ["IoU 0.5", "IoU 0.75"]


def test_runs_are_averaged_at_every_recall() -> None:
    entry = MeasuredMethod("LAD", (drawn([0.8], [0.5]), drawn([0.6], [0.1])))
    for chart in shown(entry).all("figure"):
        # Level lines need their two ends alone.
        assert heights(chart) == [[0.7, 0.7], [0.3, 0.3]]


def test_the_mean_leaves_out_classes_without_objects() -> None:
    nothing = float("nan")
    page = shown(
        MeasuredMethod("run", (drawn([0.8, nothing], [0.6, nothing], names=("cup", "pot")),))
    )
    assert list(figures(page)) == ["Mean over classes", "cup"]
    assert heights(figures(page)["Mean over classes"]) == [[0.8, 0.8], [0.6, 0.6]]


def test_entries_are_named_and_drawn_by_their_place() -> None:
    entries = [
        MeasuredMethod(name, (drawn([0.8], [0.5]),), place) for name, place in (("A", 0), ("B", 3))
    ]
    page = shown(*entries)
    assert legend_of(page) == ["A, IoU 0.5", "A, IoU 0.75", "B, IoU 0.5", "B, IoU 0.75"]
    lines = list(figures(page)["cup"].all("polyline"))
    assert [{"h0", "d0"} <= set(line.classes) for line in lines] == [True, True, False, False]
    assert [{"h3", "d3"} <= set(line.classes) for line in lines] == [False, False, True, True]
    assert figures(page)["cup"].one("span").text == "AP50 –, –"


def test_entry_without_curves_is_left_out_beside_one_that_has_them() -> None:
    page = shown(
        MeasuredMethod("A", (plain_result(0.4),)), MeasuredMethod("B", (drawn([0.8], [0.5]),), 1)
    )
    assert legend_of(page) == ["B, IoU 0.5", "B, IoU 0.75"]
    assert "AP50 40.0" in figures(page)["Mean over classes"].text
    assert precision_recall([MeasuredMethod("A", (plain_result(0.4),))]) == []


def test_class_that_one_entry_does_not_know_has_the_lines_of_the_other() -> None:
    one = MeasuredMethod("A", (drawn([0.8], [0.5]),))
    two = MeasuredMethod("B", (drawn([0.9, 0.7], [0.6, 0.4], names=("cup", "pot")),), 1)
    charts = figures(shown(one, two))
    assert heights(charts["cup"]) == [[0.8, 0.8], [0.5, 0.5], [0.9, 0.9], [0.6, 0.6]]
    assert heights(charts["pot"]) == [[0.7, 0.7], [0.4, 0.4]]


def test_level_stretches_are_drawn_by_their_ends() -> None:
    steps = drawn([0.8], [0.5])
    assert steps.precision is not None
    steps.precision[0, 0, 51:] = 0.2
    strong, _ = figures(shown(MeasuredMethod("run", (steps,))))["cup"].all("polyline")
    assert len(places(strong)) == 4  # at recalls of 0, .5, .51 and 1


@pytest.mark.parametrize(
    ("classes", "title"),
    [
        (MAX_CURVES, "Precision and recall per class"),
        (MAX_CURVES + 3, "Precision and recall per class, the 40 most frequent"),
    ],
)
def test_curves_of_many_classes_are_folded_and_of_very_many_the_frequent_ones(
    classes: int, title: str
) -> None:
    page = shown(random_entry("run", classes=classes))
    assert page.one("summary").text == title
    folded = figures(page.one("details"))
    # One class has no objects.
    assert len(folded) == min(classes - 1, MAX_CURVES)
    assert "Mean over classes" not in folded


def test_names_of_classes_are_text() -> None:
    evil = "<script>alert(1)</script>"
    page = join(precision_recall([MeasuredMethod(evil, (drawn([0.8], [0.5], names=(evil,)),))]))
    assert "<script>" not in page
    assert evil in figures(parse(page))

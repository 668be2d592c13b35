"""Differences with their intervals, as the page of a comparison shows them."""

from __future__ import annotations

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.parts.class_scores import FEW
from ladcli.evaluate.report.parts.intervals import MAX_CLASSES, intervals
from tests.evaluate.report.markup import (
    drawing_of,
    figures,
    legend_of,
    parse,
    rows_of,
    table_of,
)

UNKNOWN = Gain(None, None, None, None, None, None)
GAIN = Gain(0.40, 0.42, 0.02, 0.01, 0.031, 0.987)


def result(*names: str, classes: int = 0, tide: bool = False) -> ComparisonResult:
    """Methods with the same gains over PAA, also of so many further classes."""
    overall = {"AP": GAIN, "AP50": GAIN, "AP75": UNKNOWN}
    labels = ["<cup>", *(f"class {k}" for k in range(classes))]
    costs = {"Loc": Gain(9.0, 6.5, -2.5, -4.0, -1.0, 0.0)} if tide else {}
    gains = Gains(overall, {label: {"AP": GAIN} for label in labels}, costs)
    methods = (
        MeasuredMethod("PAA", ()),
        *(MeasuredMethod(name, (), gains=gains) for name in names),
    )
    return ComparisonResult(methods, "test", 72, 1000, 0.95)


def test_numbers_in_points_with_their_interval() -> None:
    shown = str(intervals(result("LAD")))
    assert "LAD: better, +2.0 AP on PAA [+1.0, +3.1]" in shown
    assert "1000 draws of the 72 images" in shown
    assert shown.count("<td>[+1.0, +3.1]</td>") == 3  # AP, AP50 and the class
    assert shown.count("98.7 %") == 3
    assert shown.count("<td>–</td>") == 3  # AP75 is undefined


def test_names_are_text() -> None:
    shown = str(intervals(result("<script>")))
    assert "<script>" not in shown
    assert "<cup>" not in shown
    assert "&lt;cup&gt;" in shown


def test_dots_are_drawn_in_the_hues_of_the_methods() -> None:
    """The first method has hue 0 on the whole page, so the second has hue 1."""
    chart = figures(parse(intervals(result("LAD", "SoLAD"))))["Differences"]
    assert legend_of(chart) == ["LAD", "SoLAD"]
    rows = [t.text for t in drawing_of(chart).all("text", "name")]
    assert rows == ["AP", "AP50", "AP75", "AP <cup>"]
    told = [t.text for t in drawing_of(chart).all("title")]
    assert told == [
        f"{row}, {name}: +2.0 [+1.0, +3.1]"
        for row in ("AP", "AP50", "AP <cup>")  # AP75 is undefined
        for name in ("LAD", "SoLAD")
    ]
    hues = [{"h1", "h2"} & set(c.classes) for c in drawing_of(chart).all("circle", "dot")]
    assert hues == 3 * [{"h1"}, {"h2"}]


def test_few_classes_stand_in_the_table_and_many_are_folded() -> None:
    few = parse(intervals(result("LAD", classes=FEW - 1)))
    assert len(table_of(few, "Differences to PAA")) == 1 + 3 + FEW
    assert not list(few.all("details"))
    many = parse(intervals(result("LAD", "SoLAD", classes=FEW)))
    tables = [rows_of(t) for t in many.all("table")]
    assert [row[1] for row in tables[0][1:]] == 2 * ["AP", "AP50", "AP75"]
    assert rows_of(many.one("details").one("table")) == tables[1]
    assert len(tables[1]) == 1 + 2 * (3 + FEW + 1)


def test_very_many_classes_are_not_all_drawn() -> None:
    page = parse(intervals(result("LAD", classes=30)))
    chart = figures(page)["Differences"]
    assert len(list(chart.all("text", "name"))) == 3 + MAX_CLASSES
    assert "Of 31 classes the first 20 are drawn." in chart.text
    assert "are drawn" not in parse(intervals(result("LAD"))).text


def test_costs_of_errors_are_read_the_other_way_round() -> None:
    page = parse(intervals(result("LAD", tide=True)))
    assert table_of(page, "Differences to PAA")[-1] == [
        "LAD", "TIDE Loc", "−2.5", "[−4.0, −1.0]", "0.0 %",
    ]  # fmt: skip
    assert "share of draws with a difference above 0" in page.text
    assert "Of TIDE's costs, less is better." in page.text
    assert "TIDE" not in parse(intervals(result("LAD"))).text

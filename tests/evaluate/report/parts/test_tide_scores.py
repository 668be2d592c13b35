from __future__ import annotations

from dataclasses import replace

import pytest

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.html import join
from ladcli.evaluate.report.parts.tide_scores import tide_scores
from ladcli.runs.tide_numbers import TideThresholds
from tests.evaluate.report.markup import Node, drawing_of, figures, legend_of, parse, table_of
from tests.evaluate.report.runs import plain_result, random_entry

MAIN, SPECIAL = "Main kinds of error", "False positives and false negatives"


def shown(*entries: MeasuredMethod, differences: bool = False) -> Node:
    return parse(join(tide_scores(entries, differences)))


def of_costs(name: str, *costs: float | None, place: int = 0) -> MeasuredMethod:
    """One run per cost, each with as many errors of every kind as it costs points."""
    runs = (plain_result(0.4, cost=cost, count=int(cost or 0)) for cost in costs)
    return MeasuredMethod(name, tuple(runs), place)


def values(chart: Node) -> list[str]:
    return [t.text.replace("−", "-") for t in chart.all("text", "value")]


def test_errors_are_bars_of_eight_kinds() -> None:
    one = random_entry("run")
    assert one.runs[0].tide is not None
    charts = figures(shown(one))
    costs = one.runs[0].tide.dap
    assert values(charts[MAIN]) == [
        f"{costs[k]:.2f}" for k in ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
    ]
    assert values(charts[SPECIAL]) == [f"{costs[k]:.2f}" for k in ("FalsePos", "FalseNeg")]
    assert [t.text for t in charts[SPECIAL].all("text", "name")] == [
        "FalsePos: all false", "FalseNeg: all lost",
    ]  # fmt: skip


def test_costs_and_counts_in_numbers() -> None:
    rows = table_of(shown(of_costs("one", 3.0), of_costs("two", 4.0)), "TIDE in numbers")
    assert [row[0] for row in rows[1:]] == ["one, dAP", "one, count", "two, dAP", "two, count"]
    assert rows[1][1:] == ["3.00"] * 8
    # False positives and negatives are no kinds that are counted.
    assert rows[2][1:] == ["3"] * 6 + ["–"] * 2


def test_runs_are_averaged_counts_too_and_circles_are_their_own_costs() -> None:
    page = shown(of_costs("LAD", 3.0, 6.0), of_costs("PAA", 8.0, place=1))
    rows = table_of(page, "TIDE in numbers")
    assert rows[1][1:] == ["4.50"] * 8
    assert rows[2][1:] == ["4.5"] * 6 + ["–"] * 2
    chart = drawing_of(figures(page)[MAIN])
    assert values(chart)[:2] == ["4.50", "8.00"]
    mean, *_ = chart.all("rect", "fill")
    low, high = [c.number("cx") - mean.number("x") for c in chart.all("circle", "part")][:2]
    assert mean.number("width") == pytest.approx((low + high) / 2, abs=0.2)
    assert high == pytest.approx(2 * low, abs=0.2)


def test_differences_are_to_the_first() -> None:
    entries = of_costs("PAA", 3.0), of_costs("LAD", 2.5, place=1), of_costs("B", -1.0, place=2)
    page = shown(*entries, differences=True)
    rows = table_of(page, "TIDE in numbers")
    assert (rows[1][1], rows[3][1], rows[5][1]) == ("3.00", "2.50 −0.50", "−1.00 −4.00")
    assert rows[4][1] == "2"  # counts have none
    assert "of costs, less is better" in page.text
    alone = shown(*entries)
    assert table_of(alone, "TIDE in numbers")[3][1] == "2.50"
    assert "less is better" not in alone.text


def test_where_the_first_has_no_costs_there_are_no_differences() -> None:
    entries = of_costs("A", place=0), of_costs("B", 3.0, place=1), of_costs("C", 4.0, place=2)
    first = replace(entries[0], runs=(plain_result(0.4),))
    rows = table_of(shown(first, *entries[1:], differences=True), "TIDE in numbers")
    assert [row[:2] for row in rows[1::2]] == [["B, dAP", "3.00"], ["C, dAP", "4.00"]]


def test_entries_keep_the_hue_of_their_place() -> None:
    chart = figures(shown(of_costs("B", 3.0, place=1), of_costs("D", 4.0, place=3)))[MAIN]
    assert legend_of(chart) == ["B", "D"]
    hues = {c for r in drawing_of(chart).all("rect", "fill") for c in r.classes} - {"fill"}
    assert hues == {"h1", "h3"}


def test_undefined_costs_have_no_bar() -> None:
    bare = plain_result(0.4, cost=1.0, count=2)
    assert bare.tide is not None
    nothing = replace(bare, tide=replace(bare.tide, dap=dict.fromkeys(bare.tide.dap)))
    page = shown(MeasuredMethod("run", (nothing,)))
    assert values(figures(page)[MAIN]) == ["–"] * 6
    assert table_of(page, "TIDE in numbers")[1][1:] == ["–"] * 8


def test_the_threshold_is_told() -> None:
    bare = plain_result(0.4, cost=1.0)
    assert bare.tide is not None
    other = replace(bare, tide=replace(bare.tide, thresholds=TideThresholds(0.75, 0.1)))
    assert "Points of AP at IoU 0.75 " in shown(MeasuredMethod("run", (other,))).text


def test_without_costs_there_is_nothing() -> None:
    assert tide_scores([MeasuredMethod("run", (plain_result(0.4),))], False) == []


def test_names_are_text() -> None:
    evil = "<script>alert(1)</script>"
    markup = join(tide_scores([of_costs(evil, 1.0), of_costs("B", 2.0, place=1)], False))
    assert "<script>" not in markup
    assert legend_of(figures(parse(markup))[MAIN])[0] == evil

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ladcli.evaluate.report.charts.interval_chart import Span, Spans, interval_chart
from tests.evaluate.report.markup import Node, drawing_of, legend_of, parse


def shown(rows: Sequence[str], *groups: Spans) -> Node:
    return parse(interval_chart("Differences", "Read it so.", rows, groups, unit="points"))


def zero_and_unit(chart: Node, tick: str, value: float) -> tuple[float, float]:
    """Where zero is, and how long one unit is, by the numbers below the axis."""
    at = {t.text: t.number("x") for t in chart.all("text", "tick")}
    return at["0"], (at[tick] - at["0"]) / value


def dots(chart: Node) -> list[Node]:
    return list(chart.all("circle", "dot"))


def whisker(chart: Node, number: int = 0) -> tuple[float, float, float]:
    """Low and high end of an interval, and its height."""
    path = [p.attributes["d"] or "" for p in chart.all("path", "line")][number]
    start, rest = path.removeprefix("M").split("H")
    x, y = start.split(",")
    return float(x), float(rest.split("M")[0]), float(y)


def test_dots_and_whiskers_stand_where_the_axis_says() -> None:
    chart = drawing_of(shown(["AP"], Spans("LAD", [Span(-1.0, 2.0, 4.0)])))
    zero, unit = zero_and_unit(chart, "2", 2)
    low, high, y = whisker(chart)
    (dot,) = dots(chart)
    assert low == pytest.approx(zero - unit, abs=0.1)
    assert high == pytest.approx(zero + 4 * unit, abs=0.1)
    assert dot.number("cx") == pytest.approx(zero + 2 * unit, abs=0.1)
    assert dot.number("cy") == y


def test_zero_is_always_on_the_axis_and_has_a_line() -> None:
    for span in (Span(3.0, 4.0, 5.0), Span(-5.0, -4.0, -3.0)):
        chart = drawing_of(shown(["AP"], Spans("LAD", [span])))
        zero, _ = zero_and_unit(chart, "2" if span.low > 0 else "−2", 1)
        upright = [
            line for line in chart.all("line", "zero")
            if line.attributes["x1"] == line.attributes["x2"]
            and line.number("y1") < line.number("y2") - 5
        ]  # fmt: skip
        assert [line.number("x1") for line in upright][-1] == pytest.approx(zero, abs=0.1)


def test_methods_stand_under_each_other_in_every_row_in_the_order_of_the_legend() -> None:
    groups = [
        Spans(name, [Span(-1, 0, 1), Span(0, 1, 2)], hue)
        for name, hue in (("B", 1), ("C", 2), ("J", 9))
    ]
    figure = shown(["AP", "AP50"], *groups)
    assert legend_of(figure) == ["B", "C", "J"]
    chart = drawing_of(figure)
    heights = [dot.number("cy") for dot in dots(chart)]
    assert heights == sorted(heights)
    assert len(set(heights)) == 6
    assert [{"h1", "h2"} & set(dot.classes) for dot in dots(chart)] == [
        {"h1"}, {"h2"}, {"h1"}, {"h1"}, {"h2"}, {"h1"},  # there are eight hues
    ]  # fmt: skip
    names = {t.text: t.number("y") for t in chart.all("text", "name")}
    assert heights[0] < names["AP"] < heights[3] < names["AP50"]


def test_undefined_intervals_leave_their_place_empty() -> None:
    rows, span = ["AP", "APl", "AR"], Span(-1, 0, 1)
    full = drawing_of(shown(rows, Spans("B", [span, span, span])))
    gaps = drawing_of(shown(rows, Spans("B", [span, None, span])))
    assert [t.text for t in gaps.all("text", "name")] == rows
    heights = [[dot.number("cy") for dot in dots(chart)] for chart in (full, gaps)]
    assert heights[1] == [heights[0][0], heights[0][2]]


def test_without_any_interval_there_is_no_chart() -> None:
    assert interval_chart("t", "a", ["AP"], [Spans("B", [None])], unit="u") == ""
    assert interval_chart("t", "a", [], [], unit="u") == ""


def test_one_method_needs_no_legend() -> None:
    assert not list(shown(["AP"], Spans("B", [Span(-1, 0, 1)])).all("ul", "legend"))


def test_numbers_and_long_names_are_tooltips() -> None:
    long = "AP of a class with a very long <name>"
    chart = drawing_of(shown([long], Spans("<b>", [Span(-1.25, 0.5, 2.0)])))
    assert dots(chart)[0].one("title").text == f"{long}, <b>: +0.5 [−1.2, +2.0]"
    name = chart.one("text", "name")
    assert name.own_text == "AP of a class with…"
    assert name.one("title").text == long


def test_an_interval_without_width_is_drawn() -> None:
    chart = drawing_of(shown(["AP"], Spans("B", [Span(0.0, 0.0, 0.0)])))
    low, high, _ = whisker(chart)
    assert low == high == dots(chart)[0].number("cx")

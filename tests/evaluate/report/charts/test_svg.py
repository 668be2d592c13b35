from __future__ import annotations

import pytest

from ladcli.evaluate.report.charts.svg import (
    Bars,
    Counts,
    Line,
    bar_chart,
    hatching,
    histogram,
    line_chart,
)
from tests.evaluate.report.markup import Node, drawing_of, parse


def polyline(node: Node) -> list[tuple[float, ...]]:
    pairs = (node.attributes["points"] or "").split()
    return [tuple(float(v) for v in pair.split(",")) for pair in pairs]


def chart(lines: list[Line], **options: object) -> Node:
    shown = line_chart("Loss", "Lower is better.", lines, x_label="step", y_label="loss", **options)  # type: ignore[arg-type]
    return parse(shown)


def test_points_stand_where_the_axes_say() -> None:
    shown = chart([Line("a", [(0, 0), (50, 1), (100, 2)])])
    (start, middle, end) = polyline(shown.one("polyline"))
    zero, two = (next(t for t in shown.all("text", "tick") if t.text == n) for n in ("0", "2"))
    assert start[1] == pytest.approx(zero.number("y") - 4)  # text stands on its line
    assert end[1] == pytest.approx(two.number("y") - 4)
    assert middle[0] == pytest.approx((start[0] + end[0]) / 2, abs=0.1)
    assert middle[1] == pytest.approx((start[1] + end[1]) / 2, abs=0.1)


def test_lines_are_named_and_differ_without_color() -> None:
    shown = chart([Line("a", [(0, 1), (1, 2)], 0, 0), Line("<b>", [(0, 2), (1, 1)], 1, 1)])
    assert [item.text for item in shown.one("ul", "legend").all("li")] == ["a", "<b>"]
    first, second = shown.all("polyline")
    assert {"h0", "d0"} <= set(first.classes)
    assert {"h1", "d1"} <= set(second.classes)


def test_chart_says_what_it_shows_and_how_to_read_it() -> None:
    shown = chart([Line("a", [(0, 1), (1, 2)])])
    caption = shown.one("figcaption")
    assert (caption.one("b").text, caption.one("span").text) == ("Loss", "Lower is better.")
    drawing = next(s for s in shown.all("svg") if s.attributes.get("role") == "img")
    assert drawing.attributes["aria-label"] == "Loss. Lower is better."
    assert [t.text for t in drawing.all("text", "axis")] == ["step", "loss"]


def test_points_that_are_no_numbers_are_left_out() -> None:
    shown = chart([Line("a", [(0, 1), (1, float("nan")), (2, float("inf")), (3, 2)])])
    assert len(polyline(shown.one("polyline"))) == 2


def test_no_points_no_chart() -> None:
    assert line_chart("t", "a", [Line("a", [])], x_label="x", y_label="y") == ""


def test_logarithmic_axis_leaves_out_what_has_no_logarithm() -> None:
    shown = chart([Line("a", [(0, 1), (1, 0), (2, 10), (3, 100)])], log_y=True)
    (one, ten, hundred) = polyline(shown.one("polyline"))
    assert one[1] - ten[1] == pytest.approx(ten[1] - hundred[1], abs=0.15)


def test_counted_axis_has_whole_numbers() -> None:
    shown = chart([Line("a", [(1, 1), (2, 2)])], whole_x=True)
    below = [t.text for t in shown.all("text", "tick") if t.attributes["text-anchor"] == "middle"]
    assert below == ["1", "2"]


def test_a_single_point_is_visible() -> None:
    assert len(list(chart([Line("a", [(5, 1)])]).all("circle"))) == 1
    assert not list(chart([Line("a", [(5, 1), (6, 1)])]).all("circle"))


def test_dots_say_their_numbers() -> None:
    shown = chart([Line("AP", [(1, 41.2), (2, 43.25)])], dots=True)
    assert [t.text for t in shown.all("title")] == ["AP, step 1: 41.2", "AP, step 2: 43.25"]


def bars(rows: list[str], groups: list[Bars], **options: object) -> Node:
    return parse(bar_chart("AP", "Longer is better.", rows, groups, unit="points", **options))  # type: ignore[arg-type]


def test_bars_are_as_long_as_their_values() -> None:
    shown = bars(["cat", "dog"], [Bars("run", [20.0, 80.0])], limits=(0.0, 100.0))
    short, long = (bar.number("width") for bar in shown.all("rect", "fill"))
    assert long == pytest.approx(4 * short, rel=0.01)
    assert [t.text for t in shown.all("text", "value")] == ["20.0", "80.0"]
    assert [t.text for t in shown.all("text", "name")] == ["cat", "dog"]
    assert not list(shown.all("ul", "legend"))  # one kind of bar needs no legend


def test_groups_stand_side_by_side_and_are_hatched() -> None:
    shown = bars(["cat"], [Bars("a", [20.0], 0, 0), Bars("b", [30.0], 1, 1)])
    legend = shown.one("ul", "legend")
    assert [item.text for item in legend.all("li")] == ["a", "b"]
    drawing = next(s for s in shown.all("svg") if s.attributes.get("role") == "img")
    first, second = drawing.all("rect", "fill")
    assert second.number("y") == first.number("y") + 13
    hatched = [r for r in drawing.all("rect") if r.attributes.get("fill") == "url(#hatch-1)"]
    assert len(hatched) == 1
    patterns = {p.attributes["id"] for p in parse(hatching()).all("pattern")}
    assert patterns == {"hatch-1", "hatch-2", "hatch-3", "hatch-4"}


def test_undefined_values_have_no_bar() -> None:
    shown = bars(["cat", "dog"], [Bars("run", [None, 5.0])])
    assert len(list(shown.all("rect", "fill"))) == 1
    assert [t.text for t in shown.all("text", "value")] == ["–", "5.0"]


def test_negative_values_go_the_other_way() -> None:
    shown = bars(["Bkg", "Miss"], [Bars("run", [-2.0, 4.0])], decimals=2)
    left, right = shown.all("rect", "fill")
    assert left.number("x") + left.number("width") == pytest.approx(right.number("x"), abs=0.2)
    assert right.number("width") == pytest.approx(2 * left.number("width"), rel=0.02)
    assert [t.text for t in shown.all("text", "value")] == ["−2.00", "4.00"]


def test_single_runs_are_circles_on_the_bar_of_their_mean() -> None:
    groups = [Bars("LAD", [30.0], 0, 0, [[20.0, 40.0]]), Bars("PAA", [25.0], 1, 1, [[25.0]])]
    shown = bars(["cat"], groups, limits=(0.0, 100.0))
    assert shown.one("span").text == "Longer is better. Circles are single runs, bars their means."
    chart = drawing_of(shown)
    mean, single = chart.all("rect", "fill")
    low, high = chart.all("circle", "part")  # a single run needs none
    zero, unit = mean.number("x"), mean.number("width") / 30
    places = [circle.number("cx") for circle in (low, high)]
    assert places == pytest.approx([zero + 20 * unit, zero + 40 * unit], abs=0.2)
    assert low.number("cy") == mean.number("y") + mean.number("height") / 2
    # The number stands beyond the circles, and the other right behind its bar.
    number, other = chart.all("text", "value")
    assert number.number("x") == pytest.approx(places[1] + 2.5 + 4, abs=0.1)
    assert other.number("x") == pytest.approx(zero + single.number("width") + 4, abs=0.1)


def test_circles_of_negative_values_push_the_number_left() -> None:
    shown = bars(["cat"], [Bars("LAD", [-2.0], 0, 0, [[-3.0, -1.0]])])
    (number,) = shown.all("text", "value")
    left, right = (circle.number("cx") for circle in shown.all("circle", "part"))
    assert number.number("x") == pytest.approx(left - 2.5 - 4, abs=0.1)
    assert number.attributes["text-anchor"] == "end"
    assert left < right


def test_the_axis_holds_the_single_runs_too() -> None:
    shown = bars(["cat"], [Bars("LAD", [30.0], 0, 0, [[5.0, 55.0]])])
    ticks = [float(t.text) for t in shown.all("text", "tick")]
    assert max(ticks) == 60
    (number,) = shown.all("text", "value")
    assert number.number("x") + 6.1 * 4 < 360  # inside the picture


def test_undefined_mean_has_no_circles() -> None:
    shown = bars(["cat", "dog"], [Bars("LAD", [None, 2.0], 0, 0, [[], [1.0, 3.0]])])
    assert len(list(shown.all("circle", "part"))) == 2
    assert [t.text for t in shown.all("text", "value")] == ["–", "2.0"]


def test_long_names_are_cut_and_kept_as_tooltips() -> None:
    name = "a class with a very long <name>"
    shown = bars([name], [Bars("run", [1.0])]).one("text", "name")
    assert shown.own_text == "a class with a ver…"
    assert shown.one("title").text == name


def test_histogram_stacks_its_parts() -> None:
    stack = [Counts("positive", [2, 0], 0), Counts("background", [1, 3], 7, 1)]
    shown = parse(histogram("Costs", [0, 1, 2], stack, [], x_label="cost", top=4.0))
    lower, upper, alone = shown.all("rect", "fill")
    # Parts of one bin lie on each other; heights are proportional to counts.
    assert upper.number("y") + upper.number("height") == pytest.approx(lower.number("y"), abs=0.2)
    assert lower.number("height") == pytest.approx(2 * upper.number("height"), rel=0.02)
    assert alone.number("height") == pytest.approx(3 * upper.number("height"), rel=0.02)
    assert alone.number("x") > lower.number("x")


def test_curves_over_a_histogram_are_cut_off_at_its_top() -> None:
    curve = Line("lower", [(0, 0), (1, 1000), (2, 0)])
    shown = parse(histogram("Costs", [0, 1, 2], [], [curve], x_label="cost", top=4.0))
    assert polyline(shown.one("polyline"))[1][1] == 8

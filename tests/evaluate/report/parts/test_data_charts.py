from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.evaluate.report.parts.data_charts import data_charts
from tests.data.measured import content_of, measured_set, statistics
from tests.evaluate.report.markup import Node, drawing_of, figures, legend_of, parse

#: Boxes of side 40 on P3 and 96 on P4, and of 16 and 4, which overlap no anchor by 0.1.
IMAGES = [
    [("cup", [0.0, 0, 16, 16]), ("cup", [40, 40, 40, 40]), ("cup", [0, 0, 96, 96])],
    [("cup", [40.0, 40, 4, 4])],
]


def charts_of(folder: Path) -> dict[str, Node]:
    measured = measured_set(folder, content_of(IMAGES))
    return figures(parse(data_charts(statistics(measured), [measured])))


def heights(chart: Node, hue: str) -> list[float]:
    bars = drawing_of(chart).all("rect", "fill")
    return [bar.number("height") for bar in bars if hue in bar.classes]


def test_every_box_is_in_one_bar_of_its_part(tmp_path: Path) -> None:
    charts = charts_of(tmp_path)
    sides = charts["Sides of boxes, stored"]
    assert legend_of(sides) == ["small, below 32", "medium, below 96", "large"]
    assert [len(heights(sides, hue)) for hue in ("h0", "h1", "h2")] == [2, 1, 1]
    levels = charts["Sides of boxes at 96x128"]
    assert legend_of(levels) == ["P3", "P4", "P5", "P6", "P7"]
    assert [len(heights(levels, hue)) for hue in ("h0", "h1", "h2")] == [3, 1, 0]


def test_levels_and_boxes_out_of_reach(tmp_path: Path) -> None:
    chart = drawing_of(charts_of(tmp_path)["Levels at 96x128"])
    values = [label.text for label in chart.all("text", "value")]
    assert values == ["75.0", "25.0", "0.0", "0.0", "0.0", "50.0"]


def test_numbers_of_boxes_have_whole_ticks(tmp_path: Path) -> None:
    chart = drawing_of(charts_of(tmp_path)["Boxes per image"])
    ticks = [float(label.text) for label in chart.all("text", "tick")]
    assert all(tick == int(tick) for tick in ticks)


def test_sides_have_a_logarithmic_axis(tmp_path: Path) -> None:
    chart = drawing_of(charts_of(tmp_path)["Sides of boxes, stored"])
    bars = list(chart.all("rect", "fill"))
    widths = [bar.number("width") for bar in bars]
    assert widths == pytest.approx([widths[0]] * len(bars), abs=0.2)


def test_brightness_is_left_out_where_nothing_was_decoded(tmp_path: Path) -> None:
    measured = measured_set(tmp_path, content_of(IMAGES), pixels=False)
    charts = figures(parse(data_charts(statistics(measured), [measured])))
    assert "Brightness of images" not in charts

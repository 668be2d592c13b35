from __future__ import annotations

import pytest

from ladcli.evaluate.report.charts.axes import Frame, short
from ladcli.evaluate.report.charts.scale import Scale
from tests.evaluate.report.markup import parse


@pytest.mark.parametrize(
    ("value", "shown"), [(12.0, "12"), (12.34, "12.3"), (-0.04, "0"), (-1.26, "-1.3"), (0.0, "0")]
)
def test_coordinates_are_short(value: float, shown: str) -> None:
    assert short(value) == shown


def test_numbers_stand_at_their_ticks_and_inside_the_picture() -> None:
    frame = Frame(Scale(0, 10000, 30, 360), Scale(0, 1, 180, 20), 220)
    shown = parse(frame.x_axis([0, 5000, 10000], "step"))
    ticks = list(shown.all("text", "tick"))
    assert [t.text for t in ticks] == ["0", "5k", "10k"]
    assert ticks[1].number("x") == 195
    assert ticks[2].number("x") < 360  # centered there, it would stick out
    assert shown.one("text", "axis").text == "step"


def test_grid_lines_cross_the_frame() -> None:
    frame = Frame(Scale(0, 1, 30, 350), Scale(0, 1, 180, 20), 220)
    lines = list(parse(frame.horizontal_grid([0, 0.5, 1])).all("line"))
    assert [line.number("y1") for line in lines] == [180, 100, 20]
    assert {(line.number("x1"), line.number("x2")) for line in lines} == {(30, 350)}
    upright = list(parse(frame.vertical_grid([0, 0.5])).all("line"))
    assert [line.number("x1") for line in upright] == [30, 190]
    assert ["zero" in line.classes for line in upright] == [True, False]

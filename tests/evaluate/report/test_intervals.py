"""Differences with their intervals, as the page of a comparison shows them."""

from __future__ import annotations

from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparedMethod, ComparisonResult
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.report.intervals import intervals

UNKNOWN = Gain(None, None, None, None, None, None)
GAIN = Gain(0.40, 0.42, 0.02, 0.01, 0.031, 0.987)


def result(name: str) -> ComparisonResult:
    overall = {"AP": GAIN, "AP50": GAIN, "AP75": UNKNOWN}
    gains = Gains(overall, {"<cup>": {"AP": GAIN}})
    methods = (
        ComparedMethod("PAA", ("paa",), (), (), None),
        ComparedMethod(name, ("lad",), (), (), gains),
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

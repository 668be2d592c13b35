from __future__ import annotations

import pytest

from ladcli.evaluate.report.html import tag
from ladcli.evaluate.report.parts.cells import number_cell
from ladcli.evaluate.table import points
from tests.evaluate.report.markup import parse


def cell(value: float | None, base: float | None = None, spread: float | None = None) -> str:
    return parse(tag("td", number_cell(value, points, base=base, spread=spread))).text


@pytest.mark.parametrize(
    ("value", "base", "spread", "shown"),
    [
        (0.4, None, None, "40.0"),
        (0.4, 0.375, None, "40.0 +2.5"),
        (0.4, 0.425, None, "40.0 −2.5"),
        (0.4, None, 0.0123, "40.0 ±1.2"),
        (0.4, 0.375, 0.0123, "40.0 ±1.2 +2.5"),
        (0.4, 0.4, None, "40.0 +0.0"),
        (0.4, 0.4004, None, "40.0 +0.0"),  # never −0.0
        (None, 0.4, 0.1, "–"),
        (0.4, None, 0.0, "40.0 ±0.0"),
    ],
)
def test_number_with_its_spread_and_its_gain(
    value: float | None, base: float | None, spread: float | None, shown: str
) -> None:
    assert cell(value, base, spread) == shown


def test_gain_is_marked_as_one() -> None:
    shown = parse(tag("td", number_cell(0.5, points, base=0.4, spread=0.1)))
    assert shown.one("span", "gain").text == "+10.0"


def test_other_units_are_shown_as_they_are_told() -> None:
    assert number_cell(-1.5, lambda v: f"<{v:.2f}>" if v is not None else "?") == "&lt;-1.50&gt;"

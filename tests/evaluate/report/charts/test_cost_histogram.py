from __future__ import annotations

import numpy as np
import pytest

from ladcli.evaluate.report.charts.cost_histogram import cost_histogram, histogram_legend
from ladcli.runs.probe_file import ProbedSamples
from tests.evaluate.report.markup import Node, parse


def samples(*cost: float, positives: int = 0, variance: float = 0.01) -> ProbedSamples:
    """One object; the mixture has a component at either end of the costs."""
    row = np.full((1, 45), np.nan)
    row[0, : len(cost)] = cost
    ends = [[min(cost), max(cost)]]
    return ProbedSamples(
        cost=row,
        positive=np.arange(45)[None] < positives,
        means=np.array(ends),
        variances=np.full((1, 2), variance),
        weights=np.full((1, 2), 0.5),
    )


def test_costs_are_counted_beside_their_mixture() -> None:
    chart = parse(cost_histogram("Own", samples(0.5, 0.6, 2.0, 2.2, positives=2), 0))
    assert "2 of 4 are positive" in chart.text
    positive = [r for r in chart.all("rect", "fill") if "h0" in r.classes]
    background = [r for r in chart.all("rect", "fill") if "h7" in r.classes]
    assert len(positive) == 1  # 0.5 and 0.6 share a bin
    assert positive[0].number("height") == pytest.approx(2 * background[0].number("height"), 0.02)
    lower, upper = chart.all("polyline")
    assert "d0" in lower.classes
    assert "d1" in upper.classes
    assert _peak(lower) < positive[0].number("x") + positive[0].number("width") < _peak(upper)


def _peak(line: Node) -> float:
    """Where a curve is highest."""
    points = [tuple(map(float, p.split(","))) for p in (line.attributes["points"] or "").split()]
    return min(points, key=lambda point: point[1])[0]


def test_too_few_candidates_are_said() -> None:
    assert "fewer than two candidates" in parse(cost_histogram("Own", samples(1.0), 0)).text


def test_unknown_costs_are_said() -> None:
    assert "holds its labels, not its costs" in parse(cost_histogram("Own", None, 0)).text


@pytest.mark.parametrize("cost", [1.0, 0.0])
def test_equal_costs_and_collapsed_mixtures_are_drawn(cost: float) -> None:
    shown = parse(cost_histogram("Own", samples(cost, cost, cost, variance=0.0), 0))
    lines = list(shown.all("polyline"))
    assert lines
    assert "nan" not in "".join(line.attributes["points"] or "" for line in lines)


def test_legend_names_bars_and_curves() -> None:
    shown = parse(histogram_legend())
    assert [item.text for item in shown.all("li")] == [
        "positive", "background", "lower Gaussian", "upper Gaussian",
    ]  # fmt: skip

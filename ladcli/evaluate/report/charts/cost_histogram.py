"""The costs of one object's candidates, and the two Gaussians fitted to them."""

from __future__ import annotations

import math

import numpy as np

from ladcli.evaluate.report.charts.svg import (
    Counts,
    Line,
    Point,
    bar_legend,
    figure,
    histogram,
    line_legend,
)
from ladcli.evaluate.report.html import Html, join
from ladcli.runs.probe_file import ProbedSamples

_NUM_BINS = 14

HISTOGRAM_AID = (
    "Costs of the cheapest candidates of one object, with the two Gaussians fitted to them: "
    "positives are taken from what the lower one holds, the cheapest first. The wider apart the "
    "two, the clearer the choice; axes differ between pictures."
)


def cost_histogram(title: str, samples: ProbedSamples | None, box: int) -> Html:
    """The costs of one object, a row of ``samples``, under the mixture fitted to them."""
    if samples is None:
        return figure(title, "the teacher's cache holds its labels, not its costs")
    cost = samples.cost[box]
    sampled = np.isfinite(cost)
    cost, positive = cost[sampled], samples.positive[box][sampled]
    words = f"{int(positive.sum())} of {len(cost)} are positive"
    if len(cost) < 2:
        return figure(title, "fewer than two candidates, so no positives")
    edges = _edges(cost)
    counts = [np.histogram(cost[part], edges)[0] for part in (positive, ~positive)]
    top = max(1.0, 1.15 * float((counts[0] + counts[1]).max()))
    drawing = histogram(
        f"{title}: {words}",
        edges.tolist(),
        [
            Counts("positive", counts[0].tolist(), hue=0),
            Counts("background", counts[1].tolist(), hue=7, pattern=1),
        ],
        [_gaussian(samples, box, k, edges, len(cost)) for k in (0, 1)],
        x_label="cost",
        top=top,
    )
    return figure(title, words, drawing, class_="chart hist")


def _edges(cost: np.ndarray) -> np.ndarray:
    """Equal bins over the costs; a little room where all are equal."""
    low, high = float(cost.min()), float(cost.max())
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = low - 0.01, high + 0.01
    return np.linspace(low, high, _NUM_BINS + 1)


def _gaussian(samples: ProbedSamples, box: int, k: int, edges: np.ndarray, num: int) -> Line:
    """A component in samples per bin, so that it can be laid over the histogram."""
    mean, variance = samples.means[box, k], max(float(samples.variances[box, k]), 1e-12)
    weight, deviation = samples.weights[box, k], math.sqrt(variance)
    # Narrow components need points of their own.
    near = mean + deviation * np.linspace(-3, 3, 25)
    x = np.unique(np.concatenate([np.linspace(edges[0], edges[-1], 40), near]))
    x = x[(x >= edges[0]) & (x <= edges[-1])]
    density = np.exp(-((x - mean) ** 2) / (2 * variance)) / (deviation * math.sqrt(2 * math.pi))
    y = weight * num * (edges[1] - edges[0]) * density
    points: list[Point] = list(zip(x.tolist(), y.tolist(), strict=True))
    return Line(("lower", "upper")[k], points, hue=(1, 3)[k], dash=k)


def histogram_legend() -> Html:
    """What bars and curves are."""
    bars = bar_legend([Counts("positive", (), 0), Counts("background", (), 7, 1)])
    lines = line_legend([Line("lower Gaussian", (), 1, 0), Line("upper Gaussian", (), 3, 1)])
    return join([bars, lines])

"""A paired bootstrap over images: how far differences move when other images are drawn.

Images are drawn with repeats, the same ones for all runs, and the numbers computed anew (Efron and
Tibshirani 1993, chapter 13).  An image that is drawn twice weighs twice: what is resampled knows
how to compute its numbers under any weights, and a resample is only another set of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ladcli.evaluate.average_precision import mean_of_defined

#: Weights that are drawn in one go, images times resamples; bounds memory.
_DRAWN = 1 << 20


@dataclass(frozen=True)
class Gain:
    """One number of a method against that of the baseline, in the number's own unit.

    None where a number is undefined; the interval and ``share_above`` go over the resamples where
    both methods have the number.
    """

    baseline: float | None
    value: float | None
    difference: float | None  # value - baseline, on the whole set
    low: float | None  # percentile interval of the difference
    high: float | None
    share_above: float | None  # of the resamples, difference above 0


class Resampled(Protocol):
    """A run whose numbers can be computed for images that count any number of times."""

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        """Numbers [R, B], NaN where undefined, for ``weights`` [N, B] of the N images."""


@dataclass(frozen=True)
class Draws:
    """How often to draw, and what an interval holds.

    ``count`` is at least 1, ``confidence`` the share of the resamples inside an interval, between 0
    and 1; the seed decides which images are drawn.
    """

    count: int = 10_000
    confidence: float = 0.95
    seed: int = 0


def paired_bootstrap(
    methods: Sequence[Sequence[Resampled]],
    num_images: int,
    draws: Draws = Draws(),
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[list[Gain]]:
    """Differences of methods to the first, with intervals.

    Args:
        methods: one run each, or several with different seeds, whose numbers are averaged.
        num_images: N.
        draws: how many resamples, and which.
        on_progress: told how many resamples of how many runs are done, counted together.

    Returns:
        For every method but the first, a gain for each of the R numbers.
    """
    points = _means(methods, np.ones((num_images, 1)), on_run=lambda: None)[..., 0]
    parts, done = [], 0
    for weights in _weights(num_images, draws):

        def on_run(count: int = weights.shape[1]) -> None:
            nonlocal done
            done += count
            on_progress(done)

        parts.append(_means(methods, weights, on_run))
    drawn = np.concatenate(parts, axis=-1)
    return [
        [
            _gain(before, after, differences, draws.confidence)
            for before, after, differences in zip(points[0], value, moved - drawn[0], strict=True)
        ]
        for value, moved in zip(points[1:], drawn[1:], strict=True)
    ]


def _means(
    methods: Sequence[Sequence[Resampled]], weights: np.ndarray, on_run: Callable[[], None]
) -> np.ndarray:
    """Numbers of every method, means over its runs, [methods, R, B]."""
    means = []
    for runs in methods:
        numbers = []
        for run in runs:
            numbers.append(run.numbers(weights))
            on_run()
        means.append(mean_of_defined(np.stack(numbers), axis=0))
    return np.stack(means)


def _weights(num_images: int, draws: Draws) -> Iterator[np.ndarray]:
    """How often each image is drawn, [N, B] float64, for some resamples after the other."""
    rng = np.random.default_rng(draws.seed)
    step = max(1, _DRAWN // max(1, num_images))
    for start in range(0, draws.count, step):
        count = min(step, draws.count - start)
        image = rng.integers(num_images, size=(count, num_images))
        cell = image * count + np.arange(count)[:, None]
        times = np.bincount(cell.ravel(), minlength=num_images * count)
        yield times.reshape(num_images, count).astype(np.float64)


def _gain(baseline: float, value: float, differences: np.ndarray, confidence: float) -> Gain:
    """One number's gain; ``differences`` [B] are NaN where it is undefined."""
    if np.isnan(baseline) or np.isnan(value):
        return Gain(*(None if np.isnan(x) else float(x) for x in (baseline, value)), *[None] * 4)
    gain = float(value - baseline)
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return Gain(float(baseline), float(value), gain, None, None, None)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
    return Gain(float(baseline), float(value), gain, low, high, float((defined > 0).mean()))

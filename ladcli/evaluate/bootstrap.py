"""Is the gain real?  Intervals of differences between runs, by a paired bootstrap over images.

Images are drawn with repeats, the same ones for all runs, and the numbers computed anew (Efron and
Tibshirani 1993, chapter 13).  An image that is drawn twice weighs twice: detections are
matched and sorted once, and a resample is only another set of weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ladcli.evaluate.average_precision import ClassRanking
from ladcli.evaluate.coco import IOU_50, IOU_75
from ladcli.evaluate.matching import Matching

#: Weights that are drawn in one go, images times resamples; bounds memory.
_DRAWN = 1 << 20
#: Right detections of a class times resamples in one go: arrays that stay in the processor's cache
#: are three times faster than large ones, but rows of few resamples cost as much as longer ones.
_BLOCK, _ROW = 1 << 15, 32
_NUMBERS = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class Gain:
    """One number of a run against that of the baseline, shares of 1.

    None where a number is undefined; the interval and ``share_above`` go over the resamples where
    both runs have the number.
    """

    baseline: float | None
    value: float | None
    difference: float | None  # value - baseline, on the whole set
    low: float | None  # percentile interval of the difference
    high: float | None
    share_above: float | None  # of the resamples, difference above 0


@dataclass(frozen=True)
class Comparison:
    """A run against the baseline."""

    overall: dict[str, Gain]  # AP AP50 AP75
    per_class: dict[str, dict[str, Gain]]  # the same by class name


def paired_bootstrap(
    baseline: Sequence[Matching],
    others: Sequence[Sequence[Matching]],
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Compare methods on the same ground truth with a baseline.

    A method is one run, or several with different seeds, whose numbers are averaged.  A class that
    has no ground truth among the images drawn is left out of that resample's mean, as it is
    anywhere else.

    Args:
        baseline: detections of the runs of the method to compare with, matched.
        others: the same of the methods in question.
        resamples: how many sets of images to draw, at least 1.
        confidence: share of the resamples inside the interval, between 0 and 1.
        seed: decides which images are drawn.

    Returns:
        One comparison per method of ``others``.

    Raises:
        ValueError: the runs were matched to different ground truth.
    """
    truth = baseline[0]
    for matching in itertools.chain(baseline, *others):
        _require_same_ground_truth(truth, matching)
    methods = [_Method(matchings) for matchings in (baseline, *others)]
    once = np.ones((truth.num_images, 1))
    points = [method.numbers(once)[..., 0] for method in methods]
    draws = list(zip(*_draws(methods, truth.num_images, resamples, seed), strict=True))
    drawn = [np.concatenate(numbers, axis=-1) for numbers in draws]
    names = truth.classes.names
    return [
        _comparison(names, points[0], points[k], drawn[k] - drawn[0], confidence)
        for k in range(1, len(methods))
    ]


class _Method:
    """The runs of one method, whose numbers are averaged."""

    def __init__(self, matchings: Sequence[Matching]) -> None:
        self._runs = [_Run(matching) for matching in matchings]

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        """Means over the runs, [3, 1 + C, B], see `_Run.numbers`.

        All runs have the same ground truth, so a number is defined for all of them or none.
        """
        total = sum(run.numbers(weights) for run in self._runs)
        return np.asarray(total) / len(self._runs)


class _Run:
    """A run's detections, ready to be weighed."""

    def __init__(self, matching: Matching) -> None:
        self._rankings = [ClassRanking(matching, c) for c in range(len(matching.classes))]

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        """AP, AP50 and AP75 of all classes together, then of each class, for each weighting.

        Args:
            weights: [N, B] float64, how often each image counts.

        Returns:
            [3, 1 + C, B] shares of 1, NaN where there is no ground truth.
        """
        by_threshold = np.stack([_in_blocks(r, weights) for r in self._rankings], axis=1)
        per_class = np.stack(
            [by_threshold.mean(axis=0), by_threshold[IOU_50], by_threshold[IOU_75]]
        )
        defined = ~np.isnan(per_class)
        total = per_class.sum(axis=1, keepdims=True, where=defined)
        with np.errstate(invalid="ignore"):
            overall = total / defined.sum(axis=1, keepdims=True)  # 0 / 0 is NaN
        return np.concatenate([overall, per_class], axis=1)


def _in_blocks(ranking: ClassRanking, weights: np.ndarray) -> np.ndarray:
    """AP [T, B] under ``weights`` [N, B]."""
    step = max(_ROW, _BLOCK // max(1, ranking.num_right))
    starts = range(0, weights.shape[1], step)
    blocks = [ranking.average_precision(weights[:, start : start + step]) for start in starts]
    return np.concatenate(blocks, axis=1)


def _draws(
    methods: Sequence[_Method], num_images: int, resamples: int, seed: int
) -> Iterator[list[np.ndarray]]:
    """Numbers of every method, [3, 1 + C, B] each, for some resamples after the other."""
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWN // num_images)
    for start in range(0, resamples, step):
        weights = _resampled_weights(rng, num_images, min(step, resamples - start))
        yield [method.numbers(weights) for method in methods]


def _resampled_weights(rng: np.random.Generator, num_images: int, count: int) -> np.ndarray:
    """How often each image is drawn in ``count`` resamples, [N, count] float64."""
    image = rng.integers(num_images, size=(count, num_images))
    cell = image * count + np.arange(count)[:, None]
    times = np.bincount(cell.ravel(), minlength=num_images * count)
    return times.reshape(num_images, count).astype(np.float64)


def _comparison(
    names: Sequence[str],
    baseline: np.ndarray,
    value: np.ndarray,
    differences: np.ndarray,
    confidence: float,
) -> Comparison:
    """Gains from numbers [3, 1 + C] of both runs, and differences [3, 1 + C, resamples]."""
    gains = [
        {
            name: _gain(baseline[n, column], value[n, column], differences[n, column], confidence)
            for n, name in enumerate(_NUMBERS)
        }
        for column in range(1 + len(names))
    ]
    return Comparison(gains[0], dict(zip(names, gains[1:], strict=True)))


def _gain(baseline: float, value: float, differences: np.ndarray, confidence: float) -> Gain:
    """One number's gain; ``differences`` [resamples] are NaN where it is undefined."""
    if np.isnan(baseline):
        return Gain(None, None, None, None, None, None)
    gain = float(value - baseline)
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return Gain(float(baseline), float(value), gain, None, None, None)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
    return Gain(float(baseline), float(value), gain, low, high, float((defined > 0).mean()))


def _require_same_ground_truth(baseline: Matching, other: Matching) -> None:
    same = (
        baseline.classes == other.classes
        and baseline.num_images == other.num_images
        and np.array_equal(baseline.gt_class, other.gt_class)
        and np.array_equal(baseline.gt_image, other.gt_image)
        and np.array_equal(baseline.gt_counts, other.gt_counts)
    )
    if not same:
        raise ValueError("the runs are matched to different ground truth")

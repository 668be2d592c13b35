"""Is the gain real?  AP and the costs of errors of several methods, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ladcli.evaluate.average_precision import ClassRanking, mean_of_defined
from ladcli.evaluate.bootstrap import Draws, Gain, paired_bootstrap
from ladcli.evaluate.coco import IOU_50, IOU_75
from ladcli.evaluate.matching import SIZES, Matching
from ladcli.evaluate.tide_repairs import ALL_KINDS, Repairs
from ladcli.runs.coco_numbers import ALL_AP_KEYS, AP_KEYS

#: Right detections of a class times resamples in one go: arrays that stay in the processor's cache
#: are three times faster than large ones, but rows of few resamples cost as much as longer ones.
_BLOCK, _ROW = 1 << 15, 32


@dataclass(frozen=True, eq=False)
class MatchedRun:
    """What a run's numbers are computed of.

    With ``repairs`` there are intervals of everything, sizes and TIDE included.
    """

    matching: Matching
    repairs: Repairs | None = None


@dataclass(frozen=True)
class Gains:
    """A method against the baseline."""

    overall: dict[str, Gain]  # AP AP50 AP75, perhaps APs APm APl, shares of 1
    per_class: dict[str, dict[str, Gain]]  # the same by class name
    tide: dict[str, Gain] = field(default_factory=dict)  # perhaps dAP of TIDE's kinds, points


def gains_over(
    baseline: Sequence[MatchedRun],
    others: Sequence[Sequence[MatchedRun]],
    draws: Draws = Draws(),
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Gains]:
    """Compare methods on the same ground truth with a baseline.

    A method is one run, or several with different seeds, whose numbers are averaged.  A class that
    has no ground truth among the images drawn is left out of that resample's mean, as it is
    anywhere else.

    Args:
        baseline: runs of the method to compare with.
        others: the same of the methods in question; all runs have repairs, or none has.
        draws: how many resamples, and which.
        on_progress: as `paired_bootstrap`.

    Returns:
        The gains of each method of ``others``.

    Raises:
        ValueError: the runs were matched to different ground truth.
    """
    methods = [baseline, *others]
    truth = baseline[0].matching
    for run in (run for runs in methods for run in runs):
        _require_same_ground_truth(truth, run.matching)
    resampled = [[_Numbers(run) for run in runs] for runs in methods]
    found = paired_bootstrap(resampled, truth.num_images, draws, on_progress=on_progress)
    with_everything = baseline[0].repairs is not None
    return [_named(gains, truth.classes.names, with_everything) for gains in found]


class _Numbers:
    """All numbers of a run, in a column: of all classes together, of each class, of TIDE."""

    def __init__(self, run: MatchedRun) -> None:
        classes = range(len(run.matching.classes))
        sizes = range(len(SIZES) if run.repairs else 1)
        self._rankings = [[ClassRanking(run.matching, c, size) for c in classes] for size in sizes]
        self._repairs = run.repairs

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        """[R, B], as `_named` reads them."""
        everything = self._per_size(weights, 0)
        rows = [everything.mean(axis=0), everything[IOU_50], everything[IOU_75]]
        rows += [self._per_size(weights, n).mean(axis=0) for n in range(1, len(self._rankings))]
        per_class = np.stack(rows)
        overall = mean_of_defined(per_class, axis=1)[:, None]
        table = np.concatenate([overall, per_class], axis=1)
        return np.concatenate([table.reshape(-1, weights.shape[1]), self._costs(weights)])

    def _per_size(self, weights: np.ndarray, size: int) -> np.ndarray:
        """AP [T, C, B]."""
        return np.stack([_in_blocks(of, weights) for of in self._rankings[size]], axis=1)

    def _costs(self, weights: np.ndarray) -> np.ndarray:
        """dAP [8, B], or [0, B] where nobody asked."""
        if self._repairs is None:
            return np.empty((0, weights.shape[1]))
        classes = self._repairs.classes
        per_class = np.stack([_in_blocks(of, weights) for of in classes], axis=1)
        return self._repairs.gains(per_class, weights)


class _OfClass(Protocol):
    """Average precisions of one class."""

    num_right: int

    def average_precision(self, weights: np.ndarray) -> np.ndarray: ...


def _in_blocks(of_class: _OfClass, weights: np.ndarray) -> np.ndarray:
    """Average precisions [..., B] under ``weights`` [N, B]."""
    step = max(_ROW, _BLOCK // max(1, of_class.num_right))
    starts = range(0, weights.shape[1], step)
    blocks = [of_class.average_precision(weights[:, start : start + step]) for start in starts]
    return np.concatenate(blocks, axis=-1)


def _named(gains: Sequence[Gain], classes: Sequence[str], with_everything: bool) -> Gains:
    """Gains by their names, of rows as `_Numbers` gives them."""
    names = ALL_AP_KEYS if with_everything else AP_KEYS
    per_row = 1 + len(classes)
    by_name = {name: gains[n * per_row : (n + 1) * per_row] for n, name in enumerate(names)}
    return Gains(
        {name: row[0] for name, row in by_name.items()},
        {
            label: {name: row[1 + c] for name, row in by_name.items()}
            for c, label in enumerate(classes)
        },
        dict(zip(ALL_KINDS, gains[len(names) * per_row :], strict=True)) if with_everything else {},
    )


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

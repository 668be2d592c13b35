"""What a method reached on a set, and each of its runs: numbers, and what stands behind them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.gains import Gains
from ladcli.evaluate.method_cost import MethodCost
from ladcli.evaluate.results import Results
from ladcli.runs.coco_numbers import ALL_AP_KEYS, CocoMetrics
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.runs.tide_numbers import TideErrors, TideReport
from ladcli.training_cost import UNKNOWN, TrainingCost

#: A difference must be larger than so many of its standard errors over seeds.
SEED_ERRORS = 2
Verdict = Literal["better", "worse", "not told apart", "no further apart than seeds", "undefined"]


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth of a set."""

    annotations: CocoFile
    images: Path  # folder


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """What one network of a run reached on one set.  C classes."""

    network: str  # model, a or b
    split: str
    metrics: CocoMetrics | None  # None where neither file of the folder can be used
    tide: TideErrors | None = None
    precision: np.ndarray | None = None  # [2, C, 101] at IoU 0.5 and 0.75; NaN without objects
    truth: Truth | None = None  # None where it was not found: then the numbers are as recorded
    detections: Results | None = None
    remarks: tuple[str, ...] = ()
    thresholds: ScoreThresholds | None = None  # of its network, whatever this set; None: none known
    name: str = ""  # what the user called the run
    cost: TrainingCost = UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Plain values, as far as there are numbers."""
        metrics = self.metrics.to_json() if self.metrics is not None else {}
        tide = TideReport("corrected", (self.tide,)).to_json() if self.tide is not None else {}
        return {"run": self.name, **metrics, **tide, "cost": self.cost.to_plain()}


@dataclass(frozen=True, eq=False)
class MeasuredMethod:
    """A method on one set, measured once or with several seeds; numbers are means over these.

    A number is None where no run has it.
    """

    name: str
    runs: tuple[MeasuredRun, ...]
    place: int = 0  # among all that a page shows: the hue, dash and hatching of every chart
    gains: Gains | None = None  # over the first method; None for the first itself

    def measured(self) -> MeasuredMethod | None:
        """The same without runs that have no numbers; None where none has."""
        known = tuple(run for run in self.runs if run.metrics is not None)
        return replace(self, runs=known) if known else None

    @property
    def title(self) -> str:
        """The name, and of how many runs the numbers are means."""
        return self.name if len(self.runs) == 1 else f"{self.name} ({len(self.runs)} runs)"

    @property
    def cost(self) -> MethodCost:
        """What its runs cost."""
        return MethodCost(self.name, tuple(run.cost for run in self.runs))

    def mean(self, key: str, class_name: str | None = None) -> float | None:
        """Mean of a COCO number over the runs, of all classes or of one; share of 1."""
        return _mean(self.values(key, class_name))

    def spread(self, key: str) -> float | None:
        """Sample standard deviation of a COCO number over the runs; None for one run."""
        values = self.values(key)
        return statistics.stdev(values) if len(values) > 1 else None

    def values(self, key: str, class_name: str | None = None) -> list[float]:
        """A COCO number of each run in which it is defined."""
        known = [run.metrics for run in self.runs if run.metrics is not None]
        tables = (m.stats if class_name is None else m.per_class.get(class_name, {}) for m in known)
        return _defined(table.get(key) for table in tables)

    def class_names(self) -> list[str]:
        """In the order of the class table."""
        return [name for r in self.runs if r.metrics is not None for name in r.metrics.per_class]

    def tide_cost(self, kind: str) -> float | None:
        """dAP of one of TIDE's kinds of error, points."""
        return _mean(self.tide_costs(kind))

    def tide_costs(self, kind: str) -> list[float]:
        """The same of every run that has it."""
        return _defined(r.tide.dap.get(kind) for r in self.runs if r.tide is not None)

    def tide_count(self, kind: str) -> float | None:
        """How many errors of one of TIDE's kinds there are."""
        return _mean(_defined(r.tide.counts.get(kind) for r in self.runs if r.tide is not None))

    def tide_threshold(self) -> float | None:
        """IoU of TIDE's numbers; None where no run has them."""
        return next((r.tide.thresholds.positive for r in self.runs if r.tide is not None), None)

    def precision(self) -> np.ndarray | None:
        """[2, C, 101] at IoU 0.5 and 0.75; NaN without objects."""
        curves = [r.precision for r in self.runs if r.precision is not None]
        return np.mean(curves, axis=0) if curves else None

    def truth(self) -> Truth | None:
        """The ground truth, where it is known."""
        return next((r.truth for r in self.runs if r.truth is not None), None)

    def seed_error(self, baseline: MeasuredMethod, key: str = "AP") -> float | None:
        """Standard error of the difference to ``baseline`` over seeds, share of 1.

        None where either has a single run, which says nothing of others.
        """
        groups = [method.values(key) for method in (self, baseline)]
        if min(len(values) for values in groups) < 2:
            return None
        return math.sqrt(sum(statistics.variance(values) / len(values) for values in groups))

    def verdict(self, baseline: MeasuredMethod) -> Verdict:
        """Is the AP really above, or below, that of ``baseline``?

        It is where the interval leaves zero out and, of several seeds, the difference is larger
        than `SEED_ERRORS` of its standard errors over seeds.
        """
        gain = self.gains.overall["AP"] if self.gains is not None else None
        if gain is None or gain.difference is None or gain.low is None or gain.high is None:
            return "undefined"
        if gain.low <= 0 <= gain.high:
            return "not told apart"
        error = self.seed_error(baseline)
        if error is not None and abs(gain.difference) <= SEED_ERRORS * error:
            return "no further apart than seeds"
        return "better" if gain.difference > 0 else "worse"

    def to_json(self, baseline: MeasuredMethod) -> dict[str, Any]:
        """Plain values; gains over ``baseline`` with their intervals, and its error over seeds."""
        gains = None
        if self.gains is not None:
            gains = {
                "overall": {k: vars(g) for k, g in self.gains.overall.items()},
                "per_class": {
                    name: {k: vars(g) for k, g in table.items()}
                    for name, table in self.gains.per_class.items()
                },
                "tide": {kind: vars(g) for kind, g in self.gains.tide.items()},
            }
        return {
            "method": self.name,
            "runs": [run.to_json() for run in self.runs],
            "cost": self.cost.to_json(),
            "gains": gains,
            "mean": {key: self.mean(key) for key in ALL_AP_KEYS},
            "spread": {key: self.spread(key) for key in ALL_AP_KEYS},
            "seed_error": None if gains is None else self.seed_error(baseline),
            "verdict": None if gains is None else self.verdict(baseline),
        }


def _defined(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and np.isfinite(value)]


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None

"""Two or more methods side by side, with the runs that stand behind each."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any, Literal

from ladcli.evaluate.gains import ALL_PRECISIONS, Gains
from ladcli.evaluate.method_cost import MethodCost, what_is_compared
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.tide_numbers import TideReport
from ladcli.training_cost import UNKNOWN, TrainingCost

#: A difference must be larger than so many of its standard errors over seeds.
SEED_ERRORS = 2
Verdict = Literal["better", "worse", "not told apart", "no further apart than seeds", "undefined"]


@dataclass(frozen=True)
class ComparedMethod:
    """A method with what each of its runs reached."""

    name: str
    runs: tuple[str, ...]
    metrics: tuple[CocoMetrics, ...]  # beside the runs
    tide: tuple[TideReport, ...]
    gains: Gains | None  # over the first method; None for the first itself
    costs: tuple[TrainingCost, ...] = ()  # beside the runs; unknown of bare results files

    @property
    def cost(self) -> MethodCost:
        """What its runs cost."""
        return MethodCost(self.name, self.costs or (UNKNOWN,) * len(self.runs))

    def mean(self, key: str, class_name: str | None = None) -> float | None:
        """Mean of a number over the runs, share of 1."""
        values = self.values(key, class_name)
        return statistics.fmean(values) if values else None

    def spread(self, key: str) -> float | None:
        """Sample standard deviation over the runs; None for one run."""
        values = self.values(key)
        return statistics.stdev(values) if len(values) > 1 else None

    def seed_error(self, baseline: ComparedMethod, key: str = "AP") -> float | None:
        """Standard error of the difference to ``baseline`` over seeds, share of 1.

        None where either has a single run, which says nothing of others.
        """
        groups = [method.values(key) for method in (self, baseline)]
        if min(len(values) for values in groups) < 2:
            return None
        return math.sqrt(sum(statistics.variance(values) / len(values) for values in groups))

    def verdict(self, baseline: ComparedMethod) -> Verdict:
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

    def values(self, key: str, class_name: str | None = None) -> list[float]:
        """A number of each run in which it is defined."""
        tables = (m.stats if class_name is None else m.per_class[class_name] for m in self.metrics)
        return [value for table in tables if (value := table[key]) is not None]

    def tide_cost(self, kind: str) -> float | None:
        """Mean dAP of a kind of error, points of 100."""
        costs = [report.entries[0].dap[kind] for report in self.tide]
        defined = [cost for cost in costs if cost is not None]
        return statistics.fmean(defined) if defined else None

    def to_json(self, baseline: ComparedMethod) -> dict[str, Any]:
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
            "runs": [
                {"run": run, **metrics.to_json(), **tide.to_json(), "cost": cost.to_plain()}
                for run, metrics, tide, cost in zip(
                    self.runs, self.metrics, self.tide, self.cost.runs, strict=True
                )
            ],
            "cost": self.cost.to_json(),
            "gains": gains,
            "mean": {key: self.mean(key) for key in ALL_PRECISIONS},
            "spread": {key: self.spread(key) for key in ALL_PRECISIONS},
            "seed_error": None if gains is None else self.seed_error(baseline),
            "verdict": None if gains is None else self.verdict(baseline),
        }


@dataclass(frozen=True)
class ComparisonResult:
    """Everything that `lad compare` shows.  The first method is the baseline."""

    methods: tuple[ComparedMethod, ...]
    set_name: str
    num_images: int
    resamples: int
    confidence: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "set": self.set_name,
            "images": self.num_images,
            "resamples": self.resamples,
            "confidence": self.confidence,
            "baseline": self.methods[0].name,
            "compared_at": what_is_compared([method.cost for method in self.methods]),
            "methods": [method.to_json(self.methods[0]) for method in self.methods],
        }

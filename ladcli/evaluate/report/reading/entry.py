"""What charts show under one name: a run, or the runs of a method that differ in their seed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ladcli.evaluate.report.reading.content import SetResult, Truth


@dataclass(frozen=True, eq=False)
class Entry:
    """Something that was measured on one set, once or with several seeds; means over these.

    A number is None where no run has it.
    """

    name: str
    results: tuple[SetResult, ...]
    place: int = 0  # among all that the page shows: the hue, dash and hatching of every chart

    def measured(self) -> Entry | None:
        """The same without runs that have no numbers; None where none has."""
        known = tuple(result for result in self.results if result.metrics is not None)
        return replace(self, results=known) if known else None

    @property
    def title(self) -> str:
        """The name, and of how many runs the numbers are means."""
        return self.name if len(self.results) == 1 else f"{self.name} ({len(self.results)} runs)"

    def stat(self, key: str) -> float | None:
        """A COCO number, share of 1."""
        return _mean(self._stats(key))

    def spread(self, key: str) -> float | None:
        """Sample standard deviation of a COCO number over the runs; None for one run."""
        values = self._stats(key)
        return statistics.stdev(values) if len(values) > 1 else None

    def of_class(self, name: str, key: str = "AP") -> float | None:
        """A COCO number of one class, share of 1."""
        return _mean(self.values_of_class(name, key))

    def values_of_class(self, name: str, key: str = "AP") -> list[float]:
        """The same of every run that has it."""
        tables = (r.metrics.per_class.get(name, {}) for r in self.results if r.metrics is not None)
        return _defined(table.get(key) for table in tables)

    def class_names(self) -> list[str]:
        """In the order of the class table."""
        return [name for r in self.results if r.metrics is not None for name in r.metrics.per_class]

    def cost(self, kind: str) -> float | None:
        """dAP of one of TIDE's kinds of error, points."""
        return _mean(self.costs(kind))

    def costs(self, kind: str) -> list[float]:
        """The same of every run that has it."""
        return _defined(r.tide.dap.get(kind) for r in self.results if r.tide is not None)

    def count(self, kind: str) -> float | None:
        """How many errors of one of TIDE's kinds there are."""
        return _mean(_defined(r.tide.counts.get(kind) for r in self.results if r.tide is not None))

    def tide_threshold(self) -> float | None:
        """IoU of TIDE's numbers; None where no run has them."""
        return next((r.tide.thresholds.positive for r in self.results if r.tide is not None), None)

    def precision(self) -> np.ndarray | None:
        """[2, C, 101] at IoU 0.5 and 0.75; NaN without objects."""
        curves = [r.precision for r in self.results if r.precision is not None]
        return np.mean(curves, axis=0) if curves else None

    def truth(self) -> Truth | None:
        """The ground truth, where it is known."""
        return next((r.truth for r in self.results if r.truth is not None), None)

    def _stats(self, key: str) -> list[float]:
        return _defined(r.metrics.stats.get(key) for r in self.results if r.metrics is not None)


def _defined(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and np.isfinite(value)]


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None

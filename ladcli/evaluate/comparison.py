"""Two or more methods side by side, with the runs that stand behind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.method_cost import what_is_compared


@dataclass(frozen=True)
class ComparisonResult:
    """Everything that `lad compare` shows.  The first method is the baseline."""

    methods: tuple[MeasuredMethod, ...]
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

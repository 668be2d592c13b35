"""The numbers of the COCO protocol by their names, and as files hold them.

Numbers are shares of 1.  AP averages the IoU thresholds .50:.05:.95; s, m and l are objects with
an area below 32², up to 96², and beyond; AR1, AR10 and AR100 are recalls with that many detections
per image and class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

#: Names of the twelve numbers, in the order of pycocotools.
STATS = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
)  # fmt: skip
#: The average precisions among them: of objects of all sizes, then of each size.
AP_KEYS = ("AP", "AP50", "AP75")
ALL_AP_KEYS = (*AP_KEYS, "APs", "APm", "APl")
#: Those of every class.
OF_CLASSES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


@dataclass(frozen=True)
class CocoMetrics:
    """What COCO's protocol says of a set of detections; None where nothing is defined."""

    #: those of `STATS`, in this order
    stats: dict[str, float | None]
    #: those of `OF_CLASSES` by class name, in the order of the class table
    per_class: dict[str, dict[str, float | None]]

    def to_json(self) -> dict[str, Any]:
        """``{"coco": {"stats": [12 numbers or None], "per_class": {…}}}`` for metrics.json."""
        return {
            "coco": {
                "stats": list(self.stats.values()),
                "per_class": {name: dict(values) for name, values in self.per_class.items()},
            }
        }

    @staticmethod
    def from_json(content: Any) -> CocoMetrics:
        """The reverse of `to_json`, whatever else ``content`` holds.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it holds no such numbers.
        """
        coco = content["coco"]
        stats = dict(zip(STATS, map(number_in, coco["stats"]), strict=True))
        per_class = {
            str(name): {key: number_in(values.get(key)) for key in OF_CLASSES}
            for name, values in coco["per_class"].items()
        }
        return CocoMetrics(stats, per_class)


def number_in(value: Any) -> float | None:
    """A number of a file.  Undefined ones are null; other programs write NaN."""
    return float(value) if value is not None and math.isfinite(float(value)) else None

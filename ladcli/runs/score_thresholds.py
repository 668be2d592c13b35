"""Scores from which detections are shown, as files and checkpoints hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Where nothing was derived.
DEFAULT_SCORE = 0.3
#: Where detections count as right when F1 is computed.
_IOU = 0.5


@dataclass(frozen=True)
class Threshold:
    """A score to show detections from, and what F1 it reaches where it was chosen."""

    score: float
    #: in [0, 1]; None without ground truth.  None and 0 mean that the score is another's: that of
    #: all classes together, or `DEFAULT_SCORE`.
    f1: float | None

    def to_plain(self) -> dict[str, float | None]:
        return {"threshold": self.score, "f1": self.f1}

    @staticmethod
    def from_plain(plain: Any) -> Threshold:
        """The reverse of `to_plain`.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(plain, dict):
            raise ValueError("a threshold is no object")
        f1 = plain.get("f1")
        return Threshold(_share(plain.get("threshold")), None if f1 is None else _share(f1))


@dataclass(frozen=True)
class ScoreThresholds:
    """Thresholds by class name, in the order of the class table, and of all classes together."""

    overall: Threshold
    per_class: dict[str, Threshold]

    def to_plain(self) -> dict[str, Any]:
        """For metrics.json and checkpoints:
        ``{"iou": 0.5, "overall": {"threshold", "f1"}, "per_class": {NAME: {"threshold", "f1"}}}``.
        """
        return {
            "iou": _IOU,
            "overall": self.overall.to_plain(),
            "per_class": {name: one.to_plain() for name, one in self.per_class.items()},
        }

    @staticmethod
    def from_plain(plain: Any) -> ScoreThresholds:
        """The reverse of `to_plain`.

        Raises:
            ValueError: these are none.
        """
        if not isinstance(plain, dict) or not isinstance(plain.get("per_class"), dict):
            raise ValueError("thresholds are no object with per_class")
        return ScoreThresholds(
            Threshold.from_plain(plain.get("overall")),
            {str(name): Threshold.from_plain(one) for name, one in plain["per_class"].items()},
        )


def _share(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no number from 0 to 1")
    return float(value)

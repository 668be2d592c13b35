"""What TIDE says of a set of detections, and as files hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ladcli.errors import UserError
from ladcli.runs.coco_numbers import number_in

#: See `ladcli.evaluate.tide`.
Definition = Literal["corrected", "tidecv"]


@dataclass(frozen=True)
class TideThresholds:
    """IoU from which a detection is right, and up to which it overlaps nothing.

    Raises:
        UserError: not 0 < background < positive <= 1.
    """

    positive: float = 0.5
    background: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.background < self.positive <= 1:
            raise UserError(
                f"TIDE thresholds {self.positive:g}:{self.background:g} are out of range; "
                "choose 0 < BG < POS <= 1, such as 0.5:0.1"
            )


@dataclass(frozen=True)
class TideErrors:
    """Errors at one pair of thresholds.  Points of 100; None where nothing is defined."""

    thresholds: TideThresholds
    ap: float | None
    dap: dict[str, float | None]  # Cls Loc Both Dupe Bkg Miss FalsePos FalseNeg
    counts: dict[str, int]  # Cls Loc Both Dupe Bkg Miss

    def to_json(self) -> dict[str, Any]:
        """One entry of the list ``tide`` in metrics.json."""
        return {
            "pos_threshold": self.thresholds.positive,
            "background_threshold": self.thresholds.background,
            "ap": self.ap,
            "dAP": dict(self.dap),
            "counts": dict(self.counts),
        }

    @staticmethod
    def from_json(entry: Any) -> TideErrors:
        """The reverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is no such entry.
        """
        return TideErrors(
            TideThresholds(float(entry["pos_threshold"]), float(entry["background_threshold"])),
            number_in(entry["ap"]),
            {str(kind): number_in(value) for kind, value in entry["dAP"].items()},
            {str(kind): int(value) for kind, value in entry["counts"].items()},
        )


@dataclass(frozen=True)
class TideReport:
    """The answer, one entry for each pair of thresholds."""

    definition: Definition
    entries: tuple[TideErrors, ...]

    def to_json(self) -> dict[str, Any]:
        """``{"tide_definition": NAME, "tide": [entries]}`` for metrics.json."""
        return {
            "tide_definition": self.definition,
            "tide": [entry.to_json() for entry in self.entries],
        }

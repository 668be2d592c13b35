"""What `lad run` leaves: a folder per stage and seed, a summary, and a page per comparison."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.files import write_json
from ladcli.runs.names import STAGE_LABEL

_SUMMARY, _COMPARISON = "summary.json", "comparison"
_CACHE, _DATA = "teacher.h5", "data"
#: What to do about a stage that cannot be taken as it is.
REMEDY = "choose another --out, or remove the folder to run it anew"


@dataclass(frozen=True)
class PipelineFolder:
    """Paths of what a whole pipeline leaves."""

    root: Path

    @property
    def summary(self) -> Path:
        """What every network reached on every set."""
        return self.root / _SUMMARY

    def comparison_page(self, set_name: str) -> Path:
        """The page that compares the methods on a set."""
        return self.root / f"{_COMPARISON}-{set_name}.html"

    def comparison(self, set_name: str) -> Path:
        """The numbers of that page."""
        return self.comparison_page(set_name).with_suffix(".json")


@dataclass(frozen=True)
class StageFolder:
    """Paths of what a stage leaves beside what every run does, and its label.

    The label says that the stage is finished, and what it was.
    """

    root: Path

    @property
    def label(self) -> Path:
        return self.root / STAGE_LABEL

    @property
    def cache(self) -> Path:
        """What a stage that asks a teacher writes."""
        return self.root / _CACHE

    @property
    def data(self) -> Path:
        """Where a stage that draws images puts them."""
        return self.root / _DATA

    def write_label(self, *, identity: str, stage: str, seed: int) -> None:
        """Say that the stage is finished.

        Args:
            identity: changes with everything that changes the result.
        """
        write_json(self.label, {"identity": identity, "stage": stage, "seed": seed})

    def finished_as(self) -> Any:
        """The identity of the stage that was finished here.

        Raises:
            UserError: its label is damaged, or there is none.
        """
        try:
            return json.loads(self.label.read_text(encoding="utf-8"))["identity"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UserError(f"{self.label}: is damaged; {REMEDY}") from error

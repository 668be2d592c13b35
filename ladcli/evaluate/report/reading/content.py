"""What a page is made of: a run as it lies on the disk, read and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results
from ladcli.recipe.schema import Recipe
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.names import ONLY_NETWORK
from ladcli.runs.probe_file import Probe
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.runs.tide_numbers import TideErrors
from ladcli.training_cost import TrainingCost


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth of a set."""

    annotations: CocoFile
    images: Path  # folder


@dataclass(frozen=True, eq=False)
class SetResult:
    """What one network reached on one set.  C classes."""

    network: str  # model, a or b
    split: str
    metrics: CocoMetrics | None  # None where neither file of the folder can be used
    tide: TideErrors | None = None
    precision: np.ndarray | None = None  # [2, C, 101] at IoU 0.5 and 0.75; NaN without objects
    truth: Truth | None = None  # None where it was not found: then the numbers are as recorded
    detections: Results | None = None
    remarks: tuple[str, ...] = ()
    thresholds: ScoreThresholds | None = None  # of its network, whatever this set; None: none known


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One run directory."""

    name: str
    notes: Mapping[str, Any]  # run.json
    recipe: Recipe | None  # None where it cannot be read
    metrics: Sequence[Mapping[str, Any]]  # sound lines of metrics.jsonl
    results: Sequence[SetResult] = ()
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)  # by network
    probes: Sequence[Probe] = ()  # by ascending epoch
    probe_images: Sequence[Path] = ()  # folders where their images may lie
    remarks: tuple[str, ...] = ()

    def entry_name(self, network: str, *, alone: bool) -> str:
        """How charts call a network; ``alone`` where the page shows no other run."""
        if network == ONLY_NETWORK:
            return "this run" if alone else self.name
        return f"network {network}" if alone else f"{self.name}/{network}"

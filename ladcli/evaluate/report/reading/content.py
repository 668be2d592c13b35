"""What a page is made of: a run as it lies on the disk, read and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ladcli.evaluate.measured import MeasuredRun
from ladcli.recipe.schema import Recipe
from ladcli.runs.names import ONLY_NETWORK
from ladcli.runs.probe_file import Probe
from ladcli.training_cost import TrainingCost


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One run directory."""

    name: str
    notes: Mapping[str, Any]  # run.json
    recipe: Recipe | None  # None where it cannot be read
    metrics: Sequence[Mapping[str, Any]]  # sound lines of metrics.jsonl
    results: Sequence[MeasuredRun] = ()
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)  # by network
    probes: Sequence[Probe] = ()  # by ascending epoch
    probe_images: Sequence[Path] = ()  # folders where their images may lie
    remarks: tuple[str, ...] = ()

    def entry_name(self, network: str, *, alone: bool) -> str:
        """How charts call a network; ``alone`` where the page shows no other run."""
        if network == ONLY_NETWORK:
            return "this run" if alone else self.name
        return f"network {network}" if alone else f"{self.name}/{network}"

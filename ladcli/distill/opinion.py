"""What a teacher has to say about one batch, however it came to know it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from ladcli.assign import Assigner, Judgement, Switch
from ladcli.detector.anchors import anchor_grid
from ladcli.distill.soft_targets import Select, SoftTargets, soft_targets
from ladcli.structures import AnchorGrid, Assignment, Batch, Candidates, Costs, Predictions


class Opinion(Protocol):
    """A teacher's answers about one batch.  Objectives ask for what their method needs."""

    def assignment(self) -> Assignment:
        """Positives by the teacher's costs, [B, A]."""
        ...

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """The teacher's costs [B, A], and how the switch judges them.

        Costs that cannot become samples of a mixture may be missing (+inf).
        """
        ...

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """The teacher's outputs as targets."""
        ...

    def sample_costs(self) -> Costs | None:
        """Costs [B, A] of at least the candidates that enter a mixture, where they are known."""
        ...


@dataclass(frozen=True)
class PredictedOpinion:
    """The opinion of a network whose outputs for the batch are at hand."""

    predictions: Predictions  # detached
    batch: Batch
    assigner: Assigner

    def assignment(self) -> Assignment:
        """The whole chain, priced by these predictions."""
        return self.assigner.select(
            self.candidates, self.costs, self.batch.targets, self.grid, self.valid
        )

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """Costs of all candidates."""
        costs = self.assigner.price(candidates, self.predictions, self.batch.targets, self.grid)
        num_gt = self.batch.targets.boxes.shape[1]
        return costs, switch.judge(candidates, costs, self.grid, num_gt)

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """All outputs."""
        return soft_targets(self.predictions, self.batch, self.grid, select=select, min_iou=min_iou)

    def sample_costs(self) -> Costs:
        """Costs of all candidates."""
        return self.costs

    @cached_property
    def candidates(self) -> Candidates:
        """What each ground truth may choose from."""
        return self.assigner.candidates(self.batch.targets, self.grid, self.valid)

    @cached_property
    def costs(self) -> Costs:
        """What each candidate costs the network, [B, A]."""
        return self.assigner.price(self.candidates, self.predictions, self.batch.targets, self.grid)

    @cached_property
    def grid(self) -> AnchorGrid:
        """The batch's anchors."""
        return anchor_grid(self.batch.canvas_hw, self.batch.images.device)

    @cached_property
    def valid(self) -> Tensor:
        """[B, A] bool, anchors that count."""
        return self.grid.valid(self.batch.valid_hw)

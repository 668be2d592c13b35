"""What a teacher has to say about one batch, however it came to know it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from ladcli.assign import Assigner, Judgement, Switch
from ladcli.detector.anchors import predicted_boxes
from ladcli.objective.soft_targets import Select, SoftTargets, soft_targets
from ladcli.structures import Assignment, Batch, Candidates, Costs, Predictions, Scene


class Opinion(Protocol):
    """A teacher's answers about one batch.  Objectives ask for what their method needs."""

    def assignment(self) -> Assignment:
        """Positives by the teacher's costs, [B, A]."""
        ...

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """The teacher's costs, in the candidates' layout, and how the switch judges them.

        Costs that cannot become samples of a mixture may be missing (+inf).
        """
        ...

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """The teacher's outputs as targets."""
        ...

    def sample_costs(self, candidates: Candidates) -> Costs | None:
        """Costs of at least the candidates that enter a mixture, where they are known."""
        ...


@dataclass(frozen=True)
class PredictedOpinion:
    """The opinion of a network whose outputs for the batch are at hand."""

    predictions: Predictions  # detached
    boxes: Tensor  # [B, A, 4] decoded, not clipped; detached
    batch: Batch
    scene: Scene
    assigner: Assigner

    @staticmethod
    def of(
        predictions: Predictions, batch: Batch, scene: Scene, assigner: Assigner
    ) -> PredictedOpinion:
        """The opinion of a network whose deltas are coded against the scene's priors."""
        boxes = predicted_boxes(predictions, scene)
        return PredictedOpinion(predictions, boxes, batch, scene, assigner)

    def assignment(self) -> Assignment:
        """The whole chain, priced by these predictions."""
        return self.assigner.select(self.candidates, self.costs, self.scene)

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """Costs of all candidates."""
        costs = self.assigner.price(candidates, self.scene, self.predictions.cls, self.boxes)
        return costs, switch.judge(candidates, costs, self.scene)

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """All outputs."""
        return soft_targets(
            self.predictions,
            self.boxes,
            self.batch.content_hw,
            self.scene,
            select=select,
            min_iou=min_iou,
        )

    def sample_costs(self, candidates: Candidates) -> Costs:
        """Costs of all candidates."""
        if candidates is self.candidates:
            return self.costs
        return self.assigner.price(candidates, self.scene, self.predictions.cls, self.boxes)

    @cached_property
    def candidates(self) -> Candidates:
        """What each ground truth may choose from."""
        return self.assigner.candidates(self.scene)

    @cached_property
    def costs(self) -> Costs:
        """What each candidate costs the network, in the candidates' layout."""
        return self.assigner.price(self.candidates, self.scene, self.predictions.cls, self.boxes)

"""Training objectives: from a student's predictions to named losses.

The methods differ in one thing, who prices the candidates; PAA is the case without a teacher.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ladcli.assign import Assigner
from ladcli.detector.anchors import anchor_grid
from ladcli.distill.detection_loss import detection_loss
from ladcli.distill.teacher import Teacher
from ladcli.recipe.schema import LossConfig
from ladcli.structures import Batch, Predictions


@dataclass(frozen=True)
class Objective:
    """The losses of one student.

    With a teacher this is LAD: the teacher's assignment, positives of equal weight in the box loss.
    Without one it is PAA: the student's own assignment, positives weighted by their IoU.
    """

    assigner: Assigner
    loss: LossConfig
    teacher: Teacher | None = None

    def __call__(self, predictions: Predictions, batch: Batch) -> dict[str, Tensor]:
        """Named losses, each [] float32 on the device; their sum is what is minimised.

        ``num_positive`` comes beside them, detached, for the log.
        """
        grid = anchor_grid(batch.canvas_hw, batch.images.device)
        if self.teacher is None:
            assignment = self.assigner.assign(
                predictions.detach(), batch.targets, grid, grid.valid(batch.valid_hw)
            )
        else:
            assignment = self.teacher.assign(batch)
        losses = detection_loss(
            predictions,
            assignment,
            batch.targets,
            grid,
            box_weighting="iou" if self.teacher is None else "uniform",
            **self.loss.model_dump(),
        )
        return {**losses, "num_positive": assignment.num_positive.float()}

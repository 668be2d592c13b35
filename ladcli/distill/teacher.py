"""Where a teacher's opinion comes from: a network that runs on every step, or a cache."""

from __future__ import annotations

from typing import Protocol

import torch

from ladcli.assign import Assigner
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.model import Detector
from ladcli.structures import Assignment, Batch


class Teacher(Protocol):
    """Says which anchors of a batch are positives.  Objectives know nothing more of it."""

    def assign(self, batch: Batch) -> Assignment:
        """The teacher's assignment, [B, A], on the device of the batch."""
        ...


class OnlineTeacher:
    """A fixed network that prices the candidates of every batch.

    It stays in evaluation mode and takes no gradient, whatever the student does.

    Args:
        detector: the teacher, already on its device.
        assigner: the chain that its prices enter.
        autocast: precision of its forward pass, the same context as the student's.
    """

    def __init__(
        self,
        detector: Detector,
        assigner: Assigner,
        *,
        autocast: torch.autocast | None = None,
    ) -> None:
        self.detector = detector.eval().requires_grad_(False)
        self.assigner = assigner
        self.autocast = autocast or torch.autocast("cpu", enabled=False)

    @torch.no_grad()
    def assign(self, batch: Batch) -> Assignment:
        """One forward pass and the assigner's chain."""
        with self.autocast:
            predictions = self.detector(batch.images)
        grid = anchor_grid(batch.canvas_hw, batch.images.device)
        return self.assigner.assign(predictions, batch.targets, grid, grid.valid(batch.valid_hw))

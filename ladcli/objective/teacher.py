"""Where a teacher's opinion comes from: a network that runs on every step, or a cache."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import torch

from ladcli.assign import Assigner
from ladcli.data.loader import ReadBeside
from ladcli.detector.model import Detector
from ladcli.detector.renormalize import Renormalize
from ladcli.objective.opinion import Opinion, PredictedOpinion
from ladcli.structures import Batch, Scene


class Teacher(Protocol):
    """Has an opinion of every batch.  Objectives know nothing more of it."""

    @property
    def beside(self) -> ReadBeside | None:
        """Reads what has to come with every batch; None where images are enough."""
        ...

    def look_at(self, batch: Batch, scene: Scene) -> Opinion:
        """The teacher's opinion of a batch, on the device of the batch."""
        ...


class OnlineTeacher:
    """A fixed network that sees every batch: one forward pass, whatever is asked of it then.

    It stays in evaluation mode and takes no gradient, whatever the student does.

    Args:
        detector: the teacher, already on its device.
        assigner: the chain that its prices enter.
        autocast: precision of its forward pass.
        batch_mean: pixel statistics that batches were normalized with, where they are not the
            teacher's own.
        batch_std: likewise.
    """

    beside = None

    def __init__(
        self,
        detector: Detector,
        assigner: Assigner,
        *,
        autocast: AbstractContextManager[None] | torch.autocast,
        batch_mean: tuple[float, ...] | None = None,
        batch_std: tuple[float, ...] | None = None,
    ) -> None:
        self.detector = detector.eval().requires_grad_(False)
        self.assigner = assigner
        self.autocast = autocast
        own = detector.architecture
        self._renormalize = Renormalize.between(
            (batch_mean or own.pixel_mean, batch_std or own.pixel_std),
            (own.pixel_mean, own.pixel_std),
            next(detector.parameters()).device,
        )

    @torch.no_grad()
    def look_at(self, batch: Batch, scene: Scene) -> PredictedOpinion:
        """One forward pass."""
        with self.autocast:
            predictions = self.detector(self._renormalize(batch))
        return PredictedOpinion.of(predictions, batch, scene, self.assigner)

"""Probes of a run: a few training images, looked at before training and after every epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from ladcli.assign import Assigner
from ladcli.data.index import CocoIndex
from ladcli.data.loader import ReadBeside, load_batches
from ladcli.data.plan import plan_eval, plan_views
from ladcli.data.views import is_ranged
from ladcli.detector.levels import AnchorLayout
from ladcli.engine.device import autocast
from ladcli.engine.state import Learner, Position
from ladcli.objective.opinion import Opinion
from ladcli.objective.probe import probe_image
from ladcli.recipe.schema import Recipe
from ladcli.runs.probe_file import save_probe
from ladcli.runs.run_directory import RunDirectory
from ladcli.structures import Batch, Predictions


class Opinionated(Protocol):
    """An objective that says whose opinions its run is about."""

    @property
    def assigner(self) -> Assigner: ...

    @property
    def anchors(self) -> AnchorLayout: ...

    @property
    def beside(self) -> ReadBeside | None: ...

    def opinions(self, networks: Mapping[str, Predictions], batch: Batch) -> dict[str, Opinion]:
        """By name: ``own``, and ``teacher`` where there is one."""
        ...


@dataclass(frozen=True)
class Prober:
    """Takes the probes of one run."""

    recipe: Recipe
    index: CocoIndex
    learners: Mapping[str, Learner]
    objective: Opinionated
    statistics: tuple[tuple[float, ...], tuple[float, ...]]  # that batches are normalized with
    device: torch.device
    run: RunDirectory

    def take(self, position: Position) -> None:
        """Write a probe file.  An image that cannot be read is left out."""
        records, seen = [], []
        for batch in self._batches(self._rows()):
            if not len(batch):
                continue
            batch = batch.to(self.device)
            opinions = self.objective.opinions(self._predict(batch), batch)
            scene = self.objective.anchors.scene(batch)
            records.append(probe_image(batch, scene, opinions, self.objective.assigner))
            seen.append(batch.image_rows[0])
        if records:
            path = self.run.probe(position.epoch)
            names = {
                "image_id": self.index.image_ids[seen],
                "file_name": np.array([self.index.file_name(row) for row in seen]),
            }
            save_probe(path, records, epoch=position.epoch, step=position.step, names=names)

    def _rows(self) -> list[int]:
        """Images with boxes, evenly spread over the training set."""
        boxes_before = np.append(0, np.cumsum(~self.index.crowd))  # crowd regions are no targets
        with_boxes = np.flatnonzero(np.diff(boxes_before[self.index.box_ptr]) > 0)
        count = min(self.recipe.train.probe_images, len(with_boxes))
        spread = np.linspace(0, len(with_boxes) - 1, count).astype(np.int64)
        return [int(row) for row in with_boxes[spread]]

    def _batches(self, rows: list[int]) -> Iterable[Batch]:
        """One batch per image, in a view that a cache knows: the last scale, unflipped if possible.

        Where scales come from a continuous range, it is the view of evaluation.
        """
        data, probed = self.recipe.data, self.index.subset(rows)
        plan = (plan_eval if is_ranged(data) else plan_views)(probed, data, batch_size=1)
        views = sorted((s for (s,) in plan), key=lambda s: (s.view_id // 2, not s.flip))
        chosen = {sample.row: sample for sample in views}  # the last one of each image stays
        mean, std = self.statistics
        return load_batches(
            self.index,
            [[replace(chosen[place], row=row)] for place, row in enumerate(rows)],
            mean=mean,
            std=std,
            workers=0,
            skip_bad_images=True,
            pin_memory=False,
            beside=self.objective.beside,
        )

    @torch.no_grad()
    def _predict(self, batch: Batch) -> dict[str, Predictions]:
        found = {}
        for name, learner in self.learners.items():
            learner.model.eval()
            with autocast(self.recipe.train.precision, self.device):
                found[name] = learner.model(learner.inputs(batch))
        return found

"""A teacher that answers from a cache what the network behind it would have said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ladcli.assign import Assigner, Judgement, Switch
from ladcli.detector.anchors import anchor_grid
from ladcli.distill.cache_format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
)
from ladcli.distill.cache_reader import TeacherCache, damage_in_words
from ladcli.distill.cache_records import (
    Rows,
    decode_boxes,
    decode_classes,
    decode_dense,
    decode_moments,
    decode_objects,
    decode_positives,
    decode_samples,
)
from ladcli.distill.opinion import Opinion, PredictedOpinion
from ladcli.distill.soft_targets import Select, SoftTargets, selection_weight
from ladcli.structures import IGNORE, AnchorGrid, Assignment, Batch, Candidates, Costs, Predictions


class CachedTeacher:
    """The teacher behind a cache.  No network runs."""

    def __init__(self, cache: TeacherCache, assigner: Assigner) -> None:
        self.cache = cache
        self.assigner = assigner

    def look_at(self, batch: Batch) -> Opinion:
        """What is stored of the batch's views."""
        stored = _StoredViews(self.cache, batch)
        if self.cache.info.level == "dense":
            return PredictedOpinion(stored.predictions(), batch, self.assigner)
        return CachedOpinion(stored, self.assigner)


@dataclass(frozen=True)
class CachedOpinion:
    """A stored opinion: positives, the cheapest candidates, sparse outputs."""

    stored: _StoredViews
    assigner: Assigner

    def assignment(self) -> Assignment:
        """The cached positives, [B, A]."""
        stored, targets = self.stored, self.stored.batch.targets
        with damage_in_words(stored.cache.path):
            gt_index = decode_positives(
                stored.rows(POSITIVES),
                num_anchors=stored.grid.num_anchors,
                num_gt=targets.boxes.shape[1],
            )
        valid = stored.grid.valid(stored.batch.valid_hw)
        assignment = Assignment(stored.to_device(gt_index).masked_fill(~valid, IGNORE))
        return self.assigner.finish(assignment, targets, stored.grid)

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """Costs of the cheapest candidates, and the judgement over all of them."""
        stored = self.stored
        num_gt, levels = stored.batch.targets.boxes.shape[1], len(stored.grid.level_sizes)
        costs = self.sample_costs()
        assert costs is not None  # the level was checked when the cache was opened
        with damage_in_words(stored.cache.path):
            moments, fisher = decode_moments(
                stored.rows(LEVEL_STATISTICS), num_gt=num_gt, levels=levels
            )
            if switch.scope == "object":
                fisher = decode_objects(stored.rows(OBJECT_STATISTICS), num_gt=num_gt)
        judgement = switch.judge_moments(moments, fisher if switch.criterion == "fisher" else None)
        return costs, Judgement(
            *(stored.to_device(t) for t in (judgement.score, judgement.mean, judgement.count))
        )

    def sample_costs(self) -> Costs | None:
        """Costs of the cheapest candidates, where the level holds them."""
        stored = self.stored
        if stored.cache.info.level == "assignments":
            return None
        with damage_in_words(stored.cache.path):
            costs = decode_samples(stored.rows(CHEAPEST), num_anchors=stored.grid.num_anchors)
        return Costs(stored.to_device(costs))

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """Sparse outputs; the choice of boxes was made when the cache was built."""
        stored, info = self.stored, self.stored.cache.info
        with damage_in_words(stored.cache.path):
            prob = decode_classes(
                stored.rows(CLASSES), stored.rows(REST), stored.grid, info.num_classes
            )
            on_host = decode_boxes(stored.rows(BOXES), num_anchors=stored.grid.num_anchors)
        boxes, iou, is_stored = (stored.to_device(t) for t in on_host)
        judged = boxes if select == "pred" else stored.grid.anchors.expand_as(boxes)
        # Stored boxes are rounded: the weight is measured again, the choice is not.
        weight = selection_weight(judged, stored.batch.targets, min_iou=0.0)
        weight = torch.where(is_stored, weight, 0.0)
        return SoftTargets(stored.to_device(prob), boxes, iou if info.iou_branch else None, weight)


@dataclass(frozen=True)
class _StoredViews:
    """What a cache holds of the images of one batch."""

    cache: TeacherCache
    batch: Batch

    @cached_property
    def grid(self) -> AnchorGrid:
        return anchor_grid(self.batch.canvas_hw, self.batch.images.device)

    def rows(self, table: str) -> list[Rows]:
        batch = self.batch
        return [
            self.cache.rows(table, row, view, batch.canvas_hw)
            for row, view in zip(batch.image_rows, batch.view_ids, strict=True)
        ]

    def predictions(self) -> Predictions:
        info = self.cache.info
        with damage_in_words(self.cache.path):
            on_host = decode_dense(
                self.rows(DENSE),
                num_anchors=self.grid.num_anchors,
                class_output=info.class_output,
                iou_branch=info.iou_branch,
            )
        return on_host.map(self.to_device)

    def to_device(self, values: Tensor) -> Tensor:
        """Rows are laid out on the host and cross to the device in one copy that waits for none."""
        device = self.batch.images.device
        if device.type == "cuda":
            values = values.pin_memory()
        return values.to(device, non_blocking=True)

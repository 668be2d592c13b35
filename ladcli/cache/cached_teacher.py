"""A teacher that answers from a cache what the network behind it would have said."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ladcli.assign import Assigner, Judgement, Switch
from ladcli.cache.batch_rows import BatchRows
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
)
from ladcli.cache.reader import CacheInfo
from ladcli.cache.records import (
    decode_classes,
    decode_dense,
    decode_moments,
    decode_objects,
    decode_positives,
    decode_samples,
    decode_soft_boxes,
)
from ladcli.objective.opinion import Opinion, PredictedOpinion
from ladcli.objective.soft_targets import Select, SoftTargets, selection_weight
from ladcli.structures import IGNORE, Assignment, Batch, Candidates, Costs, Scene, StoredRows


class CachedTeacher:
    """The teacher behind a cache.  No network runs.

    What is stored of a batch comes with the batch, see `ladcli.cache.batch_rows`.
    """

    def __init__(self, rows: BatchRows, assigner: Assigner) -> None:
        self.beside = rows
        self.info = rows.cache.info
        self.assigner = assigner

    def look_at(self, batch: Batch, scene: Scene) -> Opinion:
        """What is stored of the batch's views."""
        if batch.stored is None:
            raise ValueError("the batch was loaded without what the cache holds of it")
        if self.info.level == "dense":
            predictions = decode_dense(
                batch.stored.tables[DENSE],
                scene,
                class_output=self.info.class_output,
                iou_branch=self.info.iou_branch,
            )
            return PredictedOpinion.of(predictions, batch, scene, self.assigner)
        return CachedOpinion(batch.stored, self.info, scene, self.assigner)


@dataclass(frozen=True)
class CachedOpinion:
    """A stored opinion: positives, the cheapest candidates, sparse outputs."""

    stored: StoredRows
    info: CacheInfo
    scene: Scene
    assigner: Assigner

    def assignment(self) -> Assignment:
        """The cached positives, or those that the cached costs give today."""
        if self.assigner.needs_progress:
            candidates = self.assigner.candidates(self.scene)
            costs = decode_samples(self.stored.tables[CHEAPEST], candidates, self.scene)
            return self.assigner.select(candidates, costs, self.scene)
        found = decode_positives(self.stored.tables[POSITIVES], self.scene)
        gt_index = found.gt_index.masked_fill(~self.scene.valid, IGNORE)
        return self.assigner.finish(Assignment(gt_index, found.quality), self.scene)

    def prices(self, candidates: Candidates, switch: Switch) -> tuple[Costs, Judgement]:
        """Costs of the cheapest candidates, and the judgement over all of them."""
        tables = self.stored.tables
        costs = decode_samples(tables[CHEAPEST], candidates, self.scene)
        moments, by_level = decode_moments(tables[LEVEL_STATISTICS], self.scene)
        if switch.criterion != "fisher":
            return costs, switch.judge_moments(moments, None)
        if switch.scope == "object":
            by_object = decode_objects(tables[OBJECT_STATISTICS], self.scene)
            return costs, switch.judge_moments(moments, by_object)
        return costs, switch.judge_moments(moments, by_level)

    def sample_costs(self, candidates: Candidates) -> Costs | None:
        """Costs of the cheapest candidates, where they were read."""
        if CHEAPEST not in self.stored.tables:
            return None
        return decode_samples(self.stored.tables[CHEAPEST], candidates, self.scene)

    def soft_targets(self, *, select: Select, min_iou: float) -> SoftTargets:
        """Sparse outputs; the choice of boxes was made when the cache was built."""
        tables, scene = self.stored.tables, self.scene
        prob = decode_classes(tables[CLASSES], tables[REST], scene)
        boxes, iou, is_stored = decode_soft_boxes(tables[BOXES], scene)
        judged = boxes if select == "pred" else scene.priors.boxes.expand_as(boxes)
        # Stored boxes are rounded: the weight is measured again, the choice is not.
        weight = selection_weight(judged, scene.targets, min_iou=0.0)
        weight = torch.where(is_stored, weight, 0.0)
        return SoftTargets(prob, boxes, iou if self.info.iou_branch else None, weight)

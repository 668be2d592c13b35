"""What each level of a cache keeps of a teacher's opinion."""

from __future__ import annotations

from ladcli.assign import cheapest_samples, cost_moments, fisher_scores
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
    Level,
)
from ladcli.cache.records import (
    Rows,
    encode_classes,
    encode_dense,
    encode_moments,
    encode_objects,
    encode_positives,
    encode_samples,
    encode_soft_boxes,
)
from ladcli.objective.opinion import PredictedOpinion
from ladcli.recipe.schema import SoftConfig


def encode_opinion(
    opinion: PredictedOpinion, level: Level, soft: SoftConfig
) -> dict[str, list[Rows]]:
    """Rows of every table of a level, for each image of the batch.

    Args:
        opinion: of the teacher's network.
        level: see `ladcli.cache.format`.
        soft: chooses the boxes that become soft targets.
    """
    if level == "dense":
        return {DENSE: encode_dense(opinion.predictions)}
    tables = {POSITIVES: encode_positives(opinion.assignment())}
    if level in ("costs", "soft"):
        tables |= _encode_costs(opinion)
    if level == "soft":
        tables |= _encode_outputs(opinion, soft)
    return tables


def _encode_costs(opinion: PredictedOpinion) -> dict[str, list[Rows]]:
    """The cheapest candidates, and statistics over all of them."""
    candidates, costs, scene = opinion.candidates, opinion.costs, opinion.scene
    num_gt = scene.targets.valid.sum(dim=1).tolist()
    samples = cheapest_samples(candidates, costs, scene, topk=opinion.assigner.topk)
    by_level = fisher_scores(candidates, costs, scene, "level")
    by_object = fisher_scores(candidates, costs, scene, "object")
    return {
        CHEAPEST: encode_samples(samples),
        LEVEL_STATISTICS: encode_moments(cost_moments(candidates, costs, scene), by_level, num_gt),
        OBJECT_STATISTICS: encode_objects(by_object, num_gt),
    }


def _encode_outputs(opinion: PredictedOpinion, soft: SoftConfig) -> dict[str, list[Rows]]:
    """Sparse class probabilities, and the boxes and IoUs that are targets."""
    targets = opinion.soft_targets(select=soft.select, min_iou=soft.min_iou)
    listed, rest = encode_classes(targets.prob, opinion.scene.priors)
    return {
        CLASSES: listed,
        REST: rest,
        BOXES: encode_soft_boxes(targets),
    }

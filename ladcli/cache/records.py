"""From a teacher's opinion of a batch to the rows that a cache stores of it, and back.

Functions come in threes.  ``encode_…`` makes rows, one dictionary of numpy columns per image view.
``check_…`` refuses, in the process that reads them, rows that could not have been written so.
``decode_…`` lays the rows of a batch out over its priors, on whatever device they are: no value is
read back on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import CostMoments, Samples
from ladcli.cache.format import Damage
from ladcli.cache.sparse_classes import expand, rest_means, stand_out
from ladcli.objective.soft_targets import SoftTargets
from ladcli.structures import (
    BACKGROUND,
    Assignment,
    Candidates,
    ClassLogits,
    ClassOutput,
    ClassProbs,
    Costs,
    OwnedCandidates,
    Predictions,
    Priors,
    Scene,
    SharedCandidates,
)
from ladcli.structures.stored import Columns

Rows = dict[str, np.ndarray]

#: Class probabilities are stored as logits in steps: what a teacher is unsure of, and what it is
#: sure of, are rounded alike.  The steps reach from a probability of 0.0001 to 0.9989.
LOGIT_STEP, FIRST_LOGIT = 1 / 16, -9.125
#: Coordinates of boxes are stored in steps of this, in pixels of the input.
PIXEL_STEP = 1 / 8
_MAX_16, _MAX_8 = 65535, 255


def encode_positives(assignment: Assignment) -> list[Rows]:
    """Rows of the positives of a batch."""
    on_host = assignment.gt_index.cpu().numpy()
    quality = None if assignment.quality is None else assignment.quality.cpu().numpy()
    rows: list[Rows] = []
    for i, image in enumerate(on_host):
        anchor = np.flatnonzero(image >= 0)
        rows.append({"anchor": anchor, "gt": image[anchor]})
        if quality is not None:
            rows[-1]["quality"] = quality[i, anchor]
    return rows


def check_positives(rows: Mapping[str, np.ndarray], *, num_priors: int, num_gt: int) -> None:
    """Refuse positives of one image that are out of range.

    Raises:
        Damage: so they are.
    """
    check_range(rows["anchor"], num_priors)
    check_range(rows["gt"], num_gt)


def decode_positives(rows: Columns, scene: Scene) -> Assignment:
    """The stored positives; every other prior is background."""
    place = _image(rows), _index(rows["anchor"])
    gt_index = torch.full_like(scene.valid, BACKGROUND, dtype=torch.int64)
    gt_index.index_put_(place, _index(rows["gt"]))
    if "quality" not in rows:
        return Assignment(gt_index)
    quality = torch.zeros_like(scene.valid, dtype=torch.float32)
    return Assignment(gt_index, quality.index_put_(place, rows["quality"]))


def encode_samples(samples: Samples) -> list[Rows]:
    """Rows of the cheapest candidates [B, G, K]."""
    cost, prior, valid = (t.cpu().numpy() for t in (samples.cost, samples.prior, samples.valid))
    return [
        {"anchor": prior[i][valid[i]], "gt": np.nonzero(valid[i])[0], "cost": cost[i][valid[i]]}
        for i in range(len(valid))
    ]


def check_samples(rows: Mapping[str, np.ndarray], *, num_priors: int, num_gt: int) -> None:
    """As `check_positives`; caches of version 1 do not say whose samples they are."""
    check_range(rows["anchor"], num_priors)
    if "gt" in rows:
        check_range(rows["gt"], num_gt)


def decode_samples(rows: Columns, candidates: Candidates, scene: Scene) -> Costs:
    """Costs in the layout of the candidates, +inf where none is stored.

    Raises:
        Damage: the cache does not say which ground truth a sample belongs to, and the layout
            needs it.
    """
    image, prior = _image(rows), _index(rows["anchor"])
    if isinstance(candidates, OwnedCandidates):
        costs = torch.full_like(scene.valid, torch.inf, dtype=torch.float32)
        return Costs(costs.index_put_((image, prior), rows["cost"]))
    if "gt" not in rows:
        raise Damage("its samples do not say which ground truth they belong to")
    shape = (scene.num_images, scene.num_gt, scene.priors.num_priors)
    costs = rows["cost"].new_full(shape, torch.inf)
    costs.index_put_((image, _index(rows["gt"]), prior), rows["cost"])
    if isinstance(candidates, SharedCandidates) and candidates.index is not None:
        costs = costs.gather(2, candidates.index)
    return Costs(costs.masked_fill(~candidates.mask, torch.inf))


def encode_moments(moments: CostMoments, fisher: Tensor, num_gt: Sequence[int]) -> list[Rows]:
    """Rows of the moments and Fisher scores [B, G, L] of the first ``num_gt`` ground truths."""
    columns = {
        "candidates": moments.count,
        "mean": moments.mean,
        "squared_deviation": moments.squared_deviation,
        "fisher": fisher,
    }
    on_host = {name: values.cpu().numpy() for name, values in columns.items()}
    return [
        {name: values[i, :g].reshape(-1) for name, values in on_host.items()}
        for i, g in enumerate(num_gt)
    ]


def check_count(rows: Mapping[str, np.ndarray], most: int, *, of: int = 1) -> None:
    """Refuse rows that are more than ``most`` groups of ``of``, or no whole groups.

    Raises:
        Damage: so they are.
    """
    found = len(next(iter(rows.values())))
    if found % of:
        raise Damage(f"{found} rows are stored, which are no whole groups of {of}")
    if found > most * of:
        raise Damage(f"{found} rows are stored where {most * of} are the most")


def decode_moments(rows: Columns, scene: Scene) -> tuple[CostMoments, Tensor]:
    """Moments and Fisher scores, each [B, G, L] float64."""
    shape = (scene.num_images, scene.num_gt * scene.priors.num_levels)
    place = _image(rows), _index(rows["rank"])
    count, mean, deviation, fisher = (
        _doubles(rows[name], shape, place).view(*shape[:1], scene.num_gt, scene.priors.num_levels)
        for name in ("candidates", "mean", "squared_deviation", "fisher")
    )
    return CostMoments(count, mean, deviation), fisher


def encode_objects(fisher: Tensor, num_gt: Sequence[int]) -> list[Rows]:
    """Rows of the Fisher scores [B, G, 1] of whole objects."""
    on_host = fisher.squeeze(2).cpu().numpy()
    return [{"fisher": on_host[i, :g]} for i, g in enumerate(num_gt)]


def decode_objects(rows: Columns, scene: Scene) -> Tensor:
    """Fisher scores of whole objects, [B, G, 1] float64."""
    place = _image(rows), _index(rows["rank"])
    return _doubles(rows["fisher"], (scene.num_images, scene.num_gt), place).unsqueeze(2)


def encode_classes(prob: Tensor, priors: Priors) -> tuple[list[Rows], list[Rows]]:
    """Rows of the class probabilities [B, A, C] that stand out, and the means of the rest."""
    outstanding = stand_out(prob, priors)
    means = rest_means(prob, outstanding, priors)
    values, where = prob.cpu().numpy(), outstanding.cpu().numpy()
    listed = []
    for i in range(len(values)):
        anchor, label = np.nonzero(where[i])
        listed.append(
            {"anchor": anchor, "label": label, "prob": _steps_of(values[i, anchor, label])}
        )
    return listed, [{"prob": mean} for mean in means.cpu().numpy()]


def check_classes(rows: Mapping[str, np.ndarray], *, num_priors: int, num_classes: int) -> None:
    """As `check_positives`."""
    check_range(rows["anchor"], num_priors)
    check_range(rows["label"], num_classes)


def probabilities(steps: np.ndarray) -> np.ndarray:
    """Class probabilities [N] float32 of the steps of their logits, as `decode_classes` takes them.

    Of one image at a time: the last bit of a sigmoid depends on what it is computed beside.
    """
    logit = FIRST_LOGIT + LOGIT_STEP * torch.from_numpy(steps.astype(np.float32))
    return logit.sigmoid().numpy()


def check_rest(rows: Mapping[str, np.ndarray], *, num_levels: int, num_classes: int) -> None:
    """As `check_positives`."""
    if rows["prob"].shape != (num_levels, num_classes):
        raise Damage("its class probabilities have another shape")


def decode_classes(listed: Columns, rest: Columns, scene: Scene) -> Tensor:
    """Class probabilities [B, A, C] float32; those listed are ready as `probabilities`."""
    means = rest["prob"].float().unflatten(0, (scene.num_images, scene.priors.num_levels))
    prob = expand(means, scene.priors)
    place = _image(listed), _index(listed["anchor"]), _index(listed["label"])
    return prob.index_put_(place, listed["prob"])


def encode_soft_boxes(soft: SoftTargets) -> list[Rows]:
    """Rows of the boxes and IoUs that are targets."""
    selected = (soft.weight > 0).cpu().numpy()
    boxes = np.rint(soft.boxes.cpu().numpy() / PIXEL_STEP).clip(0, _MAX_16)
    iou = np.zeros(selected.shape) if soft.iou is None else soft.iou.cpu().numpy()
    return [
        {"anchor": np.flatnonzero(s), "box": b[s], "iou": np.rint(q[s] * _MAX_8)}
        for s, b, q in zip(selected, boxes, iou, strict=True)
    ]


def check_boxes(rows: Mapping[str, np.ndarray], *, num_priors: int) -> None:
    """As `check_positives`."""
    check_range(rows["anchor"], num_priors)


def decode_soft_boxes(rows: Columns, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [B, A, 4], IoUs [B, A] and which are stored [B, A] bool."""
    place = _image(rows), _index(rows["anchor"])
    size, device = scene.valid.shape, scene.valid.device
    boxes = torch.zeros(*size, 4, device=device)
    boxes.index_put_(place, rows["box"].float() * PIXEL_STEP)
    iou = torch.zeros(size, device=device).index_put_(place, rows["iou"].float() / _MAX_8)
    stored = torch.zeros_like(scene.valid)
    return boxes, iou, stored.index_put_(place, stored.new_ones(()))


def encode_dense(predictions: Predictions) -> list[Rows]:
    """Rows of all outputs, in half precision."""
    cls, box = predictions.cls.raw.float(), predictions.box_deltas.float()
    iou = predictions.iou_logits
    quality = torch.zeros(box.shape[:2]) if iou is None else iou.float()
    half = (t.half().cpu().numpy() for t in (cls, box, quality))
    return [{"cls": c, "box": b, "iou": q} for c, b, q in zip(*half, strict=True)]


def check_dense(rows: Mapping[str, np.ndarray], *, num_priors: int) -> None:
    """As `check_positives`."""
    if len(rows["cls"]) != num_priors:
        raise Damage(f"{len(rows['cls'])} anchors are stored where {num_priors} are due")


def decode_dense(
    rows: Columns, scene: Scene, *, class_output: str, iou_branch: bool
) -> Predictions:
    """Predictions [B, A, …] in float32."""
    size = (scene.num_images, scene.priors.num_priors)
    cls, box, iou = (rows[name].float().unflatten(0, size) for name in ("cls", "box", "iou"))
    output: ClassOutput = ClassProbs(cls) if class_output == "probs" else ClassLogits(cls)
    return Predictions(output, box, iou if iou_branch else None)


def _steps_of(prob: np.ndarray) -> np.ndarray:
    """Probabilities [N] as numbers of steps of their logits."""
    prob = prob.astype(np.float64)
    logit = np.log(prob) - np.log1p(-np.minimum(prob, 1 - 1e-9))
    return np.rint((logit - FIRST_LOGIT) / LOGIT_STEP).clip(0, _MAX_8)


def check_range(values: np.ndarray, limit: int) -> None:
    """Refuse what a damaged file could hold.

    Raises:
        Damage: a value is not below ``limit``.
    """
    if values.size and int(values.max()) >= limit:
        raise Damage(f"{int(values.max())} is stored where {limit - 1} is the most")


def _image(rows: Columns) -> Tensor:
    return _index(rows["image"])


def _index(values: Tensor) -> Tensor:
    """Small integers as they were stored, as an index."""
    return values.long()


def _doubles(values: Tensor, shape: tuple[int, int], place: tuple[Tensor, Tensor]) -> Tensor:
    """``values`` [N] at their places of zeros of ``shape``, float64."""
    laid_out = torch.zeros(shape, dtype=torch.float64, device=values.device)
    return laid_out.index_put_(place, values.double())

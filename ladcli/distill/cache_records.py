"""From a teacher's opinion of a batch to the rows that a cache stores of it, and back.

Functions come in pairs, ``encode_…`` and ``decode_…``, so that what is written and what is read
stand side by side.  Rows are those of one image view, as numpy arrays by column; tensors are those
of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import CostMoments, Samples
from ladcli.distill.soft_targets import SoftTargets
from ladcli.distill.sparse_classes import rest_means, stand_out
from ladcli.structures import (
    BACKGROUND,
    AnchorGrid,
    ClassLogits,
    ClassOutput,
    ClassProbs,
    Predictions,
)

Rows = dict[str, np.ndarray]

#: Class probabilities are stored as logits in steps: what a teacher is unsure of, and what it is
#: sure of, are rounded alike.  The steps reach from a probability of 0.0001 to 0.9989.
LOGIT_STEP, FIRST_LOGIT = 1 / 16, -9.125
#: Coordinates of boxes are stored in steps of this, in pixels of the input.
PIXEL_STEP = 1 / 8
_MAX_16, _MAX_8 = 65535, 255


def encode_positives(gt_index: Tensor) -> list[Rows]:
    """Rows of the positives of ``gt_index`` [B, A]."""
    on_host = gt_index.cpu().numpy()
    anchors = [np.flatnonzero(image >= 0) for image in on_host]
    return [
        {"anchor": anchor, "gt": image[anchor]}
        for anchor, image in zip(anchors, on_host, strict=True)
    ]


def decode_positives(rows: Sequence[Rows], *, num_anchors: int, num_gt: int) -> Tensor:
    """Ground truth per anchor [B, A] on the host, BACKGROUND where an anchor is no positive.

    Raises:
        ValueError: a number is out of range.
    """
    gt_index = torch.full((len(rows), num_anchors), BACKGROUND, dtype=torch.int64)
    for image, row in zip(gt_index, rows, strict=True):
        check_range(row["gt"], num_gt)
        image[_anchors(row, num_anchors)] = _long(row["gt"])
    return gt_index


def encode_samples(samples: Samples) -> list[Rows]:
    """Rows of the cheapest candidates [B, G, K]."""
    cost, anchor, valid = (t.cpu().numpy() for t in (samples.cost, samples.anchor, samples.valid))
    return [{"anchor": anchor[i][valid[i]], "cost": cost[i][valid[i]]} for i in range(len(valid))]


def decode_samples(rows: Sequence[Rows], *, num_anchors: int) -> Tensor:
    """Costs [B, A] on the host, +inf where none is stored."""
    costs = torch.full((len(rows), num_anchors), torch.inf)
    for image, row in zip(costs, rows, strict=True):
        image[_anchors(row, num_anchors)] = torch.from_numpy(row["cost"].astype(np.float32))
    return costs


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


def decode_moments(rows: Sequence[Rows], *, num_gt: int, levels: int) -> tuple[CostMoments, Tensor]:
    """Moments and Fisher scores, each [B, G, L] on the host."""
    columns = ("candidates", "mean", "squared_deviation", "fisher")
    values = {name: torch.zeros(len(rows), num_gt, levels, dtype=torch.float64) for name in columns}
    for i, row in enumerate(rows):
        stored = row["candidates"].reshape(-1, levels).shape[0]
        check_range(np.array([stored]), num_gt + 1)
        for name in columns:
            values[name][i, :stored] = torch.from_numpy(
                row[name].reshape(-1, levels).astype(np.float64)
            )
    moments = CostMoments(*(values[name] for name in columns[:3]))
    return moments, values["fisher"]


def encode_objects(fisher: Tensor, num_gt: Sequence[int]) -> list[Rows]:
    """Rows of the Fisher scores [B, G, 1] of whole objects."""
    on_host = fisher.squeeze(2).cpu().numpy()
    return [{"fisher": on_host[i, :g]} for i, g in enumerate(num_gt)]


def decode_objects(rows: Sequence[Rows], *, num_gt: int) -> Tensor:
    """Fisher scores of whole objects, [B, G, 1] on the host."""
    fisher = torch.zeros(len(rows), num_gt, 1, dtype=torch.float64)
    for image, row in zip(fisher, rows, strict=True):
        check_range(np.array([len(row["fisher"])]), num_gt + 1)
        image[: len(row["fisher"]), 0] = torch.from_numpy(row["fisher"].astype(np.float64))
    return fisher


def encode_classes(prob: Tensor, grid: AnchorGrid) -> tuple[list[Rows], list[Rows]]:
    """Rows of the class probabilities [B, A, C] that stand out, and the means of the rest."""
    outstanding = stand_out(prob, grid)
    means = rest_means(prob, outstanding, grid)
    values, where = prob.cpu().numpy(), outstanding.cpu().numpy()
    listed = []
    for i in range(len(values)):
        anchor, label = np.nonzero(where[i])
        listed.append(
            {"anchor": anchor, "label": label, "prob": _steps_of(values[i, anchor, label])}
        )
    return listed, [{"prob": mean} for mean in means.cpu().numpy()]


def decode_classes(
    listed: Sequence[Rows], rest: Sequence[Rows], grid: AnchorGrid, num_classes: int
) -> Tensor:
    """Class probabilities [B, A, C] on the host."""
    lengths = torch.tensor(grid.level_lengths)
    images = []
    for rows, means in zip(listed, rest, strict=True):
        if means["prob"].shape != (len(lengths), num_classes):
            raise ValueError("its class probabilities have another shape")
        mean = torch.from_numpy(means["prob"].astype(np.float32))
        # The size is known: tests run this where values are not.
        prob = mean.repeat_interleave(lengths, dim=0, output_size=grid.num_anchors)  # [A, C]
        check_range(rows["label"], num_classes)
        where = _anchors(rows, grid.num_anchors), _long(rows["label"])
        logit = FIRST_LOGIT + LOGIT_STEP * torch.from_numpy(rows["prob"].astype(np.float32))
        prob[where] = logit.sigmoid()
        images.append(prob)
    return torch.stack(images)


def encode_boxes(soft: SoftTargets) -> list[Rows]:
    """Rows of the boxes and IoUs that are targets."""
    selected = (soft.weight > 0).cpu().numpy()
    boxes = np.rint(soft.boxes.cpu().numpy() / PIXEL_STEP).clip(0, _MAX_16)
    iou = np.zeros(selected.shape) if soft.iou is None else soft.iou.cpu().numpy()
    return [
        {"anchor": np.flatnonzero(s), "box": b[s], "iou": np.rint(q[s] * _MAX_8)}
        for s, b, q in zip(selected, boxes, iou, strict=True)
    ]


def decode_boxes(rows: Sequence[Rows], *, num_anchors: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [B, A, 4], IoUs [B, A] and which are stored [B, A] bool, on the host."""
    boxes = torch.zeros(len(rows), num_anchors, 4)
    iou = torch.zeros(len(rows), num_anchors)
    stored = torch.zeros(len(rows), num_anchors, dtype=torch.bool)
    for i, row in enumerate(rows):
        anchor = _anchors(row, num_anchors)
        boxes[i, anchor] = torch.from_numpy(row["box"].astype(np.float32)) * PIXEL_STEP
        iou[i, anchor] = torch.from_numpy(row["iou"].astype(np.float32) / _MAX_8)
        stored[i, anchor] = True
    return boxes, iou, stored


def encode_dense(predictions: Predictions) -> list[Rows]:
    """Rows of all outputs, in half precision."""
    cls, box = predictions.cls.raw.float(), predictions.box_deltas.float()
    iou = predictions.iou_logits
    quality = torch.zeros(box.shape[:2]) if iou is None else iou.float()
    half = (t.half().cpu().numpy() for t in (cls, box, quality))
    return [{"cls": c, "box": b, "iou": q} for c, b, q in zip(*half, strict=True)]


def decode_dense(
    rows: Sequence[Rows], *, num_anchors: int, class_output: str, iou_branch: bool
) -> Predictions:
    """Predictions [B, A, …] on the host."""
    for row in rows:
        if len(row["cls"]) != num_anchors:
            raise ValueError(f"{len(row['cls'])} anchors are stored where {num_anchors} are due")
    cls, box, iou = (
        torch.from_numpy(np.stack([row[name] for row in rows]).astype(np.float32))
        for name in ("cls", "box", "iou")
    )
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
        ValueError: a value is not below ``limit``.
    """
    if values.size and int(values.max()) >= limit:
        raise ValueError(f"{int(values.max())} is stored where {limit - 1} is the most")


def _anchors(rows: Mapping[str, np.ndarray], num_anchors: int) -> Tensor:
    check_range(rows["anchor"], num_anchors)
    return _long(rows["anchor"])


def _long(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))

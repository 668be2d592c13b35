"""Costs of every pair of a prior and a ground truth, without a tensor of pairs × classes.

The class loss of a pair is the loss of all classes as negatives, less that of the ground truth's
class, plus that of the class as the positive.  The first is one number per prior, the others are
gathered, so that work grows with priors × (classes + ground truths).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ladcli.structures import ClassOutput, Scene
from ladcli.structures.boxes import matrix_iou, pair_giou

#: Pairs whose geometry is computed at once, of all images together.
PAIRS_AT_ONCE = 1 << 22
#: Keeps the logarithm of an IoU finite.
MIN_IOU = 1e-7


def own_class(cls: ClassOutput, scene: Scene) -> ClassOutput:
    """Outputs of each ground truth's class alone, [B, G, A]."""
    labels = scene.targets.labels.unsqueeze(2)

    def pick(raw: Tensor) -> Tensor:  # [B, A, C]
        return raw.transpose(1, 2).gather(1, labels.expand(-1, -1, raw.shape[1]))

    return cls.map(pick)


@torch.no_grad()
def focal_class_cost(cls: ClassOutput, scene: Scene, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of every pair as a positive, summed over classes, [B, G, A].

    Equal to `ladcli.structures.focal.focal_loss` up to rounding.
    """
    total = _negatives(cls, gamma).sum(dim=2).unsqueeze(1)
    own = own_class(cls, scene)
    positive = (1 - own.prob()).pow(gamma) * own.log_prob()
    return (alpha - 1) * (total - _negatives(own, gamma)) - alpha * positive


def _negatives(cls: ClassOutput, gamma: float) -> Tensor:
    return cls.prob().pow_(gamma).mul_(cls.log_not_prob())


@torch.no_grad()
def entropy_class_cost(cls: ClassOutput, scene: Scene, needed: Tensor) -> Tensor:
    """Binary cross-entropy of every pair as a positive, summed over classes, [B, G, A].

    Args:
        needed: [B, A] bool, priors that anyone asks for; the cost of others is arbitrary.
    """
    own = own_class(cls, scene)
    return background_cost(cls, needed).unsqueeze(1) + own.log_not_prob() - own.log_prob()


@torch.no_grad()
def background_cost(cls: ClassOutput, needed: Tensor) -> Tensor:
    """Binary cross-entropy of every prior as background, [B, A]; 0 where it is not needed.

    A CPU knows for free which priors are needed; another device would have to wait to learn it, and
    computes all.
    """
    if needed.device.type == "cpu" and not torch.compiler.is_compiling():
        rows = needed.flatten().nonzero().squeeze(1)
        of_rows = -cls.rows(rows).log_not_prob().sum(dim=-1)
        found = torch.zeros_like(needed, dtype=of_rows.dtype).flatten()
        return found.index_copy_(0, rows, of_rows).view_as(needed)
    return -cls.log_not_prob().sum(dim=2)


@torch.no_grad()
def predicted_iou(boxes: Tensor, scene: Scene) -> Tensor:
    """IoU of the predicted boxes [B, A, 4] with every ground truth, [B, G, A]."""
    gts = scene.targets.boxes
    return _by_parts(gts, boxes, lambda part: matrix_iou(part, boxes))


@torch.no_grad()
def giou_cost(boxes: Tensor, scene: Scene) -> Tensor:
    """1 − GIoU of the predicted boxes [B, A, 4] with every ground truth, [B, G, A]."""
    gts = scene.targets.boxes
    return 1 - _by_parts(gts, boxes, lambda part: pair_giou(part.unsqueeze(2), boxes.unsqueeze(1)))


def _by_parts(gts: Tensor, boxes: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """``function`` of some ground truths [B, g, 4] at a time, put together to [B, G, A]."""
    images, num_gt = gts.shape[:2]
    at_once = max(1, PAIRS_AT_ONCE // max(1, images * boxes.shape[1]))
    parts = [function(part) for part in gts.split(at_once, dim=1)] if num_gt else []
    return torch.cat(parts, dim=1) if parts else boxes.new_zeros(images, 0, boxes.shape[1])

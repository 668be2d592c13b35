"""What it would cost a network to make a candidate a positive (equation 2 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ladcli.structures import Candidates, ClassOutput, Costs, Scene, Targets
from ladcli.structures.boxes import pair_giou
from ladcli.structures.focal import focal_loss

#: Of equation 2, by default: the weight of the GIoU loss, and the focal loss.
BOX_WEIGHT, ALPHA, GAMMA = 1.3, 0.25, 2.0
#: Pairs that are priced at once: with 80 classes a temporary tensor of some 40 MB.
PAIRS_AT_ONCE = 1 << 17


@torch.no_grad()
def detection_cost(
    candidates: Candidates,
    scene: Scene,
    cls: ClassOutput,
    boxes: Tensor,
    *,
    box_weight: float,
    alpha: float,
    gamma: float,
) -> Costs:
    """Classification plus box loss of every candidate, as if it were a positive.

    The printed equation has IoU; like the reference we use the training box loss (GIoU).  The
    IoU branch does not enter.

    Args:
        candidates: in any layout.
        cls: class outputs [B, A, C] of the network that prices.
        boxes: its boxes [B, A, 4] float32, decoded and not clipped.
        box_weight: weight of the GIoU loss.
        alpha, gamma: of the focal loss.

    Returns:
        Costs in the candidates' layout, +inf where there is none.
    """
    mask = candidates.mask
    pairs = _Pairs.of(candidates, scene)
    flat_boxes = boxes.flatten(0, 1)
    values = torch.full_like(mask, torch.inf, dtype=torch.float32).flatten()
    for start in range(0, len(pairs.place), PAIRS_AT_ONCE):
        part = pairs.part(slice(start, start + PAIRS_AT_ONCE))
        labels, gt_boxes = _of_each_pair(scene.targets, part.image, part.owner)
        cls_part, box_part = cost_parts(
            cls.rows(part.row),
            flat_boxes.index_select(0, part.row),
            labels,
            gt_boxes,
            box_weight=box_weight,
            alpha=alpha,
            gamma=gamma,
        )
        values.index_copy_(0, part.place, (cls_part + box_part).to(values.dtype))
    return Costs(values.view_as(mask).masked_fill(~mask, torch.inf))


def cost_parts(
    cls: ClassOutput,
    boxes: Tensor,
    labels: Tensor,
    gt_boxes: Tensor,
    *,
    box_weight: float,
    alpha: float,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    """The two terms of the cost for N pairs of a prior and a ground truth.

    Args:
        cls: class outputs, [N, C].
        boxes: [N, 4] decoded, not clipped.
        labels: [N] int64, class of the ground truth.
        gt_boxes: [N, 4].

    Returns:
        Class part [N]: focal loss summed over all classes, one-hot target.  Box part [N]:
        ``box_weight`` times (1 - GIoU).
    """
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    cls_part = focal_loss(cls, labels, everywhere, alpha=alpha, gamma=gamma)
    return cls_part, box_weight * (1 - pair_giou(boxes, gt_boxes))


@dataclass(frozen=True)
class _Pairs:
    """The pairs to price, one after the other.  Each [N] int64."""

    place: Tensor  # among the flattened places of the candidates
    image: Tensor  # 0..B-1
    owner: Tensor  # row of the ground truth, 0 where there is no candidate
    row: Tensor  # of the prior, among the flattened [B·A] outputs

    @staticmethod
    def of(candidates: Candidates, scene: Scene) -> _Pairs:
        mask = candidates.mask
        place = _places_to_price(mask)
        image = place // mask[0].numel()
        owner, prior = (
            values.expand_as(mask).reshape(-1).index_select(0, place)
            for values in (candidates.owner(), candidates.prior())
        )
        return _Pairs(place, image, owner.clamp(min=0), image * scene.priors.num_priors + prior)

    def part(self, some: slice) -> _Pairs:
        return _Pairs(self.place[some], self.image[some], self.owner[some], self.row[some])


def _of_each_pair(targets: Targets, image: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
    """Labels [N] and boxes [N, 4] of ground truths ``owner`` [N] of images ``image`` [N]."""
    num_gt = targets.labels.shape[1]
    if num_gt == 0:
        return torch.zeros_like(image), targets.boxes.new_zeros(len(image), 4)
    row = image * num_gt + owner
    labels = targets.labels.flatten().index_select(0, row)
    return labels, targets.boxes.flatten(0, 1).index_select(0, row)


def _places_to_price(mask: Tensor) -> Tensor:
    """Indices into the flattened places that have to be priced.

    A CPU knows for free which of them are candidates (some 10 %) and prices only those.  Another
    device would have to wait to learn their number, so it prices all places at a static shape.
    """
    flat = mask.flatten()
    if flat.device.type == "cpu" and not torch.compiler.is_compiling():
        return flat.nonzero().squeeze(1)
    return torch.arange(flat.shape[0], device=flat.device)

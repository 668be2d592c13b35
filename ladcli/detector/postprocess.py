"""From raw outputs to detections: scores, suppression and score voting, vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import nms

from ladcli.structures import AnchorGrid, Detections, Predictions
from ladcli.structures.boxes import decode_boxes, matrix_iou

#: Smallest IoU with which a box votes, and the width of the vote's bell curve.
VOTE_MIN_IOU = 0.01
VOTE_SIGMA = 0.025
#: First number of best-scored boxes that suppression looks at; doubled until enough survive.
FIRST_CHUNK = 2048


@torch.no_grad()
def postprocess(
    predictions: Predictions,
    grid: AnchorGrid,
    content_hw: Tensor,
    *,
    scale_wh: Tensor | None = None,
    score_threshold: float = 0.05,
    per_level: int = 1000,
    nms_iou: float = 0.6,
    max_detections: int = 100,
    voting: bool = True,
    use_iou: bool = True,
) -> list[Detections]:
    """Detections of every image of a batch.

    The score of an anchor and class is √(class probability × IoU probability), or the class
    probability alone for a network without IoU branch, or where that is not to be used.

    Args:
        predictions: [B, A, …].
        grid: A anchors.
        content_hw: [B, 2], boxes are clipped to it.
        scale_wh: [B, 2] canvas pixels per pixel of the stored image; with it, boxes come out in
            stored pixels, and suppression and voting see them so.
        score_threshold: scores must be above it.
        per_level: anchors per level that are considered, by their best class.
        nms_iou: a box of the same class above this IoU is suppressed.
        max_detections: per image, over all classes.
        voting: replace each box by the weighted mean of the boxes it suppressed.
        use_iou: let the IoU branch, where there is one, enter the score.

    Returns:
        B detections, best score first.
    """
    scores = _scores(predictions, use_iou=use_iou)  # [B, A, C]
    boxes = decode_boxes(grid.anchors, predictions.box_deltas.float(), content_hw)
    if scale_wh is not None:
        boxes = boxes / scale_wh.repeat(1, 2).unsqueeze(1).to(boxes.dtype)
    kept = _best_per_level(scores, grid, per_level)  # [B, K]
    options = _Options(score_threshold, nms_iou, max_detections, voting)
    # The number of detections differs between images, so each image is closed on its own.
    return [_detect(scores[i, kept[i]], boxes[i, kept[i]], options) for i in range(scores.shape[0])]


@dataclass(frozen=True)
class _Options:
    score_threshold: float
    nms_iou: float
    max_detections: int
    voting: bool


def _scores(predictions: Predictions, *, use_iou: bool) -> Tensor:
    prob = predictions.cls.prob()
    if predictions.iou_logits is None or not use_iou:
        return prob
    return (prob * predictions.iou_logits.float().sigmoid().unsqueeze(2)).sqrt()


def _best_per_level(scores: Tensor, grid: AnchorGrid, per_level: int) -> Tensor:
    """Flat indices [B, K] of the anchors that each level sends on."""
    best = scores.amax(dim=2)
    kept, start = [], 0
    for length in grid.level_lengths:
        index = best[:, start : start + length].topk(min(per_level, length), dim=1).indices
        kept.append(index + start)
        start += length
    return torch.cat(kept, dim=1)


def _detect(scores: Tensor, boxes: Tensor, options: _Options) -> Detections:
    """Detections of one image from scores [K, C] and boxes [K, 4]."""
    anchor, label = (scores > options.score_threshold).nonzero().unbind(1)
    score = scores[anchor, label]
    order = score.argsort(descending=True, stable=True)
    anchor, label, score = anchor[order], label[order], score[order]
    keep = _suppress(boxes[anchor], label, score, options)
    anchor, label, score = anchor[keep], label[keep], score[keep]
    final = boxes[anchor]
    if options.voting and len(keep):
        final = _vote(final, label, boxes, scores, options.score_threshold)
    return Detections(final, score, label)


def _suppress(boxes: Tensor, labels: Tensor, scores: Tensor, options: _Options) -> Tensor:
    """Positions of the first ``max_detections`` survivors of class-wise suppression.

    Boxes [N, 4] come best first.  Whether a box survives depends on better boxes alone, so it is
    exact to look at a growing head of the list: untrained networks put hundreds of thousands of
    scores above the threshold, of which a hundred are wanted.
    """
    chunk = FIRST_CHUNK
    while True:
        head = slice(0, chunk)
        # Classes are moved apart so that one call serves all; in float64, because the same shift
        # in float32 perturbs IoUs near the threshold.
        span = boxes[head].max() + 1 if len(boxes) else boxes.new_zeros(())
        shift = labels[head].double() * span.double()
        keep = nms(
            boxes[head].double() + shift.unsqueeze(1), scores[head].double(), options.nms_iou
        )
        if len(keep) >= options.max_detections or chunk >= len(boxes):
            return keep[: options.max_detections]
        chunk *= 2


def _vote(kept: Tensor, labels: Tensor, boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Weighted means of the boxes of the same class that overlap each kept box (PAA, 3.3).

    Args:
        kept: [D, 4] survivors, with ``labels`` [D].
        boxes, scores: [K, 4] and [K, C], everything before suppression.
        threshold: scores at or below it do not vote.
    """
    own_score = scores[:, labels].T  # [D, K]
    iou = matrix_iou(kept, boxes)  # [D, K]
    weight = torch.exp(-((1 - iou) ** 2) / VOTE_SIGMA) * own_score
    weight = weight.masked_fill((iou <= VOTE_MIN_IOU) | (own_score <= threshold), 0.0)
    total = weight.sum(dim=1, keepdim=True)
    # A box without area overlaps nothing, not even itself: it keeps its place.
    return torch.where(total > 0, weight @ boxes / total.clamp(min=1e-12), kept)

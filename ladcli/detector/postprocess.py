"""From raw outputs to detections: scores, suppression and score voting, vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import nms

from ladcli.recipe.schema import InferenceConfig
from ladcli.structures import AnchorGrid, Detections, Predictions
from ladcli.structures.boxes import decode_boxes, matrix_iou

#: Smallest IoU with which a box votes, and the width of the vote's bell curve.
VOTE_MIN_IOU = 0.01
VOTE_SIGMA = 0.025
#: What a recipe asks for by default.
_USUAL = InferenceConfig()
#: First number of best-scored boxes that suppression looks at; doubled until enough survive.
FIRST_CHUNK = 2048


@torch.no_grad()
def postprocess(
    predictions: Predictions,
    grid: AnchorGrid,
    content_hw: Tensor,
    *,
    scale_wh: Tensor | None = None,
    score_threshold: float = _USUAL.score_threshold,
    per_level: int = _USUAL.per_level,
    nms_iou: float = _USUAL.nms_iou,
    max_detections: int = _USUAL.max_detections,
    voting: bool = _USUAL.voting,
    use_iou: bool = _USUAL.use_iou,
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
    images = score_boxes(
        predictions, grid, content_hw, scale_wh=scale_wh, per_level=per_level, use_iou=use_iou
    )
    # The number of detections differs between images, so each image is closed on its own.
    return [
        suppress(
            image,
            score_threshold=score_threshold,
            nms_iou=nms_iou,
            max_detections=max_detections,
            voting=voting,
        )
        for image in images
    ]


@dataclass(frozen=True)
class ScoredBoxes:
    """Boxes of one image before suppression.  K = boxes."""

    scores: Tensor  # [K, C] float32 in [0, 1]
    boxes: Tensor  # [K, 4] float32, xyxy, as `postprocess` gives them

    @staticmethod
    def merged(views: Sequence[ScoredBoxes]) -> ScoredBoxes:
        """The boxes of several views of the same image, for one suppression and one vote."""
        return ScoredBoxes(
            torch.cat([view.scores for view in views]), torch.cat([view.boxes for view in views])
        )


@torch.no_grad()
def score_boxes(
    predictions: Predictions,
    grid: AnchorGrid,
    content_hw: Tensor,
    *,
    scale_wh: Tensor | None = None,
    flipped: bool = False,
    per_level: int = _USUAL.per_level,
    use_iou: bool = _USUAL.use_iou,
) -> list[ScoredBoxes]:
    """The first half of `postprocess`: scores and boxes of every image, nothing suppressed.

    Args:
        flipped: the network saw the images mirrored; boxes are mirrored back.

    Returns:
        B entries; the other arguments are those of `postprocess`.
    """
    scores = _scores(predictions, use_iou=use_iou)  # [B, A, C]
    boxes = decode_boxes(grid.anchors, predictions.box_deltas.float(), content_hw)
    if flipped:
        boxes = _mirrored(boxes, content_hw)
    if scale_wh is not None:
        boxes = boxes / scale_wh.repeat(1, 2).unsqueeze(1).to(boxes.dtype)
    kept = _best_per_level(scores, grid, per_level)  # [B, K]
    return [ScoredBoxes(scores[i, kept[i]], boxes[i, kept[i]]) for i in range(scores.shape[0])]


@torch.no_grad()
def suppress(
    image: ScoredBoxes,
    *,
    score_threshold: float = _USUAL.score_threshold,
    nms_iou: float = _USUAL.nms_iou,
    max_detections: int = _USUAL.max_detections,
    voting: bool = _USUAL.voting,
) -> Detections:
    """The second half of `postprocess`: suppression and score voting of one image.

    The arguments are those of `postprocess`.
    """
    scores, boxes = image.scores, image.boxes
    anchor, label = (scores > score_threshold).nonzero().unbind(1)
    score = scores[anchor, label]
    order = score.argsort(descending=True, stable=True)
    anchor, label, score = anchor[order], label[order], score[order]
    keep = _survivors(boxes[anchor], label, score, nms_iou, max_detections)
    anchor, label, score = anchor[keep], label[keep], score[keep]
    final = boxes[anchor]
    if voting and len(keep):
        final = _vote(final, label, boxes, scores, score_threshold)
    return Detections(final, score, label)


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


def _mirrored(boxes: Tensor, content_hw: Tensor) -> Tensor:
    """``boxes`` [B, A, 4] of mirrored images as they lie in the images, ``content_hw`` [B, 2]."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    width = content_hw[:, 1:].to(boxes.dtype)  # [B, 1]
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


def _survivors(
    boxes: Tensor, labels: Tensor, scores: Tensor, nms_iou: float, max_detections: int
) -> Tensor:
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
        keep = nms(boxes[head].double() + shift.unsqueeze(1), scores[head].double(), nms_iou)
        if len(keep) >= max_detections or chunk >= len(boxes):
            return keep[:max_detections]
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

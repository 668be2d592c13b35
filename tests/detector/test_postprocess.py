"""From outputs to detections: by hand, and against a plain loop over classes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import nms

from benchmarks.box_coding import encode_boxes
from ladcli.detector import postprocess as module
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.postprocess import (
    FIRST_CHUNK,
    VOTE_SIGMA,
    ScoredBoxes,
    postprocess,
    score_boxes,
    suppress,
)
from ladcli.structures import AnchorGrid, ClassLogits, ClassProbs, Detections, Predictions
from ladcli.structures.boxes import decode_boxes

CANVAS = (32, 64)
GRID = anchor_grid(CANVAS)
CONTENT = torch.tensor([[32, 64]])


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def predictions_of(
    rows: list[tuple[int, tuple[float, ...], dict[int, float], float]],
    *,
    num_classes: int = 3,
    grid: AnchorGrid = GRID,
    iou_branch: bool = True,
) -> Predictions:
    """Outputs of one image: (anchor, its box, probability per class, IoU); all else is silent."""
    cls = torch.full((1, grid.num_anchors, num_classes), -50.0)
    deltas = torch.zeros(1, grid.num_anchors, 4)
    iou = torch.zeros(1, grid.num_anchors)
    for anchor, box, probs, quality in rows:
        deltas[0, anchor] = encode_boxes(grid.anchors[anchor], torch.tensor(box))
        iou[0, anchor] = logit(quality)
        for label, prob in probs.items():
            cls[0, anchor, label] = logit(prob)
    return Predictions(ClassLogits(cls), deltas, iou if iou_branch else None)


def detect(predictions: Predictions, **options: Any) -> Detections:
    (found,) = postprocess(predictions, GRID, CONTENT, **options)
    return found


def close(found: Tensor, expected: Any) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-3)


A, B, FAR = (8.0, 8.0, 24.0, 24.0), (8.0, 8.0, 24.0, 20.0), (40.0, 4.0, 60.0, 28.0)  # IoU(A, B)=.75
ROWS = [(9, A, {1: 0.9}, 0.4), (10, B, {1: 0.4}, 0.4), (13, FAR, {2: 0.81}, 0.25)]


def test_scores_boxes_and_labels_by_hand() -> None:
    found = detect(predictions_of(ROWS), voting=False)
    close(found.scores, [0.6, 0.45])
    close(found.boxes, [A, FAR])
    assert found.labels.tolist() == [1, 2]
    dtypes = [t.dtype for t in (found.boxes, found.scores, found.labels)]
    assert dtypes == [torch.float32, torch.float32, torch.int64]


def test_kept_boxes_are_the_vote_of_what_they_suppressed() -> None:
    found = detect(predictions_of(ROWS))
    own, other = 0.6, 0.4 * math.exp(-((1 - 0.75) ** 2) / VOTE_SIGMA)
    close(found.boxes[0], [8, 8, 24, (own * 24 + other * 20) / (own + other)])
    close(found.boxes[1], FAR)  # alone in its class
    close(found.scores, [0.6, 0.45])


def test_votes_stay_in_their_class_and_above_the_threshold() -> None:
    rows = [(9, A, {1: 0.9, 0: 0.04}, 0.4), (10, B, {0: 0.4}, 0.4), (11, B, {1: 0.1}, 0.4)]
    found = detect(predictions_of(rows), score_threshold=0.21)
    assert found.labels.tolist() == [1, 0]
    close(found.boxes, [A, B])
    # The third box has a score of 0.2 in class 1; a lower threshold lets it vote.
    moved = detect(predictions_of(rows), score_threshold=0.19)
    assert moved.boxes[0, 3] < 23.9


def test_suppression_is_strictly_above_the_threshold_and_per_class() -> None:
    rows = [(9, A, {1: 0.9}, 0.4), (10, B, {1: 0.4}, 0.4), (11, B, {2: 0.3}, 0.4)]
    plain = predictions_of(rows)
    assert detect(plain, nms_iou=0.74).labels.tolist() == [1, 2]
    assert detect(plain, nms_iou=0.76).labels.tolist() == [1, 1, 2]


def test_one_anchor_can_be_detected_as_two_classes() -> None:
    found = detect(predictions_of([(9, A, {0: 0.9, 2: 0.4}, 0.4)]), voting=False)
    close(found.scores, [0.6, 0.4])
    close(found.boxes, [A, A])
    assert found.labels.tolist() == [0, 2]


def test_scores_must_be_above_the_threshold() -> None:
    silent = predictions_of([(9, A, {0: 0.5}, 0.5)], iou_branch=False)
    assert len(detect(silent, score_threshold=0.5).scores) == 0
    assert len(detect(silent, score_threshold=0.4999).scores) == 1


def test_without_iou_branch_the_class_alone_is_the_score() -> None:
    found = detect(predictions_of(ROWS, iou_branch=False), voting=False)
    close(found.scores, [0.9, 0.81])


@pytest.mark.parametrize("voting", [True, False])
def test_an_iou_branch_that_is_not_used_is_as_good_as_none(*, voting: bool) -> None:
    found = detect(predictions_of(ROWS), use_iou=False, voting=voting)
    without = detect(predictions_of(ROWS, iou_branch=False), voting=voting)
    close(found.scores, [0.9, 0.81])
    for name in ("boxes", "scores", "labels"):
        assert torch.equal(getattr(found, name), getattr(without, name)), name


def test_class_probabilities_are_scores_as_they_are() -> None:
    """A head with objectness inside; the sigmoid is not taken twice."""
    logits = predictions_of(ROWS)
    probs = Predictions(ClassProbs(logits.cls.prob()), logits.box_deltas, logits.iou_logits)
    close(detect(probs, use_iou=False, voting=False).scores, [0.9, 0.81])
    close(detect(probs, voting=False).scores, [0.6, 0.45])


@pytest.mark.parametrize("voting", [True, False])
def test_nothing_found_is_three_empty_tensors(voting: bool) -> None:
    found = detect(predictions_of([]), voting=voting)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.labels.shape == (0,)


def test_the_best_detections_over_all_classes_are_kept() -> None:
    rows = [(k, (8.0 * k, 0, 8.0 * k + 7, 9), {k % 3: 0.2 + 0.1 * k}, 0.5) for k in (3, 0, 2, 1)]
    found = detect(predictions_of(rows, iou_branch=False), max_detections=3)
    assert found.labels.tolist() == [0, 2, 1]
    close(found.scores, [0.5, 0.4, 0.3])


def test_every_level_sends_on_its_best_anchors() -> None:
    """P3 has 32 anchors here, P4 has 8 that begin at 32; one of each level is looked at."""
    boxes = [(x, 4.0, x + 9, 14.0) for x in (0.0, 10.0, 20.0, 30.0)]
    rows = [
        (1, boxes[0], {0: 0.3}, 0.5),
        (2, boxes[1], {1: 0.4}, 0.5),
        (33, boxes[2], {0: 0.2}, 0.5),
        (34, boxes[3], {0: 0.1, 2: 0.15}, 0.5),
    ]
    found = detect(predictions_of(rows, iou_branch=False), per_level=1)
    close(found.scores, [0.4, 0.2])
    close(found.boxes, [boxes[1], boxes[2]])


def test_boxes_are_clipped_to_the_content() -> None:
    outside = predictions_of([(9, (-10.0, -5.0, 70.0, 40.0), {0: 0.9}, 0.5)])
    (found,) = postprocess(outside, GRID, torch.tensor([[20, 50]]))
    close(found.boxes, [(0.0, 0.0, 50.0, 20.0)])


def test_boxes_come_out_in_stored_pixels() -> None:
    scale = torch.tensor([[2.0, 0.5]], dtype=torch.float64)
    found = detect(predictions_of(ROWS), scale_wh=scale, voting=False)
    close(found.boxes, [(4.0, 16.0, 12.0, 48.0), (20.0, 8.0, 30.0, 56.0)])
    assert found.boxes.dtype is torch.float32


def test_a_box_without_area_keeps_its_place() -> None:
    """Clipped away, it overlaps nothing, not even itself, so that nobody votes for it."""
    found = detect(predictions_of([(9, (70.0, 4.0, 80.0, 20.0), {0: 0.9}, 0.5)]))
    close(found.boxes, [(64.0, 4.0, 64.0, 20.0)])


def test_images_are_closed_on_their_own() -> None:
    one, two = predictions_of(ROWS), predictions_of(ROWS[2:])
    both = Predictions(
        ClassLogits(torch.cat([one.cls.raw, two.cls.raw])),
        torch.cat([one.box_deltas, two.box_deltas]),
        torch.cat([one.iou_logits, two.iou_logits]),
    )
    first, second = postprocess(both, GRID, CONTENT.repeat(2, 1))
    assert torch.equal(first.boxes, detect(one).boxes)
    assert torch.equal(second.boxes, detect(two).boxes)


def dense(seed: int, canvas_hw: tuple[int, int], num_classes: int) -> Predictions:
    """An untrained network that is unsure everywhere: all scores are above the threshold."""
    draw = torch.Generator().manual_seed(seed)
    size = (1, anchor_grid(canvas_hw).num_anchors)
    return Predictions(
        ClassLogits(torch.randn(*size, num_classes, generator=draw)),
        torch.randn(*size, 4, generator=draw),
        torch.randn(*size, generator=draw),
    )


def above_threshold(
    predictions: Predictions, grid: AnchorGrid, content_hw: Tensor, label: int
) -> tuple[Tensor, Tensor]:
    """Boxes and scores of one class of one image, unsuppressed."""
    # For all classes at once: a slice of the logits would be rounded in another way.
    quality = predictions.iou_logits.sigmoid().unsqueeze(2)
    scores = (predictions.cls.raw.sigmoid() * quality).sqrt()[0, :, label]
    boxes = decode_boxes(grid.anchors, predictions.box_deltas[0], content_hw[0])
    return boxes[scores > 0.05], scores[scores > 0.05]


def plain_loop(
    predictions: Predictions, grid: AnchorGrid, content_hw: Tensor, *, nms_iou: float, most: int
) -> list[tuple[float, int, list[float]]]:
    """Class by class with torchvision, over everything above the threshold, then the best."""
    found = []
    for label in range(predictions.num_classes):
        boxes, scores = above_threshold(predictions, grid, content_hw, label)
        kept = nms(boxes.double(), scores.double(), nms_iou)
        triples = zip(scores[kept].tolist(), boxes[kept].tolist(), strict=True)
        found += [(score, label, box) for score, box in triples]
    return sorted(found, key=lambda row: -row[0])[:most]


@pytest.mark.parametrize(
    ("most", "nms_iou"), [(100, 0.6), (100, 0.02), (5, 0.6), (10**6, 0.3)], ids=str
)
def test_chunked_suppression_equals_a_plain_loop(most: int, nms_iou: float) -> None:
    canvas, content = (160, 160), torch.tensor([[150, 160]])
    grid, predictions = anchor_grid(canvas), dense(0, canvas, 12)
    # Enough boxes that the first chunk does not always do.
    assert grid.num_anchors * 12 > 3 * FIRST_CHUNK
    expected = plain_loop(predictions, grid, content, nms_iou=nms_iou, most=most)
    (found,) = postprocess(
        predictions, grid, content, nms_iou=nms_iou, max_detections=most, voting=False
    )
    assert found.scores.tolist() == [score for score, _, _ in expected]
    assert found.labels.tolist() == [label for _, label, _ in expected]
    assert found.boxes.tolist() == [box for _, _, box in expected]


def test_suppression_looks_no_further_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained networks put hundreds of thousands of scores above the threshold."""
    seen = []

    def counting(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
        seen.append(len(boxes))
        return nms(boxes, scores, threshold)

    monkeypatch.setattr(module, "nms", counting)
    canvas, content = (160, 160), torch.tensor([[150, 160]])
    options = {"voting": False, "nms_iou": 0.6}
    few, many = (
        postprocess(dense(0, canvas, 12), anchor_grid(canvas), content, max_detections=n, **options)
        for n in (5, 10**6)
    )
    assert len(few[0].scores) == 5 < len(many[0].scores)
    assert seen[:3] == [FIRST_CHUNK, FIRST_CHUNK, 2 * FIRST_CHUNK]
    assert seen[3] > 2 * FIRST_CHUNK


def test_votes_equal_a_plain_loop() -> None:
    canvas, content = (64, 64), torch.tensor([[64, 64]])
    grid, predictions = anchor_grid(canvas), dense(1, canvas, 2)
    options = {"nms_iou": 0.5, "max_detections": 20}
    (kept,) = postprocess(predictions, grid, content, voting=False, **options)
    (voted,) = postprocess(predictions, grid, content, voting=True, **options)
    assert torch.equal(voted.scores, kept.scores)
    assert torch.equal(voted.labels, kept.labels)
    moved = 0
    for box, label, found in zip(kept.boxes, kept.labels, voted.boxes, strict=True):
        total, weights = torch.zeros(4), 0.0
        every = above_threshold(predictions, grid, content, int(label))
        for other, score in zip(*every, strict=True):
            low, high = torch.maximum(box[:2], other[:2]), torch.minimum(box[2:], other[2:])
            inside = (high - low).clamp(min=0).prod()
            union = (box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - inside
            iou = inside / union
            if iou > 0.01:
                weight = float(score * torch.exp(-((1 - iou) ** 2) / VOTE_SIGMA))
                total, weights = total + weight * other, weights + weight
        torch.testing.assert_close(found, total / weights, rtol=1e-4, atol=1e-3)
        moved += not torch.allclose(found, box, atol=0.01)
    assert moved > 0


def test_outputs_take_no_gradient() -> None:
    predictions = predictions_of(ROWS)
    predictions.cls.raw.requires_grad_()
    assert not detect(predictions).scores.requires_grad


def test_both_halves_make_the_whole() -> None:
    canvas, content = (64, 64), torch.tensor([[60, 64]])
    grid, predictions = anchor_grid(canvas), dense(2, canvas, 3)
    scale = torch.tensor([[2.0, 0.5]], dtype=torch.float64)
    (image,) = score_boxes(predictions, grid, content, scale_wh=scale, per_level=20)
    assert image.boxes.shape == (20 + 16 + 4 + 1 + 1, 4)  # P3 to P7
    assert image.scores.shape == (42, 3)
    found = suppress(image, score_threshold=0.2, nms_iou=0.3, max_detections=9)
    (whole,) = postprocess(
        predictions, grid, content, scale_wh=scale, per_level=20, score_threshold=0.2,
        nms_iou=0.3, max_detections=9,
    )  # fmt: skip
    for name in ("boxes", "scores", "labels"):
        assert torch.equal(getattr(found, name), getattr(whole, name)), name


def test_boxes_of_a_mirrored_image_are_mirrored_back() -> None:
    """At the width of the content, 50, not of the canvas; then they are put in stored pixels."""
    content = torch.tensor([[32, 50]])
    scale = torch.tensor([[2.0, 0.5]], dtype=torch.float64)
    (image,) = score_boxes(predictions_of(ROWS), GRID, content, scale_wh=scale, flipped=True)
    found = suppress(image, voting=False)
    # A is x 8 to 24; FAR is x 40 to 60, of which 50 is left.
    close(found.boxes, [(26 / 2, 16.0, 42 / 2, 48.0), (0.0, 8.0, 5.0, 56.0)])
    close(found.scores, [0.6, 0.45])


def test_views_are_suppressed_and_voted_together() -> None:
    views = [
        score_boxes(predictions_of(rows), GRID, CONTENT)[0]
        for rows in ([(9, A, {1: 0.9}, 0.4)], [(10, B, {1: 0.4}, 0.4), ROWS[2]])
    ]
    found = suppress(ScoredBoxes.merged(views))
    expected = detect(predictions_of(ROWS))
    close(found.boxes, expected.boxes.tolist())
    close(found.scores, [0.6, 0.45])
    assert found.labels.tolist() == [1, 2]

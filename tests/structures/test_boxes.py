"""Box geometry by hand, and its invariants."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from benchmarks.box_coding import encode_boxes
from ladcli.structures.boxes import (
    DELTA_STDS,
    MAX_LOG_RATIO,
    box_area,
    clip_boxes,
    decode_boxes,
    matrix_iou,
    pair_giou,
    pair_iou,
)

# a, b, IoU, GIoU
PAIRS = [
    ("equal", (0, 0, 4, 4), (0, 0, 4, 4), 1.0, 1.0),
    ("half", (0, 0, 4, 4), (0, 0, 4, 2), 0.5, 0.5),
    ("corner", (0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, 1 / 7 - 2 / 9),
    ("touching", (0, 0, 2, 2), (2, 0, 4, 2), 0.0, 0.0),
    ("apart", (0, 0, 1, 1), (3, 0, 4, 1), 0.0, -0.5),
    ("inside", (0, 0, 10, 10), (2, 2, 7, 7), 0.25, 0.25),
    ("no area in one", (0, 0, 4, 4), (1, 1, 1, 3), 0.0, 0.0),
    ("no area in both", (1, 1, 1, 1), (1, 1, 1, 1), 0.0, 0.0),
]


def box(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def random_boxes(n: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=draw) * 100
    return torch.cat([corner, corner + 1 + torch.rand(n, 2, generator=draw) * 60], dim=1)


@pytest.mark.parametrize(
    ("a", "b", "iou", "giou"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS]
)
def test_overlap_by_hand(a: tuple, b: tuple, iou: float, giou: float) -> None:
    assert pair_iou(box(a), box(b)).item() == pytest.approx(iou, abs=1e-6)
    assert pair_giou(box(a), box(b)).item() == pytest.approx(giou, abs=1e-6)


def test_overlap_is_symmetric_and_bounded() -> None:
    a, b = random_boxes(200, 1), random_boxes(200, 2)
    iou, giou = pair_iou(a, b), pair_giou(a, b)
    assert torch.equal(iou, pair_iou(b, a))
    assert torch.equal(giou, pair_giou(b, a))
    assert ((iou >= 0) & (iou <= 1)).all()
    assert ((giou > -1) & (giou <= iou)).all()


def test_overlap_is_the_same_after_moving_and_scaling() -> None:
    a, b = random_boxes(200, 1).double(), random_boxes(200, 2).double()
    for moved in (lambda x: x + 13.5, lambda x: x * 7.25):
        torch.testing.assert_close(pair_iou(moved(a), moved(b)), pair_iou(a, b))
        torch.testing.assert_close(pair_giou(moved(a), moved(b)), pair_giou(a, b))


def test_matrix_iou_pairs_everything() -> None:
    a, b = random_boxes(5, 1), random_boxes(7, 2)
    matrix = matrix_iou(a, b)
    assert matrix.shape == (5, 7)
    for i in range(5):
        for j in range(7):
            assert matrix[i, j] == pair_iou(a[i], b[j])


def test_matrix_iou_of_batches_and_of_nothing() -> None:
    boxes = random_boxes(6, 3).view(2, 3, 4)
    other = random_boxes(4, 4)
    assert torch.equal(matrix_iou(boxes, other)[1], matrix_iou(boxes[1], other))
    assert matrix_iou(torch.zeros(0, 4), other).shape == (0, 4)


def test_giou_sends_gradient_to_boxes_without_overlap() -> None:
    a = torch.tensor([0.0, 0.0, 1.0, 1.0], requires_grad=True)
    pair_giou(a, box((5, 0, 6, 1))).backward()
    assert a.grad is not None
    assert a.grad[2] > 0  # growing to the right brings it closer


def test_box_area() -> None:
    assert box_area(torch.tensor([[1.0, 2.0, 4.0, 4.0], [3.0, 3.0, 3.0, 9.0]])).tolist() == [6, 0]


def test_encoding_by_hand() -> None:
    anchor = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    target = torch.tensor([[2.0, 5.0, 22.0, 15.0]])  # center (12, 10), size 20 x 10
    expected = torch.tensor([[0.7 / 0.1, 0.0, math.log(2) / 0.2, -math.log(2) / 0.2]])
    torch.testing.assert_close(encode_boxes(anchor, target), expected)


def test_decoding_no_deltas_gives_the_anchors() -> None:
    anchors = random_boxes(20, 5)
    torch.testing.assert_close(decode_boxes(anchors, torch.zeros(20, 4)), anchors)


def test_decoding_reverses_encoding() -> None:
    anchors, boxes = random_boxes(200, 6).double(), random_boxes(200, 7).double()
    torch.testing.assert_close(decode_boxes(anchors, encode_boxes(anchors, boxes)), boxes)


@pytest.mark.parametrize("sign", [1, -1])
def test_decoding_limits_sizes_and_cuts_their_gradient(sign: int) -> None:
    anchors = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    deltas = torch.tensor([[0.0, 0.0, sign * 1000.0, 0.0]], requires_grad=True)
    boxes = decode_boxes(anchors, deltas)
    width = (boxes[0, 2] - boxes[0, 0]).item()
    assert width == pytest.approx(8 * math.exp(sign * MAX_LOG_RATIO), rel=1e-5)
    boxes[0, 2].backward()
    assert deltas.grad is not None
    assert deltas.grad[0, 2] == 0
    assert deltas.grad[0, 0] == pytest.approx(8 * DELTA_STDS[0])


def test_decoding_does_not_limit_shifts() -> None:
    boxes = decode_boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([[1e4, 0.0, 0, 0]]))
    assert boxes[0, 0] == pytest.approx(10_000)


def test_decoding_broadcasts_anchors_over_images() -> None:
    anchors = random_boxes(5, 8)
    deltas = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(9))
    together = decode_boxes(anchors, deltas)
    for image in range(3):
        torch.testing.assert_close(together[image], decode_boxes(anchors, deltas[image]))


def test_clipping_allows_the_border_itself() -> None:
    boxes = torch.tensor([[[-5.0, -1.0, 700.0, 300.0], [10.0, 20.0, 30.0, 40.0]]] * 2)
    clipped = clip_boxes(boxes, torch.tensor([[100, 200], [300, 50]]))  # height, width
    assert clipped[0].tolist() == [[0, 0, 200, 100], [10, 20, 30, 40]]
    assert clipped[1].tolist() == [[0, 0, 50, 300], [10, 20, 30, 40]]


def test_decoding_with_a_limit_is_decoding_then_clipping() -> None:
    anchors = random_boxes(30, 10)
    deltas = 5 * torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(11))
    hw = torch.tensor([[80, 60], [40, 120]])
    clipped = decode_boxes(anchors, deltas, hw)
    assert torch.equal(clipped, clip_boxes(decode_boxes(anchors, deltas), hw))
    assert (clipped[0, :, 2] <= 60).all()
    assert (clipped[1, :, 3] <= 120).all()
    assert (clipped >= 0).all()

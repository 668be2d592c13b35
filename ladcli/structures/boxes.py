"""Box geometry: areas, IoU, GIoU and the decoding of deltas.

Boxes are ``x1, y1, x2, y2`` in pixels of the network input, continuous coordinates (a width is
``x2 - x1``, no "+1").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPS = 1e-6
#: Deltas are divided by these, so that the network's outputs have about unit scale.
DELTA_STDS = (0.1, 0.1, 0.2, 0.2)
#: Largest |log(size ratio)| that decoding follows; beyond it the gradient is zero.
MAX_LOG_RATIO = abs(math.log(16 / 1000))


def box_area(boxes: Tensor) -> Tensor:
    """Areas of ``boxes`` [..., 4] in square pixels, [...]."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pair_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes that correspond by broadcasting.

    Args:
        a: [..., 4] xyxy.
        b: [..., 4] xyxy, broadcastable with ``a``.

    Returns:
        [...] in [0, 1]; two boxes without area have IoU 0.
    """
    return _overlap(a, b)[0]


def matrix_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of every box of ``a`` [..., N, 4] with every box of ``b`` [..., M, 4]: [..., N, M]."""
    return pair_iou(a.unsqueeze(-2), b.unsqueeze(-3))


def pair_giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU in [-1, 1] of corresponding boxes (shapes as in `pair_iou`)."""
    iou, union = _overlap(a, b)
    width = torch.maximum(a[..., 2], b[..., 2]) - torch.minimum(a[..., 0], b[..., 0])
    height = torch.maximum(a[..., 3], b[..., 3]) - torch.minimum(a[..., 1], b[..., 1])
    enclosing = (width * height).clamp(min=EPS)
    return iou - (enclosing - union) / enclosing


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union area of corresponding boxes."""
    width = torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])
    height = torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])
    intersection = width.clamp(min=0) * height.clamp(min=0)
    union = (box_area(a) + box_area(b) - intersection).clamp(min=EPS)
    return intersection / union, union


def decode_boxes(anchors: Tensor, deltas: Tensor, clip_hw: Tensor | None = None) -> Tensor:
    """Boxes that ``deltas`` make of ``anchors``.

    Args:
        anchors: [..., A, 4] xyxy in pixels.
        deltas: [..., A, 4] dx, dy (shifts of the center in sizes of the anchor) and dw, dh (logs of
            the size ratio), divided by `DELTA_STDS`; size deltas are clamped to `MAX_LOG_RATIO`.
        clip_hw: [..., 2] height and width to which boxes are clipped (the border itself is
            allowed), or None to leave them alone, as training does.

    Returns:
        [..., A, 4] xyxy in pixels.
    """
    anchor_center, anchor_size = _center_and_size(anchors)
    center = anchor_center + deltas[..., :2] * DELTA_STDS[0] * anchor_size
    log_ratio = (deltas[..., 2:] * DELTA_STDS[2]).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    half_size = anchor_size * log_ratio.exp() / 2
    boxes = torch.cat([center - half_size, center + half_size], dim=-1)
    return boxes if clip_hw is None else clip_boxes(boxes, clip_hw)


def clip_boxes(boxes: Tensor, hw: Tensor) -> Tensor:
    """``boxes`` [..., A, 4] moved into [0, W] × [0, H], with ``hw`` [..., 2]."""
    limit = hw.flip(-1).to(boxes.dtype).unsqueeze(-2)  # [..., 1, 2] as W, H
    corners = boxes.unflatten(-1, (2, 2)).clamp(min=0)
    return torch.minimum(corners, limit.unsqueeze(-2)).flatten(-2)


def _center_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centers and sizes, each [..., 2] as x, y."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low

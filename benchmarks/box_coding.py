"""The reverse of decoding: what a network would have to put out to predict given boxes."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures.boxes import DELTA_STDS


def encode_boxes(anchors: Tensor, boxes: Tensor) -> Tensor:
    """Deltas ``(dx, dy, dw, dh)`` that turn ``anchors`` into ``boxes``; both [..., 4] xyxy."""
    anchor_low, anchor_high = anchors[..., :2], anchors[..., 2:]
    low, high = boxes[..., :2], boxes[..., 2:]
    anchor_size, size = anchor_high - anchor_low, high - low
    shift = ((low + high) / 2 - (anchor_low + anchor_high) / 2) / anchor_size
    log_ratio = torch.log(size / anchor_size)
    return torch.cat([shift, log_ratio], dim=-1) / boxes.new_tensor(DELTA_STDS)

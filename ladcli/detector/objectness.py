"""Objectness inside the class output: COP (equation 4 of the paper) and IOP.

The box branch predicts how likely each cell of a small neighborhood holds any object; a class
probability is the mean, over the neighborhood, of objectness times the neighbor's own class
probability.  With a neighborhood of one cell this is implicit objectness prediction (IOP).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ladcli.structures.predictions import full_precision


def conditional_objectness(cls_logits: Tensor, objectness_logits: Tensor) -> Tensor:
    """Class probabilities p(a) = 1/k² Σ o_k(a) p_k, over the k × k neighbors of every cell.

    Channel ``dy * k + dx`` of the objectness weighs the neighbor at offset
    ``(dy - k // 2, dx - k // 2)``.  Neighbors outside the map count as class logit 0 and stay in
    the mean.  Computed in float32: products of small sigmoids underflow in half precision, and
    autocast leaves products alone.

    Args:
        cls_logits: [B, C, h, w].
        objectness_logits: [B, k², h, w], k odd.

    Returns:
        [B, C, h, w] in [0, 1], float32 (float64 for float64 logits).
    """
    height, width = cls_logits.shape[-2:]
    kernel = round(objectness_logits.shape[1] ** 0.5)
    margin = kernel // 2
    prob = full_precision(cls_logits).sigmoid()
    objectness = full_precision(objectness_logits).sigmoid().unsqueeze(2)  # [B, k², 1, h, w]
    around = F.pad(prob, [margin] * 4, value=0.5)
    # One product per offset: unfolding would hold k² copies of all classes in memory.
    total = torch.zeros_like(prob)
    for offset in range(kernel * kernel):
        dy, dx = divmod(offset, kernel)
        neighbor = around[..., dy : dy + height, dx : dx + width]
        total = total + objectness[:, offset] * neighbor
    return total / (kernel * kernel)

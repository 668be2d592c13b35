"""Focal loss (Lin et al. 2017) of per-class Bernoulli outputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures.predictions import ClassOutput


def focal_loss(
    cls: ClassOutput, labels: Tensor, positive: Tensor, *, alpha: float, gamma: float
) -> Tensor:
    """Focal loss of every anchor, summed over its classes.

    Args:
        cls: class outputs [..., C].
        labels: [...] int64 in 0..C-1, the class of a positive; any value elsewhere.
        positive: [...] bool; True has a one-hot target at its label, False has none.
        alpha: weight of the positive class; the others have ``1 - alpha``.
        gamma: focusing exponent.

    Returns:
        [...] float32.
    """
    own = labels.unsqueeze(-1)
    prob = cls.prob()
    negative = prob.pow(gamma) * cls.log_not_prob()  # [..., C]
    own_prob = prob.gather(-1, own).squeeze(-1)
    own_positive = (1 - own_prob).pow(gamma) * cls.log_prob_of(labels)
    own_negative = negative.gather(-1, own).squeeze(-1)
    others = negative.sum(dim=-1) - torch.where(positive, own_negative, 0.0)
    return (alpha - 1) * others - alpha * torch.where(positive, own_positive, 0.0)

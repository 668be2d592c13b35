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


def quality_focal_loss(
    cls: ClassOutput,
    labels: Tensor,
    positive: Tensor,
    quality: Tensor,
    *,
    alpha: float,
    gamma: float,
) -> Tensor:
    """Focal loss with soft targets for the classes of positives, summed over classes.

    A positive's loss of its own class is |q - p|^γ · BCE(p, q), without α; everything else is a
    negative of `focal_loss`.

    Args:
        quality: [...] q in 0..1 of positives; any finite value elsewhere.

    The other arguments, and what is returned, are those of `focal_loss`.
    """
    own = labels.unsqueeze(-1)
    prob = cls.prob()
    not_prob = cls.log_not_prob()
    negative = prob.pow(gamma) * not_prob  # [..., C]
    own_prob = prob.gather(-1, own).squeeze(-1)
    own_negative = negative.gather(-1, own).squeeze(-1)
    entropy = -(
        quality * cls.log_prob_of(labels) + (1 - quality) * not_prob.gather(-1, own).squeeze(-1)
    )
    soft = (quality - own_prob).abs().pow(gamma) * entropy
    others = negative.sum(dim=-1) - torch.where(positive, own_negative, 0.0)
    return (alpha - 1) * others + torch.where(positive, soft, 0.0)

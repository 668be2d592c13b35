"""Which of a teacher's class probabilities a cache stores one by one.

A trained detector is almost sure of almost everything: a few probabilities stand out, and the rest
is well told by a mean per level and class.  How few depends on the teacher, so the threshold is
chosen for every image: the highest one that keeps the soft-label loss of two stand-in students
within `MAX_ERROR` of what all probabilities would give.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.objective.soft_loss import divergence
from ladcli.structures import ClassLogits, Priors

#: Thresholds that are tried, the sparsest form first; at 0 everything is stored.
THRESHOLDS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0)
#: Largest relative error of the class loss.
MAX_ERROR = 0.002
#: An image whose loss is below this, where others have tens or hundreds, is worth no more bits.
LITTLE_LOSS = 1.0
#: The class probability of an untrained student (its prior), as a logit.
_PRIOR_LOGIT = -4.595
#: How far a trained student's logits are from the teacher's, up and down by turns.
_DISTANCE = 1.0


@torch.no_grad()
def stand_out(prob: Tensor, priors: Priors) -> Tensor:
    """Which probabilities [B, A, C] have to be stored one by one, bool."""
    chosen = torch.ones_like(prob, dtype=torch.bool)
    open_images = torch.ones(len(prob), 1, 1, dtype=torch.bool, device=prob.device)
    students = _stand_in_students(prob)
    exact = [_class_loss(student, prob) for student in students]
    for threshold in THRESHOLDS:
        listed = prob > threshold
        approximate = torch.where(listed, prob, expand(rest_means(prob, listed, priors), priors))
        errors = [
            (_class_loss(student, approximate) - loss).abs() / loss.clamp(min=LITTLE_LOSS)
            for student, loss in zip(students, exact, strict=True)
        ]
        good = (torch.stack(errors).amax(dim=0) <= MAX_ERROR).view(-1, 1, 1)
        chosen = torch.where(open_images & good, listed, chosen)
        open_images = open_images & ~good
        if not open_images.any():
            break
    return chosen


def rest_means(prob: Tensor, listed: Tensor, priors: Priors) -> Tensor:
    """Mean of the probabilities that are not listed, per level and class, [B, L, C].

    It runs over every prior, padding included: the class loss runs over all of them.
    """
    rest = torch.where(listed, 0.0, prob).double()
    sums = [part.sum(dim=1) for part in rest.split(priors.level_lengths, dim=1)]
    left = [(~part).sum(dim=1) for part in listed.split(priors.level_lengths, dim=1)]
    return torch.stack(sums, dim=1) / torch.stack(left, dim=1).clamp(min=1)


def expand(means: Tensor, priors: Priors) -> Tensor:
    """Means [B, L, C] for every prior of their level, [B, A, C] float32."""
    parts = [
        means[:, level : level + 1].expand(-1, length, -1)
        for level, length in enumerate(priors.level_lengths)
    ]
    return torch.cat(parts, dim=1).float()


def _stand_in_students(prob: Tensor) -> list[Tensor]:
    """Logits [B, A, C] of a student that knows nothing yet, and of one that has learned."""
    logits = prob.clamp(1e-7, 1 - 1e-7).logit()
    sign = 1 - 2 * (torch.arange(prob[0].numel(), device=prob.device) % 2).view_as(prob[0])
    return [torch.full_like(prob, _PRIOR_LOGIT), logits + _DISTANCE * sign]


def _class_loss(student: Tensor, target: Tensor) -> Tensor:
    """The class loss of every image, [B], as the default recipe has it."""
    return divergence(ClassLogits(student), target, loss="kl", gamma=0.5).sum(dim=(1, 2))

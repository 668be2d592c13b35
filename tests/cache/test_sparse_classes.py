"""The probabilities that a cache lists, and what the loss makes of the others' means."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ladcli.cache.sparse_classes import LITTLE_LOSS, MAX_ERROR, expand, rest_means, stand_out
from ladcli.detector.anchors import anchor_grid
from ladcli.objective.soft_loss import divergence
from ladcli.structures import ClassLogits

PRIORS = anchor_grid((64, 96)).priors
CLASSES = 20


def teacher(seed: int, *, mean: float, deviation: float, objects: int = 30) -> Tensor:
    """Logits [2, A, C]: a quiet background, and in the first image some sure anchors."""
    generator = torch.Generator().manual_seed(seed)
    logits = mean + deviation * torch.randn(2, PRIORS.num_priors, CLASSES, generator=generator)
    anchor = torch.randint(PRIORS.num_priors, (objects,), generator=generator)
    label = torch.randint(CLASSES, (objects,), generator=generator)
    logits[0, anchor, label] = 2.0
    return logits


def loss(student: Tensor, target: Tensor) -> Tensor:
    return divergence(ClassLogits(student), target, loss="kl", gamma=0.5).sum(dim=(1, 2))


def sparse(prob: Tensor) -> Tensor:
    listed = stand_out(prob, PRIORS)
    return torch.where(listed, prob, expand(rest_means(prob, listed, PRIORS), PRIORS))


@pytest.mark.parametrize(
    ("mean", "deviation"), [(-4.0, 1.0), (-6.0, 1.0), (-7.0, 0.5), (-9.0, 2.0)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_class_loss_stays_within_half_a_percent(
    seed: int, mean: float, deviation: float
) -> None:
    """Also for students other than those that chose the threshold."""
    logits = teacher(seed, mean=mean, deviation=deviation)
    prob = logits.sigmoid()
    generator = torch.Generator().manual_seed(seed + 100)
    noise = torch.randn(prob.shape, generator=generator)
    for student in (torch.full_like(prob, -4.0), logits + noise, (logits - mean) / 2 + mean + 1):
        exact = loss(student, prob)
        error = (loss(student, sparse(prob)) - exact) / exact.clamp(min=LITTLE_LOSS)
        assert error.abs().amax() < 0.005


def test_a_sure_teacher_lists_little() -> None:
    prob = teacher(0, mean=-12.0, deviation=0.1).sigmoid()
    listed = stand_out(prob, PRIORS)
    assert torch.equal(listed[0], prob[0] > 0.5)
    assert not listed[1].any()


def test_an_image_with_almost_no_loss_is_worth_no_bits() -> None:
    """Its probabilities differ much from each other, but all are next to nothing."""
    logits = teacher(3, mean=-14.0, deviation=2.0, objects=0)
    assert loss(logits + 1, logits.sigmoid()).amax() < LITTLE_LOSS
    assert not stand_out(logits.sigmoid(), PRIORS).any()


def test_images_are_judged_one_by_one() -> None:
    quiet, loud = (teacher(1, mean=m, deviation=1.0)[:1].sigmoid() for m in (-12.0, -3.0))
    together = stand_out(torch.cat([quiet, loud]), PRIORS)
    assert torch.equal(together[:1], stand_out(quiet, PRIORS))
    assert torch.equal(together[1:], stand_out(loud, PRIORS))
    assert together[0].sum() < together[1].sum()


def test_means_of_a_level_and_class_by_hand() -> None:
    prob = torch.zeros(1, PRIORS.num_priors, 2)
    first = PRIORS.level_lengths[0]
    prob[0, :first, 0] = torch.linspace(0, 1, first)
    listed = prob > 0.5
    means = rest_means(prob, listed, PRIORS)
    assert means.shape == (1, len(PRIORS.level_lengths), 2)
    assert means[0, 0, 0].item() == pytest.approx(prob[0, :first, 0][~listed[0, :first, 0]].mean())
    assert not means[0, 1:].any()
    assert not means[0, :, 1].any()
    spread = expand(means, PRIORS)
    assert spread.shape == prob.shape
    assert (spread[0, :first, 0] == means[0, 0, 0].float()).all()


def test_the_stand_in_students_are_kept_to_their_bound() -> None:
    prob = teacher(2, mean=-6.0, deviation=1.0).sigmoid()
    untrained = torch.full_like(prob, -4.595)
    error = loss(untrained, sparse(prob)) / loss(untrained, prob) - 1
    assert error.abs().amax() <= MAX_ERROR + 1e-6

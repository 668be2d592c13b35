"""Objectness inside the class output, and the focal losses, against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ladcli.detector.objectness import conditional_objectness
from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.focal import focal_loss
from tests.golden.scene import LOSS_TOLERANCE, Arrays, for_each, load

FILES = "cop.npz"


def cases(arrays: Arrays) -> list[str]:
    return [name.removesuffix("_k") for name in arrays if name.endswith("_k")]


@for_each(FILES)
def test_probabilities_and_gradients(path: Path) -> None:
    arrays = load(path)
    assert cases(arrays)
    for case in cases(arrays):
        cls = torch.from_numpy(arrays[f"{case}_cls_logits"]).requires_grad_()
        objectness = torch.from_numpy(arrays[f"{case}_coeff_logits"]).requires_grad_()
        assert objectness.shape[1] == int(arrays[f"{case}_k"]) ** 2
        prob = conditional_objectness(cls, objectness)
        np.testing.assert_allclose(prob.detach(), arrays[f"{case}_prob"], **LOSS_TOLERANCE)
        prob.backward(torch.from_numpy(arrays[f"{case}_grad_out"]))
        for leaf, name in ((cls, "cls"), (objectness, "coeff")):
            expected = arrays[f"{case}_grad_{name}_logits"]
            np.testing.assert_allclose(leaf.grad, expected, rtol=2e-3, atol=1e-6)


def summed_focal(cls: ClassLogits | ClassProbs, target: Tensor) -> Tensor:
    """Loss of every row; the target C means background."""
    positive = target < cls.raw.shape[-1]
    labels = torch.where(positive, target, 0)
    return focal_loss(cls, labels, positive, alpha=0.25, gamma=2.0)


@for_each(FILES)
def test_focal_loss_of_probabilities(path: Path) -> None:
    arrays = load(path)
    prob = torch.from_numpy(arrays["pfl_prob"]).requires_grad_()
    target, weight = (torch.from_numpy(arrays[f"pfl_{name}"]) for name in ("target", "weight"))
    losses = summed_focal(ClassProbs(prob), target)
    np.testing.assert_allclose(
        losses.detach(), arrays["pfl_none"].sum(axis=1), rtol=1e-4, atol=1e-5
    )
    mean = (losses * weight).sum() / 7
    np.testing.assert_allclose(mean.detach(), arrays["pfl_mean_avg7"], **LOSS_TOLERANCE)
    mean.backward()
    assert prob.grad is not None
    assert prob.grad.isfinite().all()
    expected = arrays["pfl_grad_rows4_mean_avg7"]
    np.testing.assert_allclose(prob.grad[-len(expected) :], expected, rtol=2e-3, atol=1e-6)


@for_each(FILES)
def test_focal_loss_of_logits(path: Path) -> None:
    arrays = load(path)
    logit = torch.from_numpy(arrays["focal_logit"]).requires_grad_()
    losses = summed_focal(ClassLogits(logit), torch.from_numpy(arrays["focal_target"]))
    expected = arrays["focal_none"].sum(axis=1)
    np.testing.assert_allclose(losses.detach(), expected, rtol=1e-4, atol=1e-5)
    losses.sum().backward()
    np.testing.assert_allclose(logit.grad, arrays["focal_grad"], rtol=2e-3, atol=1e-6)

"""Soft-label losses and their gradients against the reference."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.detector.anchors import predicted_boxes
from ladcli.objective.soft_loss import divergence, soft_label_loss
from ladcli.objective.soft_targets import Select, SoftTargets, soft_targets
from ladcli.recipe.schema import SoftConfig
from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.losses import normalize
from tests.golden.scene import LOSS_TOLERANCE, Arrays, GoldenScene, Maps, for_each, load

FILES = "softlabel_*.npz"
each_scene = for_each(FILES, holding="_loss_kd_cls")
each_refusal = for_each(FILES, holding="_raised")
each_table = for_each(FILES, holding="logit")
NORM_TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
GRADIENT_TOLERANCE = {"rtol": 5e-3, "atol": 1e-6}
#: Our name of a loss term, the reference's, and the output that it trains.
TERMS = {"soft_cls": "loss_kd_cls", "soft_box": "loss_kd_bbox", "soft_iou": "loss_kd_centerness"}


def settings(arrays: Arrays) -> list[str]:
    """Prefixes such as ``cls10_pred_0.5``: class weight, selection, smallest IoU."""
    ends = ("_raised", "_loss_kd_cls")
    return [name.removesuffix(end) for name in arrays for end in ends if name.endswith(end)]


def parse(setting: str) -> tuple[float, Select, float]:
    weight, select, min_iou = setting.removeprefix("cls").split("_")
    assert select in ("pred", "anchor")
    return float(weight), select, float(min_iou)  # type: ignore[return-value]


@lru_cache(maxsize=16)
def targets_of(scene: GoldenScene, select: Select, min_iou: float) -> SoftTargets:
    teacher = scene.predictions("teacher")
    return soft_targets(
        teacher,
        scene.boxes("teacher"),
        scene.valid_hw,
        scene.scene,
        select=select,
        min_iou=min_iou,
    )


def losses_of(scene: GoldenScene, maps: Maps, setting: str) -> dict[str, Tensor]:
    cls_weight, select, min_iou = parse(setting)
    student, options = maps.predictions(), SoftConfig()
    terms = soft_label_loss(
        student,
        predicted_boxes(student, scene.scene, clip_hw=scene.valid_hw),
        targets_of(scene, select, min_iou),
        loss=options.loss,
        gamma=options.gamma,
        cls_weight=cls_weight,
        box_weight=options.box_weight,
        iou_weight=options.iou_weight,
    )
    return normalize({"model": terms})["model"]


@each_scene
def test_loss_values(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    for setting in settings(arrays):
        losses = losses_of(scene, scene.maps("student"), setting)
        assert set(losses) == set(TERMS)
        for ours, theirs in TERMS.items():
            expected = arrays[f"{setting}_{theirs}"]
            np.testing.assert_allclose(losses[ours].detach(), expected, **LOSS_TOLERANCE)


@each_scene
def test_selected_anchors(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    for setting in settings(arrays):
        weight = targets_of(scene, *parse(setting)[1:]).weight
        selected = weight[weight > 0]
        assert len(selected) == int(arrays[f"{setting}_num_selected"])
        np.testing.assert_allclose(weight.sum(), arrays[f"{setting}_normaliser"], rtol=1e-4)
        if f"{setting}_weights" in arrays:
            np.testing.assert_allclose(selected, arrays[f"{setting}_weights"], rtol=1e-4)


@each_scene
def test_gradients(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    with_gradients = [s for s in settings(arrays) if f"{s}_grad_cls_level" in arrays]
    assert with_gradients
    for setting in with_gradients:
        maps = scene.maps("student")
        torch.stack(list(losses_of(scene, maps, setting).values())).sum().backward()
        for output in ("cls", "box", "iou"):
            gradients = [leaf.grad for leaf in getattr(maps, output)]
            prefix = f"{setting}_grad_{output}"
            norms = torch.stack([g.norm() for g in gradients])
            np.testing.assert_allclose(norms, arrays[f"{prefix}_l2norm"], **NORM_TOLERANCE)
            flat = [g.flatten().numpy() for g in gradients]
            pairs = zip(arrays[f"{prefix}_level"], arrays[f"{prefix}_index"], strict=True)
            entries = np.array([flat[level][index] for level, index in pairs])
            np.testing.assert_allclose(entries, arrays[f"{prefix}_value"], **GRADIENT_TOLERANCE)


@each_refusal
def test_without_ground_truth_all_losses_are_zero(path: Path, scene: GoldenScene) -> None:
    """The reference raises here; nothing is selected, so nothing is learned."""
    for setting in settings(load(path)):
        maps = scene.maps("student")
        losses = losses_of(scene, maps, setting)
        assert {name: value.item() for name, value in losses.items()} == dict.fromkeys(TERMS, 0.0)
        torch.stack(list(losses.values())).sum().backward()
        for leaf in (*maps.cls, *maps.box, *maps.iou):
            assert leaf.grad is not None
            assert not leaf.grad.any()


def gammas(arrays: Arrays, prefix: str) -> list[str]:
    return [
        name.removeprefix(prefix)
        for name in arrays
        if name.startswith(prefix) and name.removeprefix(prefix).replace(".", "").isdigit()
    ]


@each_table
def test_focal_divergence_of_logits(path: Path) -> None:
    arrays = load(path)
    target = torch.from_numpy(arrays["target"])
    prefix = "focalkl_sigmoid_gamma"
    assert gammas(arrays, prefix)
    for gamma in gammas(arrays, prefix):
        logit = torch.from_numpy(arrays["logit"]).requires_grad_()
        found = divergence(ClassLogits(logit), target, loss="kl", gamma=float(gamma))
        np.testing.assert_allclose(found.detach(), arrays[f"{prefix}{gamma}"], rtol=1e-4, atol=1e-5)
        found.sum().backward()
        np.testing.assert_allclose(
            logit.grad, arrays[f"{prefix}{gamma}_grad"], rtol=1e-3, atol=1e-5
        )
        weighted = (found.detach() * torch.from_numpy(arrays["sample_weight"])[:, None]).sum()
        expected = arrays[f"{prefix}{gamma}_weighted_mean_avg5"]
        np.testing.assert_allclose(2.0 * weighted / 5, expected, rtol=1e-4)


@each_table
def test_focal_divergence_of_probabilities(path: Path) -> None:
    arrays = load(path)
    prob, target = torch.from_numpy(arrays["logit"]).sigmoid(), torch.from_numpy(arrays["target"])
    prefix = "focalkl_prob_gamma"
    assert gammas(arrays, prefix)
    for gamma in gammas(arrays, prefix):
        found = divergence(ClassProbs(prob), target, loss="kl", gamma=float(gamma))
        np.testing.assert_allclose(found, arrays[f"{prefix}{gamma}"], rtol=1e-4, atol=1e-5)


@each_table
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_plain_differences(path: Path, loss: str) -> None:
    arrays = load(path)
    logit = torch.from_numpy(arrays["logit"]).requires_grad_()
    target = torch.from_numpy(arrays["target"])
    found = divergence(ClassLogits(logit), target, loss=loss, gamma=0.5)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.detach(), arrays[loss], rtol=1e-4, atol=1e-6)
    found.sum().backward()
    np.testing.assert_allclose(logit.grad, arrays[f"{loss}_grad"], rtol=1e-3, atol=1e-6)

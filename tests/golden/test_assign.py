"""The whole assignment against the reference, and our slow loop against it too."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.assignment import loop_assign
from ladcli.assign import Assigner, cheapest_samples, fit_mixtures, paa_assigner, select_samples
from ladcli.structures import BACKGROUND, IGNORE, Assignment
from tests.golden.scene import (
    LOSS_TOLERANCE,
    NETWORKS,
    Arrays,
    GoldenScene,
    for_each,
    golden_assignment,
    load,
    split_rows,
)

FILES = "assign_*.npz"
each_network = pytest.mark.parametrize("network", NETWORKS)


@lru_cache(maxsize=32)
def assign_batched(scene: GoldenScene, network: str) -> Assignment:
    return assign_by(paa_assigner(), scene, network)


@lru_cache(maxsize=32)
def assign_sklearn(scene: GoldenScene, network: str) -> Assignment:
    return assign_by(paa_assigner(mixture="sklearn"), scene, network)


def assign_by(assigner: Assigner, scene: GoldenScene, network: str) -> Assignment:
    return assigner.assign(scene.scene, scene.predictions(network).cls, scene.boxes(network))


def assign_loop(scene: GoldenScene, network: str) -> Assignment:
    """The loop that `benchmarks` measures us against must itself be right."""
    return loop_assign(scene.scene, scene.predictions(network).cls, scene.boxes(network))


WAYS = [assign_batched, assign_sklearn, assign_loop]
each_way = pytest.mark.parametrize("assign", WAYS, ids=["batched", "sklearn", "loop"])


def unstable_anchors(arrays: Arrays, network: str, shape: torch.Size) -> Tensor:
    """Anchors [B, A] that took part in a fit whose positives hang on rounding."""
    stable = arrays[f"{network}_fit_stable"].astype(bool)
    lengths = np.diff(arrays[f"{network}_fit_ptr"])
    image = np.repeat(arrays[f"{network}_fit_img"], lengths).astype(np.int64)
    anchor = arrays[f"{network}_fit_anchor"].astype(np.int64)
    loose = ~np.repeat(stable, lengths)
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[image[loose], anchor[loose]] = True
    return mask


@for_each(FILES)
@each_network
@each_way
def test_positives(
    path: Path, scene: GoldenScene, network: str, assign: Callable[[GoldenScene, str], Assignment]
) -> None:
    arrays = load(path)
    found = assign(scene, network).gt_index
    expected = golden_assignment(arrays, network, scene.valid).gt_index
    loose = unstable_anchors(arrays, network, found.shape)
    assert torch.equal(found[~loose], expected[~loose])
    if not loose.any():
        assert Assignment(found).num_positive == int(arrays[f"{network}_num_pos"])


@for_each(FILES)
@each_network
def test_unstable_fits_choose_among_their_own_samples(
    path: Path, scene: GoldenScene, network: str
) -> None:
    arrays = load(path)
    found = assign_batched(scene, network).gt_index
    ptr = arrays[f"{network}_fit_ptr"]
    for fit in np.flatnonzero(~arrays[f"{network}_fit_stable"].astype(bool)):
        image, gt = int(arrays[f"{network}_fit_img"][fit]), int(arrays[f"{network}_fit_gt"][fit])
        samples = arrays[f"{network}_fit_anchor"][ptr[fit] : ptr[fit + 1]]
        positives = (found[image] == gt).nonzero().flatten().tolist()
        assert set(positives) <= set(samples.tolist())


@for_each(FILES)
@each_network
def test_labels_and_weights(path: Path, scene: GoldenScene, network: str) -> None:
    arrays = load(path)
    assignment = assign_batched(scene, network)
    keep = ~unstable_anchors(arrays, network, assignment.gt_index.shape)
    labels = labels_of(assignment, scene)
    np.testing.assert_array_equal(labels[keep], arrays[f"{network}_labels"][keep])
    weights = arrays[f"{network}_label_weights"]
    np.testing.assert_array_equal(assignment.counted.numpy(), weights.astype(bool))
    assert set(np.unique(weights)) <= {0, 1}


def labels_of(assignment: Assignment, scene: GoldenScene) -> NDArray:
    """The reference's form: the class of positives, C everywhere else."""
    labels = torch.full(assignment.gt_index.shape, scene.num_classes)
    image, anchor = assignment.foreground.nonzero(as_tuple=True)
    labels[image, anchor] = scene.targets.labels[image, assignment.gt_index[image, anchor]]
    return labels.numpy()


@for_each(FILES)
@each_network
def test_invalid_anchors_are_ignored_and_no_others(
    path: Path, scene: GoldenScene, network: str
) -> None:
    gt_index = assign_batched(scene, network).gt_index
    assert torch.equal(gt_index == IGNORE, ~scene.valid)
    assert (gt_index[scene.valid] >= BACKGROUND).all()


@for_each(FILES)
@each_network
def test_samples_of_each_mixture(path: Path, scene: GoldenScene, network: str) -> None:
    arrays = load(path)
    assigner = paa_assigner()
    candidates = assigner.candidates(scene.scene)
    outputs = scene.predictions(network).cls, scene.boxes(network)
    costs = assigner.price(candidates, scene.scene, *outputs)
    samples = cheapest_samples(candidates, costs, scene.scene, topk=9)

    fitted = (samples.valid.sum(dim=2) >= 2).nonzero().T
    image, gt = (arrays[f"{network}_fit_{name}"].astype(np.int64) for name in ("img", "gt"))
    np.testing.assert_array_equal(fitted, np.stack([image, gt]))
    expected = split_rows(
        torch.from_numpy(arrays[f"{network}_fit_anchor"].astype(np.int64)),
        arrays[f"{network}_fit_ptr"],
    )
    for i, g, anchors in zip(image, gt, expected, strict=True):
        found = samples.prior[i, g][samples.valid[i, g]]
        assert sorted(found.tolist()) == sorted(anchors.tolist())
    in_order = samples.cost[image, gt][samples.valid[image, gt]]
    np.testing.assert_allclose(in_order, arrays[f"{network}_fit_cost"], **LOSS_TOLERANCE)


@for_each(FILES)
@each_network
def test_positives_of_each_mixture(path: Path, network: str) -> None:
    """The golden costs themselves go in.  Parameters and densities are compared in test_gmm: here
    the reference squared float32 costs, which moves densities by up to a percent."""
    arrays = load(path)
    costs, valid = padded_fits(arrays, network)
    positive = select_samples(fit_mixtures(costs, valid), costs, valid)
    stable = arrays[f"{network}_fit_stable"].astype(bool)
    keep = valid.numpy() & stable[:, None]
    flat = np.repeat(stable, np.diff(arrays[f"{network}_fit_ptr"]))
    expected = arrays[f"{network}_fit_positive"].astype(bool)[flat]
    np.testing.assert_array_equal(positive.numpy()[keep], expected)


def padded_fits(arrays: Arrays, network: str) -> tuple[Tensor, Tensor]:
    """Costs of all fits of a scene as [N, K], and which entries are samples."""
    lengths = torch.from_numpy(np.diff(arrays[f"{network}_fit_ptr"]))
    longest = int(lengths.max()) if len(lengths) else 1
    valid = torch.arange(longest) < lengths.unsqueeze(1)
    costs = torch.full(valid.shape, torch.inf, dtype=torch.float64)
    costs[valid] = torch.from_numpy(arrays[f"{network}_fit_cost"]).double()
    return costs, valid

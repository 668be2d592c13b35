"""The switch between two networks, and the assignment it makes, against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import Switch, choose_teacher, cost_moments, paa_assigner, teacher_share
from ladcli.assign.moments import CostMoments
from ladcli.objective.objectives import assign_by
from ladcli.objective.opinion import PredictedOpinion
from ladcli.structures import BACKGROUND, IGNORE, Assignment
from tests.golden.scene import LOSS_TOLERANCE, GoldenScene, for_each, load

FILES = "colad_*.npz"
SWITCH = Switch("std-mean", "level")


@dataclass(frozen=True)
class Outcome:
    """What the two networks of a scene agree on."""

    student: CostMoments  # [B, G, L]
    teacher: CostMoments
    roles: Tensor  # [B, G, L] bool, the teacher decides
    assignment: Assignment


@lru_cache(maxsize=8)
def outcome_of(scene: GoldenScene) -> Outcome:
    assigner = paa_assigner()
    opinions = {
        name: PredictedOpinion.of(scene.predictions(name), scene.batch, scene.scene, assigner)
        for name in ("student", "teacher")
    }
    candidates = assigner.candidates(scene.scene)
    moments, views = {}, {}
    for name, opinion in opinions.items():
        costs, views[name] = opinion.prices(candidates, SWITCH)
        moments[name] = cost_moments(candidates, costs, scene.scene)
    assignment, _ = assign_by(
        opinions["teacher"], opinions["student"], SWITCH, scene.scene, assigner
    )
    roles = choose_teacher(views["teacher"], views["student"])
    return Outcome(moments["student"], moments["teacher"], roles, assignment)


@for_each(FILES)
def test_roles_and_statistics(path: Path, scene: GoldenScene) -> None:
    rows = load(path)["role"]
    outcome = outcome_of(scene)
    decided = outcome.student.count.nonzero()
    assert decided.tolist() == rows[:, :3].astype(int).tolist()
    image, gt, level = decided.T
    place = (image, gt, level)
    np.testing.assert_array_equal(outcome.student.count[place], rows[:, 3])
    np.testing.assert_array_equal(outcome.roles[place], rows[:, 4].astype(bool))
    several = rows[:, 3] > 1
    for network, column in ((outcome.student, 5), (outcome.teacher, 7)):
        np.testing.assert_allclose(network.mean[place], rows[:, column], **LOSS_TOLERANCE)
        found = network.std[place].numpy()[several]
        np.testing.assert_allclose(found, rows[several, column + 1], **LOSS_TOLERANCE)


@for_each(FILES)
def test_positives(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    expected = torch.where(scene.valid, BACKGROUND, IGNORE)
    image, anchor, gt = (
        torch.from_numpy(arrays[f"pos_{name}"].astype(np.int64)) for name in ("img", "anchor", "gt")
    )
    expected[image, anchor] = gt
    found = outcome_of(scene).assignment
    assert torch.equal(found.gt_index, expected)
    if "batch_num_pos" in arrays:
        assert found.num_positive == int(arrays["batch_num_pos"])


@for_each(FILES)
def test_labels(path: Path, scene: GoldenScene) -> None:
    assignment = outcome_of(scene).assignment
    labels = torch.full(assignment.gt_index.shape, scene.num_classes)
    image, anchor = assignment.foreground.nonzero(as_tuple=True)
    labels[image, anchor] = scene.targets.labels[image, assignment.gt_index[image, anchor]]
    np.testing.assert_array_equal(labels, load(path)["labels"])


@for_each(FILES)
def test_statistics_of_every_image(path: Path, scene: GoldenScene) -> None:
    """Means over the decisions of an image: moments, share of the teacher, positives."""
    outcome = outcome_of(scene)
    for image, expected in enumerate(load(path)["stats"]):
        one = slice(image, image + 1)
        count = outcome.student.count[one]
        assert int(expected[5]) == int(outcome.assignment.foreground[image].sum())
        if not count.any():
            assert np.isnan(expected[:5]).all()
            continue
        share = teacher_share(outcome.roles[one], count)
        np.testing.assert_allclose(share, expected[4], **LOSS_TOLERANCE)
        for network, column in ((outcome.student, 0), (outcome.teacher, 2)):
            mean = network.mean[one][count > 0].mean()
            np.testing.assert_allclose(mean, expected[column], **LOSS_TOLERANCE)
            if (count > 1).any():
                std = network.std[one][count > 1].mean()
                np.testing.assert_allclose(std, expected[column + 1], **LOSS_TOLERANCE)

"""What PAA and LAD have in common, and the one thing in which they differ."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.objective.detection_loss import BoxWeighting, detection_loss
from ladcli.objective.objectives import MODEL, Objective
from ladcli.objective.teacher import OnlineTeacher
from ladcli.recipe import LossConfig
from ladcli.recipe.schema import SoftConfig
from ladcli.structures import BACKGROUND, Assignment, Batch, Predictions, Scene, StepTerms
from ladcli.structures.losses import normalize
from tests.detector.tiny import tiny_batch, tiny_detector


@dataclass
class Teacher:
    """Names fixed positives and remembers what it was asked about."""

    positives: Assignment
    asked: list[Batch] = field(default_factory=list)

    @property
    def beside(self) -> None:
        return None

    def look_at(self, batch: Batch, scene: Scene) -> Teacher:
        assert scene.targets is batch.targets
        self.asked.append(batch)
        return self

    def assignment(self) -> Assignment:
        return self.positives

    def prices(self, *_: Any) -> Any:
        raise AssertionError("nobody asked for a switch")

    def soft_targets(self, **_: Any) -> Any:
        raise AssertionError("nobody asked for soft labels")

    def sample_costs(self, *_: Any) -> Any:
        raise AssertionError("nobody asked for a probe")


@pytest.fixture
def batch() -> Batch:
    return tiny_batch(content_hw=(60, 70), boxes_per_image=(3, 0, 2))


@pytest.fixture
def predictions(batch: Batch) -> Predictions:
    return tiny_detector().eval()(batch.images)


def own_assignment(predictions: Predictions, batch: Batch, **options: Any) -> Assignment:
    scene, outputs = DEFAULT_LAYOUT.scene(batch), predictions.detach()
    return paa_assigner(**options).assign(scene, outputs.cls, predicted_boxes(outputs, scene))


def detection_losses(
    predictions: Predictions, assignment: Assignment, batch: Batch, box_weighting: BoxWeighting
) -> dict[str, Tensor]:
    """What the loss makes of an assignment, with the options of the default recipe."""
    scene = DEFAULT_LAYOUT.scene(batch)
    terms = detection_loss(
        predictions,
        predicted_boxes(predictions, scene),
        assignment,
        scene,
        box_weighting=box_weighting,
        **LossConfig().model_dump(),
    )
    return normalize({MODEL: terms})[MODEL]


def objective_of(*arguments: Any, **options: Any) -> Objective:
    """An objective with the anchors of the default recipe."""
    assigner, loss, *teacher = arguments
    return Objective(assigner, loss, DEFAULT_LAYOUT, *teacher, **options)


def losses_of(objective: Objective, predictions: Predictions, batch: Batch) -> dict[str, Tensor]:
    """What is minimized and what is only looked at, together."""
    found = step_of(objective, predictions, batch)
    return {**normalize(found.terms)[MODEL], **found.log}


def step_of(objective: Objective, predictions: Predictions, batch: Batch) -> StepTerms:
    found = objective({MODEL: predictions}, batch)
    assert list(found.terms) == [MODEL]
    return found


def some_positives(batch: Batch) -> Assignment:
    gt_index = torch.full((len(batch), anchor_grid(batch.canvas_hw).num_anchors), BACKGROUND)
    gt_index[0, [3, 40, 100]] = torch.tensor([0, 2, 1])
    gt_index[2, 17] = 1
    return Assignment(gt_index)


def test_without_a_teacher_the_student_assigns_and_weighs_by_iou(
    predictions: Predictions, batch: Batch
) -> None:
    found = losses_of(objective_of(paa_assigner(), LossConfig()), predictions, batch)
    assignment = own_assignment(predictions, batch)
    expected = detection_losses(predictions, assignment, batch, "iou")
    assert {k: found[k].item() for k in expected} == {k: v.item() for k, v in expected.items()}
    assert found["num_positive"].item() == assignment.num_positive.item() > 0


def test_with_a_teacher_its_positives_count_alike(predictions: Predictions, batch: Batch) -> None:
    teacher = Teacher(some_positives(batch))
    found = losses_of(objective_of(paa_assigner(), LossConfig(), teacher), predictions, batch)
    expected = detection_losses(predictions, teacher.positives, batch, "uniform")
    assert {k: found[k].item() for k in expected} == {k: v.item() for k, v in expected.items()}
    assert found["num_positive"].item() == 4
    assert teacher.asked == [batch]


def test_a_teacher_that_agrees_differs_in_the_box_weight_only(
    predictions: Predictions, batch: Batch
) -> None:
    paa = losses_of(objective_of(paa_assigner(), LossConfig()), predictions, batch)
    teacher = Teacher(own_assignment(predictions, batch))
    lad = losses_of(objective_of(paa_assigner(), LossConfig(), teacher), predictions, batch)
    assert paa["cls"].item() == lad["cls"].item()
    assert paa["iou"].item() == lad["iou"].item()
    assert paa["box"].item() != lad["box"].item()


def test_options_of_loss_and_assigner_are_used(predictions: Predictions, batch: Batch) -> None:
    plain = losses_of(objective_of(paa_assigner(), LossConfig()), predictions, batch)
    scaled = objective_of(paa_assigner(), LossConfig(cls_weight=2.0, box_weight=0.0))
    found = losses_of(scaled, predictions, batch)
    assert found["cls"].item() == pytest.approx(2 * plain["cls"].item())
    assert found["box"].item() == 0
    few = losses_of(objective_of(paa_assigner(topk=1), LossConfig()), predictions, batch)
    expected = own_assignment(predictions, batch, topk=1).num_positive
    assert few["num_positive"].item() == expected < plain["num_positive"]


@pytest.mark.parametrize("with_teacher", [True, False])
def test_losses_take_gradients_and_the_count_takes_none(
    predictions: Predictions, batch: Batch, with_teacher: bool
) -> None:
    teacher = Teacher(some_positives(batch)) if with_teacher else None
    step = step_of(objective_of(paa_assigner(), LossConfig(), teacher), predictions, batch)
    losses = normalize(step.terms)[MODEL]
    found = {**losses, **step.log}
    assert set(losses) == {"cls", "box", "iou"}
    assert set(step.log) == {"num_positive"}
    assert {k for k, v in found.items() if v.requires_grad} == {"cls", "box", "iou"}
    assert all(v.shape == () and v.dtype is torch.float32 for v in found.values())


def test_a_batch_without_boxes_has_a_class_loss_only() -> None:
    batch = tiny_batch(boxes_per_image=(0, 0))
    predictions = tiny_detector().eval()(batch.images)
    found = losses_of(objective_of(paa_assigner(), LossConfig()), predictions, batch)
    assert found["cls"].item() > 0
    assert [found[k].item() for k in ("box", "iou", "num_positive")] == [0, 0, 0]
    sum(v for v in found.values() if v.requires_grad).backward()


@pytest.mark.parametrize(("given", "alone", "weight"), [(None, True, 10.0), (None, False, 2.0)])
def test_the_class_weight_of_soft_labels_depends_on_who_assigns(
    given: float | None, *, alone: bool, weight: float
) -> None:
    assert SoftConfig(cls_weight=given).weights(alone=alone).cls == weight
    assert SoftConfig(cls_weight=3.0).weights(alone=alone).cls == 3.0


def test_soft_labels_weigh_less_beside_a_teachers_labels() -> None:
    batch, student = tiny_batch(), tiny_detector(1).eval()
    teacher = OnlineTeacher(tiny_detector(5), paa_assigner(), autocast=nullcontext())
    predictions = {MODEL: student(batch.images)}
    found = {}
    for assigns in (True, False):
        objective = objective_of(
            paa_assigner(),
            LossConfig(),
            teacher,
            teacher_assigns=assigns,
            soft=SoftConfig(min_iou=0.0),
        )
        found[assigns] = normalize(objective(predictions, batch).terms)[MODEL]
    assert found[True]["soft_cls"].item() > 0
    assert found[False]["soft_cls"].item() == pytest.approx(5 * found[True]["soft_cls"].item())
    assert found[False]["soft_iou"].item() == pytest.approx(found[True]["soft_iou"].item())

"""Training objectives: from the networks' predictions to named losses.

The methods differ in one thing, whose predictions price the candidates:

===========  =======================================  ============  ===========
method       who prices                               soft targets  who learns
===========  =======================================  ============  ===========
PAA          the student                              no            the student
LAD          the teacher (with a switch: the better)  no            the student
soft-label   the student                              yes           the student
SoLAD        as LAD                                   yes           the student
CoLAD        the better of two learners               optional      both
===========  =======================================  ============  ===========
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ladcli.assign import Assigner, Switch, choose_teacher, mix_costs, teacher_share
from ladcli.detector.anchors import anchor_grid
from ladcli.distill.detection_loss import detection_loss
from ladcli.distill.opinion import Opinion, PredictedOpinion
from ladcli.distill.soft_loss import soft_label_loss
from ladcli.distill.teacher import Teacher
from ladcli.recipe.schema import LossConfig, SoftConfig
from ladcli.structures import Assignment, Batch, Predictions, StepLosses

#: Name of the network of a run that trains one.
MODEL = "model"


@dataclass(frozen=True)
class Objective:
    """The losses of one student: PAA, LAD, soft-label distillation and SoLAD.

    Without a teacher, or where the student assigns its own labels, positives are weighted by their
    IoU in the box loss; where a teacher has a say, they are equal.
    """

    assigner: Assigner
    loss: LossConfig
    teacher: Teacher | None = None
    teacher_assigns: bool = True  # False: the teacher gives soft targets alone
    switch: Switch | None = None  # lets the student's costs in where they are clearer
    soft: SoftConfig | None = None  # None: no soft targets

    def __call__(self, networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
        """Losses of ``networks['model']``; the number of positives comes beside them."""
        student = networks[MODEL]
        opinion = None if self.teacher is None else self.teacher.look_at(batch)
        own = PredictedOpinion(student.detach(), batch, self.assigner)
        log: dict[str, Tensor] = {}
        own_labels = opinion is None or not self.teacher_assigns
        if opinion is None or own_labels:
            assignment = own.assignment()
        else:
            assignment, log = assign_by(opinion, own, self.switch, batch, self.assigner)
        losses = network_losses(
            student,
            assignment,
            batch,
            self.loss,
            own_labels=own_labels,
            teacher=opinion if self.soft else None,
            soft=self.soft,
        )
        return StepLosses({MODEL: losses}, {"num_positive": assignment.num_positive.float(), **log})

    def opinions(self, networks: Mapping[str, Predictions], batch: Batch) -> dict[str, Opinion]:
        """Whose opinions the run is about: the student's own, and the teacher's if it assigns."""
        own = PredictedOpinion(networks[MODEL].detach(), batch, self.assigner)
        if self.teacher is None or not self.teacher_assigns:
            return {"own": own}
        return {"own": own, "teacher": self.teacher.look_at(batch)}


@dataclass(frozen=True)
class CoObjective:
    """The losses of two networks that learn together (CoLAD, section 3.4).

    Both learn from one assignment.  Whose costs make it is decided by the switch, for every scope
    anew; a tie goes to ``first_teacher``.
    """

    assigner: Assigner
    loss: LossConfig
    switch: Switch
    first_teacher: str  # one of the two names
    soft: SoftConfig | None = None  # with it, each also learns the other's outputs

    def __call__(self, networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
        """Losses of both networks."""
        (second,) = (name for name in networks if name != self.first_teacher)
        views = self.opinions(networks, batch)
        opinions = {self.first_teacher: views["teacher"], second: views["own"]}
        assignment, log = assign_by(
            views["teacher"], views["own"], self.switch, batch, self.assigner
        )
        others = {self.first_teacher: second, second: self.first_teacher}
        losses = {
            name: network_losses(
                predictions,
                assignment,
                batch,
                self.loss,
                own_labels=False,
                teacher=opinions[others[name]] if self.soft else None,
                soft=self.soft,
            )
            for name, predictions in networks.items()
        }
        return StepLosses(losses, {"num_positive": assignment.num_positive.float(), **log})

    def opinions(self, networks: Mapping[str, Predictions], batch: Batch) -> dict[str, Opinion]:
        """Both networks' opinions; the first teacher's is called the teacher's."""
        return {
            "teacher" if name == self.first_teacher else "own": PredictedOpinion(
                predictions.detach(), batch, self.assigner
            )
            for name, predictions in networks.items()
        }


def assign_by(
    teacher: Opinion,
    student: Opinion,
    switch: Switch | None,
    batch: Batch,
    assigner: Assigner,
) -> tuple[Assignment, dict[str, Tensor]]:
    """The assignment by a teacher's costs, or by the better of two where there is a switch.

    Returns:
        The assignment; and for the log, with a switch, the share of its decisions that went to the
        teacher.
    """
    if switch is None:
        return teacher.assignment(), {}
    grid = anchor_grid(batch.canvas_hw, batch.images.device)
    valid = grid.valid(batch.valid_hw)
    candidates = assigner.candidates(batch.targets, grid, valid)
    teacher_costs, teacher_view = teacher.prices(candidates, switch)
    student_costs, student_view = student.prices(candidates, switch)
    roles = choose_teacher(teacher_view, student_view)
    costs = mix_costs(candidates, teacher_costs, student_costs, roles, grid)
    assignment = assigner.select(candidates, costs, batch.targets, grid, valid)
    return assignment, {"teacher_share": teacher_share(roles, student_view.count).float()}


def network_losses(
    predictions: Predictions,
    assignment: Assignment,
    batch: Batch,
    loss: LossConfig,
    *,
    own_labels: bool,
    teacher: Opinion | None = None,
    soft: SoftConfig | None = None,
) -> dict[str, Tensor]:
    """Detection losses under an assignment, and soft-label losses where there is a teacher.

    Args:
        own_labels: the network assigned its labels itself: positives then weigh by their IoU in
            the box loss, and soft labels are all that a teacher gives.
        teacher: whose outputs are targets too.
        soft: options of those losses.
    """
    grid = anchor_grid(batch.canvas_hw, batch.images.device)
    losses = detection_loss(
        predictions,
        assignment,
        batch.targets,
        grid,
        box_weighting="iou" if own_labels else "uniform",
        **loss.model_dump(),
    )
    if teacher is not None and soft is not None:
        wanted = teacher.soft_targets(select=soft.select, min_iou=soft.min_iou)
        options = soft.filled(alone=own_labels).model_dump(exclude={"select", "min_iou"})
        losses |= soft_label_loss(predictions, wanted, grid, batch.content_hw, **options)
    return losses

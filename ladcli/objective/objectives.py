"""Training objectives: from the networks' predictions to loss terms.

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
from ladcli.data.loader import ReadBeside
from ladcli.detector.anchors import predicted_boxes
from ladcli.detector.levels import AnchorLayout
from ladcli.objective.detection_loss import detection_loss
from ladcli.objective.opinion import Opinion, PredictedOpinion
from ladcli.objective.soft_loss import soft_label_loss
from ladcli.objective.teacher import Teacher
from ladcli.recipe.schema import LossConfig, SoftConfig
from ladcli.structures import Assignment, Batch, Predictions, Scene, StepTerms
from ladcli.structures.losses import LossTerms

#: Name of the network of a run that trains one.
MODEL = "model"


@dataclass(frozen=True)
class Objective:
    """The loss terms of one student: PAA, LAD, soft-label distillation and SoLAD.

    Without a teacher, or where the student assigns its own labels, positives are weighted by their
    IoU in the box loss; where a teacher has a say, they are equal.
    """

    assigner: Assigner
    loss: LossConfig
    anchors: AnchorLayout  # of every network that takes part
    teacher: Teacher | None = None
    teacher_assigns: bool = True  # False: the teacher gives soft targets alone
    switch: Switch | None = None  # lets the student's costs in where they are clearer
    soft: SoftConfig | None = None  # None: no soft targets

    def __call__(
        self, networks: Mapping[str, Predictions], batch: Batch, progress: float = 0.0
    ) -> StepTerms:
        """Terms of ``networks['model']``; the number of positives comes beside them."""
        scene = self.anchors.scene(batch, progress)
        student = networks[MODEL]
        boxes = predicted_boxes(student, scene)
        teacher = None if self.teacher is None else self.teacher.look_at(batch, scene)
        own = _own_opinion(student, boxes, batch, scene, self.assigner)
        log: dict[str, Tensor] = {}
        own_labels = teacher is None or not self.teacher_assigns
        if teacher is None or own_labels:
            assignment = own.assignment()
        else:
            assignment, log = assign_by(teacher, own, self.switch, scene, self.assigner)
        terms = network_terms(
            student,
            boxes,
            assignment,
            batch,
            scene,
            self.loss,
            own_labels=own_labels,
            teacher=teacher if self.soft else None,
            soft=self.soft,
        )
        return StepTerms({MODEL: terms}, {"num_positive": assignment.num_positive.float(), **log})

    @property
    def beside(self) -> ReadBeside | None:
        """Reads what has to come with every batch."""
        return self.teacher.beside if self.teacher else None

    def opinions(self, networks: Mapping[str, Predictions], batch: Batch) -> dict[str, Opinion]:
        """Whose opinions the run is about: the student's own, and the teacher's if it assigns."""
        scene = self.anchors.scene(batch)
        student = networks[MODEL]
        own = PredictedOpinion.of(student.detach(), batch, scene, self.assigner)
        if self.teacher is None or not self.teacher_assigns:
            return {"own": own}
        return {"own": own, "teacher": self.teacher.look_at(batch, scene)}


@dataclass(frozen=True)
class CoObjective:
    """The loss terms of two networks that learn together (CoLAD, section 3.4).

    Both learn from one assignment.  Whose costs make it is decided by the switch, for every scope
    anew; a tie goes to ``first_teacher``.
    """

    assigner: Assigner
    loss: LossConfig
    anchors: AnchorLayout  # of both networks
    switch: Switch
    first_teacher: str  # one of the two names
    soft: SoftConfig | None = None  # with it, each also learns the other's outputs

    def __call__(
        self, networks: Mapping[str, Predictions], batch: Batch, progress: float = 0.0
    ) -> StepTerms:
        """Terms of both networks."""
        scene = self.anchors.scene(batch, progress)
        boxes = {name: predicted_boxes(found, scene) for name, found in networks.items()}
        opinions = {
            name: _own_opinion(found, boxes[name], batch, scene, self.assigner)
            for name, found in networks.items()
        }
        (second,) = (name for name in networks if name != self.first_teacher)
        assignment, log = assign_by(
            opinions[self.first_teacher], opinions[second], self.switch, scene, self.assigner
        )
        others = {self.first_teacher: second, second: self.first_teacher}
        terms = {
            name: network_terms(
                predictions,
                boxes[name],
                assignment,
                batch,
                scene,
                self.loss,
                own_labels=False,
                teacher=opinions[others[name]] if self.soft else None,
                soft=self.soft,
            )
            for name, predictions in networks.items()
        }
        return StepTerms(terms, {"num_positive": assignment.num_positive.float(), **log})

    @property
    def beside(self) -> None:
        """Nothing but images has to come with a batch."""
        return None

    def opinions(self, networks: Mapping[str, Predictions], batch: Batch) -> dict[str, Opinion]:
        """Both networks' opinions; the first teacher's is called the teacher's."""
        scene = self.anchors.scene(batch)
        return {
            "teacher" if name == self.first_teacher else "own": PredictedOpinion.of(
                predictions.detach(), batch, scene, self.assigner
            )
            for name, predictions in networks.items()
        }


def _own_opinion(
    predictions: Predictions, boxes: Tensor, batch: Batch, scene: Scene, assigner: Assigner
) -> PredictedOpinion:
    """What a network that learns thinks itself, cut off from the gradient."""
    return PredictedOpinion(predictions.detach(), boxes.detach(), batch, scene, assigner)


def assign_by(
    teacher: Opinion, student: Opinion, switch: Switch | None, scene: Scene, assigner: Assigner
) -> tuple[Assignment, dict[str, Tensor]]:
    """The assignment by a teacher's costs, or by the better of two where there is a switch.

    Returns:
        The assignment; and for the log, with a switch, the share of its decisions that went to the
        teacher.
    """
    if switch is None:
        return teacher.assignment(), {}
    candidates = assigner.candidates(scene)
    teacher_costs, teacher_judged = teacher.prices(candidates, switch)
    student_costs, student_judged = student.prices(candidates, switch)
    roles = choose_teacher(teacher_judged, student_judged)
    costs = mix_costs(candidates, teacher_costs, student_costs, roles, scene)
    assignment = assigner.select(candidates, costs, scene)
    return assignment, {"teacher_share": teacher_share(roles, student_judged.count).float()}


def network_terms(
    predictions: Predictions,
    boxes: Tensor,
    assignment: Assignment,
    batch: Batch,
    scene: Scene,
    loss: LossConfig,
    *,
    own_labels: bool,
    teacher: Opinion | None = None,
    soft: SoftConfig | None = None,
) -> LossTerms:
    """Detection terms under an assignment, and soft-label terms where there is a teacher.

    Args:
        boxes: the network's boxes [B, A, 4], with a gradient.
        own_labels: the network assigned its labels itself: positives then weigh by their IoU in
            the box loss, and soft labels are all that a teacher gives.
        teacher: whose outputs are targets too.
        soft: options of those losses.
    """
    terms = detection_loss(
        predictions,
        boxes,
        assignment,
        scene,
        box_weighting="iou" if own_labels else "uniform",
        alpha=loss.alpha,
        gamma=loss.gamma,
        cls_weight=loss.cls_weight,
        box_weight=loss.box_weight,
        iou_weight=loss.iou_weight,
    )
    if teacher is None or soft is None:
        return terms
    weights = soft.weights(alone=own_labels)
    return terms | soft_label_loss(
        predictions,
        # Decoded once more: the gradient then takes the way, and the rounding, that recorded runs
        # took.
        predicted_boxes(predictions, scene, clip_hw=batch.content_hw),
        teacher.soft_targets(select=soft.select, min_iou=soft.min_iou),
        loss=soft.loss,
        gamma=soft.gamma,
        cls_weight=weights.cls,
        box_weight=weights.box,
        iou_weight=weights.iou,
    )

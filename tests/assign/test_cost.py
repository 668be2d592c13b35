"""What a candidate costs, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ladcli.assign import cost
from ladcli.assign.candidates import iou_candidates
from ladcli.assign.cost import cost_parts, detection_cost
from ladcli.structures import (
    Candidates,
    ClassLogits,
    ClassProbs,
    Costs,
    OwnedCandidates,
    Scene,
    Targets,
)
from tests.assign.layouts import indexed, wanted_by_several
from tests.assign.scenes import Problem, random_problem

#: What PAA asks for.
OPTIONS = {"box_weight": 1.3, "alpha": 0.25, "gamma": 2.0}
UNIT = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_class_part_by_hand() -> None:
    cls = ClassLogits(torch.tensor([[logit(0.9), logit(0.2), 0.0]]))
    cls_part, _ = cost_parts(cls, UNIT, torch.tensor([0]), UNIT, **OPTIONS)
    own = 0.25 * 0.1**2 * -math.log(0.9)
    others = 0.75 * (0.2**2 * -math.log(0.8) + 0.5**2 * -math.log(0.5))
    assert cls_part.tolist() == pytest.approx([own + others], rel=1e-5)


def test_alpha_and_gamma_enter_the_class_part() -> None:
    cls = ClassLogits(torch.tensor([[logit(0.9), logit(0.2)]]))
    options = {"box_weight": 1.3, "alpha": 0.5, "gamma": 1.0}
    cls_part, _ = cost_parts(cls, UNIT, torch.tensor([1]), UNIT, **options)
    own = 0.5 * 0.8 * -math.log(0.2)
    other = 0.5 * 0.9 * -math.log(0.1)
    assert cls_part.tolist() == pytest.approx([own + other], rel=1e-5)


def test_logits_and_probabilities_cost_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(20, 5, generator=draw), torch.arange(20) % 5
    boxes = UNIT.expand(20, 4)
    of_logits = cost_parts(ClassLogits(logits), boxes, labels, boxes, **OPTIONS)[0]
    of_probs = cost_parts(ClassProbs(logits.sigmoid()), boxes, labels, boxes, **OPTIONS)[0]
    torch.testing.assert_close(of_logits, of_probs, rtol=1e-5, atol=1e-6)


# box, weight, box part
BOXES = [
    ((0.0, 0.0, 1.0, 1.0), 1.3, 0.0),
    ((0.0, 0.0, 1.0, 0.5), 1.3, 1.3 * 0.5),
    ((3.0, 0.0, 4.0, 1.0), 1.3, 1.3 * 1.5),
    ((3.0, 0.0, 4.0, 1.0), 2.0, 3.0),
    ((3.0, 0.0, 4.0, 1.0), 0.0, 0.0),
]


@pytest.mark.parametrize(("box", "weight", "expected"), BOXES)
def test_box_part_by_hand(box: tuple[float, ...], weight: float, expected: float) -> None:
    cls = ClassLogits(torch.zeros(1, 2))
    options = OPTIONS | {"box_weight": weight}
    _, box_part = cost_parts(cls, torch.tensor([box]), torch.tensor([0]), UNIT, **options)
    assert box_part.tolist() == pytest.approx([expected], abs=1e-5)


def test_a_network_that_finds_the_box_pays_for_the_class_alone() -> None:
    priors = random_problem(1, boxes_per_image=(1,)).scene.priors
    # Every predicted box is its anchor.  The ground truth is the first anchor.
    targets = Targets.from_lists([priors.boxes[:1]], [torch.tensor([2])])
    scene = Scene(targets, priors, torch.ones(1, priors.num_priors, dtype=torch.bool))
    candidates = OwnedCandidates(torch.full((1, priors.num_priors), -1))
    candidates.gt_index[0, 0] = 0
    cls = ClassLogits(torch.full((1, priors.num_priors, 3), logit(0.5)))

    values = detection_cost(candidates, scene, cls, priors.boxes.unsqueeze(0), **OPTIONS).values
    expected = (0.25 + 2 * 0.75) * 0.25 * math.log(2)
    assert values[0, 0] == pytest.approx(expected, rel=1e-5)
    assert torch.isposinf(values[0, 1:]).all()


def costs_of(problem: Problem, candidates: Candidates) -> Costs:
    return detection_cost(
        candidates, problem.scene, problem.predictions.cls, problem.boxes, **OPTIONS
    )


def test_costs_lie_beside_the_candidates_and_carry_no_gradient() -> None:
    problem = random_problem(2)
    problem.predictions.cls.raw.requires_grad_()
    problem.predictions.box_deltas.requires_grad_()
    candidates = iou_candidates(problem.scene)
    costs = costs_of(problem, candidates)
    assert torch.equal(costs.values.isfinite(), candidates.mask)
    assert costs.values.dtype is torch.float32
    assert not costs.values.requires_grad


def test_images_without_boxes_cost_nothing_and_do_not_fail() -> None:
    problem = random_problem(2, boxes_per_image=(0, 0))
    costs = costs_of(problem, iou_candidates(problem.scene))
    assert torch.isposinf(costs.values).all()


def test_half_precision_outputs_are_priced_in_single() -> None:
    problem = random_problem(4)
    candidates = iou_candidates(problem.scene)
    halves = replace(problem, predictions=problem.predictions.map(Tensor.half))
    singles = replace(problem, predictions=halves.predictions.map(Tensor.float))
    of_halves = costs_of(halves, candidates).values
    assert of_halves.dtype is torch.float32
    assert torch.equal(of_halves, costs_of(singles, candidates).values)


def layouts_of(problem: Problem) -> dict[str, Candidates]:
    """Candidates of one scene in every layout."""
    shared = wanted_by_several(problem.scene)
    owned = iou_candidates(problem.scene)
    return {"owned": owned, "dense": shared, "indexed": indexed(shared)}


@pytest.mark.parametrize("kind", ["owned", "dense", "indexed"])
@pytest.mark.parametrize("pairs_at_once", [1, 7, 64, 1000])
def test_costs_in_parts_equal_those_in_one_go(
    kind: str, pairs_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = random_problem(5)
    candidates = layouts_of(problem)[kind]
    expected = costs_of(problem, candidates).values
    assert candidates.mask.sum() > 100
    monkeypatch.setattr(cost, "PAIRS_AT_ONCE", pairs_at_once)
    for static in (False, True):  # candidates alone; or all places, as off the CPU
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda static=static: static)
        if static and pairs_at_once == 1:
            continue  # minutes of one pair at a time
        found = costs_of(problem, candidates).values
        assert torch.equal(found.isfinite(), expected.isfinite())
        # Vectorized functions round otherwise than those for the last few values of a tensor.
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_costs_fill_the_last_part_only_partly(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more or one less than the candidates are, and exactly as many."""
    problem = random_problem(6)
    candidates = iou_candidates(problem.scene)
    expected = costs_of(problem, candidates).values
    number = int(candidates.mask.sum())
    sizes: list[int] = []

    def noted(cls: ClassLogits, *arguments: Tensor, **options: float) -> tuple[Tensor, Tensor]:
        sizes.append(len(cls.raw))
        return cost_parts(cls, *arguments, **options)

    monkeypatch.setattr(cost, "cost_parts", noted)
    for at_once, parts in (
        (number - 1, [number - 1, 1]),
        (number, [number]),
        (number + 1, [number]),
    ):
        sizes.clear()
        monkeypatch.setattr(cost, "PAIRS_AT_ONCE", at_once)
        torch.testing.assert_close(costs_of(problem, candidates).values, expected)
        assert sizes == parts

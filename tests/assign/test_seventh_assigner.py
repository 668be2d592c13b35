"""The assigner that docs/architecture.md writes down, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from ladcli.assign import Switch, choose_teacher, mix_costs
from tests.assign.scenes import random_problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


def example() -> dict[str, Any]:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    assert len(code[1].splitlines()) < 40
    # A dataclass looks its module up by name.
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(code[1], str(PAGE), "exec"), names)
    return names


def test_it_assigns_the_cheapest_of_the_nearest_priors() -> None:
    assigner = example()["cheapest_nearby"]()
    problem = random_problem(0)
    candidates = assigner.candidates(problem.scene)
    costs = problem.price(candidates, assigner)
    found = problem.assign(assigner).gt_index
    for image, gt in problem.targets.valid.nonzero().tolist():
        cheapest = costs.values[image, gt].sort().values[:5]
        mine = found[image] == gt
        assert 0 < int(mine.sum()) <= 5
        of_prior = torch.full((problem.grid.num_anchors,), torch.inf)
        assert candidates.index is not None
        of_prior = of_prior.scatter_reduce(
            0, candidates.index[image, gt], costs.values[image, gt], "amin"
        )
        assert (of_prior[mine] <= cheapest[-1]).all()


def test_distillation_works_with_it() -> None:
    assigner, switch = example()["cheapest_nearby"](), Switch("std-mean", "object")
    student, teacher = random_problem(1), random_problem(2)
    scene = student.scene
    candidates = assigner.candidates(scene)
    costs = [
        assigner.price(candidates, scene, one.predictions.cls, one.boxes)
        for one in (teacher, student)
    ]
    roles = choose_teacher(*(switch.judge(candidates, cost, scene) for cost in costs))
    assert roles.any()
    assert not roles.all()
    mixed = mix_costs(candidates, *costs, roles, scene)
    assert assigner.select(candidates, mixed, scene).num_positive > 0

"""Our assigners against mmdet's, by results that `make_mmdet_cases.py` froze."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign import (
    Assigner,
    atss_assigner,
    one_to_one_assigner,
    simota_assigner,
    tal_assigner,
)
from ladcli.assign.dense_costs import giou_cost
from ladcli.assign.one_to_one import CheapestMatching, every_prior
from ladcli.detector.anchors import anchor_grid
from ladcli.structures import ClassProbs, Costs, Scene, Targets
from tests.assign.make_mmdet_cases import CANVAS_HW, COUNTS, OUT

each_image = pytest.mark.parametrize("number", range(len(COUNTS)), ids=[f"{n}" for n in COUNTS])


class Case:
    def __init__(self, number: int) -> None:
        with np.load(OUT, allow_pickle=False) as stored:
            self.values = {
                name.rpartition("_")[0]: torch.from_numpy(stored[name])
                for name in stored.files
                if name.endswith(f"_{number}")
            }
        priors = anchor_grid(CANVAS_HW).priors
        targets = Targets.from_lists([self.values["boxes"]], [self.values["labels"]])
        self.scene = Scene(targets, priors, torch.ones(1, priors.num_priors, dtype=torch.bool))
        self.cls = ClassProbs(self.values["prob"].unsqueeze(0))
        self.boxes = self.values["predicted"].unsqueeze(0)

    def ours(self, assigner: Assigner) -> Tensor:
        return assigner.assign(self.scene, self.cls, self.boxes).gt_index[0]


@each_image
def test_atss(number: int) -> None:
    case = Case(number)
    assert torch.equal(case.ours(atss_assigner()), case.values["atss"])


@each_image
def test_simota(number: int) -> None:
    case = Case(number)
    assert torch.equal(case.ours(simota_assigner()), case.values["simota"])


@each_image
def test_tal(number: int) -> None:
    case = Case(number)
    assert torch.equal(case.ours(tal_assigner()), case.values["tal"])


@each_image
def test_one_to_one_at_the_same_cost(number: int) -> None:
    case = Case(number)
    candidates = every_prior(case.scene)
    cost = 1.3 * giou_cost(case.boxes, case.scene)
    costs = Costs(cost.masked_fill(~candidates.mask, torch.inf))
    found = CheapestMatching()(candidates, costs, case.scene).gt_index[0]
    assert torch.equal(found, case.values["one_to_one"])
    if COUNTS[number]:
        assert not torch.equal(case.ours(one_to_one_assigner()), found)  # with classes


def test_the_file_is_small() -> None:
    assert Path(OUT).stat().st_size < 400_000

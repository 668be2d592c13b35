"""Priced candidates of random scenes, and their costs sorted into scopes one by one."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.assign.moments import Scope
from ladcli.structures import AnchorGrid, Candidates, Costs
from tests.assign.scenes import random_scene

SCOPES: tuple[Scope, ...] = ("level", "object", "image", "batch")
Place = tuple[int, int, int]


@dataclass(frozen=True)
class Priced:
    """The same candidates with the costs of two networks."""

    candidates: Candidates
    teacher: Costs
    student: Costs
    grid: AnchorGrid
    num_gt: int

    def __post_init__(self) -> None:
        assert self.candidates.mask.shape == self.teacher.values.shape == self.student.values.shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """[B, G, L]."""
        return len(self.candidates.gt_index), self.num_gt, len(self.grid.level_sizes)

    def to(self, device: torch.device) -> Priced:
        def move(t: Tensor) -> Tensor:
            return t.to(device, non_blocking=True)

        return Priced(
            Candidates(move(self.candidates.gt_index)),
            Costs(move(self.teacher.values)),
            Costs(move(self.student.values)),
            self.grid.to(device),
            self.num_gt,
        )


def priced_scene(seed: int, boxes_per_image: tuple[int, ...] = (4, 0, 7, 1)) -> Priced:
    """A random scene priced by two untrained networks; its images are partly padding."""
    scene = random_scene(
        seed,
        boxes_per_image=boxes_per_image,
        valid_hw=((160, 192), (100, 192), (160, 97), (33, 40))[: len(boxes_per_image)],
    )
    other = random_scene(seed + 100, boxes_per_image=boxes_per_image).predictions
    assigner = paa_assigner()
    candidates = assigner.candidates(scene.targets, scene.grid, scene.valid)
    teacher, student = (
        assigner.price(candidates, predictions, scene.targets, scene.grid)
        for predictions in (scene.predictions, other)
    )
    return Priced(candidates, teacher, student, scene.grid, scene.targets.boxes.shape[1])


def place_of(image: int, gt: int, level: int, scope: Scope) -> Place:
    """Where the decision over a candidate stands in [B, G, L]."""
    places = {
        "level": (image, gt, level),
        "object": (image, gt, 0),
        "image": (image, 0, 0),
        "batch": (0, 0, 0),
    }
    return places[scope]


def sorted_costs(
    candidates: Candidates, costs: Costs, grid: AnchorGrid, scope: Scope
) -> dict[Place, list[float]]:
    """The finite costs of every place where there is one, in the order of the anchors."""
    found = defaultdict(list)
    levels = grid.level.tolist()
    rows = zip(candidates.gt_index.tolist(), costs.values.double().tolist(), strict=True)
    for image, (gts, prices) in enumerate(rows):
        for gt, price, level in zip(gts, prices, levels, strict=True):
            if gt >= 0 and math.isfinite(price):
                found[place_of(image, gt, level, scope)].append(price)
    return dict(found)

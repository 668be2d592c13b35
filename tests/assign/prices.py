"""Priced candidates of random scenes, and their costs sorted into scopes one by one."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.assign.moments import Scope
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.structures import Candidates, Costs, OwnedCandidates, Scene, SharedCandidates, Targets
from tests.assign.scenes import random_problem

SCOPES: tuple[Scope, ...] = ("level", "object", "image", "batch")
Place = tuple[int, int, int]
#: Image, ground truth, prior.
Pair = tuple[int, int, int]


@dataclass(frozen=True)
class Priced:
    """The same candidates with the costs of two networks."""

    candidates: Candidates
    teacher: Costs
    student: Costs
    scene: Scene

    def __post_init__(self) -> None:
        assert self.candidates.mask.shape == self.teacher.values.shape == self.student.values.shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """[B, G, L]."""
        return self.scene.num_images, self.scene.num_gt, self.scene.priors.num_levels

    def with_more_gt(self, more: int) -> Priced:
        """The same with ``more`` padded ground truths."""
        t = self.scene.targets
        images = self.scene.num_images
        targets = Targets(
            torch.cat([t.boxes, torch.zeros(images, more, 4)], dim=1),
            torch.cat([t.labels, torch.zeros(images, more, dtype=torch.int64)], dim=1),
            torch.cat([t.valid, torch.zeros(images, more, dtype=torch.bool)], dim=1),
            t.crowd,
        )
        return replace(self, scene=replace(self.scene, targets=targets))

    def to(self, device: torch.device) -> Priced:
        def move(t: Tensor) -> Tensor:
            return t.to(device, non_blocking=True)

        priors = self.scene.priors
        priors = replace(priors, boxes=move(priors.boxes), stride=move(priors.stride))
        targets = self.scene.targets.to(device, non_blocking=True)
        candidates: Candidates
        match self.candidates:
            case OwnedCandidates(gt_index):
                candidates = OwnedCandidates(move(gt_index))
            case SharedCandidates(mask, index):
                candidates = SharedCandidates(move(mask), None if index is None else move(index))
        return Priced(
            candidates,
            Costs(move(self.teacher.values)),
            Costs(move(self.student.values)),
            Scene(targets, priors, move(self.scene.valid)),
        )


def priced_scene(
    seed: int,
    boxes_per_image: tuple[int, ...] = (4, 0, 7, 1),
    layout: AnchorLayout = DEFAULT_LAYOUT,
) -> Priced:
    """A random scene priced by two untrained networks; its images are partly padding."""
    problem = random_problem(
        seed,
        boxes_per_image=boxes_per_image,
        valid_hw=((160, 192), (100, 192), (160, 97), (33, 40))[: len(boxes_per_image)],
        layout=layout,
    )
    other = random_problem(seed + 100, boxes_per_image=boxes_per_image, layout=layout)
    assigner = paa_assigner()
    candidates = assigner.candidates(problem.scene)
    teacher, student = (
        replace(problem, predictions=predictions).price(candidates, assigner)
        for predictions in (problem.predictions, other.predictions)
    )
    return Priced(candidates, teacher, student, problem.scene)


def pairs_of(candidates: Candidates) -> list[tuple[tuple[int, ...], Pair]]:
    """Every candidate: its place in the layout, and what it pairs."""
    found = []
    match candidates:
        case OwnedCandidates(gt_index):
            for image, row in enumerate(gt_index.tolist()):
                found += [((image, a), (image, gt, a)) for a, gt in enumerate(row) if gt >= 0]
        case SharedCandidates(mask, index):
            for image, gt, place in mask.nonzero().tolist():
                prior = place if index is None else int(index[image, gt, place])
                found.append(((image, gt, place), (image, gt, prior)))
    return found


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
    candidates: Candidates, costs: Costs, scene: Scene, scope: Scope
) -> dict[Place, list[float]]:
    """The finite costs of every place where there is one, in the order of the layout."""
    found = defaultdict(list)
    levels = [k for k, n in enumerate(scene.priors.level_lengths) for _ in range(n)]
    values = costs.values.double().tolist()
    for place, (image, gt, prior) in pairs_of(candidates):
        price = values
        for axis in place:
            price = price[axis]
        if math.isfinite(price):
            found[place_of(image, gt, levels[prior], scope)].append(price)
    return dict(found)

"""Random scenes for the tests of label assignment, and what a network says to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ladcli.assign import Assigner, paa_assigner
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.structures import (
    AnchorGrid,
    Assignment,
    Candidates,
    ClassLogits,
    Costs,
    Predictions,
    Priors,
    Scene,
    Targets,
)

NUM_CLASSES = 4


@dataclass(frozen=True)
class Problem:
    """A scene on our own grid, and a network's outputs for it."""

    scene: Scene
    predictions: Predictions
    grid: AnchorGrid

    @property
    def targets(self) -> Targets:
        return self.scene.targets

    @property
    def valid(self) -> Tensor:  # [B, A] bool
        return self.scene.valid

    @property
    def boxes(self) -> Tensor:
        """[B, A, 4] decoded, with the gradient of the deltas."""
        return predicted_boxes(self.predictions, self.scene)

    def price(self, candidates: Candidates, assigner: Assigner) -> Costs:
        return assigner.price(candidates, self.scene, self.predictions.cls, self.boxes)

    def assign(self, assigner: Assigner | None = None) -> Assignment:
        method = assigner or paa_assigner()
        return method.assign(self.scene, self.predictions.cls, self.boxes)

    def image(self, index: int) -> Problem:
        """One image alone, its targets without padding."""
        one = slice(index, index + 1)
        present = self.targets.valid[index]
        targets = Targets.from_lists(
            [self.targets.boxes[index][present]], [self.targets.labels[index][present]]
        )
        scene = Scene(targets, self.scene.priors, self.valid[one])
        return Problem(scene, self.predictions.map(lambda t: t[one]), self.grid)

    def with_targets(self, targets: Targets) -> Problem:
        return replace(self, scene=replace(self.scene, targets=targets))

    def level(self, number: int) -> Problem:
        """The same with the priors of one level alone."""
        priors = self.scene.priors
        here = priors.level_slices()[number]
        alone = Priors(
            priors.boxes[here],
            priors.stride[here],
            (priors.level_lengths[number],),
            (self.grid.level_sizes[number],),
        )
        scene = Scene(self.targets, alone, self.valid[:, here])
        return Problem(scene, self.predictions.map(lambda t: t[:, here]), self.grid)

    def to(self, device: torch.device | str) -> Problem:
        """The problem on ``device``, by copies that do not wait."""
        grid = self.grid.to(device)
        scene = Scene(
            self.targets.to(device, non_blocking=True),
            grid.priors,
            self.valid.to(device, non_blocking=True),
        )
        move = self.predictions.map(lambda t: t.to(device, non_blocking=True))
        return Problem(scene, move, grid)


def random_problem(
    seed: int,
    *,
    boxes_per_image: tuple[int, ...] = (4, 0, 7, 1),
    canvas_hw: tuple[int, int] = (160, 192),
    valid_hw: tuple[tuple[int, int], ...] | None = None,
    layout: AnchorLayout = DEFAULT_LAYOUT,
) -> Problem:
    """Boxes of all sizes and outputs of an untrained network."""
    draw = torch.Generator().manual_seed(seed)
    grid = anchor_grid(canvas_hw, layout=layout)
    images = len(boxes_per_image)
    boxes = [random_boxes(n, canvas_hw, draw) for n in boxes_per_image]
    labels = [torch.randint(NUM_CLASSES, (n,), generator=draw) for n in boxes_per_image]
    size = (images, grid.num_anchors)
    predictions = Predictions(
        ClassLogits(torch.randn(*size, NUM_CLASSES, generator=draw) - 1),
        torch.randn(*size, 4, generator=draw),
        torch.randn(*size, generator=draw),
    )
    valid = grid.valid(torch.tensor(valid_hw or (canvas_hw,) * images))
    return Problem(Scene(Targets.from_lists(boxes, labels), grid.priors, valid), predictions, grid)


def random_boxes(number: int, canvas_hw: tuple[int, int], draw: torch.Generator) -> Tensor:
    """Boxes [number, 4] with corners on quarters of a pixel, some of them reaching outside."""
    height, width = canvas_hw
    size = 8 * 20 ** torch.rand(number, 2, generator=draw)
    corner = torch.rand(number, 2, generator=draw) * torch.tensor([width - 20, height - 20])
    return (torch.cat([corner, corner + size], dim=1) * 4).round() / 4


def plain_scene(
    level_lengths: tuple[int, ...], num_gt: int, *, valid: Tensor | None = None
) -> Scene:
    """A scene of priors without size, for rules that look at numbers and levels alone.

    Args:
        level_lengths: priors of each level.
        num_gt: G; all boxes are empty.
        valid: [B, A]; by default of one image, and all true.
    """
    total = sum(level_lengths)
    valid = torch.ones(1, total, dtype=torch.bool) if valid is None else valid
    priors = Priors(torch.zeros(total, 4), torch.ones(total), level_lengths)
    images = len(valid)
    targets = Targets.from_lists(
        [torch.zeros(num_gt, 4)] * images, [torch.zeros(num_gt, dtype=torch.int64)] * images
    )
    return Scene(targets, priors, valid)

"""Assignment inside other people's detectors: torchvision's FCOS and RetinaNet.

Their priors, their box coders and their class outputs enter PAA's chain.  Positives are compared
with those of a slow form in NumPy and scikit-learn, which shares no code with ours, and then enter
their losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection import fcos_resnet50_fpn, retinanet_resnet50_fpn

from ladcli.assign import paa_assigner
from ladcli.structures import BACKGROUND, IGNORE, Assignment, ClassLogits, Priors, Scene, Targets

NUM_CLASSES = 5
#: Height and width of the images; together they make a canvas of 128 x 128.
SIZES = ((96, 128), (128, 96), (96, 112))
BOXES_PER_IMAGE = (5, 0, 3)
MODELS = {"fcos": fcos_resnet50_fpn, "retinanet": retinanet_resnet50_fpn}
#: From a feature map's side to pixels.
STRIDES = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Outside:
    """A detector that knows nothing of us, and what it says to a few images."""

    head: nn.Module
    anchors: Tensor  # [A, 4], the same for all images
    level_lengths: tuple[int, ...]
    outputs: dict[str, Tensor]  # leaves: they collect gradients
    boxes: Tensor  # [B, A, 4] by its own coder

    def priors(self, name: str) -> Priors:
        levels = self.anchors.split(self.level_lengths)
        if name == "retinanet":
            return Priors.from_boxes(levels, STRIDES)
        # What it calls anchors are squares of one stride around its points.
        return Priors.from_points([(a[:, :2] + a[:, 2:]) / 2 for a in levels], STRIDES)


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outside(name: str) -> Outside:
    """One forward pass of an untrained network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[name](
            weights=None,
            weights_backbone=None,
            num_classes=NUM_CLASSES,
            min_size=96,
            max_size=128,
        ).eval()
        images = [torch.rand(3, *size) for size in SIZES]
    with torch.no_grad():
        for part in model.head.modules():
            # Untrained, it says almost the same everywhere.
            if isinstance(part, nn.Conv2d) and part.out_channels != part.in_channels:
                part.weight *= 20
        batch, _ = model.transform(images)
        assert [tuple(size) for size in batch.image_sizes] == list(SIZES)
        features = list(model.backbone(batch.tensors).values())
        outputs = model.head(features)
        anchors = model.anchor_generator(batch, features)
        decode = model.box_coder.decode if name == "fcos" else model.box_coder.decode_single
        boxes = [
            decode(codes, of_image)
            for codes, of_image in zip(outputs["bbox_regression"], anchors, strict=True)
        ]
    assert [128 // f.shape[-1] for f in features] == list(STRIDES)
    per_cell = model.anchor_generator.num_anchors_per_location()
    lengths = tuple(f[0, 0].numel() * n for f, n in zip(features, per_cell, strict=True))
    outputs = {key: value.requires_grad_() for key, value in outputs.items()}
    return Outside(model.head, anchors[0], lengths, outputs, torch.stack(boxes))


@pytest.fixture(scope="module")
def scene(outside: Outside, name: str) -> Scene:
    draw = torch.Generator().manual_seed(1)
    boxes, labels = [], []
    for (height, width), number in zip(SIZES, BOXES_PER_IMAGE, strict=True):
        size = 12 + 60 * torch.rand(number, 2, generator=draw)
        corner = torch.rand(number, 2, generator=draw) * (torch.tensor([width, height]) - size)
        boxes.append(torch.cat([corner, corner + size], dim=1))
        labels.append(torch.randint(NUM_CLASSES, (number,), generator=draw))
    priors = outside.priors(name)
    # Priors around places beyond the image do not count.
    limit = torch.tensor([[width, height] for height, width in SIZES]).unsqueeze(1)
    return Scene(Targets.from_lists(boxes, labels), priors, (priors.centers < limit).all(dim=2))


@pytest.fixture(scope="module")
def assignment(outside: Outside, scene: Scene) -> Assignment:
    return paa_assigner().assign(scene, ClassLogits(outside.outputs["cls_logits"]), outside.boxes)


def test_positives_equal_the_slow_form(
    outside: Outside, scene: Scene, assignment: Assignment, name: str
) -> None:
    expected = np.stack([slow_assignment(outside, scene, image) for image in range(len(SIZES))])
    assert (expected >= 0).sum() > 10
    for gt in range(BOXES_PER_IMAGE[0]):
        assert (expected[0] == gt).any()
    np.testing.assert_array_equal(assignment.gt_index.numpy(), expected)


def test_several_levels_have_positives(assignment: Assignment, scene: Scene) -> None:
    level = scene.priors.level.expand(len(SIZES), -1)[assignment.foreground]
    assert len(level.unique()) >= 2


def test_the_image_without_boxes_has_background_only(assignment: Assignment, scene: Scene) -> None:
    expected = torch.where(scene.valid[1], BACKGROUND, IGNORE)
    assert torch.equal(assignment.gt_index[1], expected)


def test_positives_enter_the_losses_of_the_other_house(
    outside: Outside, scene: Scene, assignment: Assignment
) -> None:
    """Both take the row of a ground truth per prior, and -1 for background."""
    targets = [
        {"boxes": scene.targets.boxes[i][present], "labels": scene.targets.labels[i][present]}
        for i, present in enumerate(scene.targets.valid)
    ]
    matched = list(assignment.gt_index)
    anchors = [outside.anchors] * len(SIZES)
    losses = outside.head.compute_loss(targets, outside.outputs, anchors, matched)
    # FCOS's centerness is defined for points inside their box, which PAA does not ask for.
    losses.pop("bbox_ctrness", None)
    assert len(losses) == 2
    assert all(loss.isfinite() for loss in losses.values())
    leaves = {key: outside.outputs[key] for key in ("cls_logits", "bbox_regression")}
    gradients = torch.autograd.grad(sum(losses.values()), leaves.values())
    for key, gradient in zip(leaves, gradients, strict=True):
        assert gradient.isfinite().all()
        assert gradient.any()
        if key != "cls_logits":  # boxes are learned where there are positives, and nowhere else
            assert not gradient[~assignment.foreground].any()


# The slow form.  Overlaps are computed in float32, one operation after the other, so that they are
# the same to the last bit: which priors a box overlaps best is decided by equality.


def slow_assignment(outside: Outside, scene: Scene, image: int) -> NDArray:
    """PAA for one image: ground truth of every prior, -1 for background, -2 for invalid ones."""
    present = scene.targets.valid[image]
    boxes, labels = (t[image][present].numpy() for t in (scene.targets.boxes, scene.targets.labels))
    valid = scene.valid[image].numpy()
    priors = scene.priors.boxes.numpy()
    logits = outside.outputs["cls_logits"][image].detach().double().numpy()
    decoded = outside.boxes[image].double().numpy()

    result = np.where(valid, -1, -2)
    owner = slow_candidates(boxes, priors, valid)
    for gt, (box, label) in enumerate(zip(boxes.astype(float), labels, strict=True)):
        mine = [int(prior) for prior in np.flatnonzero(owner == gt)]
        cost = {prior: slow_cost(logits[prior], decoded[prior], box, label) for prior in mine}
        samples, start = [], 0
        for length in outside.level_lengths:
            in_level = [prior for prior in mine if start <= prior < start + length]
            samples += sorted(in_level, key=cost.__getitem__)[:9]
            start += length
        samples.sort(key=cost.__getitem__)
        for prior in slow_positives(samples, cost):
            result[prior] = gt
    return result


def slow_candidates(boxes: NDArray, priors: NDArray, valid: NDArray) -> NDArray:
    owner = np.full(len(priors), -1)
    if not len(boxes):
        return owner
    overlaps = np.stack([slow_iou(box, priors) for box in boxes])
    for prior in np.flatnonzero(valid):
        best = int(overlaps[:, prior].argmax())  # the first of equals
        if overlaps[best, prior] >= np.float32(0.1):
            owner[prior] = best
    for gt, row in enumerate(overlaps):
        owner[valid & (row == row[valid].max())] = gt
    return owner


def slow_iou(box: NDArray, priors: NDArray) -> NDArray:
    """Of one box [4] with priors [A, 4]; all in float32."""
    zero = np.float32(0)
    width = np.minimum(box[2], priors[:, 2]) - np.maximum(box[0], priors[:, 0])
    height = np.minimum(box[3], priors[:, 3]) - np.maximum(box[1], priors[:, 1])
    shared = np.maximum(width, zero) * np.maximum(height, zero)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (priors[:, 2] - priors[:, 0]) * (priors[:, 3] - priors[:, 1])
    found = shared / (area + areas - shared)
    assert found.dtype == np.float32
    return found


def slow_cost(logits: NDArray, decoded: NDArray, box: NDArray, label: int) -> float:
    """Focal loss of the box's class over all classes, plus 1.3 times the GIoU loss."""
    total = 0.0
    for number, logit in enumerate(logits):
        p = 1 / (1 + math.exp(-logit))
        if number == label:
            total += 0.25 * (1 - p) ** 2 * -math.log(p)
        else:
            total += 0.75 * p**2 * -math.log(1 - p)
    width = max(min(decoded[2], box[2]) - max(decoded[0], box[0]), 0)
    height = max(min(decoded[3], box[3]) - max(decoded[1], box[1]), 0)
    shared = width * height
    union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (decoded, box)) - shared
    hull = (max(decoded[2], box[2]) - min(decoded[0], box[0])) * (
        max(decoded[3], box[3]) - min(decoded[1], box[1])
    )
    return total + 1.3 * (1 - (shared / union - (hull - union) / hull))


def slow_positives(samples: list[int], cost: dict[int, float]) -> list[int]:
    """Samples of the lower component, in ascending cost, up to where the mixture is densest."""
    from sklearn.mixture import GaussianMixture

    if len(samples) < 2:
        return []
    points = np.array([[cost[prior]] for prior in samples])
    model = GaussianMixture(
        2,
        covariance_type="diag",
        weights_init=[0.5, 0.5],
        means_init=[points.min(axis=0), points.max(axis=0)],
        precisions_init=[[1.0], [1.0]],
    ).fit(points)
    density = model.score_samples(points)
    lower = np.flatnonzero(model.predict(points) == 0)
    if not len(lower):
        return []
    densest = lower[density[lower].argmax()]
    return [samples[place] for place in lower if place <= densest]

"""The head: its prior, and how its outputs stand beside the anchors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ladcli.detector.anchors import anchor_grid
from ladcli.detector.head import PaaHead
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.detector.objectness import conditional_objectness
from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.focal import focal_loss

CANVAS = (64, 96)


def central(head: PaaHead) -> PaaHead:
    """A head without towers whose outputs are the central value of channel 0, and no bias."""
    for module in (head.cls_out, head.box_out, head.iou_out):
        module.weight.data.zero_()[:, 0, 1, 1] = 1
        module.bias.data.zero_()
    return head


def maps(channels: int = 1, images: int = 1) -> list[Tensor]:
    """Levels of a canvas, their cells numbered in the order of the anchors."""
    found, start = [], 0
    for rows, cols in DEFAULT_LAYOUT.level_sizes(CANVAS):
        cells = torch.arange(start, start + rows * cols).float().view(1, 1, rows, cols)
        found.append(cells.repeat(images, channels, 1, 1))
        start += rows * cols
    return found


def noise(channels: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, *size, generator=draw)
        for size in DEFAULT_LAYOUT.level_sizes(CANVAS)
    ]


def test_outputs_stand_in_the_order_of_the_anchors() -> None:
    grid = anchor_grid(CANVAS)
    head = central(PaaHead(2, 1, num_convs=0))
    found = head(maps())
    expected = torch.arange(grid.num_anchors).float()
    assert torch.equal(found.cls.raw, expected.view(1, -1, 1).expand(1, -1, 2))
    assert torch.equal(found.box_deltas, expected.view(1, -1, 1).expand(1, -1, 4))
    assert torch.equal(found.iou_logits, expected.view(1, -1))
    # The cell that P4 has at row 2, column 3 is the anchor that says so of itself.
    cell = maps()[1][0, 0, 2, 3].long()
    assert (grid.stride[cell], grid.row[cell], grid.col[cell]) == (16, 2, 3)


def test_channels_stay_with_their_class_and_coordinate() -> None:
    head = central(PaaHead(3, 1, num_convs=0))
    head.cls_out.bias.data = torch.tensor([0.0, 1000.0, 2000.0])
    head.box_out.bias.data = torch.tensor([0.0, 10.0, 20.0, 30.0])
    found = head([m * 0 for m in maps()])
    assert found.cls.raw[0, 70].tolist() == [0, 1000, 2000]
    assert found.box_deltas[0, 128].tolist() == [0, 10, 20, 30]


def test_every_level_scales_its_boxes_and_nothing_else() -> None:
    head = central(PaaHead(1, 1, num_convs=0))
    head.scales.data = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    found = head([torch.ones_like(m) for m in maps()])
    per_level = found.box_deltas[0, :, 0].split([96, 24, 6, 2, 1])
    assert [level.unique().tolist() for level in per_level] == [[1], [2], [3], [4], [5]]
    assert found.cls.raw.unique().tolist() == [1]
    assert found.iou_logits.unique().tolist() == [1]


@pytest.mark.parametrize("prior", [0.01, 0.2])
def test_a_new_head_gives_every_anchor_the_prior(prior: float) -> None:
    head = PaaHead(3, 8, num_convs=1, norm_groups=2, prior=prior)
    found = head([torch.zeros(1, 8, *size) for size in DEFAULT_LAYOUT.level_sizes(CANVAS)])
    torch.testing.assert_close(found.cls.prob(), torch.full_like(found.cls.raw, prior))
    assert (found.box_deltas == 0).all()
    assert (found.iou_logits == 0).all()


def test_towers_have_the_asked_size_and_serve_all_levels() -> None:
    head = PaaHead(3, 8, num_convs=2, norm_groups=2)
    assert [len(head.cls_tower), len(head.box_tower)] == [2, 2]
    norms = [m for m in head.modules() if isinstance(m, nn.GroupNorm)]
    assert [(n.num_groups, n.num_channels) for n in norms] == [(2, 8)] * 4
    level = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    found = head([level] * 5)
    for part in found.cls.raw.split(16, dim=1):
        torch.testing.assert_close(part, found.cls.raw[:, :16])


def test_the_iou_branch_grows_from_the_box_tower() -> None:
    head = PaaHead(3, 8, num_convs=1, norm_groups=2)
    head(noise(8)).iou_logits.sum().backward()
    assert all(p.grad is None for p in head.cls_tower.parameters())
    assert all(p.grad is not None for p in head.box_tower.parameters())


def test_boxes_and_iou_leave_half_precision() -> None:
    """Costs and losses want float32; class outputs convert themselves."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = PaaHead(3, 8, num_convs=1, norm_groups=2)(noise(8))
    dtypes = (found.cls.raw.dtype, found.box_deltas.dtype, found.iou_logits.dtype)
    assert dtypes == (torch.bfloat16, torch.float32, torch.float32)


def test_the_number_of_levels_must_fit() -> None:
    with pytest.raises(ValueError, match="shorter"):
        PaaHead(1, 1, num_convs=0)(maps()[:4])


# Table 10 of the paper, without the rows whose IoU branch is trained and left unused: they differ
# from the full ones in post-processing alone.
HEADS = [(0, True), (1, True), (1, False), (3, True), (3, False), (5, True), (0, False)]


@pytest.mark.parametrize(("kernel", "iou_branch"), HEADS)
def test_every_head_has_its_branches_and_shapes(kernel: int, iou_branch: bool) -> None:
    head = PaaHead(
        3, 8, num_convs=1, norm_groups=2, objectness_kernel=kernel, iou_branch=iou_branch
    )
    shapes = {name: tuple(p.shape) for name, p in head.named_parameters() if "tower" not in name}
    expected = {"scales": (5,)}
    for name, channels in (("cls_out", 3), ("box_out", 4)):
        expected |= {f"{name}.weight": (channels, 8, 3, 3), f"{name}.bias": (channels,)}
    if iou_branch:
        expected |= {"iou_out.weight": (1, 8, 3, 3), "iou_out.bias": (1,)}
    if kernel:
        expected |= {
            "objectness_out.weight": (kernel**2, 8, 3, 3),
            "objectness_out.bias": (kernel**2,),
        }
    assert shapes == expected
    found, anchors = head(noise(8)), anchor_grid(CANVAS).num_anchors
    assert type(found.cls) is (ClassProbs if kernel else ClassLogits)
    assert found.cls.raw.shape == (2, anchors, 3)
    assert found.box_deltas.shape == (2, anchors, 4)
    if iou_branch:
        assert found.iou_logits.shape == (2, anchors)
    else:
        assert found.iou_logits is None
    prob = found.cls.prob()
    assert ((prob > 0) & (prob < 1)).all()


@pytest.mark.parametrize("kernel", [1, 3])
def test_class_probabilities_have_objectness_inside(kernel: int) -> None:
    """Class logits come from one tower, objectness from the other, level by level."""
    torch.manual_seed(0)
    head = PaaHead(3, 8, num_convs=1, norm_groups=2, objectness_kernel=kernel)
    nn.init.normal_(head.objectness_out.weight, std=1.0)
    levels = noise(8)
    expected = [
        conditional_objectness(
            head.cls_out(head.cls_tower(level)), head.objectness_out(head.box_tower(level))
        )
        for level in levels
    ]
    flat = torch.cat([p.flatten(2).transpose(1, 2) for p in expected], dim=1)
    assert torch.equal(head(levels).cls.raw, flat)


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_class_output_trains_both_towers(kernel: int) -> None:
    head = PaaHead(3, 8, num_convs=1, norm_groups=2, objectness_kernel=kernel)
    head(noise(8)).cls.raw.sum().backward()
    moved = {name.split(".")[0] for name, p in head.named_parameters() if p.grad is not None}
    assert moved == {"cls_tower", "box_tower", "cls_out", "objectness_out"}


def test_a_new_head_with_objectness_gives_half_of_the_prior() -> None:
    """Objectness starts at 1/2; at the border the neighbors outside count as 1/2."""
    maps = [torch.zeros(1, 8, *size) for size in DEFAULT_LAYOUT.level_sizes(CANVAS)]
    options = {"num_convs": 1, "norm_groups": 2, "prior": 0.1}
    alone = PaaHead(3, 8, objectness_kernel=1, **options)(maps).cls.raw
    torch.testing.assert_close(alone, torch.full_like(alone, 0.05))
    with_neighbors = PaaHead(3, 8, objectness_kernel=3, **options)(maps).cls.raw[0, :, 0]
    inner, corner = with_neighbors[13], with_neighbors[0]  # row 1, column 1 of 12 columns
    assert inner.item() == pytest.approx(0.05)
    assert corner.item() == pytest.approx((4 * 0.1 + 5 * 0.5) / 2 / 9)


@pytest.mark.parametrize("kernel", [1, 3])
def test_objectness_keeps_single_precision_under_autocast(kernel: int) -> None:
    head = PaaHead(3, 8, num_convs=1, norm_groups=2, objectness_kernel=kernel)
    for out in (head.cls_out, head.objectness_out):
        nn.init.normal_(out.weight, std=20.0, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(noise(8))
        labels = torch.zeros(found.iou_logits.shape, dtype=torch.int64)
        positive = labels == 0
        loss = focal_loss(found.cls, labels, positive, alpha=0.25, gamma=2.0).sum()
    assert found.cls.raw.dtype is torch.float32
    assert (found.cls.raw < 1e-6).any()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in head.parameters() if p.grad is not None)

"""The head: its prior, and how its outputs stand beside the anchors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ladcli.detector.anchors import anchor_grid, level_sizes
from ladcli.detector.head import PaaHead

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
    for rows, cols in level_sizes(CANVAS):
        cells = torch.arange(start, start + rows * cols).float().view(1, 1, rows, cols)
        found.append(cells.repeat(images, channels, 1, 1))
        start += rows * cols
    return found


def noise(channels: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, *size, generator=draw) for size in level_sizes(CANVAS)]


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
    found = head([torch.zeros(1, 8, *size) for size in level_sizes(CANVAS)])
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

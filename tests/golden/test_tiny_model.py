"""Feature pyramid and head, weights included, against a small reference network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ladcli.detector.fpn import FeaturePyramid
from ladcli.detector.head import PaaHead
from tests.golden.scene import LOSS_TOLERANCE, Arrays, flatten_maps, for_each, load, places

FILES = "paa_tiny_*_io.npz"
LEVELS = ["p3", "p4", "p5", "p6", "p7"]
NUM_GROUPS = 32

State = dict[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)


def state_of(path: Path) -> State:
    """The reference network's tensors."""
    file = places.require(path.with_name(path.name.replace("_io.npz", ".pth")))
    return torch.load(file, weights_only=True)["state_dict"]


def pyramid_of(state: State) -> FeaturePyramid:
    """Our pyramid with the reference's weights."""
    ours: State = {}
    for kind in ("weight", "bias"):
        for i in range(3):
            ours[f"lateral.{i}.{kind}"] = state[f"neck.lateral_convs.{i}.conv.{kind}"]
            ours[f"output.{i}.{kind}"] = state[f"neck.fpn_convs.{i}.conv.{kind}"]
        for i in range(2):
            ours[f"extra.{i}.{kind}"] = state[f"neck.fpn_convs.{i + 3}.conv.{kind}"]
    in_channels = [ours[f"lateral.{i}.weight"].shape[1] for i in range(3)]
    pyramid = FeaturePyramid(in_channels, ours["lateral.0.weight"].shape[0])
    return fill(pyramid, ours)


def head_of(state: State) -> PaaHead:
    """Our head with the reference's weights."""
    num_convs = sum(f"bbox_head.cls_convs.{i}.conv.weight" in state for i in range(100))
    ours: State = {"scales": torch.stack([state[f"bbox_head.scales.{i}.scale"] for i in range(5)])}
    for tower, theirs in (("cls_tower", "cls_convs"), ("box_tower", "reg_convs")):
        for i in range(num_convs):
            prefix = f"bbox_head.{theirs}.{i}"
            ours[f"{tower}.{i}.conv.weight"] = state[f"{prefix}.conv.weight"]
            ours[f"{tower}.{i}.norm.weight"] = state[f"{prefix}.gn.weight"]
            ours[f"{tower}.{i}.norm.bias"] = state[f"{prefix}.gn.bias"]
    outputs = {"cls_out": "atss_cls", "box_out": "atss_reg", "iou_out": "atss_centerness"}
    for name, theirs in outputs.items():
        for kind in ("weight", "bias"):
            ours[f"{name}.{kind}"] = state[f"bbox_head.{theirs}.{kind}"]
    num_classes, channels = ours["cls_out.weight"].shape[:2]
    head = PaaHead(num_classes, channels, num_convs=num_convs, norm_groups=NUM_GROUPS)
    return fill(head, ours)


def fill(module: Module, state: State) -> Module:
    """``module`` in eval mode with exactly the tensors of ``state``."""
    module.load_state_dict(state, strict=True)
    return module.eval()


def feature_maps(arrays: Arrays) -> list[Tensor]:
    return [torch.from_numpy(arrays[f"backbone_{level}"]) for level in ("c3", "c4", "c5")]


def pyramid_maps(arrays: Arrays) -> list[Tensor]:
    return [torch.from_numpy(arrays[f"fpn_{level}"]) for level in LEVELS]


@for_each(FILES)
@torch.no_grad()
def test_pyramid(path: Path) -> None:
    arrays = load(path)
    maps = pyramid_of(state_of(path))(feature_maps(arrays))
    assert len(maps) == len(LEVELS)
    for level, found in zip(LEVELS, maps, strict=True):
        np.testing.assert_allclose(found, arrays[f"fpn_{level}"], **LOSS_TOLERANCE, err_msg=level)


@for_each(FILES)
@torch.no_grad()
def test_head(path: Path) -> None:
    arrays = load(path)
    predictions = head_of(state_of(path))(pyramid_maps(arrays))
    found = {
        "cls": predictions.cls.raw,
        "box": predictions.box_deltas,
        "iou": predictions.iou_logits.unsqueeze(-1),
    }
    for name, rows in found.items():
        expected = flatten_maps([torch.from_numpy(arrays[f"{name}_{level}"]) for level in LEVELS])
        np.testing.assert_allclose(rows, expected, **LOSS_TOLERANCE, err_msg=name)


@for_each(FILES)
def test_our_parameters_are_the_references(path: Path) -> None:
    """The same number of parameters in pyramid and head, by the list of names and shapes."""
    file = places.require(path.with_name(path.name.replace("_io.npz", "_keys.json")))
    shapes = json.loads(file.read_text())["state_dict"]
    expected = sum(
        int(np.prod(shape)) for name, shape in shapes.items() if not name.startswith("backbone.")
    )
    state = state_of(path)
    modules: list[nn.Module] = [pyramid_of(state), head_of(state)]
    assert sum(p.numel() for module in modules for p in module.parameters()) == expected

"""Pretrained weights fill a backbone, or are refused with nothing loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from ladcli.detector.backbone import Backbone, pixel_statistics
from ladcli.detector.pretrained import load_backbone_weights
from tests.detector.intruder import Intruder
from tests.refusals import refusal_of

SMALL = "test_efficientnet"


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


# Names of a full network that its feature extractor keeps, and names that it joins.
@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_the_full_network_load(tmp_path: Path, name: str, suffix: str) -> None:
    torch.manual_seed(1)
    full = timm.create_model(name).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(full.state_dict(), path)
    else:
        save_file(full.state_dict(), path)
    backbone = Backbone(name).eval()
    assert not torch.allclose(backbone(images())[-1], full.forward_features(images()))
    load_backbone_weights(backbone, str(path))
    assert torch.equal(backbone(images())[-1], full.forward_features(images()))


def test_weights_of_a_network_that_is_held_as_a_whole_load(tmp_path: Path) -> None:
    backbone = Backbone("coat_lite_tiny")
    state = {k.removeprefix("model."): v + 1 for k, v in backbone.net.state_dict().items()}
    assert "serial_blocks1.0.norm1.weight" in state
    save_file(state, tmp_path / "weights.safetensors")
    load_backbone_weights(backbone, str(tmp_path / "weights.safetensors"))
    assert all(
        torch.equal(v, state[k.removeprefix("model.")])
        for k, v in backbone.net.state_dict().items()
    )


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_weights_may_lie_one_level_deeper(tmp_path: Path, key: str) -> None:
    state = {k: v + 1 for k, v in timm.create_model(SMALL).state_dict().items()}
    torch.save({"epoch": 3, key: state}, tmp_path / "weights.pth")
    backbone = Backbone(SMALL)
    load_backbone_weights(backbone, str(tmp_path / "weights.pth"))
    assert torch.equal(backbone.net.conv_stem.weight, state["conv_stem.weight"])
    assert torch.equal(backbone.net.bn1.running_var, state["bn1.running_var"])


def test_the_shared_weights_load(shared: Path) -> None:
    """Real ones, of a network whose extractor leaves out the classifier."""
    backbone = Backbone("tf_efficientnet_lite0")
    load_backbone_weights(backbone, str(shared / "weights/tf_efficientnet_lite0.safetensors"))
    variance = backbone.net.bn1.running_var
    assert variance.min() >= 0
    assert variance.std() > 0  # no longer all ones, as in a new network
    assert pixel_statistics("tf_efficientnet_lite0") == ((0.5,) * 3, (0.5,) * 3)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.pth"
    text = refusal_of(load_backbone_weights, Backbone(SMALL), str(path))
    assert text.startswith(f"{path}: no such weights file")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_unreadable_weights_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\x80\x02nothing that anyone wrote\n" * 20)
    text = refusal_of(load_backbone_weights, Backbone(SMALL), str(path))
    assert text.startswith(f"{path}: cannot be read as weights (")


def test_weights_with_code_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": Intruder(tmp_path / "ran")}, path)
    assert "cannot be read" in refusal_of(load_backbone_weights, Backbone(SMALL), str(path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, {"state_dict": {"a": 1}}])
def test_a_file_without_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    text = refusal_of(load_backbone_weights, Backbone(SMALL), str(tmp_path / "weights.pth"))
    assert "holds no table of tensors" in text


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), path)
    text = refusal_of(load_backbone_weights, Backbone(SMALL), str(path))
    assert "holds no 'conv_stem.weight' (and " in text
    assert f"not weights of {SMALL}" in text


def test_weights_of_a_network_that_has_more_in_its_blocks_are_refused(tmp_path: Path) -> None:
    """All that EfficientNet-Lite has is in EfficientNet, of the same shapes."""
    path = tmp_path / "b0.pth"
    torch.save(timm.create_model("tf_efficientnet_b0").state_dict(), path)
    text = refusal_of(load_backbone_weights, Backbone("tf_efficientnet_lite0"), str(path))
    assert text.startswith(f"{path}: holds 'blocks.0.0.se.conv_reduce.weight' (and 31 more)")
    assert "which tf_efficientnet_lite0 lacks" in text


def test_weights_of_another_width_are_refused_and_nothing_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    state = {k: v + 1 for k, v in timm.create_model(SMALL).state_dict().items()}
    state["bn1.bias"] = torch.zeros(3)
    torch.save(state, path)
    backbone = Backbone(SMALL)
    before = {k: v.clone() for k, v in backbone.net.state_dict().items()}
    text = refusal_of(load_backbone_weights, backbone, str(path))
    width = before["bn1.bias"].shape[0]
    assert f"bn1.bias is [3], but {SMALL} needs [{width}]" in text
    assert all(torch.equal(v, before[k]) for k, v in backbone.net.state_dict().items())

"""Backbones from timm: features, weights, and what is frozen in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from ladcli.detector.backbone import (
    Backbone,
    check_any_size,
    load_backbone_weights,
    pixel_statistics,
)
from tests.detector.intruder import Intruder
from tests.refusals import refusal_of

SMALL = "test_efficientnet"


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", [SMALL, "mobilenetv3_small_050", "test_resnet", "test_convnext"])
def test_features_lie_at_strides_8_16_and_32(name: str) -> None:
    backbone = Backbone(name)
    features = backbone(images())
    assert [tuple(f.shape) for f in features] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, (8, 16, 32), strict=True)
    ]


def test_channels_last_networks_answer_channels_first() -> None:
    backbone = Backbone("test_mambaout").eval()
    assert backbone.net.output_fmt == "NHWC"
    features = backbone(images())
    assert [tuple(f.shape) for f in features] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, (8, 16, 32), strict=True)
    ]
    assert all(f.is_contiguous() for f in features)
    for found, theirs in zip(features, backbone.net(images()), strict=True):
        assert torch.equal(found[1, :, 0, 1], theirs[1, 0, 1])


def test_a_network_for_one_input_size_is_refused() -> None:
    check_any_size(Backbone("test_resnet"))
    text = refusal_of(check_any_size, Backbone("hiera_tiny_224"))
    assert "model.backbone 'hiera_tiny_224' does not take images of any size" in text
    assert "such as resnet50" in text


def test_an_unknown_name_brings_the_nearest_known_one() -> None:
    text = refusal_of(Backbone, "resnet_50")
    assert "'resnet_50' is no model that timm knows" in text
    assert "did you mean 'resnet50'?" in text
    assert "timm.list_models()" in refusal_of(Backbone, "x")


def test_a_network_without_the_strides_is_refused() -> None:
    text = refusal_of(Backbone, "test_vit")
    assert "'test_vit' has no features at stride 8 (it has [16])" in text


def test_a_network_that_timm_cannot_cut_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("features_only not implemented")

    monkeypatch.setattr(timm, "create_model", refuse)
    text = refusal_of(Backbone, SMALL)
    assert f"{SMALL!r} cannot return feature maps (features_only not implemented)" in text


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


def test_a_hub_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Backbone(SMALL)

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(timm, "create_model", offline)
    text = refusal_of(load_backbone_weights, backbone, "timm")
    assert f"timm's hub gave no weights for {SMALL!r} (OSError)" in text


def test_the_hub_gives_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    theirs, backbone = timm.create_model(SMALL), Backbone(SMALL)
    asked = []

    def hub(name: str, **options: Any) -> nn.Module:
        asked.append((name, options))
        return theirs

    monkeypatch.setattr(timm, "create_model", hub)
    load_backbone_weights(backbone, "timm")
    assert asked == [(SMALL, {"pretrained": True})]
    assert torch.equal(backbone.net.conv_stem.weight, theirs.conv_stem.weight)


def frozen_blocks(backbone: Backbone) -> set[str]:
    """First parts of the names of the parameters that take no gradient."""
    return {
        name.split(".")[0] if not name.startswith("blocks.") else name[: len("blocks.0")]
        for name, p in backbone.net.named_parameters()
        if not p.requires_grad
    }


RESNET = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]
EFFICIENTNET = ["conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4"]


@pytest.mark.parametrize(
    ("name", "stride", "frozen"),
    [
        ("test_resnet", 0, []),
        # The stage of stride 2 ends with an activation, which has no parameters of its own.
        ("test_resnet", 2, RESNET[:2]),
        ("test_resnet", 4, RESNET[:3]),
        ("test_resnet", 8, RESNET[:4]),
        ("test_resnet", 32, RESNET),
        (SMALL, 0, []),
        (SMALL, 2, EFFICIENTNET[:3]),
        (SMALL, 4, EFFICIENTNET[:4]),
        (SMALL, 16, EFFICIENTNET[:6]),
        ("test_convnext", 2, []),  # its stem is a part of stride 4
        ("test_convnext", 4, ["stem_0", "stem_1", "stages_0"]),
    ],
)
def test_freezing_covers_stem_and_stages_up_to_a_stride(
    name: str, stride: int, frozen: list[str]
) -> None:
    backbone = Backbone(name)
    backbone.freeze(stride=stride, batchnorm_statistics=False)
    assert frozen_blocks(backbone) == set(frozen)
    # Whatever is frozen in part is frozen as a whole.
    free = {n for n, p in backbone.net.named_parameters() if p.requires_grad}
    assert not any(n.startswith(tuple(f"{part}." for part in frozen)) for n in free)


@pytest.mark.parametrize(
    ("name", "last", "first_free"),
    [
        ("vgg11", "features_8.bias", "features_11.weight"),
        ("hiera_tiny_224", "model.blocks.0.mlp.fc2.bias", "model.blocks.1.norm1.weight"),
    ],
)
def test_freezing_understands_how_an_extractor_names_its_parts(
    name: str, last: str, first_free: str
) -> None:
    with torch.device("meta"):
        backbone = Backbone(name)
    backbone.freeze(stride=4, batchnorm_statistics=False)
    names = [n for n, _ in backbone.net.named_parameters()]
    frozen = [n for n, p in backbone.net.named_parameters() if not p.requires_grad]
    assert frozen == names[: len(frozen)]
    assert (frozen[-1], names[len(frozen)]) == (last, first_free)


def test_a_network_that_cannot_be_frozen_says_so() -> None:
    backbone = Backbone(SMALL)
    backbone.net.feature_info.info[1]["module"] = "elsewhere"
    text = refusal_of(backbone.freeze, stride=4, batchnorm_statistics=True)
    assert "set model.freeze_stride=0" in text


def test_only_free_layers_get_gradients() -> None:
    backbone = Backbone("test_resnet")
    backbone.freeze(stride=4, batchnorm_statistics=True)
    backbone.train()
    sum(f.square().mean() for f in backbone(images())).backward()
    for name, parameter in backbone.net.named_parameters():
        is_early = name.startswith(("conv1.", "bn1.", "layer1."))
        assert (parameter.grad is None) == is_early, name


@pytest.mark.parametrize("name", ["test_resnet", SMALL])
def test_frozen_batchnorm_stays_in_evaluation_mode(name: str) -> None:
    backbone = Backbone(name)
    backbone.freeze(stride=4, batchnorm_statistics=True)
    backbone.eval().train()
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(m.training for m in norms)
    assert backbone.training
    assert backbone.net.training
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    trained = backbone(images())
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(trained, backbone.eval()(images()), strict=True))


def test_freezing_takes_effect_at_once() -> None:
    backbone = Backbone(SMALL).train()
    backbone.freeze(stride=4, batchnorm_statistics=True)
    assert not backbone.net.bn1.training
    assert backbone.training


def test_free_batchnorm_learns() -> None:
    backbone = Backbone(SMALL)
    backbone.freeze(stride=4, batchnorm_statistics=False)
    before = backbone.net.bn1.running_mean.clone()
    backbone.train()(images())
    assert not torch.equal(backbone.net.bn1.running_mean, before)


def test_recomputing_activations_changes_no_gradient() -> None:
    def gradients(*, recompute: bool) -> tuple[int, list[torch.Tensor]]:
        torch.manual_seed(0)
        backbone = Backbone("test_resnet", checkpoint_gradients=recompute).train()
        calls: list[int] = []
        backbone.net.layer2[0].conv1.register_forward_hook(lambda *_: calls.append(1))
        sum(f.square().mean() for f in backbone(images())).backward()
        return len(calls), [p.grad for p in backbone.parameters() if p.grad is not None]

    (once, plain), (twice, saving) = gradients(recompute=False), gradients(recompute=True)
    assert (once, twice) == (1, 2)
    assert all(torch.equal(a, b) for a, b in zip(plain, saving, strict=True))


@pytest.mark.parametrize("name", ["hiera_tiny_224", "hrnet_w18_small"])
def test_a_network_that_cannot_recompute_says_so(name: str) -> None:
    with torch.device("meta"):
        text = refusal_of(Backbone, name, checkpoint_gradients=True)
    assert f"{name!r} cannot recompute activations" in text
    assert "set model.checkpoint_gradients to false" in text


def test_pixel_statistics_are_the_networks_own() -> None:
    imagenet = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert pixel_statistics("resnet18") == imagenet
    assert pixel_statistics("tf_efficientnet_lite0") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_pixel_statistics_default_to_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda _: None)
    assert pixel_statistics("anything") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

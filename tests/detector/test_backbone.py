"""Backbones from timm: features, and what is frozen in them."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from ladcli.detector.backbone import (
    Backbone,
    check_any_size,
    pixel_statistics,
)
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
    assert "'hiera_tiny_224' does not take images of any size" in text
    assert "such as resnet50" in text


def test_a_network_whose_maps_are_larger_than_promised_is_refused() -> None:
    """This one rounds odd numbers of cells up to even ones."""
    text = refusal_of(check_any_size, Backbone("mobilevitv2_050"))
    assert text == (
        "'mobilevitv2_050' has a map of 2x4 cells and 256 channels at stride 32 of "
        "64x96 images, where 2x3 cells and 256 channels belong; choose another network, such as "
        "resnet50"
    )


def test_the_check_leaves_the_network_as_it_was() -> None:
    backbone = Backbone(SMALL).train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    check_any_size(backbone)
    assert backbone.training
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


@pytest.mark.parametrize(
    "name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "swinv2_cr_tiny_ns_224"]
)
def test_window_transformers_take_any_size(name: str) -> None:
    backbone = Backbone(name).eval()
    check_any_size(backbone)
    # Padding to whole windows is cut off again, and what is left depends on the right cells.
    image = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first, changed = backbone(image), image.clone()
        changed[..., -8:, -8:] += 1
        second = backbone(changed)
    assert [tuple(f.shape[2:]) for f in first] == [(12, 20), (6, 10), (3, 5)]
    moved = (first[0] - second[0]).abs().amax(dim=(0, 1))
    assert moved.argmax() == moved.numel() - 1


def test_a_window_transformer_of_any_size_is_timms_own_at_its_size() -> None:
    name = "swin_tiny_patch4_window7_224"
    backbone = Backbone(name).eval()
    strict = timm.create_model(name, features_only=True, out_indices=(1, 2, 3)).eval()
    strict.load_state_dict(backbone.net.state_dict())
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, theirs in zip(backbone(image), strict(image), strict=True):
            assert torch.allclose(found, theirs.permute(0, 3, 1, 2), atol=1e-5)


# Networks that pool to one cell before a batch norm, and any network on the smallest canvas.
@pytest.mark.parametrize(
    ("name", "hw"), [("rexnet_100", (64, 96)), ("skresnet18", (64, 96)), (SMALL, (32, 32))]
)
@pytest.mark.parametrize("checkpoint_gradients", [False, True])
def test_a_batch_of_one_image_trains(
    name: str, hw: tuple[int, int], checkpoint_gradients: bool
) -> None:
    backbone = Backbone(name, checkpoint_gradients=checkpoint_gradients).train()
    sum(f.square().mean() for f in backbone(torch.randn(1, 3, *hw))).backward()
    assert all(p.grad.isfinite().all() for p in backbone.parameters() if p.grad is not None)
    assert all(m.training for m in backbone.modules())


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


# Their stage of stride 4 ends inside a block, whose shortcut belongs to the next stage.
@pytest.mark.parametrize(
    ("name", "frozen", "free"),
    [
        ("xception41", "blocks_1.stack.conv2.", "blocks_1.shortcut."),
        ("legacy_xception", "body.block1.rep.", "body.block2.skip"),
        ("pnasnet5large", "cell_stem_0.", "cell_stem_1."),
    ],
)
def test_freezing_spares_what_only_the_next_stage_needs(name: str, frozen: str, free: str) -> None:
    with torch.device("meta"):
        backbone = Backbone(name)
    backbone.freeze(stride=4, batchnorm_statistics=False)
    for parameter_name, parameter in backbone.net.named_parameters():
        if parameter_name.startswith((frozen, free)):
            assert parameter.requires_grad == parameter_name.startswith(free), parameter_name


def test_freezing_again_keeps_what_is_frozen() -> None:
    backbone = Backbone("test_resnet").train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    for stride in (8, 4):
        backbone.freeze(stride=stride, batchnorm_statistics=False)
        assert frozen_blocks(backbone) == set(RESNET[:4])
    assert backbone.training
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert all(p.grad is None for p in backbone.parameters())


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

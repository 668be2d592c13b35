"""Weight files in other names than timm's load into the same tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from ladcli.detector.backbone import Backbone
from ladcli.detector.pretrained import load_backbone_weights
from ladcli.detector.weight_names import to_timm_names
from tests.refusals import refusal_of

LITE0 = "tf_efficientnet_lite0"
# The layers of a block, as the port and timm have them; the first block does not expand.
FIRST_BLOCK = [
    ("_depthwise_conv", "conv_dw"),
    ("_bn1", "bn1"),
    ("_project_conv", "conv_pw"),
    ("_bn2", "bn2"),
]
BLOCK = [
    ("_expand_conv", "conv_pw"),
    ("_bn0", "bn1"),
    ("_depthwise_conv", "conv_dw"),
    ("_bn1", "bn2"),
    ("_project_conv", "conv_pwl"),
    ("_bn2", "bn3"),
]


def in_names_of_the_port(theirs: dict[str, Tensor], depths: tuple[int, ...]) -> dict[str, Tensor]:
    """A state of timm's as the port would write it, built from the port's side."""
    layers = [("_conv_stem", "conv_stem"), ("_bn0", "bn1")]
    places = [(stage, i) for stage, depth in enumerate(depths) for i in range(depth)]
    for number, (stage, i) in enumerate(places):
        for port, name in BLOCK if number else FIRST_BLOCK:
            layers.append((f"_blocks.{number}.{port}", f"blocks.{stage}.{i}.{name}"))
    layers += [("_conv_head", "conv_head"), ("_bn1", "bn2"), ("_fc", "classifier")]
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {
        f"{port}.{kind}": theirs[f"{name}.{kind}"]
        for port, name in layers
        for kind in kinds
        if f"{name}.{kind}" in theirs
    }


def numbered(network: str) -> dict[str, Tensor]:
    """A state in which every tensor differs from every other."""
    with torch.device("meta"):
        own = timm.create_model(network).state_dict()
    return {k: torch.full(v.shape, float(i)) for i, (k, v) in enumerate(own.items())}


@pytest.mark.parametrize(
    ("network", "depths"),
    [
        (LITE0, (1, 2, 2, 3, 3, 4, 1)),
        ("tf_efficientnet_lite1", (1, 3, 3, 4, 4, 5, 1)),
        ("tf_efficientnet_lite2", (1, 3, 3, 4, 4, 5, 1)),
    ],
)
def test_every_tensor_of_the_port_finds_its_place(network: str, depths: tuple[int, ...]) -> None:
    theirs = numbered(network)
    ported = in_names_of_the_port(theirs, depths)
    assert len(ported) == len(theirs)
    assert "_blocks.1._expand_conv.weight" in ported
    renamed = to_timm_names(ported, theirs, network, "file.pth")
    assert renamed.keys() == theirs.keys()
    assert all(torch.equal(renamed[k], v) for k, v in theirs.items())


def test_a_file_of_the_port_loads_as_timms_own(tmp_path: Path) -> None:
    torch.manual_seed(1)
    full = timm.create_model(LITE0).eval()
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    torch.save(in_names_of_the_port(full.state_dict(), (1, 2, 2, 3, 3, 4, 1)), path)
    backbone = Backbone(LITE0).eval()
    load_backbone_weights(backbone, str(path))
    theirs = full.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in backbone.net.state_dict().items())


def test_names_of_timm_stay() -> None:
    theirs = numbered(LITE0)
    assert to_timm_names(theirs, theirs, LITE0, "file.pth") is theirs


@pytest.mark.parametrize("network", ["efficientnet_lite0", "efficientnet_lite2"])
def test_weights_of_the_port_need_the_padding_of_tensorflow(network: str) -> None:
    ported = in_names_of_the_port(numbered(LITE0), (1, 2, 2, 3, 3, 4, 1))
    text = refusal_of(to_timm_names, ported, {}, network, "lite.pth")
    assert text.startswith("lite.pth: holds EfficientNet-Lite weights converted from TensorFlow")
    assert f"set --backbone (model.backbone) to tf_{network}" in text


def test_a_file_named_after_the_twin_with_other_padding_is_refused(tmp_path: Path) -> None:
    """Both have the same keys and shapes, so the wrong one would load without a word."""
    path = tmp_path / f"{LITE0}.safetensors"
    save_file({"any": torch.zeros(1)}, path)
    text = refusal_of(load_backbone_weights, Backbone("efficientnet_lite0"), str(path))
    assert text.startswith(f"{path}: is named after {LITE0}")
    assert text.endswith(f"give --backbone {LITE0} (model.backbone)")


@pytest.mark.parametrize(
    ("network", "file", "refused"),
    [
        ("efficientnet_b0", "tf_efficientnet_b0_aa-827b6e33.pth", True),
        ("efficientnet_b0", "efficientnet_b0_ra-3dd342df.pth", False),
        ("tf_efficientnet_b0", "tf_efficientnet_b0_aa-827b6e33.pth", False),
        ("efficientnet_b1", "tf_efficientnet_b10.pth", False),
        ("resnet50", "tf_resnet50.pth", False),  # it has no twin
    ],
)
def test_only_the_twin_is_told_by_the_name_of_its_file(
    network: str, file: str, refused: bool
) -> None:
    if refused:
        assert f"tf_{network}" in refusal_of(to_timm_names, {}, {}, network, file)
    else:
        assert to_timm_names({}, {}, network, file) == {}


def test_weights_of_the_port_in_a_network_of_another_kind_are_refused() -> None:
    ported = in_names_of_the_port(numbered(LITE0), (1, 2, 2, 3, 3, 4, 1))
    text = refusal_of(to_timm_names, ported, {}, "resnet18", "lite.pth")
    assert "set --backbone (model.backbone) to tf_efficientnet_lite0, _lite1 or _lite2" in text


def test_weights_of_a_deeper_network_are_refused() -> None:
    deeper = in_names_of_the_port(numbered("tf_efficientnet_lite1"), (1, 3, 3, 4, 4, 5, 1))
    text = refusal_of(to_timm_names, deeper, numbered(LITE0), LITE0, "lite1.pth")
    assert (
        "lite1.pth: '_blocks.16._expand_conv.weight' has no place in tf_efficientnet_lite0" in text
    )
    assert "model.backbone" in text


def test_weights_of_a_wider_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lite2.pth"
    wider = timm.create_model("tf_efficientnet_lite2").state_dict()
    torch.save(in_names_of_the_port(wider, (1, 3, 3, 4, 4, 5, 1)), path)
    text = refusal_of(load_backbone_weights, Backbone("tf_efficientnet_lite1"), str(path))
    assert "weights of another network" in text


def test_layers_that_the_network_lacks_are_refused() -> None:
    """Squeeze-and-excite is in EfficientNet, not in EfficientNet-Lite."""
    ported = in_names_of_the_port(numbered(LITE0), (1, 2, 2, 3, 3, 4, 1))
    ported["_blocks.3._se_reduce.weight"] = torch.zeros(6, 144, 1, 1)
    text = refusal_of(to_timm_names, ported, numbered(LITE0), LITE0, "b0.pth")
    assert "'_blocks.3._se_reduce.weight' has no place" in text

"""The detector as a whole, and how a recipe asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from ladcli.detector.anchors import anchor_grid
from ladcli.detector.backbone import Backbone
from ladcli.detector.checkpoint import (
    InputRule,
    load_checkpoint,
    save_checkpoint,
    teacher_fingerprint,
)
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.detector.model import Architecture, build_detector
from ladcli.detector.postprocess import postprocess
from ladcli.errors import UserError
from ladcli.recipe import ModelConfig
from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.fingerprint import fingerprint_tensors
from tests.detector.tiny import ARCHITECTURE, BACKBONE, CLASSES, tiny_batch, tiny_detector


def config(**values: object) -> ModelConfig:
    return ModelConfig(
        **{"backbone": BACKBONE, "channels": 16, "head_convs": 1, "norm_groups": 4, **values}
    )


@pytest.mark.parametrize("canvas_hw", [(64, 96), (96, 160)])
def test_predictions_stand_beside_the_anchors(canvas_hw: tuple[int, int]) -> None:
    batch = tiny_batch(canvas_hw=canvas_hw)
    predictions = tiny_detector()(batch.images)
    num_anchors = anchor_grid(canvas_hw).num_anchors
    assert predictions.cls.raw.shape == (3, num_anchors, 3)
    assert predictions.box_deltas.shape == (3, num_anchors, 4)
    assert predictions.iou_logits is not None
    assert predictions.iou_logits.shape == (3, num_anchors)


def test_images_of_a_batch_do_not_meet() -> None:
    detector, images = tiny_detector().eval(), tiny_batch().images
    together, alone = detector(images), detector(images[2:])
    # Not bit for bit: convolutions may sum in another order for another batch size.
    torch.testing.assert_close(together.cls.raw[2:], alone.cls.raw, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together.box_deltas[2:], alone.box_deltas, rtol=1e-5, atol=1e-5)


def test_every_parameter_gets_a_gradient() -> None:
    detector = tiny_detector().train()
    found = detector(tiny_batch().images)
    (found.cls.raw.sum() + found.box_deltas.square().sum() + found.iou_logits.sum()).backward()
    without = [name for name, p in detector.named_parameters() if p.grad is None]
    assert without == []


def test_architecture_survives_json() -> None:
    plain = json.loads(json.dumps(ARCHITECTURE.to_plain()))
    assert plain["pixel_mean"] == [0.4, 0.5, 0.6]
    assert Architecture.from_plain(plain) == ARCHITECTURE


# The plain form that networks had before heads could differ; their fingerprints rest on it.
FIRST_PLAIN = {
    "backbone": BACKBONE,
    "channels": 16,
    "head_convs": 1,
    "norm_groups": 4,
    "pixel_mean": [0.4, 0.5, 0.6],
    "pixel_std": [0.2, 0.25, 0.3],
}


def test_a_plain_paa_network_keeps_its_first_plain_form() -> None:
    assert ARCHITECTURE.to_plain() == FIRST_PLAIN
    assert Architecture.from_plain(FIRST_PLAIN) == ARCHITECTURE
    assert (ARCHITECTURE.objectness_kernel, ARCHITECTURE.iou_branch) == (0, True)


def test_a_plain_paa_network_keeps_its_fingerprint() -> None:
    detector = tiny_detector()
    state = {k: v for k, v in detector.state_dict().items() if not k.endswith("_tracked")}
    plain = {"architecture": FIRST_PLAIN, "classes": list(CLASSES.names)}
    assert teacher_fingerprint(detector) == fingerprint_tensors(state, plain)


# Table 10 of the paper: the recipe's words, the architecture's, and whether scores use the IoU.
TABLE_10 = {
    "PAA": ({"head": "paa"}, (0, True), True),
    "IOP, IoU": ({"head": "iop"}, (1, True), True),
    "COP, IoU": ({"head": "cop"}, (3, True), True),
    "IOP, IoU unused": ({"head": "iop"}, (1, True), False),
    "COP, IoU unused": ({"head": "cop"}, (3, True), False),
    "IOP": ({"head": "iop", "iou_branch": False}, (1, False), True),
    "COP": ({"head": "cop", "iou_branch": False}, (3, False), True),
}
each_row = pytest.mark.parametrize(
    ("options", "fields", "use_iou"), TABLE_10.values(), ids=list(TABLE_10)
)


@each_row
def test_every_row_of_table_10_can_be_asked_for(
    options: dict[str, object], fields: tuple[int, bool], use_iou: bool
) -> None:
    found = Architecture.from_config(config(**options))
    assert (found.objectness_kernel, found.iou_branch) == fields
    plain = json.loads(json.dumps(found.to_plain()))
    assert Architecture.from_plain(plain) == found
    batch, detector = tiny_batch(), build_detector(config(**options), CLASSES).eval()
    assert detector.architecture == found
    predictions, grid = detector(batch.images), anchor_grid(batch.canvas_hw)
    kernel, iou_branch = fields
    assert type(predictions.cls) is (ClassProbs if kernel else ClassLogits)
    assert predictions.cls.raw.shape == (3, grid.num_anchors, 3)
    assert predictions.box_deltas.shape == (3, grid.num_anchors, 4)
    assert (predictions.iou_logits is not None) == iou_branch
    names = {name.split(".")[1] for name in detector.state_dict() if name.startswith("head.")}
    assert ("iou_out" in names) == iou_branch
    assert ("objectness_out" in names) == (kernel > 0)
    best = predictions.cls.prob().amax(dim=(1, 2))
    if iou_branch and use_iou:
        quality = predictions.iou_logits.sigmoid().unsqueeze(2)
        best = (predictions.cls.prob() * quality).sqrt().amax(dim=(1, 2))
    detections = postprocess(
        predictions, grid, batch.content_hw, score_threshold=0.0, use_iou=use_iou
    )
    torch.testing.assert_close(torch.stack([d.scores[0] for d in detections]), best)


def test_a_recipe_can_widen_the_neighborhood() -> None:
    assert Architecture.from_config(config(head="cop", cop_kernel=5)).objectness_kernel == 5


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"objectness_kernel": 3}, "its objectness_kernel is 3, not 0"),
        ({"iou_branch": False}, "its iou_branch is False, not True"),
    ],
)
def test_another_head_is_another_architecture(changes: dict[str, object], difference: str) -> None:
    other = tiny_detector(**changes).architecture
    assert other.to_plain() == {**FIRST_PLAIN, **changes}
    assert Architecture.from_plain(other.to_plain()) == other
    assert ARCHITECTURE.difference(other) == difference
    assert ARCHITECTURE.difference(ARCHITECTURE) is None


@pytest.mark.parametrize(("kernel", "iou_branch"), [(1, True), (3, True), (3, False), (0, False)])
def test_checkpoints_of_other_heads_come_back(
    tmp_path: Path, kernel: int, iou_branch: bool
) -> None:
    detector = tiny_detector(objectness_kernel=kernel, iou_branch=iou_branch).eval()
    save_checkpoint(tmp_path / "a.pt", detector, InputRule(64, 96), {})
    loaded, images = load_checkpoint(tmp_path / "a.pt").detector, tiny_batch().images
    assert loaded.architecture == detector.architecture
    assert teacher_fingerprint(loaded) == teacher_fingerprint(detector)
    found, expected = loaded(images), detector(images)
    assert type(found.cls) is type(expected.cls)
    assert torch.equal(found.cls.raw, expected.cls.raw)
    assert torch.equal(found.box_deltas, expected.box_deltas)
    if iou_branch:
        assert torch.equal(found.iou_logits, expected.iou_logits)
    else:
        assert found.iou_logits is None


def test_heads_have_fingerprints_of_their_own() -> None:
    heads = [(0, True), (1, True), (3, True), (3, False)]
    found = {
        teacher_fingerprint(tiny_detector(objectness_kernel=kernel, iou_branch=iou_branch))
        for kernel, iou_branch in heads
    }
    assert len(found) == len(heads)


def test_architecture_of_a_recipe_has_the_backbones_pixel_statistics() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Architecture.from_config(config(backbone="resnet18"))
    assert found == Architecture("resnet18", 16, 1, 4, mean, std)
    lite = Architecture.from_config(config(backbone="tf_efficientnet_lite0"))
    assert (lite.pixel_mean, lite.pixel_std) == ((0.5,) * 3, (0.5,) * 3)


def test_a_recipe_can_set_pixel_statistics() -> None:
    found = Architecture.from_config(config(pixel_mean=[0.1, 0.2, 0.3], pixel_std=[1, 2, 3]))
    assert found.pixel_mean == (0.1, 0.2, 0.3)
    assert found.pixel_std == (1, 2, 3)


def test_a_new_detector_has_the_prior_and_nothing_frozen() -> None:
    detector = build_detector(config(prior=0.1, freeze_stride=32), CLASSES)
    torch.testing.assert_close(detector.head.cls_out.bias.sigmoid(), torch.full((3,), 0.1))
    assert all(p.requires_grad for p in detector.parameters())
    assert detector.train().backbone.net.bn1.training


def test_pretrained_weights_are_loaded_and_frozen(tmp_path: Path) -> None:
    torch.manual_seed(3)
    full = timm.create_model(BACKBONE)
    torch.save(full.state_dict(), tmp_path / "weights.pth")
    detector = build_detector(config(weights=str(tmp_path / "weights.pth")), CLASSES).train()
    assert torch.equal(detector.backbone.net.conv_stem.weight, full.conv_stem.weight)
    frozen = {name for name, p in detector.named_parameters() if not p.requires_grad}
    assert "backbone.net.conv_stem.weight" in frozen
    assert "backbone.net.blocks.2.0.conv_exp.weight" not in frozen
    assert all(name.startswith("backbone.net.") for name in frozen)
    norms = [m for m in detector.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(m.training for m in norms)
    assert detector.head.training


def test_weights_may_be_left_free(tmp_path: Path) -> None:
    torch.save(timm.create_model(BACKBONE).state_dict(), tmp_path / "weights.pth")
    detector = build_detector(
        config(weights=str(tmp_path / "weights.pth"), freeze_stride=0, freeze_bn=False), CLASSES
    )
    assert all(p.requires_grad for p in detector.parameters())
    assert detector.train().backbone.net.bn1.training


def test_activations_are_recomputed_where_the_recipe_says_so() -> None:
    plain, saving = config(), config(checkpoint_gradients=True)
    assert not build_detector(plain, CLASSES).backbone.net.grad_checkpointing
    assert build_detector(saving, CLASSES).backbone.net.grad_checkpointing


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'test_efficientnet'"):
        build_detector(config(backbone="test_efficientnett"), CLASSES)


def test_channels_last_is_torchs_own_layout_and_spares_other_weights() -> None:
    detector, theirs = tiny_detector(), tiny_detector()
    weight = nn.Parameter(torch.randn(2, 3, 4, 5, 6))  # lambda networks have such
    with pytest.raises(RuntimeError):
        weight.to(memory_format=torch.channels_last)
    detector.use_channels_last()
    theirs.to(memory_format=torch.channels_last)
    expected = dict(theirs.named_parameters())
    assert {n: p.stride() for n, p in detector.named_parameters()} == {
        n: p.stride() for n, p in expected.items()
    }
    assert all(torch.equal(p, expected[n]) for n, p in detector.named_parameters())
    detector.backbone.cells = weight
    before = weight.stride()
    detector.use_channels_last()
    assert detector.backbone.cells is weight
    assert weight.stride() == before


def test_lambda_networks_work_channels_last() -> None:
    """They have weights of five axes, which torch cannot convert."""
    detector = tiny_detector(backbone="lambda_resnet26t").eval()
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = detector(images)
        detector.use_channels_last()
        after = detector(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(before.box_deltas, after.box_deltas, atol=1e-4)


class TestAnchors:
    """Options of the anchors are part of the architecture."""

    def test_they_come_back_and_a_default_leaves_no_trace(self) -> None:
        plain = Architecture.from_config(config())
        assert plain.anchors == DEFAULT_LAYOUT
        assert not {"anchor_scale", "first_level"} & set(plain.to_plain())
        other = Architecture.from_config(config(anchor_scale=4.5, first_level=2))
        assert other.anchors == AnchorLayout(4.5, 2)
        assert other.to_plain() == {**plain.to_plain(), "anchor_scale": 4.5, "first_level": 2}
        again = Architecture.from_plain(json.loads(json.dumps(other.to_plain())))
        assert again == other
        finer = Architecture.from_config(config(first_level=2))
        assert finer.to_plain().keys() - plain.to_plain().keys() == {"first_level"}

    def test_each_changes_the_fingerprint(self) -> None:
        networks = [
            tiny_detector(),
            tiny_detector(anchor_scale=4.0),
            tiny_detector(first_level=2),
            tiny_detector(first_level=2, anchor_scale=4.0),
        ]
        assert len({teacher_fingerprint(network) for network in networks}) == 4

    @pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "resnet18"])
    @pytest.mark.parametrize(("first_level", "levels"), [(2, 6), (3, 5)])
    def test_maps_anchors_and_predictions_agree_in_number(
        self, backbone: str, first_level: int, levels: int
    ) -> None:
        network = build_detector(config(backbone=backbone, first_level=first_level), CLASSES)
        layout = network.architecture.anchors
        images = torch.zeros(1, 3, 96, 160)
        with torch.no_grad():
            maps = network.pyramid(network.backbone(images))
            found = network.eval()(images)
        sizes = layout.level_sizes((96, 160))
        assert len(maps) == len(sizes) == len(layout.strides) == levels
        assert tuple(tuple(level.shape[-2:]) for level in maps) == sizes
        assert network.head.scales.shape == (levels,)
        grid = layout.grid((96, 160))
        total = sum(rows * cols for rows, cols in sizes)
        assert grid.num_anchors == grid.priors.num_priors == total
        assert found.cls.raw.shape[1] == found.box_deltas.shape[1] == total
        assert found.iou_logits.shape[1] == total
        assert grid.priors.num_levels == levels

    def test_a_backbone_without_the_finer_map_is_refused(self) -> None:
        with pytest.raises(UserError) as caught:
            build_detector(config(backbone="visformer_tiny", first_level=2), CLASSES)
        assert str(caught.value) == (
            "--backbone (model.backbone): 'visformer_tiny' has no features at stride 4 (it has "
            "[8, 16, 32]); choose a network with strides 4, 8, 16 and 32, or set "
            "model.first_level=3"
        )

    def test_a_backbone_knows_all_its_strides(self) -> None:
        assert Backbone("resnet18").all_strides == (2, 4, 8, 16, 32)
        assert Backbone(BACKBONE).strides == (8, 16, 32)

    def test_checkpoints_keep_them(self, tmp_path: Path) -> None:
        network = tiny_detector(first_level=2, anchor_scale=4.0)
        save_checkpoint(tmp_path / "last.pt", network, InputRule(64, 96), {})
        loaded = load_checkpoint(tmp_path / "last.pt").detector
        assert loaded.architecture.anchors == AnchorLayout(4.0, 2)
        assert teacher_fingerprint(loaded) == teacher_fingerprint(network)

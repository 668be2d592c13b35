"""The detector as a whole, and how a recipe asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from ladcli.detector.anchors import anchor_grid
from ladcli.detector.model import Architecture, build_detector
from ladcli.errors import UserError
from ladcli.recipe import ModelConfig
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

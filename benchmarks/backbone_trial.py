"""One backbone, tried as a run would use it: random weights, small images, on the CPU.

Every check is a function that returns None, or a sentence about what is wrong.  What raises
`UserError` is refused, with its sentence; what raises anything else has failed.  The checks share
one detector and train it further.
"""

from __future__ import annotations

import math
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.classes import ClassTable
from ladcli.detector.backbone import Backbone
from ladcli.detector.checkpoint import (
    InputRule,
    load_checkpoint,
    save_checkpoint,
    teacher_fingerprint,
)
from ladcli.detector.model import Detector, build_detector
from ladcli.detector.pretrained import load_backbone_weights
from ladcli.errors import UserError
from ladcli.objective.objectives import MODEL, Objective
from ladcli.recipe.schema import LossConfig, ModelConfig
from ladcli.structures import Batch, Targets
from ladcli.structures.losses import normalize

CLASSES = ClassTable((1, 2, 3), ("cup", "plate", "spoon"))
#: Height and width in pixels.  The odd canvas has an odd number of cells at stride 32 both ways.
ORDINARY, ODD, SMALLEST = (64, 96), (96, 160), (32, 32)
FROZEN_STRIDE = 4


@dataclass
class Trial:
    """What became of one backbone."""

    name: str
    refused: str | None = None  # the sentence with which it was refused as a whole
    parameters: int = 0  # of the backbone
    strides: list[str] = field(default_factory=list)  # channels at strides 8, 16 and 32
    limits: dict[str, str] = field(default_factory=dict)  # single abilities refused, by check
    faults: dict[str, str] = field(default_factory=dict)  # by check

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def try_backbone(name: str) -> Trial:
    """Build a detector with ``name`` and put it through every check."""
    trial = Trial(name)
    try:
        detector = _build(name)
    except UserError as error:
        trial.refused = str(error)
        return trial
    except Exception:  # whatever it is, it belongs into the table
        trial.faults["build"] = _last_lines()
        return trial
    trial.parameters = sum(p.numel() for p in detector.backbone.parameters())
    trial.strides = [str(c) for c in detector.backbone.channels]
    for check in CHECKS:
        label = check.__name__.removeprefix("_").replace("_", " ")
        try:
            wrong = check(detector)
        except UserError as error:
            trial.limits[label] = str(error)
        except Exception:
            trial.faults[label] = _last_lines()
        else:
            if wrong is not None:
                trial.faults[label] = wrong
    return trial


def _ordinary_canvas(detector: Detector) -> str | None:
    return _step(detector, _batch(2, ORDINARY))


def _odd_canvas(detector: Detector) -> str | None:
    return _step(detector, _batch(2, ODD))


def _batch_of_one(detector: Detector) -> str | None:
    return _step(detector, _batch(1, ORDINARY))


def _one_smallest_image(detector: Detector) -> str | None:
    """A stride-32 map of one cell: a single value per channel."""
    return _step(detector, _batch(1, SMALLEST))


def _channels_last(detector: Detector) -> str | None:
    detector = _build(detector.backbone.name).eval()  # whose maps have not overflowed
    images = _batch(2, ORDINARY).images
    with torch.no_grad():
        before = detector.backbone(images)
        detector.use_channels_last()
        after = detector.backbone(images.contiguous(memory_format=torch.channels_last))
    for one, other in zip(before, after, strict=True):
        off = (one - other).abs().max() / one.abs().max().clamp(min=1e-6)
        if not off < 1e-3:
            return f"maps differ by {off:.1e} of their largest value"
    batch = _batch(2, ORDINARY)
    batch.images.data = batch.images.contiguous(memory_format=torch.channels_last)
    return _step(detector, batch)


def _recomputed_activations(detector: Detector) -> str | None:
    return _step(_build(detector.backbone.name, checkpoint_gradients=True), _batch(2, ORDINARY))


def _freezing(detector: Detector) -> str | None:
    """Frozen is exactly what the last map of the stride depends on, asked of timm itself."""
    backbone = detector.backbone
    backbone.freeze(stride=FROZEN_STRIDE, batchnorm_statistics=True)
    frozen = {n for n, p in backbone.net.named_parameters() if not p.requires_grad}
    wrong = _step(detector, _batch(2, ORDINARY))
    if wrong is not None:
        return wrong
    if any(p.grad is not None for n, p in backbone.net.named_parameters() if n in frozen):
        return "a frozen parameter has a gradient"
    needed = _behind_stride(backbone, FROZEN_STRIDE)
    for what, names in (("frozen needlessly", frozen - needed), ("not frozen", needed - frozen)):
        if names:
            return f"{len(names)} tensors {what}, such as {min(names)}"
    return None


def _save_and_load(detector: Detector) -> str | None:
    detector.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pt"
        save_checkpoint(path, detector, InputRule(64, 96), {})
        read = load_checkpoint(path).detector
    if teacher_fingerprint(read) != teacher_fingerprint(detector):
        return "another fingerprint after loading"
    images = _batch(1, ODD).images
    with torch.no_grad():
        before, after = detector(images), read(images)
    equal = torch.equal(before.box_deltas, after.box_deltas)
    return None if equal else "other predictions after loading"


def _pretrained_weights(detector: Detector) -> str | None:
    """A file of the full network, as timm saves it, fills the backbone."""
    state = timm.create_model(detector.backbone.name).state_dict()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(state, path)
        load_backbone_weights(detector.backbone, str(path))
    return None


CHECKS: tuple[Callable[[Detector], str | None], ...] = (
    _save_and_load,  # first: a few steps from random weights may make the maps overflow
    _ordinary_canvas,
    _odd_canvas,
    _batch_of_one,
    _one_smallest_image,
    _channels_last,
    _recomputed_activations,
    _pretrained_weights,
    _freezing,  # last, since it is for good
)


def _build(name: str, *, checkpoint_gradients: bool = False) -> Detector:
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=name,
        channels=32,
        head_convs=1,
        norm_groups=4,
        checkpoint_gradients=checkpoint_gradients,
    )
    return build_detector(config, CLASSES)


def _batch(number: int, canvas_hw: tuple[int, int]) -> Batch:
    """Noise, with one box in the middle of every image."""
    height, width = canvas_hw
    draw = torch.Generator().manual_seed(1)
    box = torch.tensor([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]])
    size = torch.tensor([[height, width]]).repeat(number, 1)
    return Batch(
        images=torch.randn(number, 3, height, width, generator=draw),
        targets=Targets.from_lists([box] * number, [torch.tensor([1])] * number),
        content_hw=size,
        valid_hw=size,
        scale_wh=torch.ones(number, 2, dtype=torch.float64),
        image_rows=tuple(range(number)),
        view_ids=(0,) * number,
    )


def _step(detector: Detector, batch: Batch) -> str | None:
    """One step of PAA, forwards and backwards, with a look at the numbers."""
    detector.train()
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=1e-3)
    objective = Objective(paa_assigner(), LossConfig(), detector.architecture.anchors)
    outcome = objective({MODEL: detector(batch.images)}, batch)
    loss = torch.stack(list(normalize(outcome.terms)[MODEL].values())).sum()
    detector.zero_grad(set_to_none=True)
    loss.backward()
    if not math.isfinite(loss.item()):
        return f"the loss is {loss.item()}"
    gradients = [p.grad for p in detector.backbone.parameters() if p.grad is not None]
    if not gradients:
        return "no gradient reaches the backbone"
    if not all(bool(g.isfinite().all()) for g in gradients):
        return "a gradient is not finite"
    optimizer.step()
    if not all(m.training for m in detector.head.modules()):
        return "the head left training mode"
    return None


def _behind_stride(backbone: Backbone, stride: int) -> set[str]:
    """Parameters that the last map up to ``stride`` depends on, in a network cut there by timm."""
    info = backbone.net.feature_info.info
    index = max((i for i, entry in enumerate(info) if entry["reduction"] <= stride), default=None)
    if index is None:
        return set()
    cut: Any = timm.create_model(backbone.name, features_only=True, out_indices=(index,))
    features: Tensor = cut.eval()(torch.randn(1, 3, *_native_size(backbone.name)))[0]
    parameters = dict(cut.named_parameters())
    found = torch.autograd.grad(features.sum(), list(parameters.values()), allow_unused=True)
    return {n for n, gradient in zip(parameters, found, strict=True) if gradient is not None}


def _native_size(name: str) -> tuple[int, int]:
    config = timm.get_pretrained_cfg(name)
    height, width = (224, 224) if config is None else config.input_size[1:]
    return int(height), int(width)


def _last_lines() -> str:
    lines = traceback.format_exc().strip().splitlines()
    return " | ".join(line.strip() for line in lines[-3:])[:400]

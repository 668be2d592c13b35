"""Golden files: finding them, and turning the inputs of a scene into our types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    AnchorGrid,
    Assignment,
    Batch,
    ClassLogits,
    Predictions,
    Scene,
    Targets,
)
from tests import places

Arrays = dict[str, NDArray]

#: Tolerances that the golden files ask for.
LOSS_TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
GRADIENT_TOLERANCE = {"rtol": 2e-3, "atol": 1e-6}
BOX_TOLERANCE = {"rtol": 1e-3, "atol": 0.05}

NETWORKS = ("student", "teacher")
#: Network outputs are stored as integers; these scales make them exact in float32.
CLS_SCALE, BOX_SCALE, IOU_SCALE = 512, 64, 512


def for_each(pattern: str, *, holding: str = "") -> pytest.MarkDecorator:
    """Run the test once for each golden file that matches; it takes the file as ``path``.

    Without any file there is one test, and it is skipped with the reason.

    Args:
        pattern: of file names.
        holding: end of an array's name; files without such an array are of another kind.
    """
    files = sorted(places.golden_dir().glob(pattern))
    if holding:
        files = [file for file in files if any(name.endswith(holding) for name in load(file))]
    found: Sequence[Path | None] = files or [None]
    names = [file.stem if file else "missing" for file in found]
    return pytest.mark.parametrize("path", found, ids=names, indirect=True)


@lru_cache(maxsize=32)
def load(path: Path) -> Arrays:
    """All arrays of an ``.npz`` file by name, shared by the tests: nobody writes to them."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@dataclass(frozen=True)
class Maps:
    """Head outputs of one network as the head makes them: one map [B, C, h, w] per level."""

    cls: list[Tensor]
    box: list[Tensor]
    iou: list[Tensor]

    def predictions(self) -> Predictions:
        return Predictions(
            ClassLogits(flatten_maps(self.cls)),
            flatten_maps(self.box),
            flatten_maps(self.iou).squeeze(-1),
        )


@dataclass(frozen=True, eq=False)
class GoldenScene:
    """Inputs that several golden files share.  Compared by identity, so that results are cached."""

    arrays: Arrays

    @property
    def canvas_hw(self) -> tuple[int, int]:
        height, width = self.arrays["image_hw"].tolist()
        return height, width

    @property
    def num_images(self) -> int:
        return len(self.arrays["valid_hw"])

    @property
    def num_classes(self) -> int:
        return int(self.arrays["num_classes"])

    @property
    def valid_hw(self) -> Tensor:  # [B, 2] int64
        return torch.from_numpy(self.arrays["valid_hw"])

    @cached_property
    def grid(self) -> AnchorGrid:
        return anchor_grid(self.canvas_hw)

    @property
    def valid(self) -> Tensor:  # [B, A] bool
        return self.grid.valid(self.valid_hw)

    @cached_property
    def targets(self) -> Targets:
        return Targets.from_lists(
            split_rows(torch.from_numpy(self.arrays["gt_boxes"]), self.arrays["gt_ptr"]),
            split_rows(torch.from_numpy(self.arrays["gt_labels"]), self.arrays["gt_ptr"]),
        )

    @property
    def batch(self) -> Batch:
        """The scene as a training step sees it; nobody looks at the images."""
        count = self.num_images
        return Batch(
            images=torch.zeros(count, 3, *self.canvas_hw),
            targets=self.targets,
            content_hw=self.valid_hw,
            valid_hw=self.valid_hw,
            scale_wh=torch.ones(count, 2, dtype=torch.float64),
            image_rows=tuple(range(count)),
            view_ids=(0,) * count,
        )

    @cached_property
    def scene(self) -> Scene:
        """What assignment may look at."""
        return Scene(self.targets, self.grid.priors, self.valid)

    def predictions(self, network: str) -> Predictions:
        """Outputs of the ``student`` or ``teacher``."""
        cls, box, iou = self._outputs(network)
        return Predictions(ClassLogits(cls), box, iou)

    def boxes(self, network: str) -> Tensor:
        """The network's boxes [B, A, 4], decoded and not clipped."""
        return predicted_boxes(self.predictions(network), self.scene)

    def maps(self, network: str) -> Maps:
        """The same outputs as leaf tensors per level, which collect gradients."""
        cls, box, iou = self._outputs(network)
        return Maps(*(self._unflatten(rows) for rows in (cls, box, iou.unsqueeze(-1))))

    def _outputs(self, network: str) -> tuple[Tensor, Tensor, Tensor]:
        def scaled(name: str, scale: int) -> Tensor:
            return torch.from_numpy(self.arrays[f"{network}_{name}"].astype(np.float32)) / scale

        return scaled("cls_q", CLS_SCALE), scaled("box_q", BOX_SCALE), scaled("iou_q", IOU_SCALE)

    def _unflatten(self, rows: Tensor) -> list[Tensor]:
        levels = rows.split(list(self.grid.level_lengths), dim=1)
        return [
            level.transpose(1, 2).reshape(len(rows), rows.shape[-1], h, w).clone().requires_grad_()
            for level, (h, w) in zip(levels, self.grid.level_sizes, strict=True)
        ]


def load_scene(path: Path) -> GoldenScene:
    """The scene in ``path``; the test ends where the file is absent."""
    return _shared_scene(places.require(path))


@lru_cache(maxsize=8)
def _shared_scene(path: Path) -> GoldenScene:
    return GoldenScene(load(path))


def scene_file(path: Path) -> Path:
    """The scene that KIND_SCENE.npz belongs to; either name may hold underscores."""
    words = path.stem.split("_")
    names = ["_".join(words[first:]) for first in range(1, len(words))]
    files = [path.with_name(f"scene_{name}.npz") for name in names]
    return next((file for file in files if file.exists()), files[0])


def flatten_maps(maps: list[Tensor]) -> Tensor:
    """Maps [B, C, h, w] per level as one tensor [B, A, C]."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def split_rows(rows: Tensor, ptr: NDArray) -> list[Tensor]:
    """One tensor per image; image ``i`` has rows ``ptr[i]:ptr[i + 1]``."""
    return list(rows.split(np.diff(ptr).tolist()))


def image_of_row(ptr: NDArray) -> NDArray:
    """The image of each row, for rows that are stored image after image."""
    return np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))


def golden_assignment(arrays: Arrays, network: str, valid: Tensor) -> Assignment:
    """The assignment an ``assign_*`` file holds, in our form."""
    gt_index = torch.where(valid, BACKGROUND, IGNORE)
    image, anchor, gt = (
        torch.from_numpy(arrays[f"{network}_pos_{name}"].astype(np.int64))
        for name in ("img", "anchor", "gt")
    )
    gt_index[image, anchor] = gt
    return Assignment(gt_index)

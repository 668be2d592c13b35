"""What the data room hands to training and evaluation: images with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ladcli.structures.stored import StoredRows


@dataclass(frozen=True)
class Targets:
    """Ground truth of one batch, padded to G boxes per image (G is the batch's maximum)."""

    boxes: Tensor  # [B, G, 4] float32, xyxy, pixels of the canvas; zeros where padded
    labels: Tensor  # [B, G] int64 in 0..C-1; 0 where padded
    valid: Tensor  # [B, G] bool, False where padded
    crowd: Tensor  # [B, R, 4] float32, crowd regions (no targets); zero-area boxes where padded

    def __post_init__(self) -> None:
        b, g = self.labels.shape
        if self.boxes.shape != (b, g, 4) or self.valid.shape != (b, g):
            raise ValueError(
                f"targets must agree in [B, G]: boxes {list(self.boxes.shape)}, "
                f"labels {list(self.labels.shape)}, valid {list(self.valid.shape)}"
            )
        if self.crowd.ndim != 3 or self.crowd.shape[0] != b or self.crowd.shape[2] != 4:
            raise ValueError(f"crowd must be [B={b}, R, 4], got {list(self.crowd.shape)}")

    @staticmethod
    def from_lists(
        boxes: list[Tensor], labels: list[Tensor], crowd: list[Tensor] | None = None
    ) -> Targets:
        """Pad one image's ``boxes`` [g, 4], ``labels`` [g] and ``crowd`` [r, 4] per list entry."""
        crowd = crowd or [torch.zeros(0, 4)] * len(boxes)
        batch, most = len(boxes), max((len(b) for b in boxes), default=0)
        regions = max((len(c) for c in crowd), default=0)
        padded = Targets(
            torch.zeros(batch, most, 4),
            torch.zeros(batch, most, dtype=torch.int64),
            torch.zeros(batch, most, dtype=torch.bool),
            torch.zeros(batch, regions, 4),
        )
        for i, (b, c, r) in enumerate(zip(boxes, labels, crowd, strict=True)):
            padded.boxes[i, : len(b)] = b
            padded.labels[i, : len(c)] = c
            padded.valid[i, : len(b)] = True
            padded.crowd[i, : len(r)] = r
        return padded

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Targets:
        """The same targets on ``device``."""
        return Targets(
            *(
                t.to(device, non_blocking=non_blocking)
                for t in (self.boxes, self.labels, self.valid, self.crowd)
            )
        )


@dataclass(frozen=True)
class Batch:
    """Images of one canvas with their targets and with what is needed to trace them back."""

    images: Tensor  # [B, 3, H, W] float32, normalized, zeros in the padding
    targets: Targets
    content_hw: Tensor  # [B, 2] int64, image size before padding; boxes are clipped to it
    valid_hw: Tensor  # [B, 2] int64, where anchors count
    scale_wh: Tensor  # [B, 2] float64, canvas pixels per pixel of the stored image, x then y
    image_rows: tuple[int, ...]  # row of each image in the data set's index
    view_ids: tuple[int, ...]  # which view of the image this is; see `ladcli.data.views`
    skipped: tuple[str, ...] = ()  # files that were left out of this batch, with the reason
    stored: StoredRows | None = None  # what a cache holds of these images, where one is read

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def canvas_hw(self) -> tuple[int, int]:
        return self.images.shape[-2], self.images.shape[-1]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``; copies do not wait where the memory is pinned."""

        def move(t: Tensor) -> Tensor:
            return t.to(device, non_blocking=True)

        return replace(
            self,
            images=move(self.images),
            targets=self.targets.to(device, non_blocking=True),
            content_hw=move(self.content_hw),
            valid_hw=move(self.valid_hw),
            scale_wh=move(self.scale_wh),
            stored=self.stored.to(device) if self.stored else None,
        )

    def pin_memory(self) -> Batch:
        """Called by the loader; page-locked memory lets copies overlap with computation."""
        targets = self.targets
        return replace(
            self,
            images=self.images.pin_memory(),
            targets=Targets(
                targets.boxes.pin_memory(),
                targets.labels.pin_memory(),
                targets.valid.pin_memory(),
                targets.crowd.pin_memory(),
            ),
            content_hw=self.content_hw.pin_memory(),
            valid_hw=self.valid_hw.pin_memory(),
            scale_wh=self.scale_wh.pin_memory(),
            stored=self.stored.pin_memory() if self.stored else None,
        )

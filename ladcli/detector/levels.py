"""Which anchors a network has, as numbers: whoever only counts needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ladcli.structures import AnchorGrid, Batch, Scene

#: The coarsest level of every pyramid, P7; its cells are 2^7 pixels wide.
LAST_LEVEL = 7
#: What the finest level may be: P3, and P2 for small objects.
FIRST_LEVELS = (3, 2)


@dataclass(frozen=True)
class AnchorLayout:
    """Which anchors a network has: part of its architecture."""

    scale: float = 8.0  # side of an anchor in strides of its level
    first_level: int = 3  # the finest level: P3, whose cells are 2^3 pixels wide; or P2

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> AnchorLayout:
        """The reverse of `to_plain`; what is left out is at its default."""
        return AnchorLayout(
            plain.get("anchor_scale", DEFAULT_LAYOUT.scale),
            plain.get("first_level", DEFAULT_LAYOUT.first_level),
        )

    def to_plain(self) -> dict[str, Any]:
        """The options of a recipe's section ``model`` that make it."""
        return {"anchor_scale": self.scale, "first_level": self.first_level}

    @property
    def is_default(self) -> bool:
        """Whether it leaves no trace in fingerprints."""
        return self == DEFAULT_LAYOUT

    @property
    def level_names(self) -> tuple[str, ...]:
        """P3 to P7, finest first."""
        return tuple(f"P{level}" for level in range(self.first_level, LAST_LEVEL + 1))

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per cell of every level, finest first."""
        return tuple(1 << level for level in range(self.first_level, LAST_LEVEL + 1))

    def level_sizes(self, canvas_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each level for a canvas of the given height and width."""
        height, width = canvas_hw
        return tuple((-(-height // stride), -(-width // stride)) for stride in self.strides)

    def grid(self, canvas_hw: tuple[int, int], device: torch.device | str = "cpu") -> AnchorGrid:
        """All anchors for one canvas; grids are remembered per layout, canvas and device."""
        from ladcli.detector.anchors import anchor_grid

        return anchor_grid(canvas_hw, device, self)

    def scene(self, batch: Batch, progress: float | Tensor = 0.0) -> Scene:
        """What assignment may look at in a batch, when these anchors are the priors."""
        from ladcli.structures import Scene

        grid = self.grid(batch.canvas_hw, batch.images.device)
        return Scene(batch.targets, grid.priors, grid.valid(batch.valid_hw), progress)


#: One anchor of 8 strides on P3 to P7, as PAA has it.
DEFAULT_LAYOUT = AnchorLayout()

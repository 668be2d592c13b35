"""Views: the geometry of one augmented sample, as scale, flip and canvas.

A network's outputs depend on the canvas too (GroupNorm averages over the padding), so the canvas
comes from a small fixed grid and never from the neighbors in a batch.  That makes a view something
that a teacher's outputs can be stored for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig

#: Sides of a canvas, and the extent where anchors count, are multiples of this (the stride of P5).
CANVAS_STEP = 32
#: Long side over short side of the canvases, besides the one that the long limit makes.
ASPECTS = ((1, 1), (4, 3), (3, 2), (16, 9))
#: Largest short side at inference, pixels.
MAX_SHORT = 8192
#: View id of a sample whose scale is not from a grid.
NO_VIEW = -1


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a batch: which, and how it is prepared."""

    row: int  # row of the image in the index
    view_id: int  # see `ViewGrid`; NO_VIEW outside the grid
    resized_hw: tuple[int, int]  # pixels
    canvas_hw: tuple[int, int]  # pixels, the same for all samples of a batch
    flip: bool = False
    brightness: float = 1.0  # photometric factors; 1 leaves the image alone
    contrast: float = 1.0
    saturation: float = 1.0


def resized_hw(hw: tuple[int, int], short: float, long: int) -> tuple[int, int]:
    """Size of an image of ``hw`` pixels after resizing with its aspect ratio kept.

    The short side becomes ``short`` unless the long side would exceed ``long``; sides are rounded
    to the nearest pixel (half up) and never vanish.
    """
    scale = min(short / min(hw), long / max(hw))
    return max(1, int(hw[0] * scale + 0.5)), max(1, int(hw[1] * scale + 0.5))


def round_up(side: int) -> int:
    """The smallest multiple of `CANVAS_STEP` that is not below ``side``."""
    return -(-side // CANVAS_STEP) * CANVAS_STEP


def is_ranged(data: DataConfig) -> bool:
    """Whether training draws its scale from a continuous range instead of a grid."""
    return data.scales == "range" and len(data.short) == 2


@dataclass(frozen=True)
class ViewGrid:
    """All views that images can take: a view id is ``scale_index * 2 + flip``."""

    shorts: tuple[int, ...]  # short sides in pixels, ascending
    long: int  # limit of the long side, pixels
    flips: tuple[int, ...] = (0,)  # which of unflipped (0) and flipped (1) occur

    @staticmethod
    def from_config(data: DataConfig) -> ViewGrid:
        """The grid of the training views.

        Raises:
            UserError: the recipe draws scales from a continuous range.
        """
        if is_ranged(data):
            raise UserError(
                f"data.scales is range, with data.short {data.short}: there is no fixed grid of "
                "views; set data.scales=grid"
            )
        flips = (0,) if data.flip == 0 else (1,) if data.flip == 1 else (0, 1)
        return ViewGrid(_shorts(data), data.long, flips)

    @staticmethod
    def for_evaluation(data: DataConfig) -> ViewGrid:
        """The one view of evaluation: the last short side, unflipped."""
        return ViewGrid((data.short[-1],), data.long)

    def view_ids(self) -> tuple[int, ...]:
        """Ids of the views that occur, ascending."""
        return tuple(2 * scale + flip for scale in range(len(self.shorts)) for flip in self.flips)

    @property
    def num_views(self) -> int:
        return len(self.shorts) * len(self.flips)

    def describe(self, view_id: int) -> tuple[int, bool]:
        """Short side in pixels and flip of ``view_id``."""
        return self.shorts[view_id // 2], bool(view_id % 2)

    def resized_hw(self, hw: tuple[int, int], short: int) -> tuple[int, int]:
        """Size of an image of ``hw`` pixels in a view of short side ``short``."""
        return resized_hw(hw, short, self.long)

    def canvases(self, short: int) -> tuple[tuple[int, int], ...]:
        """Landscape canvases (height, width) of one short side, narrowest first."""
        longs = {min((short * a + b // 2) // b, self.long) for a, b in ASPECTS} | {self.long}
        return tuple((round_up(short), side) for side in sorted({round_up(x) for x in longs}))

    def canvas_hw(self, resized: tuple[int, int], short: int) -> tuple[int, int]:
        """The smallest canvas of the grid, in the image's orientation, that contains it.

        Args:
            resized: height and width after resizing, in a view of short side ``short``.
        """
        low, high = min(resized), max(resized)
        # An elongated image, held by the long limit, is lower than the canvas of that limit.
        fits = (c for c in self.canvases(short) if c[0] >= low and c[1] >= high)
        height, width = next(fits)
        return (height, width) if resized[1] >= resized[0] else (width, height)

    def to_plain(self) -> dict[str, Any]:
        """Everything that decides a view's geometry, for JSON and for the input fingerprint."""
        return {
            "resize": "keep-ratio bilinear antialias, sides rounded half up",
            "shorts": list(self.shorts),
            "long": self.long,
            "view_ids": list(self.view_ids()),
            "step": CANVAS_STEP,
            "canvases": [[list(c) for c in self.canvases(short)] for short in self.shorts],
        }


@dataclass(frozen=True)
class InferenceViews:
    """The views in which a network sees every image, whose detections are then merged."""

    shorts: tuple[int, ...] = ()  # short sides in pixels, without repeats; () is the network's own
    flip: bool = False  # see every image mirrored as well

    def __post_init__(self) -> None:
        wrong = [side for side in self.shorts if not 1 <= side <= MAX_SHORT]
        if wrong:
            raise UserError(
                f"scale {wrong[0]} is out of range; scales are short sides in pixels, "
                f"1 to {MAX_SHORT}, such as 480,640"
            )

    def grids(self, short: int, long: int) -> tuple[ViewGrid, ...]:
        """A grid per scale, for a network whose own input is of ``short`` and ``long`` pixels.

        The limit of the long side grows and shrinks with the short side: elongated images would
        otherwise look the same at every larger scale.
        """
        flips = (0, 1) if self.flip else (0,)
        return tuple(
            ViewGrid((side,), max(1, int(long * side / short + 0.5)), flips)
            for side in self.shorts or (short,)
        )


def _shorts(data: DataConfig) -> tuple[int, ...]:
    if len(data.short) == 1:
        return (data.short[0],)
    low, high = data.short
    last = data.scale_steps - 1
    sides = [int(low + (high - low) * i / last + 0.5) for i in range(data.scale_steps)]
    return tuple(sorted(set(sides)))

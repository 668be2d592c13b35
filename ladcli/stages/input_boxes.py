"""The training boxes as the network meets them: their sizes, and how many an anchor can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ladcli.data.index import CocoIndex
from ladcli.data.views import CANVAS_STEP
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.reach import best_anchor
from ladcli.recipe.schema import Recipe

#: Share of boxes out of reach from which the user is warned; COCO at 800 x 1333 is below it.
WARN_FROM = 0.1
#: Share of boxes in reach that an image size is recommended for.
ENOUGH = 0.95
#: Where none reaches that, the best size is named if it reaches so many more than the present one.
WORTH_SAYING = 0.02
#: Boxes that the search for a better size looks at; a few more would change nothing.
SEARCH_BOXES = 50_000
#: An image size of so many times the present one is dear: other anchors may be cheaper.
DEAR = 2
#: Scales of other anchors that are tried, as factors of the present one.
SCALE_FACTORS = (1.0, 0.5, 0.25, 2.0)
#: Factor between the sizes that are tried first.
COARSE = 1.2
#: Largest short side that is recommended, pixels.
LARGEST_SHORT = 4096


@dataclass(frozen=True)
class InputBoxes:
    """Boxes of all training images, unflipped, in the pixels of one view."""

    boxes: np.ndarray  # [M, 4] float64 xyxy, without crowd regions
    resized_hw: np.ndarray  # [M, 2] int64, of the image of each box

    @property
    def sides(self) -> np.ndarray:
        """[M] square roots of the boxes' areas, pixels."""
        wh = self.boxes[:, 2:] - self.boxes[:, :2]
        return np.sqrt(wh.prod(axis=1))

    def best_iou(self, anchors: AnchorLayout) -> np.ndarray:
        """[M] IoU of each box with its best anchor."""
        return self.best_anchor(anchors)[0]

    def best_anchor(self, anchors: AnchorLayout) -> tuple[np.ndarray, np.ndarray]:
        """[M] IoU of each box with its best anchor, and the anchor's level [M] from 0."""
        valid_hw = -(-self.resized_hw // CANVAS_STEP) * CANVAS_STEP
        return best_anchor(self.boxes, valid_hw, anchors)


def input_boxes(
    index: CocoIndex, short: int, long: int, *, at_most: int | None = None
) -> InputBoxes:
    """The boxes of ``index`` when images are resized to ``short`` and ``long``.

    Args:
        at_most: look at this many boxes only, spread evenly over the set.
    """
    rows = np.flatnonzero(~index.crowd)
    if at_most is not None and len(rows) > at_most:
        rows = rows[np.linspace(0, len(rows) - 1, at_most).astype(np.int64)]
    hw = index.hw[np.searchsorted(index.box_ptr, rows, side="right") - 1]
    resized = resized_sizes(hw, short, long)
    factor = (resized / hw)[:, [1, 0, 1, 0]]
    return InputBoxes(index.boxes[rows].astype(np.float64) * factor, resized)


def resized_sizes(hw: np.ndarray, short: int, long: int) -> np.ndarray:
    """As `ladcli.data.views.resized_hw`, for the sizes [N, 2] of all images at once; int64."""
    hw = hw.astype(np.float64)
    scale = np.minimum(short / hw.min(axis=1), long / hw.max(axis=1))
    return np.maximum(1, np.floor(hw * scale[:, None] + 0.5)).astype(np.int64)


def reach_warning(
    recipe: Recipe,
    index: CocoIndex,
    boxes: InputBoxes,
    anchors: AnchorLayout,
    *,
    levels: Sequence[int],
) -> str | None:
    """What to tell the user of whose boxes too many lie beyond every anchor.

    Args:
        boxes: those of ``index`` at the size of evaluation, which is the largest of training.
        anchors: of the network.
        levels: finest levels that it may have; none where its anchors are bound by another's.
    """
    if not len(boxes.boxes):
        return None
    least = recipe.assign.min_iou
    missed = float((boxes.best_iou(anchors) < least).mean())
    if missed <= WARN_FROM:
        return None
    side = float(np.median(boxes.sides))
    return (
        f"{100 * missed:.0f} % of the training boxes overlap no anchor by {least:g} at this image "
        f"size (their median side is {side:.0f} px there) and will hardly be found; "
        + _remedy(recipe, index, anchors, levels=levels)
    )


def _remedy(
    recipe: Recipe, index: CocoIndex, anchors: AnchorLayout, *, levels: Sequence[int]
) -> str:
    """The image size from which enough boxes are reached, or the one that reaches most.

    Small boxes want larger images, but in very large ones large boxes outgrow the largest anchor.
    Where that is no help, or a dear one, other anchors at the present size are named too.
    """
    short, long = recipe.data.short[-1], recipe.data.long

    def size(steps: int) -> tuple[int, int]:
        wide = steps * CANVAS_STEP
        return wide, -(-long * wide // (short * CANVAS_STEP)) * CANVAS_STEP

    def reached(steps: int) -> float:
        there = input_boxes(index, *size(steps), at_most=SEARCH_BOXES)
        return float((there.best_iou(anchors) >= recipe.assign.min_iou).mean())

    now = max(1, -(-short // CANVAS_STEP))
    shares: dict[int, float] = {}
    for steps in _coarse_steps(now):
        shares[steps] = reached(steps)
        if shares[steps] >= ENOUGH:
            break
    best = max(shares, key=lambda steps: (shares[steps], -abs(steps - now)))
    if shares[best] >= ENOUGH and best > now:
        low = max(steps for steps in (*shares, now) if steps < best)
        while best - low > 1:
            middle = (low + best) // 2
            low, best = (low, middle) if reached(middle) >= ENOUGH else (middle, best)
    share = max(reached(best), shares.get(best, 0.0))
    sides = size(best)
    others = None
    if levels and (share < ENOUGH or best > DEAR * now):
        wanted = ENOUGH if share >= ENOUGH else share + WORTH_SAYING
        others = _other_anchors(recipe, index, anchors, levels, wanted)
    if share < ENOUGH and share - shares.get(now, 0.0) < WORTH_SAYING:
        remedy = others or "look at the boxes, or cut images into tiles"
        return f"no other image size reaches many more: {remedy}"
    how_many = f"{100 * min(share, ENOUGH):.0f} %"
    most = "" if share >= ENOUGH else ", the most that any size reaches,"
    return (
        f"{how_many}{most} are reached {'from' if best >= now else 'at'} a short side of "
        f"{sides[0]} px: --size {sides[0]}x{sides[1]}" + (f"; or {others}" if others else "")
    )


def _other_anchors(
    recipe: Recipe, index: CocoIndex, anchors: AnchorLayout, levels: Sequence[int], wanted: float
) -> str | None:
    """The options that reach enough boxes at the present size, or most.

    None where that is less than ``wanted``, a share of the boxes.
    """
    boxes = input_boxes(index, recipe.data.short[-1], recipe.data.long, at_most=SEARCH_BOXES)

    def reached(layout: AnchorLayout) -> float:
        return float((boxes.best_iou(layout) >= recipe.assign.min_iou).mean())

    best, share = anchors, reached(anchors)
    for layout in _layouts(anchors, levels):
        there = reached(layout)
        if there > share:
            best, share = layout, there
        if share >= ENOUGH:
            break
    if share < wanted or best == anchors:
        return None
    now = anchors.to_plain()
    options = [
        f"--set {key}={value:g}"
        for key, value in ((f"model.{k}", v) for k, v in best.to_plain().items() if v != now[k])
    ]
    return f"{int(100 * share)} % are reached at the present size with {' '.join(options)}"


def _layouts(anchors: AnchorLayout, levels: Sequence[int]) -> list[AnchorLayout]:
    """Other anchors to try, those first that cost no work: a level more is four times the cells."""
    return [
        AnchorLayout(anchors.scale * factor, level)
        for level in sorted(levels, reverse=True)
        for factor in SCALE_FACTORS
        if (factor, level) != (1.0, anchors.first_level)
    ]


def _coarse_steps(now: int) -> list[int]:
    """Short sides to try, in units of `CANVAS_STEP`: upwards from ``now``, then downwards."""
    largest = LARGEST_SHORT // CANVAS_STEP
    up, down = [now], [now]
    while up[-1] < largest:
        up.append(min(largest, max(up[-1] + 1, round(up[-1] * COARSE))))
    while down[-1] > 1:
        down.append(max(1, min(down[-1] - 1, round(down[-1] / COARSE))))
    return up + down[1:]

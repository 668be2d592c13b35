"""The outlines of the synthetic set as pixels: extent, area, holes, and where they are turned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ladcli.data.synth_shapes import CLASSES, DISTRACTORS, draw_mask

SIDE = 60.0
#: Width, height and area as shares of the side and of its square, from the corners by hand.  Round
#: shapes have 40 corners; the crescent's area is that of a disc less the lens cut out of it.
MEASURES = {
    "disc": (1.0, 1.0, 0.7822),
    "square": (0.9, 0.9, 0.81),
    "triangle": (0.75, 0.866, 0.3248),
    "ring": (1.0, 1.0, 0.5191),
    "star": (0.9045, 0.9511, 0.3086),
    "cross": (1.0, 1.0, 0.51),
    "bar": (1.0, 0.3, 0.3),
    "crescent": (0.777, 1.0, 0.3300),
}
#: Which shapes have nothing in the middle.
HOLLOW = {"ring", "crescent"}


def extent(mask: np.ndarray) -> tuple[int, int]:
    """Width and height of what is covered by more than half."""
    rows, cols = np.nonzero(mask > 0.5)
    return int(np.ptp(cols)) + 1, int(np.ptp(rows)) + 1


def middle(mask: np.ndarray) -> float:
    return float(mask[len(mask) // 2, len(mask) // 2])


def test_every_class_has_measures() -> None:
    assert list(CLASSES) == list(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_a_shape_has_its_extent_and_area(name: str) -> None:
    width, height, area = MEASURES[name]
    mask = draw_mask(CLASSES[name](), SIDE, 1.0, 0.0)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() == 1
    # Tips are thin, so the outermost pixel may be covered by less than half.
    assert extent(mask) == pytest.approx((width * SIDE, height * SIDE), abs=1.5)
    assert mask.sum() == pytest.approx(area * SIDE**2, rel=0.03)
    assert middle(mask) == (0 if name in HOLLOW else 1)


@pytest.mark.parametrize("name", MEASURES)
def test_stretching_and_turning_keep_the_area(name: str) -> None:
    outline = CLASSES[name]()
    plain, moved = draw_mask(outline, SIDE, 1.0, 0.0), draw_mask(outline, SIDE, 1.25, 1.0)
    assert moved.sum() == pytest.approx(plain.sum(), rel=0.01)


def test_a_stretched_shape_is_wider_and_lower() -> None:
    assert extent(draw_mask(CLASSES["square"](), 40.0, 2.0, 0.0)) == (72, 18)


def test_a_quarter_turn_lays_a_bar_upright() -> None:
    bar = CLASSES["bar"]()
    assert extent(draw_mask(bar, 40.0, 1.0, 0.0)) == (40, 12)
    assert extent(draw_mask(bar, 40.0, 1.0, math.pi / 2)) == (12, 40)


def test_the_center_is_in_the_middle() -> None:
    """Of shapes that are symmetric about it, whatever their turn."""
    for name in ("disc", "square", "ring", "cross", "bar"):
        mask = draw_mask(CLASSES[name](), SIDE, 1.25, 0.7)
        rows, cols = np.indices(mask.shape)
        center = [(place * mask).sum() / mask.sum() for place in (cols, rows)]
        assert center == pytest.approx([(len(mask) - 1) / 2] * 2, abs=0.25), name


@pytest.mark.parametrize("stretch", [0.8, 1.0, 1.25])
def test_nothing_is_cut_off_at_the_border(stretch: float) -> None:
    for make in (*CLASSES.values(), *DISTRACTORS):
        for turn in np.linspace(0, 2 * math.pi, 9):
            mask = draw_mask(make(), 9.0, stretch, float(turn))
            border = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
            assert not np.concatenate(border).any()


def test_edges_are_smooth() -> None:
    mask = draw_mask(CLASSES["disc"](), SIDE, 1.0, 0.0)
    partly = ((mask > 0) & (mask < 1)).sum()
    # About a pixel for every pixel of the circumference.
    assert 0.5 * math.pi * SIDE < partly < 2 * math.pi * SIDE


def test_distractors_are_no_class() -> None:
    """None covers what a class of the set covers."""
    for make in DISTRACTORS:
        stray = draw_mask(make(), SIDE, 1.0, 0.0)
        for name, outline in CLASSES.items():
            mask = draw_mask(outline(), SIDE, 1.0, 0.0)
            assert np.abs(stray - mask).sum() > 0.1 * mask.sum(), name

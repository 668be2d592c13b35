"""Training boxes in input pixels, and the warning about those that no anchor reaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ladcli.classes import ClassTable
from ladcli.data.index import CocoIndex
from ladcli.data.views import resized_hw
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.recipe import load_recipe
from ladcli.stages import input_boxes as module
from ladcli.stages.input_boxes import input_boxes, reach_warning, resized_sizes


def index_of(hw: list[tuple[int, int]], boxes: list[list[list[float]]]) -> CocoIndex:
    """Images of these sizes with these boxes (xyxy, stored pixels)."""
    flat = [box for image in boxes for box in image]
    return CocoIndex(
        annotations=Path("train.json"),
        images_dir=Path("images"),
        image_ids=np.arange(len(hw)),
        hw=np.array(hw, dtype=np.int32),
        name_bytes=np.zeros(0, dtype=np.uint8),
        name_ptr=np.zeros(len(hw) + 1, dtype=np.int64),
        box_ptr=np.cumsum([0, *map(len, boxes)]),
        boxes=np.array(flat, dtype=np.float32),
        labels=np.zeros(len(flat), dtype=np.int64),
        crowd=np.zeros(len(flat), dtype=bool),
        classes=ClassTable((1,), ("a",)),
    )


def squares(count: int, side: float, image: int) -> list[list[float]]:
    """Boxes of one side in a square image, at random places."""
    corner = np.random.default_rng(1).uniform(0, image - side, size=(count, 2))
    return np.concatenate([corner, corner + side], axis=1).tolist()


def test_sizes_are_those_of_the_views() -> None:
    hw = np.random.default_rng(0).integers(1, 3000, size=(300, 2))
    wanted = [resized_hw((h, w), 320, 448) for h, w in hw.tolist()]
    assert resized_sizes(hw, 320, 448).tolist() == [list(size) for size in wanted]


def test_boxes_are_scaled_with_their_images() -> None:
    index = index_of([(100, 200), (50, 50)], [[[10, 20, 30, 40]], [[0, 0, 50, 50]]])
    found = input_boxes(index, 50, 100)
    assert found.boxes.tolist() == [[5, 10, 15, 20], [0, 0, 50, 50]]
    assert found.resized_hw.tolist() == [[50, 100], [50, 50]]
    assert found.sides.tolist() == [10, 50]


def warning(
    side: float,
    *,
    short: int = 320,
    count: int = 400,
    levels: tuple[int, ...] = (),
    **options: object,
) -> str | None:
    index = index_of([(1024, 1024)], [squares(count, side, 1024)])
    flags = {"data.short": [short], "data.long": short, **options}
    recipe = load_recipe(None, flags=flags)
    return reach_warning(
        recipe, index, input_boxes(index, short, short), DEFAULT_LAYOUT, levels=levels
    )


def test_boxes_in_reach_are_not_worth_a_word() -> None:
    assert warning(80.0) is None  # 25 px as input; the limit is 20.2
    assert warning(40.0, **{"assign.min_iou": 0.01}) is None


def test_small_boxes_are_told_with_the_size_that_helps() -> None:
    # 20.24 px, the side of a tenth of an anchor of 64, are reached at 1024 * 20.24 / 28 = 740.
    text = warning(28.0)
    assert text == (
        "100 % of the training boxes overlap no anchor by 0.1 at this image size (their median "
        "side is 9 px there) and will hardly be found; 95 % are reached from a short side of "
        "768 px: --size 768x768"
    )
    assert warning(28.0, short=768) is None
    assert warning(28.0, short=736) is not None


def test_in_large_images_large_boxes_want_a_smaller_size() -> None:
    """The largest anchors have 1024 px, and overlap 3300 px by less than a tenth."""
    text = warning(850.0, short=4096)
    assert text is not None
    assert "95 % are reached at a short side of 3424 px" in text


def test_where_no_size_reaches_enough_the_best_is_named() -> None:
    """A third of the boxes is a thousandth of the image, and too small for any size."""
    boxes = squares(100, 1, 1024) + squares(200, 28, 1024)
    index = index_of([(1024, 1024)], [boxes])
    recipe = load_recipe(None, flags={"data.short": [320], "data.long": 320})
    text = reach_warning(recipe, index, input_boxes(index, 320, 320), DEFAULT_LAYOUT, levels=())
    assert text is not None
    assert "67 %, the most that any size reaches, are reached from a short side of" in text
    line = index_of([(1024, 1024)], [[[0, y, 1024, y + 2] for y in range(0, 1000, 10)]])
    text = reach_warning(recipe, line, input_boxes(line, 320, 320), DEFAULT_LAYOUT, levels=())
    assert text is not None
    assert text.endswith(
        "no other image size reaches many more: look at the boxes, or cut images into tiles"
    )


def test_a_large_set_is_searched_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = warning(28.0)
    monkeypatch.setattr(module, "SEARCH_BOXES", 20)
    assert warning(28.0) == everything


def share_reached(side: float, anchors: AnchorLayout) -> float:
    """Of the boxes that `warning` makes, at its size."""
    index = index_of([(1024, 1024)], [squares(400, side, 1024)])
    return float((input_boxes(index, 320, 320).best_iou(anchors) >= 0.1).mean())


class TestOtherAnchors:
    """Where the size that helps is more than twice the present one, or none does."""

    def test_smaller_anchors_are_named_beside_a_dear_size(self) -> None:
        """Boxes of 9 px: half the anchors are no help, a quarter is."""
        text = warning(28.0, levels=(3, 2))
        assert text is not None
        assert text.endswith(
            "95 % are reached from a short side of 768 px: --size 768x768; or 100 % are reached at "
            "the present size with --set model.anchor_scale=2"
        )
        assert share_reached(28.0, AnchorLayout(4.0)) < 0.95
        assert share_reached(28.0, AnchorLayout(2.0)) == 1

    def test_a_finer_level_where_anchors_alone_do_not_help(self) -> None:
        """Boxes of 3 px; smaller anchors on P3 have gaps between them."""
        text = warning(9.5, levels=(3, 2))
        assert text is not None
        assert text.endswith("--set model.anchor_scale=2 --set model.first_level=2")
        found = share_reached(9.5, AnchorLayout(2.0, 2))
        assert f"; or {int(100 * found)} % are reached at the present size with" in text
        assert found >= 0.95 > share_reached(9.5, AnchorLayout(2.0))

    def test_anchors_that_reach_less_than_the_size_are_not_named(self) -> None:
        """Boxes of 7 px in stored pixels, of 2.2 px here."""
        text = warning(7.0, levels=(3, 2))
        assert text is not None
        assert "95 % are reached from a short side of" in text
        assert "model." not in text
        layouts = [AnchorLayout(8.0 * f, level) for f in (0.25, 0.5, 1, 2) for level in (2, 3)]
        assert max(share_reached(7.0, layout) for layout in layouts) < 0.95

    def test_a_level_that_the_network_cannot_have_is_not_named(self) -> None:
        text = warning(9.5, levels=(3,))
        assert text is not None
        assert "first_level" not in text

    def test_larger_anchors_for_larger_boxes(self) -> None:
        text = warning(850.0, short=4096, levels=(3, 2))
        assert text is not None
        assert "other anchors" not in text  # a smaller size is cheap
        line = index_of([(1024, 1024)], [[[0, y, 1024, y + 2] for y in range(0, 1000, 10)]])
        recipe = load_recipe(None, flags={"data.short": [320], "data.long": 320})
        boxes = input_boxes(line, 320, 320)
        text = reach_warning(recipe, line, boxes, DEFAULT_LAYOUT, levels=(3, 2))
        assert text is not None
        assert text.endswith(
            "no other image size reaches many more: look at the boxes, or cut images into tiles"
        )

    def test_nothing_is_said_of_them_where_a_size_is_near(self) -> None:
        text = warning(60.0, levels=(3, 2))
        assert text is not None
        assert "model." not in text

    def test_the_anchors_of_the_network_are_judged(self) -> None:
        index = index_of([(1024, 1024)], [squares(400, 28.0, 1024)])
        recipe = load_recipe(None, flags={"data.short": [320], "data.long": 320})
        boxes = input_boxes(index, 320, 320)
        assert reach_warning(recipe, index, boxes, AnchorLayout(2.0), levels=()) is None
        assert reach_warning(recipe, index, boxes, AnchorLayout(4.0, 2), levels=()) is None
        assert reach_warning(recipe, index, boxes, AnchorLayout(4.0), levels=()) is not None

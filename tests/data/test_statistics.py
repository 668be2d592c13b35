"""Numbers of hand-made sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ladcli.data.statistics import BoxSizes, ClassCount, Spread
from tests.data.measured import content_of, measured_set, statistics

#: Boxes of side 16, 64 (twice) and 96 at the input size; the image without boxes is the second.
IMAGES = [
    [("cup", [0, 0, 16, 16]), ("cup", [0, 0, 128, 32])],
    [],
    [("plate", [0, 0, 96, 96]), ("cup", [0, 0, 32, 128])],
]


def test_spread() -> None:
    spread = Spread.of(np.arange(101))
    assert spread is not None
    assert spread.to_json() == {
        "mean": 50, "min": 0, "q05": 5, "q25": 25, "median": 50, "q75": 75, "q95": 95, "max": 100,
    }  # fmt: skip
    assert Spread.of(np.zeros(0)) is None


def test_sizes_begin_at_cocos_limits() -> None:
    sizes = BoxSizes.of(np.array([1.0, 31.9, 32, 95.9, 96, 500]))
    assert sizes.counts == {"small": 2, "medium": 2, "large": 2}


def test_numbers_of_a_set(tmp_path: Path) -> None:
    content = content_of(IMAGES, size=(256, 192))  # twice the input size
    for record, box in zip(
        content["annotations"],
        ([0, 0, 32, 32], [0, 0, 256, 64], [0, 0, 192, 192], [0, 0, 64, 192]),
        strict=True,
    ):
        record["bbox"] = box
    (one,) = statistics(measured_set(tmp_path, content)).sets
    assert (one.images, one.without_boxes, one.boxes) == (3, 1, 4)
    assert one.classes == (ClassCount(1, "cup", 3, 2), ClassCount(2, "plate", 1, 1))
    assert one.image_sizes == ((256, 192, 3),)
    assert one.stored.sides is not None
    assert one.stored.sides.quantiles["min"] == 32
    assert one.stored.counts == {"small": 0, "medium": 1, "large": 3}
    assert one.at_input.sides is not None
    assert one.at_input.sides.quantiles["max"] == 96
    assert one.at_input.counts == {"small": 1, "medium": 2, "large": 1}
    assert one.boxes_per_image is not None
    assert one.boxes_per_image.to_json()["median"] == 2
    assert one.boxes_per_image.mean == pytest.approx(4 / 3)
    assert one.aspects is not None
    assert one.aspects.quantiles["min"] == pytest.approx(1 / 3)
    assert one.aspects.quantiles["max"] == pytest.approx(4)
    assert one.looked_at == 3
    assert one.luma is not None


def test_levels(tmp_path: Path) -> None:
    # Anchors have sides of 64 and 128 on P3 and P4; a box of 6 x 6 overlaps one by 36 / 4096.
    images = [[("cup", [0, 0, 64, 64])], [("cup", [0, 0, 128, 96])], [("cup", [40, 40, 6, 6])]]
    (one,) = statistics(measured_set(tmp_path, content_of(images))).sets
    assert one.levels == (2, 1, 0, 0, 0)
    assert one.out_of_reach == 1


def test_crowd_and_difficult_boxes_are_counted_apart(tmp_path: Path) -> None:
    content = content_of(IMAGES[:1] * 2)
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["ignore"] = 1
    content["annotations"][3]["bbox"] = [20, 20, 0.01, 5]
    measured = measured_set(tmp_path, content)
    (one,) = statistics(measured).sets
    assert (one.boxes, one.crowd, one.difficult, one.left_out) == (1, 1, 1, 1)
    assert one.without_boxes == 1
    assert measured.boxes_per_image.tolist() == [0, 1]


def test_images_above_what_coco_counts(tmp_path: Path) -> None:
    images = [[("cup", [k, 0, 20, 20]) for k in range(count)] for count in (100, 101)]
    (one,) = statistics(measured_set(tmp_path, content_of(images), pixels=False)).sets
    assert one.above_counted == 1


def test_class_that_a_set_lacks(tmp_path: Path) -> None:
    sets = [
        measured_set(tmp_path, content_of(IMAGES, classes=("plate", "cup", "fork")), "train"),
        measured_set(tmp_path, content_of(IMAGES[:1]), "val"),
        measured_set(tmp_path, content_of(IMAGES), "test"),
    ]
    found = statistics(*sets)
    assert found.class_names == ["plate", "cup", "fork"]
    # No set has a fork, so none lacks it.
    assert found.lacking() == {"val": ["plate"]}
    assert found.sets[1].count("plate") == ClassCount(2, "plate", 0, 0)
    assert found.sets[1].count("fork") is None


def test_empty_set(tmp_path: Path) -> None:
    content = content_of([[], []])
    found = statistics(measured_set(tmp_path, content, pixels=False))
    (one,) = found.sets
    assert (one.boxes, one.without_boxes, one.levels) == (0, 2, (0, 0, 0, 0, 0))
    plain = found.to_json()["sets"]["train"]
    assert plain["aspect_ratio"] is None
    assert plain["box_size"]["stored"] == {"side": None, "small": 0, "medium": 0, "large": 0}
    assert plain["brightness"] == {"looked_at": 0, "luma": None, "unreadable": []}


def test_json_holds_plain_numbers_by_documented_keys(tmp_path: Path) -> None:
    found = statistics(measured_set(tmp_path, content_of(IMAGES)))
    plain = found.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == ["input_size", "sets", "lacking_classes"]
    assert plain["input_size"] == {"short": 96, "long": 128}
    one = plain["sets"]["train"]
    page = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    for key in one:
        assert f"`{key}`" in page, key
    # The 96 px box overlaps an anchor of P4 by 96² of 128², one of P3 by 64² of 96².
    assert one["levels"] == {"P3": 3, "P4": 1, "P5": 0, "P6": 0, "P7": 0}
    assert one["classes"][0] == {"id": 1, "name": "cup", "boxes": 3, "images": 2}

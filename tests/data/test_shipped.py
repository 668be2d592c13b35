"""The photos that come with the program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ladcli.data.decode import decode_image
from ladcli.data.index import load_index
from ladcli.data.shipped import shipped_photos

DEMO = shipped_photos("demo")
IMAGES = {"train": 205, "val": 87, "test": 72}


@pytest.mark.parametrize(("split", "boxes"), [("train", 2804), ("val", 1137), ("test", 945)])
def test_every_set_is_sound(split: str, boxes: int) -> None:
    index = load_index(DEMO / "annotations" / f"{split}.json", DEMO / "images")
    assert len(index) == IMAGES[split]
    assert len(index.boxes) == boxes
    assert index.classes.names == ("RBC", "WBC", "Platelets")
    assert index.notes == ()
    assert (index.hw == [240, 320]).all()
    assert (index.boxes >= 0).all()
    assert (index.boxes <= np.array([320, 240, 320, 240])).all()


def test_every_photo_is_there_and_has_the_size_of_its_boxes() -> None:
    photos = sorted((DEMO / "images").iterdir())
    assert len(photos) == sum(IMAGES.values())
    for photo in photos[::40]:
        assert decode_image(photo, stored_hw=(240, 320)).shape == (240, 320, 3)


def test_the_license_lies_beside_them() -> None:
    text = (DEMO / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in text
    assert "Copyright (c) 2017 shenggan" in text


def test_they_are_small_enough_to_travel_with_the_program() -> None:
    assert sum(f.stat().st_size for f in DEMO.rglob("*") if f.is_file()) < 6_000_000


def test_boxes_are_those_of_the_originals_at_half_the_size(shared: Path) -> None:
    for split in IMAGES:
        originals = shared / "data" / "bccd"
        full = load_index(originals / "annotations" / f"{split}.json", originals / "images")
        half = load_index(DEMO / "annotations" / f"{split}.json", DEMO / "images")
        np.testing.assert_array_equal(half.boxes, full.boxes / 2)
        np.testing.assert_array_equal(half.image_ids, full.image_ids)

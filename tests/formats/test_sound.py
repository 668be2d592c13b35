from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from ladcli.formats.foreign import Box, Corners, ForeignImage
from ladcli.formats.sound import AnnotatedImage, sound_images, stored_corners
from ladcli.formats.tally import Tally
from tests.formats.foreign_sets import picture, problem, problems, write


def sound(path: Path, *corners: Corners, **more: object) -> tuple[list[AnnotatedImage], Tally]:
    tally = Tally()
    boxes = tuple(Box("cat", four, f"box {number}") for number, four in enumerate(corners))
    image = ForeignImage(path, boxes, str(path), **more)  # type: ignore[arg-type]
    return sound_images([image], tally), tally


@pytest.mark.parametrize(
    ("corners", "why"),
    [
        ((math.nan, 0, 9, 9), "coordinates not finite"),
        ((0, 0, math.inf, 9), "coordinates not finite"),
        ((0, 0, 1e9, 9), "coordinates beyond any image size"),
        ((9, 0, 3, 9), "corners swapped"),
        ((3, 3, 3, 9), "no area"),
        ((3, 3, 3 + 1e-9, 9), "no area"),
        ((64, 0, 70, 9), "wholly outside the image"),
        ((-9, 0, 0, 9), "wholly outside the image"),
    ],
)
def test_unsound_boxes_are_left_out(tmp_path: Path, corners: Corners, why: str) -> None:
    (image,), tally = sound(picture(tmp_path / "a.png"), corners, (3, 4, 10, 20))
    assert [box.corners for box in image.boxes] == [(3, 4, 10, 20)]
    assert problem(tally) == f"box: left out: {why}"
    assert "(box 0)" in tally.lines()[0]


def test_a_box_that_sticks_out_is_kept_as_it_is(tmp_path: Path) -> None:
    (image,), tally = sound(picture(tmp_path / "a.png"), (-3, 4, 10, 20), (0, 0, 64.2, 48))
    assert [box.corners for box in image.boxes] == [(-3, 4, 10, 20), (0, 0, 64.2, 48)]
    assert problems(tally) == {"box: kept, sticking out of the image": 1}


def test_shares_become_pixels_of_the_file(tmp_path: Path) -> None:
    (image,), _ = sound(picture(tmp_path / "a.png"), (0.25, 0.5, 0.5, 1), in_shares=True)
    assert (image.width, image.height) == (64, 48)
    assert image.boxes[0].corners == (16, 24, 32, 48)


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    images, tally = sound(write(tmp_path / "a.png", "no image"))
    assert images == []
    assert problem(tally) == "image: left out: file cannot be used"


def test_another_size_than_stated_is_said(tmp_path: Path) -> None:
    (image,), tally = sound(picture(tmp_path / "a.png"), (3, 4, 10, 20), stated_size=(128, 96))
    assert (image.width, image.height) == (64, 48)
    assert image.boxes[0].corners == (3, 4, 10, 20)
    assert "says 128x96, the file is 64x48" in tally.lines()[0]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_on_a_turned_image_are_turned_back(tmp_path: Path, orientation: int) -> None:
    # A white patch, seen upright by a tool that obeys EXIF.
    pixels = np.zeros((48, 64), dtype=np.uint8)
    pixels[10:15, 20:50] = 255
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    assert shown.shape == (64, 48)
    rows, columns = np.nonzero(shown)
    drawn = tuple(float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    (found,), tally = sound(path, drawn, stated_size=(48, 64))  # type: ignore[arg-type]
    assert (found.width, found.height) == (64, 48)
    assert found.boxes[0].corners == (20, 10, 50, 15)
    assert "turned back to stored pixels" in problem(tally)


@pytest.mark.parametrize(
    ("turn", "size", "stated", "said"),
    [
        (1, (64, 48), None, False),
        (3, (64, 48), (64, 48), True),
        (2, (64, 48), None, True),
        (6, (64, 64), (64, 64), True),
        (6, (64, 48), (64, 48), False),
        (6, (64, 48), None, True),
    ],
)
def test_an_orientation_that_sizes_cannot_tell_is_said(
    tmp_path: Path, turn: int, size: tuple[int, int], stated: tuple[int, int] | None, said: bool
) -> None:
    path = picture(tmp_path / "a.jpg", size, turn=turn)
    (image,), tally = sound(path, (3, 4, 10, 20), stated_size=stated)
    assert image.boxes[0].corners == (3, 4, 10, 20)
    assert bool(tally.lines()) is said


def test_stored_corners_stay_in_order() -> None:
    for orientation in (5, 6, 7, 8):
        x1, y1, x2, y2 = stored_corners((1, 2, 5, 9), orientation, 64, 48)
        assert (x2 - x1, y2 - y1) == (7, 4)

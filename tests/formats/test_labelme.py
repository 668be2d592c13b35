from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.errors import UserError
from ladcli.formats.foreign import ForeignImage
from ladcli.formats.labelme import read_labelme
from ladcli.formats.tally import Tally
from tests.formats.foreign_sets import picture, problem, problems, write


def shape(kind: str, *points: tuple[float, float], label: str = "cat", **more: Any) -> Any:
    return {"label": label, "points": [list(p) for p in points], "shape_type": kind, **more}


def read(
    folder: Path, *shapes: Any, named: Any = "a.jpg", **more: Any
) -> tuple[list[ForeignImage], Tally]:
    picture(folder / "a.jpg")
    content = {"version": "5.4.1", "shapes": list(shapes), "imagePath": named, "imageWidth": 64,
               "imageHeight": 48, "imageData": "!!no base64!!", **more}  # fmt: skip
    write(folder / "a.json", json.dumps(content))
    tally = Tally(folder)
    return read_labelme(folder, tally).images, tally


@pytest.mark.parametrize(
    ("drawn", "corners"),
    [
        (shape("rectangle", (10, 20), (3, 4)), (3, 4, 10, 20)),
        (shape("rectangle", (3, 4), (10, 4), (10, 20), (3, 20)), (3, 4, 10, 20)),
        (shape("polygon", (3, 9), (10, 4), (8, 20)), (3, 4, 10, 20)),
        (shape("circle", (10, 20), (13, 24)), (5, 15, 15, 25)),
        (shape("mask", (3, 4), (10, 20), mask="iVBORw0KGgo="), (3, 4, 10, 20)),
        (shape("rotation", (5, 5), (10, 10), (5, 15), (0, 10)), (0, 5, 10, 15)),
        ({"label": "cat", "points": [[3, 4], [10, 4], [10, 20]]}, (3, 4, 10, 20)),
        (shape("rectangle", (3, 4), (10, 20), label=7), (3, 4, 10, 20)),
    ],
)
def test_shapes_become_boxes(tmp_path: Path, drawn: Any, corners: tuple[float, ...]) -> None:
    (image,), tally = read(tmp_path, drawn)
    (box,) = image.boxes
    assert box.corners == corners
    assert box.class_name == str(drawn["label"])
    assert image.stated_size == (64, 48)
    assert not tally.lines()


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (shape("line", (3, 4), (10, 20)), "a line encloses nothing"),
        (shape("linestrip", (3, 4), (10, 20), (4, 4)), "a linestrip encloses nothing"),
        (shape("point", (3, 4)), "a point encloses nothing"),
        (shape("polygon", (3, 4), (10, 20)), "2 points are no polygon"),
        (shape("rectangle", (3, 4)), "1 points are no rectangle"),
        (shape("circle", (3, 4)), "1 points are no circle"),
        (shape("rectangle", (3, 4), (10, 20), label=" "), "no label"),
        ({"label": "cat", "points": [[3, 4], "x"], "shape_type": "rectangle"},
         "points that are no pairs of numbers"),
        ({"label": "cat", "points": [[3, 4], [True, 9]], "shape_type": "rectangle"},
         "points that are no pairs of numbers"),
        ({"label": "cat", "points": [[3, 4], [float("nan"), 9], [9, 9]], "shape_type": "polygon"},
         "points that are no pairs of numbers"),
        ({"label": "cat", "points": None, "shape_type": "rectangle"},
         "points that are no pairs of numbers"),
        ("text", "no label"),
    ],
)  # fmt: skip
def test_other_shapes_are_left_out(tmp_path: Path, drawn: Any, why: str) -> None:
    (image,), tally = read(tmp_path, drawn, shape("rectangle", (3, 4), (10, 20)))
    assert len(image.boxes) == 1
    assert problem(tally) == f"shape: left out: {why}"
    assert "(a.json shape 1)" in tally.lines()[0]


def test_shapes_of_one_group_are_one_object(tmp_path: Path) -> None:
    (image,), tally = read(
        tmp_path,
        shape("polygon", (3, 4), (10, 4), (10, 20), group_id=1),
        shape("polygon", (30, 4), (40, 4), (40, 9), group_id=1),
        shape("polygon", (30, 4), (40, 4), (40, 9), group_id=1, label="dog"),
        shape("polygon", (30, 4), (40, 4), (40, 9), group_id=2),
        shape("polygon", (30, 4), (40, 4), (40, 9), group_id=None),
    )
    assert [box.corners for box in image.boxes] == [(3, 4, 40, 20)] + [(30, 4, 40, 9)] * 3
    assert problems(tally) == {"shape: joined with others of its label and group": 1}


@pytest.mark.parametrize(
    "named",
    ["a.jpg", "..\\photos\\a.jpg", "../elsewhere/a.jpg", "C:/x/a.jpg", "", None, 5, "A.PNG"],
)
def test_the_image_is_found(tmp_path: Path, named: Any) -> None:
    images, tally = read(tmp_path, shape("rectangle", (3, 4), (10, 20)), named=named)
    assert [image.path.name for image in images] == ["a.jpg"]
    assert not tally.lines()


def test_images_in_a_folder_of_their_own(tmp_path: Path) -> None:
    picture(tmp_path / "images/x.jpg")
    write(tmp_path / "json/x.json", json.dumps({"shapes": [], "imagePath": "..\\images\\x.jpg"}))
    found = read_labelme(tmp_path, Tally())
    assert found.images[0].path == tmp_path / "images/x.jpg"
    assert found.images[0].stated_size is None


def test_other_json_files_are_said(tmp_path: Path) -> None:
    read(tmp_path, shape("rectangle", (3, 4), (10, 20)))
    write(tmp_path / "coco.json", '{"images": [], "annotations": []}')
    write(tmp_path / "list.json", "[]")
    write(tmp_path / "bad.json", "{")
    write(tmp_path / "gone.json", '{"shapes": [], "imagePath": "gone.jpg"}')
    tally = Tally(tmp_path)
    assert len(read_labelme(tmp_path, tally).images) == 1
    assert problems(tally) == {
        "JSON file: left out: cannot be read": 1,
        "JSON file: left out: COCO, which needs no import": 1,
        "JSON file: left out: image not found: no file of that name": 1,
        "JSON file: left out: no shapes in them": 1,
    }


def test_an_image_without_json_is_not_a_negative(tmp_path: Path) -> None:
    picture(tmp_path / "b.jpg", seed=1)
    images, tally = read(tmp_path, shape("rectangle", (3, 4), (10, 20)))
    assert len(images) == 1
    assert problem(tally) == "image: left out: no JSON file that can be used"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.json file"):
        read_labelme(tmp_path, Tally())

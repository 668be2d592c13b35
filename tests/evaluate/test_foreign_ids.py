from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.errors import UserError
from ladcli.evaluate.results import Results, load_results

NAMES = {
    7: "a/frame_000.jpg",
    8: "b/frame_000.jpg",
    9: "frame_001.v2.png",
    4: "000123.jpg",
    1: "café.jpg",
}


@pytest.fixture
def truth(tmp_path: Path) -> CocoFile:
    path = tmp_path / "truth.json"
    content = {
        "images": [
            {"id": i, "file_name": name, "width": 96, "height": 64} for i, name in NAMES.items()
        ],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}],
        "annotations": [],
    }
    path.write_text(json.dumps(content))
    return read_coco(path, use="evaluation")


def load(truth: CocoFile, *images: Any, category: Any = 1) -> Results:
    path = truth.path.with_name("results.json")
    records = [
        {"image_id": i, "category_id": category, "bbox": [1, 2, 3, 4], "score": 0.5} for i in images
    ]
    path.write_text(json.dumps(records))
    return load_results(path, truth)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a/frame_000.jpg", 7),
        ("b/frame_000", 8),
        ("frame_001.v2.png", 9),
        ("frame_001.v2", 9),
        ("frame_001.v2.jpg", 9),  # converted before it was looked at
        ("/home/me/images/frame_001.v2.png", 9),
        ("C:\\images\\frame_001.v2.png", 9),
        ("000123", 4),
        ("cafe\u0301", 1),  # the other Unicode form
    ],
)
def test_names_of_files_stand_for_images(truth: CocoFile, name: str, image: int) -> None:
    results = load(truth, name, 9)
    assert results.image_ids.tolist() == [image, 9]
    (note,) = results.notes
    assert "1 of 2 detections name the image, not its id, and were taken so: " in note
    assert note.endswith(f" is image {image}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("frame_000", "is the name of several images; write the whole file_name, or the id"),
        ("frame_009", "is neither an id nor the file name of an image in the annotations"),
        ("7", "must be an integer; write it without quotes"),
        ("", "is neither an id nor the file name"),
    ],
)
def test_other_texts_are_refused(truth: CocoFile, name: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        load(truth, 7, name)
    assert f"position 1 (counted from 0) has image_id '{name}', which {words}" in str(caught.value)


def test_numbers_may_be_those_of_the_files(truth: CocoFile) -> None:
    results = load(truth, 123, 123)
    assert results.image_ids.tolist() == [4, 4]
    (note,) = results.notes
    assert note.endswith(
        "image ids are the numbers in file names, and were taken so: 123 is image 4"
    )
    # Not where one of them is no such number: then they are ids of other annotations.
    with pytest.raises(UserError, match="image_id 123, which is no image of"):
        load(truth, 7, 123)


def test_class_names_stand_for_categories(truth: CocoFile) -> None:
    results = load(truth, 7, category="green")
    assert results.category_ids.tolist() == [2]
    assert results.notes[0].endswith("'green' is category 2")
    with pytest.raises(UserError) as caught:
        load(truth, 7, category="blue")
    message = "'blue', which is neither a category id nor the name of a class; write the id"
    assert f"{message} (1 'red', 2 'green')" in str(caught.value)
    with pytest.raises(UserError, match="category_id '2', which must be an integer; write it with"):
        load(truth, 7, category="2")

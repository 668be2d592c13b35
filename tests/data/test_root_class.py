"""Roboflow's root category."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.classes import ClassTable
from ladcli.data.coco_json import read_coco


def write(folder: Path, *categories: tuple[int, str, str], boxes_of: int = 1) -> Path:
    content: dict[str, Any] = {
        "images": [{"id": 0, "file_name": "a.jpg", "width": 90, "height": 60}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": boxes_of, "bbox": [1, 2, 30, 40]}],
        "categories": [{"id": i, "name": n, "supercategory": s} for i, n, s in categories],
    }
    path = folder / "x.json"
    path.write_text(json.dumps(content))
    return path


def test_root_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = write(tmp_path, (0, "pets", "none"), (1, "cat", "pets"), (2, "dog", "pets"))
    coco = read_coco(path)
    assert coco.classes == ClassTable((1, 2), ("cat", "dog"))
    assert coco.class_row.tolist() == [0]
    assert any("category 0 ('pets') is the parent of the others" in note for note in coco.notes)


def test_root_may_have_the_name_of_a_class(tmp_path: Path) -> None:
    path = write(tmp_path, (0, "raccoon", "none"), (1, "raccoon", "raccoon"))
    assert read_coco(path).classes == ClassTable((1,), ("raccoon",))


@pytest.mark.parametrize(
    ("categories", "boxes_of"),
    [
        ([(0, "pets", "none"), (1, "cat", "pets")], 0),  # it has a box
        ([(0, "pets", "none"), (1, "cat", "animals")], 1),  # another parent
        ([(0, "cat", "pets"), (1, "dog", "pets")], 1),  # a class like the others
        ([(1, "pets", "none"), (2, "cat", "pets")], 2),  # another id
    ],
)
def test_other_classes_stay(
    tmp_path: Path, categories: list[tuple[int, str, str]], boxes_of: int
) -> None:
    coco = read_coco(write(tmp_path, *categories, boxes_of=boxes_of))
    assert len(coco.classes) == len(categories)


def test_network_that_learned_the_root_still_fits(tmp_path: Path) -> None:
    coco = read_coco(write(tmp_path, (0, "pets", "none"), (1, "cat", "pets")))
    whole = coco.suited_to(ClassTable((0, 1), ("pets", "cat")))
    assert whole.classes == ClassTable((0, 1), ("pets", "cat"))
    assert whole.class_row.tolist() == [1]
    assert coco.suited_to(ClassTable((1,), ("cat",))) is coco

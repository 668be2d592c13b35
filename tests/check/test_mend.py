"""What has one right answer is repaired, what has none is dropped, and the original stays."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ladcli.check.checked_set import CheckedSet, check_annotations
from ladcli.check.image_files import look_at_files
from ladcli.check.mend import Changes, cleaned_path, mended, write_cleaned
from ladcli.data.coco_json import read_coco
from tests import places
from tests.data.corpus import plain, write_images, write_json
from tests.refusals import refusal_of

BAD = places.shared_dir() / "data/bad"

#: Of these either all images or all classes share an id.
NOTHING_LEFT = ("duplicate_category_id", "duplicate_image_id")


def checked(folder: Path, content: Any, images: Path | None = None) -> CheckedSet:
    found = check_annotations("t", write_json(folder, content), images)
    look_at_files(found, quiet=True)
    return found


def mend(folder: Path, content: Any, images: Path | None = None) -> tuple[Any, Changes]:
    """The mended content; it passes the check, and the original is as it was."""
    before = copy.deepcopy(content)
    found = checked(folder, content, images)
    mended_content, changes = mended(found)
    assert found.content == json.loads(json.dumps(before))
    again = check_annotations("t", write_json(folder, mended_content, "again.json"), images)
    assert [f for f in again.findings.found if f.severity == "error"] == []
    return mended_content, changes


def by_id(content: Any, key: str) -> dict[int, dict[str, Any]]:
    return {record["id"]: record for record in content[key]}


def test_sound_records_stay_as_they_are(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = content["annotations"][:2]
    content["annotations"][0] |= {"segmentation": [[1, 2, 3]], "attributes": {"blurred": True}}
    content["images"][0]["date"] = "today"
    content["licenses"] = [1]
    found, changes = mend(tmp_path, content)
    assert found == content
    assert changes.made == {}


def test_boxes_are_clipped_dropped_and_their_areas_set(tmp_path: Path) -> None:
    content = plain()
    content["annotations"][2]["area"] = 1600  # 40 x 40, of which 24 x 28 lie in the image
    content["annotations"] += [
        {"id": 5, "image_id": 9, "category_id": 10, "bbox": [100, 100, 5, 5]},
        {"id": 6, "image_id": 9, "category_id": 10, "bbox": [5, 5, 0, 5]},
        {"id": 7, "image_id": 9, "category_id": 10, "bbox": [5, float("inf"), 5, 5]},
        {"id": 8, "image_id": 9, "category_id": 10, "bbox": [5, 5, -5, 5]},
        {"id": 9, "image_id": 9, "category_id": 20, "bbox": [4, 8, 16, 12], "area": 50},
        {"id": 10, "image_id": 9, "category_id": 10, "bbox": [2, 2, 5, 5], "area": -25},
        {"id": 11, "image_id": 9, "category_id": 10, "bbox": [-0.3, 2, 5, 6]},
    ]
    found, changes = mend(tmp_path, content)
    kept = by_id(found, "annotations")
    assert sorted(kept) == [1, 2, 3, 4, 10, 11]
    assert kept[3]["bbox"] == [40, 20, 24, 28]
    assert kept[3]["area"] == 24 * 28
    assert kept[10]["area"] == 25
    assert kept[11]["bbox"] == [-0.3, 2, 5, 6]  # rounding is no fault
    assert changes.made == {
        "dropped, no usable annotation": ["annotation 7", "annotation 8"],
        "dropped, a box with no part in the image": ["annotation 5", "annotation 6"],
        "dropped, the same box and class twice": ["annotation 9"],
        "clipped to the image": ["annotation 3"],
        "area set to that of the box": ["annotation 3", "annotation 10"],
    }


def test_text_becomes_numbers(tmp_path: Path) -> None:
    content = plain()
    for image in content["images"]:
        image |= {"id": str(image["id"]), "width": str(image["width"])}
    for record in content["annotations"]:
        record |= {"image_id": str(record["image_id"]), "bbox": list(map(str, record["bbox"]))}
    found, changes = mend(tmp_path, content)
    assert by_id(found, "images")[9]["width"] == 64
    assert by_id(found, "annotations")[1]["bbox"] == [4, 8, 16, 12]
    assert len(changes.made["text became numbers"]) == 7


def test_ids_of_annotations_are_made_unique(tmp_path: Path) -> None:
    content = plain()
    content["annotations"][1]["id"] = 1
    del content["annotations"][3]["id"]
    found, changes = mend(tmp_path, content)
    assert [record["id"] for record in found["annotations"]] == [1, 4, 3, 5]
    assert len(changes.made["given an id of its own"]) == 2


def test_what_points_nowhere_is_dropped(tmp_path: Path) -> None:
    content = plain()
    content["annotations"][0]["image_id"] = 99
    content["annotations"][1]["category_id"] = 99
    content["images"][2]["file_name"] = "/etc/passwd"
    found, changes = mend(tmp_path, content)
    assert sorted(by_id(found, "annotations")) == [3, 4]
    assert sorted(by_id(found, "images")) == [4, 9]
    assert changes.made["dropped, no usable annotation"] == ["annotation 1", "annotation 2"]


def test_several_records_with_one_id(tmp_path: Path) -> None:
    content = plain()
    content["images"] += [dict(content["images"][1]), {**content["images"][2], "width": 5}]
    content["annotations"][0]["image_id"] = 7  # it is not known which of the two
    found, changes = mend(tmp_path, content)
    assert [image["id"] for image in found["images"]] == [9, 4]
    assert sorted(by_id(found, "annotations")) == [2, 3, 4]
    assert changes.made["dropped, the same image twice"] == ["image 4"]
    assert changes.made["dropped, several images with one id"] == ["image 7", "image 7"]


def test_categories_of_one_name_become_one(tmp_path: Path) -> None:
    content = plain()
    content["categories"] += [{"id": 30, "name": "cup"}, {"id": 40}]
    content["annotations"][0]["category_id"] = 30
    content["annotations"][1]["category_id"] = 40
    found, changes = mend(tmp_path, content)
    assert [(c["id"], c["name"]) for c in found["categories"]] == [
        (20, "cup"), (10, "plate"), (40, "category 40")
    ]  # fmt: skip
    assert by_id(found, "annotations")[1]["category_id"] == 20
    assert by_id(found, "annotations")[2]["category_id"] == 40
    assert "merged with the category of the same name" in changes.made


def test_files_decide_about_images(tmp_path: Path) -> None:
    content = plain()
    write_images(tmp_path, content)
    (tmp_path / "tall.png").write_text("torn")
    del content["images"][2]["width"]
    found, changes = mend(tmp_path, content, tmp_path)
    assert by_id(found, "images")[7]["width"] == 64
    assert sorted(by_id(found, "images")) == [7, 9]
    assert sorted(by_id(found, "annotations")) == [1, 3]
    assert changes.made["dropped, the image file cannot be used"] == ["image 4"]
    assert changes.made["size taken from the file"] == ["image 7"]


def test_nothing_sound_is_left(tmp_path: Path) -> None:
    content = plain()
    for image in content["images"]:
        image["file_name"] = ""
    assert "nothing sound is left" in refusal_of(mended, checked(tmp_path, content))
    assert "as a whole" in refusal_of(mended, checked(tmp_path, []))


def test_the_original_and_what_others_wrote_is_never_replaced(tmp_path: Path) -> None:
    content = plain()
    found = checked(tmp_path, content)
    target = tmp_path / "instances.cleaned.json"
    assert cleaned_path(found.path) == target
    target.write_text("{}")
    assert "is not replaced" in refusal_of(write_cleaned, found)
    target.unlink()
    for _ in range(2):
        written = write_cleaned(found)
        assert written is not None
        assert written[0] == target
    assert json.loads(found.path.read_text()) == content
    assert json.loads(target.read_text())["cleaned_by"] == "lad data check --fix"


@pytest.mark.parametrize("path", sorted((BAD / "json").glob("*.json")), ids=lambda path: path.stem)
def test_every_cleaned_file_of_the_corpus_is_sound(tmp_path: Path, path: Path) -> None:
    shutil.copy(path, tmp_path / path.name)
    found = check_annotations("t", tmp_path / path.name, BAD / "images")
    look_at_files(found, quiet=True)
    errors = [f for f in found.findings.found if f.severity == "error"]
    if found.records is None or path.stem in NOTHING_LEFT:
        refusal_of(write_cleaned, found)
        return
    written = write_cleaned(found)
    if written is None:
        assert not errors
        return
    assert read_coco(written[0], use="evaluation").trainable.all()
    again = check_annotations("t", written[0], BAD / "images")
    look_at_files(again, quiet=True)
    assert [f for f in again.findings.found if f.severity == "error"] == []

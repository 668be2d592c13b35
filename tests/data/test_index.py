from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.index import MAX_BOXES, for_training, load_index
from ladcli.errors import UserError
from tests.data.corpus import index_of, plain, write_json


def test_images_are_sorted_and_boxes_clipped_corners(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    assert index.image_ids.tolist() == [4, 7, 9]
    assert [index.file_name(row) for row in range(3)] == ["tall.png", "bare.png", "wide.png"]
    assert index.path(2) == tmp_path / "wide.png"
    boxes, labels, crowd = index.targets(2)
    assert boxes.tolist() == [[4, 8, 20, 20], [40, 20, 64, 48]]
    assert labels.tolist() == [1, 0]
    assert crowd.shape == (0, 4)
    boxes, labels, crowd = index.targets(0)
    assert boxes.tolist() == [[0, 0, 24, 32]]
    assert crowd.tolist() == [[8, 8, 16, 16]]
    assert index.targets(1)[0].shape == (0, 4)
    assert any("clipped" in note for note in index.notes)


def test_real_data_loads_whole(shared: Path) -> None:
    folder = shared / "data/bccd"
    index = load_index(folder / "annotations/train.json", folder / "images")
    content = json.loads((folder / "annotations/train.json").read_text())
    assert len(index) == 205
    boxes = {}
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        boxes.setdefault(annotation["image_id"], []).append([x, y, x + w, y + h])
    for row, image_id in enumerate(index.image_ids.tolist()):
        assert index.targets(row)[0].tolist() == boxes[image_id]


def test_subset_keeps_what_belongs_to_its_images(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    part = index.subset([2, 0])
    assert part.image_ids.tolist() == [9, 4]
    assert part.file_name(1) == "tall.png"
    assert part.targets(0)[0].tolist() == index.targets(2)[0].tolist()
    assert part.targets(1)[2].tolist() == index.targets(0)[2].tolist()
    assert len(index.subset([])) == 0
    assert index.subset([0, 1, 2]).fingerprint() == index.fingerprint()


def _unchanged(content: dict[str, Any]) -> None:
    content["images"].reverse()
    content["categories"].reverse()
    for record in content["annotations"]:
        record.update(id=record["id"] + 100, area=1, extra="x")
    # Each image's boxes keep their order; those of different images may mix.
    a = content["annotations"]
    content["annotations"] = [a[1], a[0], a[3], a[2]]


CHANGES: dict[str, Any] = {
    "image id": lambda c: c["images"][2].update(id=8),
    "file name": lambda c: c["images"][2].update(file_name="bar.png"),
    "size": lambda c: c["images"][2].update(width=65),
    "box": lambda c: c["annotations"][0]["bbox"].__setitem__(0, 4.5),
    "label": lambda c: c["annotations"][0].update(category_id=10),
    "crowd": lambda c: c["annotations"][3].update(iscrowd=0),
    "owner": lambda c: c["annotations"][3].update(image_id=7),
    "missing box": lambda c: c["annotations"].pop(),
    "order of boxes": lambda c: c["annotations"].reverse(),
    "class name": lambda c: c["categories"][0].update(name="mug"),
    "missing image": lambda c: c["images"].pop(),
}


def test_fingerprint_ignores_layout_and_place(tmp_path: Path) -> None:
    expected = index_of(tmp_path).fingerprint()
    content = plain()
    _unchanged(content)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert index_of(elsewhere, content).fingerprint() == expected
    assert len(expected) == 64


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_fingerprint_notices_content(tmp_path: Path, change: str) -> None:
    content = plain()
    expected = load_index(write_json(tmp_path, content, "a.json"), tmp_path).fingerprint()
    CHANGES[change](content)
    assert load_index(write_json(tmp_path, content, "b.json"), tmp_path).fingerprint() != expected


def test_training_can_leave_empty_images_out(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    assert len(for_training(index, skip_empty=False)) == 3
    assert for_training(index, skip_empty=True).image_ids.tolist() == [4, 9]


@pytest.mark.parametrize("name", ["no_annotations", "iscrowd_only"])
def test_training_needs_a_box(shared: Path, name: str) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json" / f"{name}.json", bad / "images")
    with pytest.raises(UserError, match="nothing to train on"):
        for_training(index, skip_empty=False)


@pytest.mark.parametrize(("width", "kept"), [(0.05, 0), (0.4, 1), (1e-30, 0)])
def test_box_thinner_than_the_minimum_is_no_target(tmp_path: Path, width: float, kept: int) -> None:
    content = plain()
    content["annotations"] = [
        {"id": 5, "image_id": 7, "category_id": 10, "bbox": [30, 30, width, 9]}
    ]
    index = load_index(write_json(tmp_path, content), tmp_path)
    assert len(index.boxes) == kept
    assert (index.boxes[:, 2:] > index.boxes[:, :2]).all()
    assert any("thinner" in note and "annotation 5" in note for note in index.notes) == (not kept)


def test_missing_image_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such image folder"):
        load_index(write_json(tmp_path, plain()), tmp_path / "absent")


def test_absurd_numbers_of_boxes_in_an_image_are_refused(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = [
        {"id": i, "image_id": 7, "category_id": 10, "bbox": [i % 50, i % 40, 5, 5]}
        for i in range(MAX_BOXES + 1)
    ]
    index = load_index(write_json(tmp_path, content), tmp_path)
    with pytest.raises(UserError, match=r"image 7 \('bare.png'\) has 10,001 boxes"):
        for_training(index, skip_empty=False)

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile, CocoRecords, examine, read_coco
from ladcli.data.findings import Finding, Findings
from ladcli.errors import UserError
from tests.data.corpus import plain, write_json

#: File of the corpus, and what its message must name.
REJECTED = {
    "ann_missing_bbox": ["annotation 2", "bbox"],
    "ann_missing_category_id": ["annotation 2", "category_id"],
    "ann_missing_id": ["annotation at position 1", "'id'"],
    "ann_missing_image_id": ["annotation 2", "image_id"],
    "annotations_null": ["annotations", "null"],
    "bbox_dict": ["annotation 2", "object"],
    "bbox_null": ["annotation 2", "null"],
    "bbox_strings": ["annotation 2", "'50'"],
    "bbox_three_numbers": ["annotation 2", "[50, 35, 35]"],
    "categories_null": ["categories", "null"],
    "category_missing_name": ["category 2", "name"],
    "deeply_nested": ["invalid JSON", "nested"],
    "duplicate_annotation_id": ["annotation id 1"],
    "duplicate_category_id": ["category id 1"],
    "duplicate_category_name": ["category 2", "red"],
    "duplicate_image_id": ["image id 1"],
    "empty_file": ["empty"],
    "huge_integer": ["annotation 999", "400 characters", "64 bits"],
    "image_missing_file_name": ["image 2", "file_name"],
    "image_missing_id": ["image at position 1", "'id'"],
    "image_missing_size": ["image 2", "height"],
    "images_null": ["images", "null"],
    "invalid_trailing_comma": ["line 29", "column 3"],
    "invalid_truncated": ["line 33", "column"],
    "latin1_bytes": ["encoding", "0xe9"],
    "missing_annotations": ["annotations", "missing"],
    "missing_categories": ["categories", "missing"],
    "missing_images": ["images", "missing"],
    "no_categories": ["categories", "empty"],
    "no_images": ["images", "empty"],
    "path_absolute": ["image 2", "/nonexistent/absolute.jpg", "absolute"],
    "path_empty": ["image 2", "empty"],
    "path_null_byte": ["image 2", "NUL"],
    "path_traversal": ["image 2", "../../outside/secret.jpg", "leaves the image folder"],
    "path_traversal_hidden": ["image 2", "sub/../../json/ok.json", "leaves the image folder"],
    "path_url": ["image 2", "URL"],
    "path_windows": ["image 2", "Windows"],
    "results_instead_of_gt": ["results file"],
    "size_string": ["image 2", "'64'"],
    "size_zero": ["image 2", "width 0"],
    "string_ids": ["image '1'", "integer", "quotes"],
    "string_ids_mixed": ["annotation 1", "image_id '1'", "quotes"],
    "top_level_list": ["object"],
    "top_level_null": ["null"],
    "unknown_category_id": ["annotation 2", "category_id 7"],
    "unknown_image_id": ["annotation 3", "image_id 99"],
    "utf16": ["UTF-16"],
}

#: File of the corpus, boxes to learn from, and what its notes must name, one entry per note.
ACCEPTED: dict[str, tuple[int, list[list[str]]]] = {
    "ok": (3, []),
    "ann_missing_area_iscrowd": (3, []),
    "area_negative": (3, [["impossible area", "annotation 2"]]),
    "area_wrong": (3, []),
    "bbox_huge": (2, [["beyond any image", "annotation 2"]]),
    "bbox_inf": (2, [["not finite", "annotation 2"]]),
    "bbox_nan": (2, [["not finite", "annotation 2"]]),
    "bbox_negative_origin": (3, [["clipped", "annotation 1"]]),
    "bbox_negative_width": (2, [["negative size", "annotation 2"], ["area larger"]]),
    "bbox_normalised_by_mistake": (3, [["area larger"], ["fractions"]]),
    "bbox_outside_fully": (2, [["outside", "annotation 2"]]),
    "bbox_outside_partly": (3, [["clipped", "annotation 2"]]),
    "bbox_subpixel": (3, []),
    "bbox_xyxy_by_mistake": (3, [["clipped", "annotation 2"], ["x1, y1, x2, y2"]]),
    "bbox_zero_area": (2, [["no or negative size", "annotation 2"]]),
    "category_ids_gaps_unsorted": (3, []),
    "category_without_annotations": (3, [["category 3"]]),
    "duplicate_box": (4, [["repeat", "annotation 4"]]),
    "duplicate_file_name": (3, [["good.jpg"]]),
    "float_ids": (3, []),
    "image_without_annotations": (2, []),
    "iscrowd_only": (3, []),
    "iscrowd_rle": (3, []),
    "iscrowd_rle_compressed": (3, []),
    "no_annotations": (0, []),
    "utf8_bom": (3, []),
    "zero_ids": (3, []),
}
#: Of these, what evaluation refuses, and what it must name.
UNMEASURABLE = {
    "bbox_inf": ["annotation 2", "bbox", "finite"],
    "bbox_nan": ["annotation 2", "bbox", "finite"],
    "bbox_negative_width": ["annotation 2", "[85, 35, -35, 20]", "negative"],
}
#: And what its notes name where they differ from those of training.
COUNTED: dict[str, list[list[str]]] = {
    "area_negative": [["negative", "neither", "annotation 2"]],
    "bbox_huge": [["beyond any image", "counted all the same", "annotation 2"]],
    "bbox_negative_origin": [["sticks out", "as it is", "annotation 1"]],
    "bbox_outside_fully": [["outside", "counted all the same", "annotation 2"]],
    "bbox_outside_partly": [["sticks out", "as it is", "annotation 2"]],
    "bbox_xyxy_by_mistake": [["sticks out", "annotation 2"], ["x1, y1, x2, y2"]],
    "bbox_zero_area": [["no size", "counted all the same", "annotation 2"]],
}
#: Sound JSON whose fault lies in the images; see test_index.py.
ABOUT_IMAGES = ("with_", "image_absent", "image_is_directory", "size_mismatch", "size_s")


@pytest.mark.parametrize("name", sorted(REJECTED))
def test_bad_file_is_rejected_in_one_sentence(shared: Path, name: str) -> None:
    path = shared / "data/bad/json" / f"{name}.json"
    with pytest.raises(UserError) as caught:
        read_coco(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "\0" not in message
    for words in REJECTED[name]:
        assert words in message


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_odd_file_is_accepted_with_notes(shared: Path, name: str) -> None:
    boxes, notes = ACCEPTED[name]
    coco = read_coco(shared / "data/bad/json" / f"{name}.json")
    assert coco.trainable.sum() == boxes
    assert np.isfinite(coco.boxes).all()
    assert np.isfinite(coco.area).all()
    assert len(coco.notes) == len(notes), coco.notes
    for note, words in zip(coco.notes, notes, strict=True):
        assert all(word in note for word in words), note


@pytest.mark.parametrize("name", sorted(ACCEPTED.keys() - UNMEASURABLE.keys()))
def test_evaluation_counts_every_box(shared: Path, name: str) -> None:
    path = shared / "data/bad/json" / f"{name}.json"
    coco = read_coco(path, use="evaluation")
    stored = json.loads(path.read_text(encoding="utf-8-sig"))["annotations"]
    assert coco.boxes.tolist() == [record["bbox"] for record in stored]
    assert coco.trainable.sum() == ACCEPTED[name][0]
    notes = COUNTED.get(name, ACCEPTED[name][1])
    assert len(coco.notes) == len(notes), coco.notes
    for note, words in zip(coco.notes, notes, strict=True):
        assert all(word in note for word in words), note


@pytest.mark.parametrize("name", sorted(UNMEASURABLE))
def test_evaluation_refuses_what_is_no_box(shared: Path, name: str) -> None:
    path = shared / "data/bad/json" / f"{name}.json"
    with pytest.raises(UserError) as caught:
        read_coco(path, use="evaluation")
    assert all(words in str(caught.value) for words in UNMEASURABLE[name]), caught.value


def test_every_file_of_the_corpus_has_a_verdict(shared: Path) -> None:
    for path in (shared / "data/bad/json").glob("*.json"):
        known = path.stem in REJECTED or path.stem in ACCEPTED
        assert known or path.stem.startswith(ABOUT_IMAGES), path.name


def read_plain(folder: Path, content: Any) -> CocoFile:
    return read_coco(write_json(folder, content))


def test_content_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    coco = read_plain(tmp_path, plain())
    assert coco.image_ids.tolist() == [9, 4, 7]
    assert coco.file_names == ["wide.png", "tall.png", "bare.png"]
    assert coco.hw.tolist() == [[48, 64], [64, 48], [48, 64]]
    assert coco.classes.ids == (10, 20)
    assert coco.classes.names == ("plate", "cup")
    assert coco.annotation_ids.tolist() == [1, 2, 3, 4]
    assert coco.image_row.tolist() == [0, 1, 0, 1]
    assert coco.class_row.tolist() == [1, 0, 0, 1]
    assert coco.boxes[2].tolist() == [40, 20, 40, 40]
    assert coco.area.tolist() == [192, 768, 1600, 64]
    assert coco.crowd.tolist() == [False, False, False, True]


@pytest.mark.parametrize("mark", [1, True, 1.0])
def test_ignored_boxes_are_not_learned_but_measured(tmp_path: Path, mark: Any) -> None:
    content = plain()
    content["annotations"][2]["ignore"] = mark
    content["annotations"][3]["ignore"] = 0
    path = write_json(tmp_path, content)
    for use, words in (("training", "left out"), ("evaluation", "counted all the same")):
        coco = read_coco(path, use=use)
        assert coco.trainable.tolist() == [True, True, False, True]
        (note,) = [note for note in coco.notes if "marked ignore" in note]
        assert note.startswith(f"{path}: 1 annotation(s)")
        assert note.endswith(": annotation 3")
        assert words in note


def test_areas_are_those_of_the_file(tmp_path: Path) -> None:
    content = plain()
    for record, area in zip(content["annotations"], (5, -2.5, None, 0), strict=True):
        record["area"] = area
    assert read_plain(tmp_path, content).area.tolist() == [5, -2.5, 1600, 0]


@pytest.mark.parametrize("area", [float("nan"), float("inf")])
def test_area_that_is_no_number(tmp_path: Path, area: float) -> None:
    content = plain()
    content["annotations"][1]["area"] = area
    path = write_json(tmp_path, content)
    assert read_coco(path).area.tolist() == [192, 768, 1600, 64]
    with pytest.raises(UserError, match=r"annotation 2 has area .* finite"):
        read_coco(path, use="evaluation")


def test_refusal_counts_what_is_like_the_first(tmp_path: Path) -> None:
    content = plain()
    for record in content["annotations"][1:]:
        record["bbox"][3] = -1
    with pytest.raises(UserError, match=r"annotation 2 .* \(3 annotations like this\)"):
        read_coco(write_json(tmp_path, content), use="evaluation")


@pytest.mark.parametrize("use", ["training", "evaluation"])
def test_sizes_that_many_boxes_leave_are_suspected(tmp_path: Path, use: Any) -> None:
    content = plain()
    for image in content["images"]:
        image.update(width=100, height=60)
    boxes = [[70, 10, 30, 20], [60, 40, 35, 20], [0, 0, 10, 10], [80, 5, 20, 20]]
    for record, box in zip(content["annotations"], boxes, strict=True):
        record["bbox"] = box

    def suspicion(*sizes: tuple[int, int]) -> str:
        for image, (width, height) in zip(content["images"], 2 * sizes, strict=False):
            image.update(width=width, height=height)
        notes = read_coco(write_json(tmp_path, content), use=use).notes
        return "".join(note for note in notes if "suspect" in note)

    assert suspicion((100, 60)) == ""
    assert "3 of 4 boxes leave" in suspicion((60, 100))
    assert "exchanged" in suspicion((60, 100))
    assert "1x1 for all looks like a placeholder" in suspicion((1, 1))
    assert "50x50 for all looks like a placeholder" in suspicion((50, 50))
    assert "compare width and height" in suspicion((50, 50), (50, 40))


def test_prediction_needs_no_annotations(tmp_path: Path) -> None:
    content = plain()
    del content["annotations"]
    path = write_json(tmp_path, content)
    assert len(read_coco(path, need_annotations=False).boxes) == 0
    with pytest.raises(UserError, match="annotations"):
        read_coco(path)


@pytest.mark.parametrize(
    ("where", "key", "value", "words"),
    [
        ("images", "id", True, "integer"),
        ("images", "id", 1.5, "integer"),
        ("images", "id", float("nan"), "integer"),
        ("images", "file_name", 5, "string"),
        ("images", "file_name", "a\ud800.jpg", "Unicode"),
        ("images", "file_name", "..", "leaves"),
        ("images", "file_name", "a\\b.jpg", "Windows"),
        ("images", "width", 10**9, "size"),
        ("images", "height", 2**70, "64 bits"),
        ("annotations", "iscrowd", "yes", "0 or 1"),
        ("annotations", "iscrowd", float("nan"), "0 or 1"),
        ("annotations", "iscrowd", 2, "0 or 1"),
        ("annotations", "area", "12", "number"),
        ("annotations", "area", [], "number"),
        ("annotations", "bbox", [1, 2, True, 3], "4 numbers"),
        ("annotations", "bbox", [1, 2, 10**400, 3], "4 numbers"),
        ("annotations", "bbox", "1234", "4 numbers"),
        ("annotations", "image_id", None, "integer"),
        ("annotations", "image_id", {}, "integer"),
        ("categories", "name", "", "empty name"),
        ("categories", "name", ["cup"], "string"),
    ],
)
def test_wrong_value_names_its_record(
    tmp_path: Path, where: str, key: str, value: Any, words: str
) -> None:
    content = plain()
    content[where][1][key] = value
    with pytest.raises(UserError, match=words) as caught:
        read_plain(tmp_path, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["images", "annotations", "categories"])
@pytest.mark.parametrize("record", [None, 3, "x", []])
def test_record_that_is_no_object(tmp_path: Path, where: str, record: Any) -> None:
    content = plain()
    content[where][1] = record
    with pytest.raises(UserError, match=rf"{where}\[1\] must be an object"):
        read_plain(tmp_path, content)


def test_number_of_thousands_of_digits(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"images": ' + "9" * 10_000 + "}")
    with pytest.raises(UserError, match=r"a\.json"):
        read_coco(path)


@pytest.mark.parametrize("name", ["absent.json", "", "nul\0.json"])
def test_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        read_coco(tmp_path / name)


def test_real_data_has_no_notes(shared: Path) -> None:
    for split, boxes in (("train", 2804), ("val", 1137), ("test", 945)):
        coco = read_coco(shared / f"data/bccd/annotations/{split}.json")
        assert len(coco.boxes) == boxes
        assert coco.notes == ()


def test_random_damage_never_ends_in_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    odd: list[Any] = [None, True, -1, 0, 1e400, "", "x", [], {}, [None], 2**64, float("nan"), 0.5]
    for _ in range(300):
        content = plain()
        records = content[str(rng.choice(list(content)))]
        record = records[int(rng.integers(len(records)))]
        key = str(rng.choice(list(record)))
        if rng.random() < 0.2:
            del record[key]
        else:
            record[key] = odd[int(rng.integers(len(odd)))]
        path = tmp_path / "damaged.json"
        path.write_text(json.dumps(content))
        try:
            assert np.isfinite(read_coco(path).boxes).all()
        except UserError:
            continue


def examined(content: Any) -> tuple[CocoRecords, dict[str, Finding]]:
    """All records of a file, and its findings by kind."""
    findings = Findings(Path("t.json"), stop=False)
    records = examine(Path("t.json"), content, findings, use="check")
    by_kind = {finding.kind: finding for finding in findings.found}
    assert len(by_kind) == len(findings.found)
    return records, by_kind


def test_all_problems_of_one_file_appear() -> None:
    content = plain()
    extra = [
        {"id": 5, "image_id": 99, "category_id": 10, "bbox": [1, 1, 5, 5]},
        {"id": 6, "image_id": 98, "category_id": 10, "bbox": [1, 1, 5, 5]},
        {"id": 7, "image_id": 4, "category_id": 10, "bbox": [1, float("nan"), 5, 5]},
        {"id": 8, "image_id": 4, "category_id": 77, "bbox": [1, 1, 5, 5]},
        {"id": 8, "image_id": 4, "category_id": 10, "bbox": [1, 1, 0, 5]},
        {"id": 9, "image_id": 9, "category_id": 20, "bbox": "none"},
        {"id": 11, "image_id": 9, "category_id": 20, "bbox": [4, 8, 16, 12], "ignore": 1},
    ]
    content["annotations"] += extra
    content["images"].append({"id": 12, "file_name": "../x.png", "width": 5, "height": 0})
    records, found = examined(content)
    assert {kind: finding.count for kind, finding in found.items()} == {
        "file-name-unsafe": 1,
        "image-size-impossible": 1,
        "annotation-id-repeated": 1,
        "image-unknown": 2,
        "category-unknown": 1,
        "annotation-bbox-no-numbers": 1,
        "box-not-finite": 1,
        "box-no-size": 1,
        "box-sticks-out": 1,
        "ignored": 1,
        "box-repeated": 1,
    }
    assert found["image-unknown"].examples == ("annotation 5", "annotation 6")
    coco = records.sound()
    assert coco.image_ids.tolist() == [9, 4, 7]
    assert coco.annotation_ids.tolist() == [1, 2, 3, 4, 11]
    assert coco.trainable.tolist() == [True, True, True, True, False]


def test_records_of_an_unsound_class_are_no_strangers() -> None:
    content = plain()
    del content["categories"][0]["name"]
    records, found = examined(content)
    assert set(found) == {"category-without-name", "box-sticks-out"}
    assert records.class_row.tolist() == [-1, 0, 0, -1]
    assert records.sound().annotation_ids.tolist() == [2, 3]


def test_corners_are_suspected_without_areas() -> None:
    content = plain()
    for record, corners in zip(
        content["annotations"], ([4, 8, 60, 40], [0, 0, 40, 60], [30, 20, 64, 48], [8, 8, 16, 16]),
        strict=True,
    ):  # fmt: skip
        record["bbox"] = corners
    assert "only so do they lie" in examined(content)[1]["boxes-corners"].text
    content["annotations"][3]["bbox"] = [20, 20, 10, 10]
    assert "boxes-corners" not in examined(content)[1]


def test_absurd_numbers_of_classes_are_refused_at_once(tmp_path: Path) -> None:
    content = plain()
    content["categories"] = [{"id": i, "name": f"class {i}"} for i in range(70_000)]
    started = time.perf_counter()
    with pytest.raises(UserError, match="lists 70,000 categories"):
        read_plain(tmp_path, content)
    del content["categories"][65_535:]
    assert len(read_plain(tmp_path, content).classes) == 65_535
    assert time.perf_counter() - started < 20  # was over a minute

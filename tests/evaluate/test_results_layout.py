"""Results files of other programs: measured right, or refused with what to change."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.errors import UserError
from ladcli.evaluate.results import Results, load_results

#: Two detections in each of two images.
RECORDS = [
    {"image_id": image, "category_id": category, "bbox": [4 * category, 2, 10, 20], "score": 0.5}
    for image in (1, 2)
    for category in (1, 2)
]


@pytest.fixture
def truth(tmp_path: Path) -> CocoFile:
    content = {
        "images": [
            {"id": i, "file_name": f"frame_{i:03d}.jpg", "width": 96, "height": 64} for i in (1, 2)
        ],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}],
        "annotations": [],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    return read_coco(path, use="evaluation")


def load(truth: CocoFile, content: Any) -> Results:
    path = truth.path.with_name("results.json")
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data)
    return load_results(path, truth)


def refusal(truth: CocoFile, content: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(truth, content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LINES = "\n".join(json.dumps(record) for record in RECORDS).encode()
PER_IMAGE = [RECORDS[:2], RECORDS[2:]]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (RECORDS, None),
        (LINES, None),
        (LINES + b"\n\n", None),
        (gzip.compress(json.dumps(RECORDS).encode()), None),
        (gzip.compress(LINES), None),
        (PER_IMAGE, "lie in a list of its own"),
        ([{"image_id": i, "instances": part} for i, part in enumerate(PER_IMAGE, 1)], "of its own"),
        (
            [
                {
                    "image_id": i,
                    "instances": [{k: v for k, v in r.items() if k != "image_id"} for r in part],
                }
                for i, part in enumerate(PER_IMAGE, 1)
            ],
            "lie in a list of its own",
        ),
        ({"instances": RECORDS}, "read from 'instances' of the object"),
        ({"info": {}, "predictions": RECORDS}, "read from 'predictions' of the object"),
        ({"annotations": RECORDS}, "read from 'annotations' of the object"),
        ([{**record, "id": 7, "segmentation": [], "iscrowd": 1} for record in RECORDS], None),
    ],
)
def test_other_layouts_are_read(truth: CocoFile, content: Any, note: str | None) -> None:
    results = load(truth, content)
    assert results.image_ids.tolist() == [1, 1, 2, 2]
    assert results.category_ids.tolist() == [1, 2, 1, 2]
    assert results.boxes[1].tolist() == [8, 2, 10, 20]
    assert len(results.notes) == (note is not None)
    assert note is None or note in results.notes[0]


def test_a_single_line(truth: CocoFile) -> None:
    assert len(load(truth, RECORDS[0])) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds an empty object; results are a list of objects"),
        ({"image_id": [1], "score": [0.5]}, "holds an object; results are a list of objects"),
        ({"images": [], "annotations": [{"score": 1}]}, "its annotations have scores: save their"),
        ({"images": [], "annotations": [{}]}, "perhaps the two files were swapped"),
        (
            [{"boxes": [[1, 2, 3, 4]], "labels": [1], "scores": [0.5], "image_id": 1}],
            "position 0 (counted from 0) holds boxes, labels and scores of a whole image",
        ),
        (LINES + b"\nnonsense\n", "line 5 is no JSON object"),
        (LINES[:-3], "line 4 is no JSON object"),
        (gzip.compress(LINES)[:40], "is packed with gzip and damaged"),
        (b"PK\x03\x04rest", "is no JSON but a zip archive"),
        (b"\x80\x04\x95", "a Python pickle, which is never opened"),
        (b"BZh9", "packed with bzip2; unpack it"),
    ],
)
def test_what_is_no_results_file_is_named(truth: CocoFile, content: Any, words: str) -> None:
    assert words in refusal(truth, content)


def test_bad_records_are_counted(truth: CocoFile) -> None:
    for change, words in (
        ({"bbox": [1, 2, -3, 4]}, "negative size; boxes are x, y, width, height; correct it"),
        ({"bbox": None}, "must be a list of 4 numbers"),
        ({"score": "0.5"}, "must be a finite number; write it without quotes"),
        ({"image_id": 9}, "use the annotations these results belong to"),
    ):
        message = refusal(truth, [RECORDS[0], *({**record, **change} for record in RECORDS[1:])])
        assert "position 1" in message
        assert f"{words} (3 detections like this)" in message


def test_ids_counted_from_zero_are_named(truth: CocoFile) -> None:
    shifted = [{**record, "category_id": record["category_id"] - 1} for record in RECORDS]
    (note,) = load(truth, shifted).notes
    assert "2 of 4 detections are left out" in note
    assert note.endswith("ids seem to be counted from 0, and here 1 is 'red': add 1 to each")


def test_percent_is_named(truth: CocoFile) -> None:
    (note,) = load(truth, [{**record, "score": 90} for record in RECORDS]).notes
    assert ", as if in percent; only their order matters" in note

"""COCO results: writing detections, and reading them with every record checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.errors import UserError
from ladcli.evaluate.results import detections_to_results, load_results, save_results
from ladcli.structures import Detections

GOOD = {"image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40], "score": 0.9}

#: What the reference folder's README wants of its results files: words of the refusal, or how
#: many detections stay and how many notes there are.
BAD_CORPUS: dict[str, str | tuple[int, int]] = {
    "ok.json": (2, 0),
    "empty.json": (0, 0),
    "unknown_image.json": "position 2 (counted from 0) has image_id 42, which is no image of",
    "unknown_category.json": (2, 1),
    "missing_score.json": "position 2 (counted from 0) has no 'score'",
    "nan_score.json": "position 2 (counted from 0) has score nan",
    "score_above_one.json": (3, 1),
    "string_score.json": "position 2 (counted from 0) has score '0.5'",
    "negative_size.json": "has bbox [10, 10, -30, 20], a negative size",
    "dict_of_lists.json": "holds an object; results are a list of objects",
    "ground_truth_instead.json": "is a ground-truth file",
}


@pytest.fixture
def ground_truth(tmp_path: Path) -> CocoFile:
    """Images 1 and 5; categories 3 cat and 8 dog."""
    path = tmp_path / "truth.json"
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 80} for i in (1, 5)],
        "categories": [{"id": 8, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40]}],
    }
    path.write_text(json.dumps(content))
    return read_coco(path)


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


class TestWriting:
    CLASSES = ClassTable((3, 8), ("cat", "dog"))

    def test_boxes_become_width_and_height_and_labels_category_ids(self) -> None:
        found = Detections(
            torch.tensor([[1.0, 2.0, 11.0, 22.5], [0.0, 0.0, 5.0, 6.0]]),
            torch.tensor([0.75, 0.5]),
            torch.tensor([1, 0]),
        )
        assert detections_to_results([found], [42], self.CLASSES) == [
            {"image_id": 42, "category_id": 8, "bbox": [1.0, 2.0, 10.0, 20.5], "score": 0.75},
            {"image_id": 42, "category_id": 3, "bbox": [0.0, 0.0, 5.0, 6.0], "score": 0.5},
        ]

    def test_numbers_have_few_decimals(self) -> None:
        found = Detections(
            torch.tensor([[0.1, 0.2, 1 / 3, 2 / 3]]), torch.tensor([1 / 3]), torch.tensor([0])
        )
        (record,) = detections_to_results([found], [1], self.CLASSES)
        assert record["bbox"] == [0.1, 0.2, 0.233, 0.467]
        assert record["score"] == 0.333333
        assert all(type(v) is float for v in [*record["bbox"], record["score"]])

    def test_an_image_without_detections_leaves_no_record(self) -> None:
        nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
        assert detections_to_results([nothing, nothing], [1, 2], self.CLASSES) == []

    def test_what_was_written_is_read_again(self, tmp_path: Path, ground_truth: CocoFile) -> None:
        found = Detections(
            torch.tensor([[1.0, 2.0, 11.0, 22.5]]), torch.tensor([0.75]), torch.tensor([1])
        )
        path = tmp_path / "predictions.json"
        save_results(path, detections_to_results([found], [5], ground_truth.classes))
        results = load_results(path, ground_truth)
        assert results.image_ids.tolist() == [5]
        assert results.category_ids.tolist() == [8]
        assert results.boxes.tolist() == [[1.0, 2.0, 10.0, 20.5]]
        assert results.scores.tolist() == [0.75]
        assert results.notes == ()


class TestReading:
    def test_columns_have_fixed_types_also_when_empty(
        self, tmp_path: Path, ground_truth: CocoFile
    ) -> None:
        for content in ([], [GOOD]):
            results = load_results(write(tmp_path / "r.json", content), ground_truth)
            assert len(results) == len(content)
            assert results.image_ids.dtype == results.category_ids.dtype == np.int64
            assert results.boxes.dtype == results.scores.dtype == np.float64
            assert results.boxes.shape == (len(content), 4)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"image_id": "1"}, ["image_id '1'", "without quotes"]),
            ({"image_id": True}, ["image_id true"]),
            ({"image_id": 10**400}, ["image_id 1000", "64 bits"]),
            ({"image_id": 2}, ["image_id 2", "no image of", "truth.json"]),
            ({"category_id": None}, ["category_id null"]),
            ({"bbox": [1, 2, 3]}, ["bbox [1, 2, 3]", "4 numbers"]),
            ({"bbox": {"x": 1}}, ["bbox an object", "4 numbers"]),
            ({"bbox": ["1", 2, 3, 4]}, ["bbox ['1', 2, 3, 4]"]),
            ({"bbox": [1, 2, 3, float("inf")]}, ["must be finite"]),
            ({"bbox": [float("nan"), 2, 3, 4]}, ["must be finite"]),
            ({"bbox": [1, 2, 1e300, 4]}, ["beyond 1e+09 pixels"]),
            ({"bbox": [1, 2, -0.5, 4]}, ["negative size"]),
            ({"score": None}, ["score null"]),
            ({"score": True}, ["score true"]),
            ({"score": float("-inf")}, ["score -inf", "finite"]),
            ({"score": 10**400}, ["score 1000", "finite"]),
        ],
    )
    def test_the_first_bad_record_is_named(
        self, tmp_path: Path, ground_truth: CocoFile, change: dict[str, Any], words: list[str]
    ) -> None:
        path = write(tmp_path / "r.json", [GOOD, GOOD | change, GOOD | change])
        with pytest.raises(UserError) as caught:
            load_results(path, ground_truth)
        message = str(caught.value)
        assert message.startswith(f"{path}: detection at position 1 (counted from 0) has ")
        assert "\n" not in message
        assert len(message) < 400 + len(str(tmp_path)) * 2
        for word in words:
            assert word in message

    @pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score"])
    def test_a_missing_key_is_named(self, tmp_path: Path, ground_truth: CocoFile, key: str) -> None:
        record = {name: value for name, value in GOOD.items() if name != key}
        path = write(tmp_path / "r.json", [GOOD, GOOD, record])
        with pytest.raises(UserError, match=f"position 2 .* has no '{key}'"):
            load_results(path, ground_truth)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "empty"),
            ("[{", "line 1, column 3"),
            ("null", "holds null"),
            ("[1]", "position 0 (counted from 0) is 1"),
            ('[[{"score": 1}]]', "position 0"),
            ("[" * 200_000, "too deeply"),
        ],
    )
    def test_other_files_are_refused(
        self, tmp_path: Path, ground_truth: CocoFile, text: str, words: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            load_results(write(tmp_path / "r.json", text), ground_truth)
        assert words in str(caught.value)

    def test_missing_file(self, tmp_path: Path, ground_truth: CocoFile) -> None:
        with pytest.raises(UserError, match=r"r\.json: no such file"):
            load_results(tmp_path / "r.json", ground_truth)

    def test_zero_sizes_and_whole_floats_are_fine(
        self, tmp_path: Path, ground_truth: CocoFile
    ) -> None:
        record = GOOD | {"image_id": 1.0, "bbox": [0, 0, 0, 0.0]}
        results = load_results(write(tmp_path / "r.json", [record]), ground_truth)
        assert results.image_ids.tolist() == [1]
        assert results.notes == ()

    def test_unknown_categories_are_left_out_and_counted(
        self, tmp_path: Path, ground_truth: CocoFile
    ) -> None:
        records = [GOOD | {"category_id": c, "score": c / 100} for c in (3, 42, 8, 42, 77)]
        results = load_results(write(tmp_path / "r.json", records), ground_truth)
        assert results.category_ids.tolist() == [3, 8]
        assert results.scores.tolist() == [0.03, 0.08]
        (note,) = results.notes
        assert "3 of 5 detections" in note
        assert "42 (2), 77 (1)" in note
        assert "position 1" in note

    def test_scores_out_of_range_are_kept_with_a_note(
        self, tmp_path: Path, ground_truth: CocoFile
    ) -> None:
        records = [GOOD, GOOD | {"score": 37.5}, GOOD | {"score": -2}]
        results = load_results(write(tmp_path / "r.json", records), ground_truth)
        assert results.scores.tolist() == [0.9, 37.5, -2.0]
        (note,) = results.notes
        assert "2 of 3 scores are outside 0 to 1 (first is 37.5" in note


@pytest.mark.parametrize("name", BAD_CORPUS)
def test_reference_files(shared: Path, name: str) -> None:
    folder = shared / "data" / "bad"
    ground_truth = read_coco(folder / "json" / "ok.json")
    wanted = BAD_CORPUS[name]
    path = folder / "results" / name
    if isinstance(wanted, str):
        with pytest.raises(UserError) as caught:
            load_results(path, ground_truth)
        assert str(caught.value).startswith(f"{path}: ")
        assert wanted in str(caught.value)
    else:
        results = load_results(path, ground_truth)
        assert (len(results), len(results.notes)) == wanted


def test_every_reference_file_is_in_the_table(shared: Path) -> None:
    assert {p.name for p in (shared / "data" / "bad" / "results").iterdir()} == set(BAD_CORPUS)

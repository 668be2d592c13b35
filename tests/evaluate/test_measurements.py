"""Every file is read once, and what was measured already is taken as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.images_seen import ImagesSeen
from ladcli.evaluate.measurements import Measurement, Measurements
from ladcli.evaluate.results import Results, load_results
from ladcli.evaluate.tide import tide_errors
from tests.evaluate.compared import write_results, write_truth


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return write_truth(tmp_path / "val.json")


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    return write_results(tmp_path / "found/predictions.json", cups=2)


def test_numbers_are_those_of_the_files(annotations: Path, predictions: Path) -> None:
    known = Measurements()
    truth = known.truth(annotations)
    found = known.of(predictions, truth)
    results = load_results(predictions, truth)
    assert found.truth is truth
    assert found.metrics == coco_metrics(truth, results)
    assert found.tide == tide_errors(truth, results)
    assert found.images == ImagesSeen(4)


def test_however_a_file_is_called_it_is_read_once(
    annotations: Path, predictions: Path, tmp_path: Path
) -> None:
    known = Measurements()
    (tmp_path / "link").symlink_to(tmp_path / "found")
    truth = known.truth(annotations)
    assert known.truth(tmp_path / "found/../val.json") is truth
    found = known.of(predictions, truth)
    assert known.of(tmp_path / "link/predictions.json", truth) is found
    assert found.matching is found.matching


def test_another_set_is_another_measurement(
    annotations: Path, predictions: Path, tmp_path: Path
) -> None:
    known = Measurements()
    other = known.truth(write_truth(tmp_path / "other.json"))
    assert known.of(predictions, other) is not known.of(predictions, known.truth(annotations))


def test_one_file_may_stand_for_another(annotations: Path, tmp_path: Path) -> None:
    known = Measurements()
    truth = known.truth(annotations)
    known.know_truth(tmp_path / "copy.json", truth)
    assert known.truth(tmp_path / "copy.json") is truth


def test_what_was_just_measured_is_kept_unless_it_has_notes(
    annotations: Path, predictions: Path
) -> None:
    known = Measurements()
    truth = known.truth(annotations)
    results = load_results(predictions, truth)
    mine = Measurement(truth, ImagesSeen(4), results)
    known.keep(predictions, truth, mine)
    assert known.of(predictions, truth) is mine
    # Notes name the file as its reader did.
    noted = Results(
        results.image_ids, results.category_ids, results.boxes, results.scores, ("a: note",)
    )
    anew = Measurements()
    anew.keep(predictions, truth, Measurement(truth, ImagesSeen(4), noted))
    assert anew.of(predictions, truth).results.notes == ()

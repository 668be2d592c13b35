"""Every number against pycocotools, from the files on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.images_seen import ImagesSeen
from ladcli.evaluate.pycocotools_engine import SAME, disagreement, pycocotools_metrics
from ladcli.evaluate.results import Results, load_results
from tests.evaluate.odd_sets import OddSet, published

#: Sizes (all, small, medium, large) and thresholds of the numbers of a class.
_OF_CLASS = {
    "AP": (0, slice(None)),
    "AP50": (0, 0),
    "AP75": (0, 5),
    "APs": (1, slice(None)),
    "APm": (2, slice(None)),
    "APl": (3, slice(None)),
}


def read(truth_file: Path, results_file: Path) -> tuple[CocoFile, Results]:
    truth = read_coco(truth_file, use="evaluation")
    return truth, load_results(results_file, truth)


def largest_difference(seed: int, folder: Path) -> float:
    """To what pycocotools makes of the files of a set; infinite where one alone is defined."""
    files = OddSet(seed).write(folder)
    stats, precision, recall = published(*files)
    metrics = coco_metrics(*read(*files))
    pairs = list(zip(metrics.stats.values(), stats, strict=True))
    for row, values in enumerate(metrics.per_class.values()):
        for key, (size, threshold) in _OF_CLASS.items():
            pairs.append((values[key], _mean(precision[threshold, :, row, size, 2])))
        pairs.append((values["AR100"], _mean(recall[:, row, 0, 2])))
    return max(abs((-1 if mine is None else mine) - theirs) for mine, theirs in pairs)


def _mean(values: np.ndarray) -> float:
    return float(values[values > -1].mean()) if (values > -1).any() else -1


@pytest.mark.parametrize("seed", range(40))
def test_every_number_is_that_of_pycocotools(seed: int, tmp_path: Path) -> None:
    assert largest_difference(seed, tmp_path) < SAME


def test_images_and_classes_that_are_left_out(tmp_path: Path) -> None:
    """The engine measures what ground truth is left, and classes keep their names."""
    truth, results = read(*OddSet(1).write(tmp_path))
    assert not (truth.class_row == len(truth.classes) - 1).any()  # the last class has no boxes
    table = ClassTable(truth.classes.ids[:-1], truth.classes.names[:-1])
    known = results.category_ids < truth.classes.ids[-1]
    images = ImagesSeen.only(truth.image_ids[1:].tolist(), truth)
    part = replace(images.part_of(truth), classes=table)
    known &= np.isin(results.image_ids, part.image_ids)
    found = Results(
        results.image_ids[known],
        results.category_ids[known],
        results.boxes[known],
        results.scores[known],
    )
    published = pycocotools_metrics(part, found)
    assert list(published.per_class) == list(table.names)
    assert disagreement(coco_metrics(part, found), published).same


def test_sets_hold_what_is_odd() -> None:
    """Else the comparison would say little."""
    sets = [OddSet(seed) for seed in range(40)]
    records = [record for one in sets for record in one.annotations]
    boxes = np.array([record["bbox"] for record in records])
    assert any(record["id"] == 0 for record in records)
    assert any(record["id"] > 2**53 for record in records)
    assert any(max(one.image_ids) > 2**53 for one in sets)
    assert any(record.get("ignore") for record in records)
    assert any(record["iscrowd"] for record in records)
    assert any(record["area"] in (1024, 9216) for record in records)
    assert any(record["area"] < 0 for record in records)
    assert (boxes[:, 2:] == 0).any()
    assert (boxes[:, :2] + boxes[:, 2:] <= 0).any()
    assert not all(one.annotations for one in sets)
    assert not all(one.detections for one in sets)
    assert any(sum(d["image_id"] == one.image_ids[0] for d in one.detections) > 150 for one in sets)


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_is_pycocotools(seed: int, tmp_path: Path) -> None:
    files = OddSet(seed).write(tmp_path)
    stats, precision, _ = published(*files)
    truth, results = read(*files)
    metrics = pycocotools_metrics(truth, results)
    assert [-1 if value is None else value for value in metrics.stats.values()] == stats
    for row, values in enumerate(metrics.per_class.values()):
        assert (-1 if values["AP"] is None else values["AP"]) == _mean(precision[:, :, row, 0, 2])
    found = disagreement(coco_metrics(truth, results), metrics)
    assert found.same
    assert found.largest < SAME

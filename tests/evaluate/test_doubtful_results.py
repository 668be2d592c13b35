from __future__ import annotations

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.doubtful_results import doubts
from ladcli.evaluate.results import rows_in
from tests.evaluate.random_sets import CASES, RandomSet


def judged(
    truth: CocoFile, boxes: np.ndarray, category_ids: np.ndarray, rows: np.ndarray | None = None
) -> list[str]:
    rows = truth.image_row if rows is None else rows
    return doubts(truth, rows, category_ids, boxes, np.linspace(1, 0, len(boxes)))


def objects() -> tuple[CocoFile, np.ndarray]:
    """Ground truth of two classes (ids 2 and 5) and a third without objects; its category ids."""
    truth, _ = RandomSet(crowd=0).draw(3)
    return truth, np.array(truth.classes.ids)[truth.class_row]


def test_sound_results_raise_no_doubt() -> None:
    truth, ids = objects()
    assert judged(truth, truth.boxes, ids) == []
    assert judged(truth, truth.boxes[:0], ids[:0], truth.image_row[:0]) == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_poor_results_raise_none_either(name: str) -> None:
    truth, results = CASES[name].draw(0)
    rows, _ = rows_in(truth, results)
    assert doubts(truth, rows, results.category_ids, results.boxes, results.scores) == []


def test_a_network_that_knows_one_class_alone() -> None:
    truth, ids = objects()
    assert judged(truth, truth.boxes, np.full_like(ids, 8)) == []


def test_corners() -> None:
    truth, ids = objects()
    corners = np.concatenate([truth.boxes[:, :2], truth.boxes[:, :2] + truth.boxes[:, 2:]], axis=1)
    (doubt,) = judged(truth, corners, ids)
    assert doubt.startswith("boxes look like x1, y1, x2, y2: so read, 100% of them overlap")


def test_corners_of_detections_that_find_nothing() -> None:
    truth, ids = objects()
    corners = np.tile([200.0, 150.0, 260.0, 290.0], (len(ids), 1))
    (doubt,) = judged(truth, corners, ids)
    assert "x1, y1, x2, y2" in doubt


def test_fractions() -> None:
    truth, ids = objects()
    (doubt,) = judged(truth, truth.boxes / 300, ids)
    assert "they look like fractions of the image size" in doubt


def test_one_fraction_is_enough() -> None:
    truth, ids = objects()
    (message,) = judged(truth, truth.boxes[:1] / 10_000, ids[:1], truth.image_row[:1])
    assert "fractions of the image size" in message


def test_class_ids_of_another_list() -> None:
    truth, ids = objects()
    swapped = np.where(ids == 2, 5, 2)
    (doubt,) = judged(truth, truth.boxes, swapped)
    assert "detections of category 2 on 5 ('class 1'), 5 on 2 ('class 0') lie on its" in doubt
    assert "counted from 0" not in doubt
    (doubt,) = judged(truth, truth.boxes, truth.class_row)
    assert "0 on 2 ('class 0'), 1 on 5 ('class 1') lie on its objects; they seem to be" in doubt

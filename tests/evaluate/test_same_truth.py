"""What makes two files of ground truth differ, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.same_truth import truth_difference
from tests.evaluate.random_sets import RandomSet

SET = RandomSet(images=6, classes=3, boxes=20)


def drawn(seed: int = 0) -> CocoFile:
    return SET.draw(seed)[0]


def shuffled(truth: CocoFile) -> CocoFile:
    """The same images and boxes in another order, under other annotation ids."""
    images, boxes = (
        np.random.default_rng(1).permutation(6),
        np.random.default_rng(2).permutation(20),
    )
    place = np.argsort(images)
    return replace(
        truth,
        image_ids=truth.image_ids[images],
        hw=truth.hw[images],
        annotation_ids=truth.annotation_ids + 100,
        image_row=place[truth.image_row][boxes],
        class_row=truth.class_row[boxes],
        boxes=truth.boxes[boxes],
        area=truth.area[boxes],
        crowd=truth.crowd[boxes],
    )


def named(truth: CocoFile, ids: tuple[int, ...], *names: str) -> CocoFile:
    return replace(truth, classes=ClassTable(ids, names))


def changed(truth: CocoFile, field: str) -> CocoFile:
    """The first box differs in one thing."""
    values = getattr(truth, field).copy()
    values[0] = ~values[0] if field == "crowd" else values[0] + 1
    return replace(truth, **{field: values})


def test_order_and_annotation_ids_do_not_count() -> None:
    truth = drawn()
    assert truth_difference(truth, truth) is None
    assert truth_difference(drawn(), truth) is None
    assert truth_difference(shuffled(truth), truth) is None


@pytest.mark.parametrize("field", ["boxes", "area", "crowd", "class_row"])
def test_boxes_that_differ(field: str) -> None:
    words = "boxes or areas in the same images differ"
    assert truth_difference(changed(drawn(), field), drawn()) == words
    assert truth_difference(changed(shuffled(drawn()), field), drawn()) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: named(t, (2, 5, 8), "x", "class 1", "class 2"), "classes: class 'x' is missing"),
        (
            lambda t: named(t, (2, 5), "class 0", "class 1"),
            "classes: 2 classes against 3, which add 'class 2'",
        ),
        (lambda t: named(t, (2, 5, 9), *t.classes.names), "the ids of the classes"),
        (lambda t: replace(t, image_ids=t.image_ids + 1), "6 images against 6 with other ids"),
        (lambda t: replace(t, image_ids=np.append(t.image_ids, 99)), "7 images against 6"),
    ],
    ids=["name", "number of classes", "class ids", "image ids", "images"],
)
def test_classes_and_images_that_differ(change: Callable[[CocoFile], CocoFile], words: str) -> None:
    assert truth_difference(change(drawn()), drawn()) == words


def test_number_of_boxes() -> None:
    fewer = replace(SET, boxes=19).draw(0)[0]
    truth = drawn()
    same_images = replace(fewer, image_ids=truth.image_ids)
    assert truth_difference(same_images, truth) == "boxes or areas in the same images differ"

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ladcli.data.brightness import Brightness
from ladcli.evaluate.report.reading.picked_images import picked_images
from tests.data.measured import content_of, measured_set


def boxes(count: int, side: float, name: str = "cup") -> list[tuple[str, list[float]]]:
    return [(name, [float(k), 0, side, side]) for k in range(count)]


#: 0 most, 1 none, 2 smallest, 3 largest, 4 rare, 5 and 6 plain, 7 dark, 8 bright.
IMAGES = [
    boxes(9, 20), [], boxes(2, 5), boxes(2, 90), boxes(2, 20, "plate"),
    boxes(2, 20), boxes(2, 20), boxes(2, 20), boxes(2, 20),
]  # fmt: skip


def test_every_kind_has_its_image(tmp_path: Path) -> None:
    measured = measured_set(tmp_path, content_of(IMAGES))
    luma = np.full(9, 100.0)
    luma[7], luma[8] = 0, 255
    measured = replace(measured, brightness=Brightness(np.arange(9), luma))
    picked = picked_images(measured, 1)
    found = [(one.row, one.why) for one in picked]
    assert found[:7] == [
        (0, "Most boxes"),
        (1, "No box"),
        (2, "Smallest box, 5 px"),
        (3, "Largest box, 90 px"),
        (4, "Rare class plate: 2 in all"),
        (7, "Darkest, mean luma 0"),
        (8, "Brightest, mean luma 255"),
    ]
    assert sorted(row for row, _ in found[7:]) == [5, 6]
    assert {why for _, why in found[7:]} == {"At random"}
    assert picked[2].focus is not None
    assert measured.sides[picked[2].focus] == 5


def test_no_image_is_shown_twice(tmp_path: Path) -> None:
    measured = measured_set(tmp_path, content_of(IMAGES))
    for count in (1, 2, 3, 9):
        rows = [one.row for one in picked_images(measured, count)]
        assert len(rows) == len(set(rows))
    assert sorted(rows) == list(range(9))


def test_set_without_boxes(tmp_path: Path) -> None:
    found = picked_images(measured_set(tmp_path, content_of([[], []])), 1)
    assert found[0].why == "No box"
    assert sorted(one.row for one in found) == [0, 1]


def test_rarest_classes_take_turns(tmp_path: Path) -> None:
    plain = [boxes(9, 30, "usual"), boxes(1, 5, "usual"), boxes(3, 90, "usual")]  # other kinds
    rare = [boxes(2, 30, "rare"), boxes(3, 30, "rare"), boxes(2, 30, "rarer")]
    images = [*plain, *plain, boxes(1, 5, "usual"), *rare]
    content = content_of(images, classes=("usual", "rare", "rarer"))
    measured = measured_set(tmp_path, content, pixels=False)
    found = {one.why: one.row for one in picked_images(measured, 1)}
    assert found["Rare class rarer: 2 in all"] == 9
    found = {one.why: one.row for one in picked_images(measured, 2)}
    assert found["Rare class rarer: 2 in all"] == 9
    assert found["Rare class rare: 5 in all"] == 8

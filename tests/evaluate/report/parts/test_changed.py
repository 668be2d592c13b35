from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.parts.changed import changed_section, most_changed
from ladcli.evaluate.report.reading.judging import ImageLoss
from ladcli.evaluate.results import Results
from ladcli.runs.score_thresholds import ScoreThresholds, Threshold
from tests.evaluate.random_sets import RandomSet
from tests.evaluate.report.markup import Node, parse
from tests.evaluate.report.runs import measured_result, plain_result

SIDE = 60
#: Four boxes in each of five images.
BOXES = np.array([[0.0, 0, 20, 20], [30, 0, 20, 20], [0, 30, 20, 20], [30, 30, 20, 20]])
IDS = (11, 12, 13, 14, 15)


@pytest.fixture
def truth(tmp_path: Path) -> CocoFile:
    """Five images with four objects of one class each, and their pictures in ``tmp_path``."""
    bare, _ = RandomSet(images=5, classes=1, boxes=0, side=SIDE).draw(0)
    for image_id in IDS:
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / f"{image_id}.jpg")
    return replace(
        bare,
        image_ids=np.array(IDS),
        file_names=[f"{image_id}.jpg" for image_id in IDS],
        annotation_ids=np.arange(20),
        image_row=np.repeat(np.arange(5), 4),
        class_row=np.zeros(20, dtype=np.int64),
        boxes=np.tile(BOXES, (5, 1)),
        area=np.full(20, 400.0),
        crowd=np.zeros(20, dtype=bool),
    )


def finding(
    truth: CocoFile, *found: int, folder: Path, name: str = "LAD", place: int = 1
) -> MeasuredMethod:
    """A method that finds the first so many objects of each image, and nothing else."""
    image_ids = np.repeat(IDS, found)
    boxes = np.concatenate([BOXES[:count] for count in found])
    category = np.full(len(boxes), truth.classes.ids[0])
    results = Results(image_ids, category, boxes, np.full(len(boxes), 0.9))
    return MeasuredMethod(name, (measured_result(truth, results, folder),), place)


def shown(*entries: MeasuredMethod, max_bytes: int = 10_000_000) -> Node:
    return parse(changed_section(entries, max_bytes=max_bytes))


def titles(page: Node) -> list[str]:
    return [h.text for h in page.all("h4")]


def captions(page: Node) -> list[str]:
    return [caption.text for caption in page.all("figcaption")]


def test_images_that_gained_and_lost_most_stand_in_pairs(truth: CocoFile, tmp_path: Path) -> None:
    first = finding(truth, 2, 2, 2, 4, 4, folder=tmp_path, name="PAA", place=0)
    page = shown(first, finding(truth, 3, 4, 2, 3, 4, folder=tmp_path))
    assert titles(page) == [
        "Images in which LAD loses less than PAA", "Images in which LAD loses more than PAA",
    ]  # fmt: skip
    # Half of four objects found is an F1 of 2/3; three of four 6/7.
    assert captions(page) == [
        "12.jpg, PAA 2 missed, 0 wrong, 2 right: 33% lost",
        "12.jpg, LAD 0 missed, 0 wrong, 4 right: 0% lost",
        "11.jpg, PAA 2 missed, 0 wrong, 2 right: 33% lost",
        "11.jpg, LAD 1 missed, 0 wrong, 3 right: 14% lost",
        "14.jpg, PAA 0 missed, 0 wrong, 4 right: 0% lost",
        "14.jpg, LAD 1 missed, 0 wrong, 3 right: 14% lost",
    ]
    assert len(list(page.all("img"))) == 6
    counted = [p.text for p in page.all("p") if p.text.startswith("Counted and drawn")]
    rule = "those with a score of at least 0.3 (no scores of best F1 are stored; lad eval --split"
    assert [words.partition(" val ")[0] for words in counted] == [
        f"Counted and drawn of PAA: 14 of 14 detections, {rule}",
        f"Counted and drawn of LAD: 16 of 16 detections, {rule}",
    ]


def test_every_method_has_the_thresholds_of_its_own_network(
    truth: CocoFile, tmp_path: Path
) -> None:
    first = finding(truth, 4, 4, 4, 4, 4, folder=tmp_path, name="PAA", place=0)
    second = finding(truth, 4, 4, 4, 4, 4, folder=tmp_path)
    high = ScoreThresholds(Threshold(0.95, 0.5), {})  # above all scores
    page = shown(first, replace(second, runs=(replace(second.runs[0], thresholds=high),)))
    assert "Images in which LAD loses more than PAA" in titles(page)
    assert captions(page)[:2] == [
        "11.jpg, PAA 0 missed, 0 wrong, 4 right: 0% lost",
        "11.jpg, LAD 4 missed, 0 wrong, 0 right: 100% lost",
    ]
    assert "Counted and drawn of LAD: 0 of 20 detections, those of at least the score of" in (
        page.text
    )


def test_no_image_in_a_direction_is_told(truth: CocoFile, tmp_path: Path) -> None:
    first = finding(truth, 2, 2, 2, 2, 2, folder=tmp_path, name="PAA", place=0)
    page = shown(first, finding(truth, 4, 2, 2, 2, 2, folder=tmp_path))
    assert titles(page) == ["Images in which LAD loses less than PAA"]
    assert list(page.all("p"))[-1].text == "Images in which LAD loses more than PAA: none."


def test_every_method_is_compared_with_the_first(truth: CocoFile, tmp_path: Path) -> None:
    methods = [
        finding(truth, *found, folder=tmp_path, name=name)
        for name, found in (
            ("PAA", (0, 0, 0, 0, 0)),
            ("A", (1, 2, 3, 4, 4)),
            ("B", (4, 4, 3, 2, 1)),
            ("C", (1, 1, 1, 1, 1)),
        )
    ]
    page = shown(*methods)
    assert [title.split()[3] for title in titles(page)] == ["A", "B", "C"]
    # Two of each, so that there are no more than 24 pictures of all; ties go by the file's order.
    assert [c.split(",")[0] for c in captions(page)[::2]] == [
        "14.jpg", "15.jpg", "11.jpg", "12.jpg", "11.jpg", "12.jpg",
    ]  # fmt: skip


def test_the_same_ground_truth_in_another_order_is_comparable(
    truth: CocoFile, tmp_path: Path
) -> None:
    backwards = replace(
        truth,
        image_ids=truth.image_ids[::-1],
        file_names=truth.file_names[::-1],
        image_row=4 - truth.image_row,
    )
    first = finding(truth, 0, 4, 4, 4, 4, folder=tmp_path, name="PAA")
    page = shown(first, finding(backwards, 4, 4, 4, 4, 0, folder=tmp_path))
    assert [c.split(":")[0] for c in captions(page)] == [
        "11.jpg, PAA 4 missed, 0 wrong, 0 right", "11.jpg, LAD 0 missed, 0 wrong, 4 right",
        "15.jpg, PAA 0 missed, 0 wrong, 4 right", "15.jpg, LAD 4 missed, 0 wrong, 0 right",
    ]  # fmt: skip


def test_methods_on_other_ground_truth_are_left_out(truth: CocoFile, tmp_path: Path) -> None:
    first = finding(truth, 2, 2, 2, 2, 2, folder=tmp_path, name="PAA")
    moved = replace(truth, boxes=truth.boxes + 1)
    other = finding(moved, 1, 1, 1, 1, 1, folder=tmp_path, name="moved")
    bare = MeasuredMethod("recorded", (plain_result(0.4),))
    assert changed_section([first, other, bare], max_bytes=10**6) == ""
    page = shown(first, other, bare, finding(truth, 3, 3, 3, 3, 3, folder=tmp_path))
    assert titles(page) == ["Images in which LAD loses less than PAA"]
    assert changed_section([bare, first, other], max_bytes=10**6) == ""
    assert changed_section([first], max_bytes=10**6) == ""


def test_the_first_run_of_a_method_is_looked_at(truth: CocoFile, tmp_path: Path) -> None:
    first = finding(truth, 2, 2, 2, 2, 2, folder=tmp_path, name="PAA")
    better, same = (finding(truth, *5 * [found], folder=tmp_path).runs for found in (3, 2))
    assert len(captions(shown(first, MeasuredMethod("LAD", better + same)))) == 2 * 3
    assert captions(shown(first, MeasuredMethod("LAD", same + better))) == []


def test_folder_that_is_gone_is_one_remark(truth: CocoFile, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    page = shown(*(finding(truth, *5 * [n], folder=gone, name=f"{n}") for n in (1, 2)))
    (remark,) = page.all("p")
    assert remark.classes == ["remark"]
    assert remark.text.startswith(f"{gone}: no such folder, so no images are shown")


def test_pictures_share_the_room_of_the_page(truth: CocoFile, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for image_id in IDS:
        noise = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{image_id}.jpg", quality=95)
    entries = [finding(truth, *5 * [n], folder=tmp_path, name=f"{n}") for n in (1, 2)]
    wide, narrow = (shown(*entries, max_bytes=n) for n in (10**6, 12 * 2000))
    sizes = [sum(len(i.attributes["src"] or "") for i in p.all("img")) for p in (wide, narrow)]
    assert sizes[1] < sizes[0]
    assert sizes[1] <= 12 * 2000 + 6 * 30


def test_names_are_text(truth: CocoFile, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    first = finding(truth, 1, 1, 1, 1, 1, folder=tmp_path, name=evil)
    markup = changed_section(
        [first, finding(truth, 2, 2, 2, 2, 2, folder=tmp_path)], max_bytes=10**6
    )
    assert "<script>" not in markup
    assert evil in titles(parse(markup))[0]


def losses(*counts: tuple[int, int]) -> list[tuple[ImageLoss, ImageLoss]]:
    """Images of which two methods miss so many of ten objects."""
    return [
        (ImageLoss(row, one, 0, 10 - one), ImageLoss(row, two, 0, 10 - two))
        for row, (one, two) in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("sign", "count", "rows"),
    [(-1, 9, [2, 0]), (1, 9, [3, 4, 5]), (1, 2, [3, 4]), (-1, 0, [])],
)
def test_the_largest_change_comes_first_and_equal_ones_by_the_file(
    sign: int, count: int, rows: list[int]
) -> None:
    pairs = losses((5, 4), (5, 5), (5, 1), (1, 5), (1, 3), (1, 3))
    assert [one.row for one, _ in most_changed(pairs, sign, count)] == rows

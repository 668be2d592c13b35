from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladcli.evaluate.matching import IGNORED, RIGHT, match
from ladcli.evaluate.report.content import SetResult, Truth
from ladcli.evaluate.report.worst import MIN_SCORE, ImageLoss, judge, worst_images, worst_section
from ladcli.evaluate.results import Results
from tests.evaluate.random_sets import CASES
from tests.evaluate.report.markup import parse
from tests.evaluate.scenes import scene

BOX, OTHER, NOWHERE = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]


def confident(results: Results) -> Results:
    keep = results.scores >= MIN_SCORE
    return Results(
        results.image_ids[keep], results.category_ids[keep], results.boxes[keep],
        results.scores[keep],
    )  # fmt: skip


#: More than the 100 detections per image and class that COCO looks at.
BEYOND_COCO = ("many of one class", "crowded")


@pytest.mark.parametrize("name", [name for name in CASES if name not in BEYOND_COCO])
def test_judgements_are_those_of_the_coco_protocol(name: str) -> None:
    for seed in range(3):
        truth, results = CASES[name].draw(seed)
        matching = match(truth, confident(results))
        judged = judge(Truth(truth, Path()), results)
        verdict = matching.verdict[0, 0]
        for k in range(len(truth.image_ids)):
            row = np.argsort(truth.image_ids)[k]
            ours = judged.image == row
            theirs = verdict[matching.image == k]
            assert judged.right[ours].sum() == (theirs == RIGHT).sum()
            assert judged.ignored[ours].sum() == (theirs == IGNORED).sum()


def test_losses_are_counted_by_image() -> None:
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE), (1, NOWHERE)])
    judged = judge(Truth(truth, Path()), results)  # scores 0.9, 0.5, 0.1: the last is not seen
    assert judged.right.tolist() == [True, False]
    assert judged.found.tolist() == [True, False]
    (loss,) = worst_images(Truth(truth, Path()), judged, 5)
    assert (loss.missed, loss.false, loss.found) == (1, 1, 1)
    assert loss.share == 0.5  # F1 is 1/2: precision and recall are


def test_detections_over_crowds_are_no_losses() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX), (0, BOX)], crowd=(0,))
    judged = judge(Truth(truth, Path()), results)
    assert judged.ignored.all()
    assert worst_images(Truth(truth, Path()), judged, 5) == []


def test_the_largest_share_comes_first_then_the_larger_number() -> None:
    truth, results = CASES["ordinary"].draw(1)
    kept = worst_images(Truth(truth, Path()), judge(Truth(truth, Path()), results), 6)
    order = [(-loss.share, -(loss.missed + loss.false)) for loss in kept]
    assert len(kept) == 6
    assert order == sorted(order)
    assert ImageLoss(0, missed=3, false=0, found=0).share == 1


def picture_of(folder: Path, truth: object) -> Truth:
    (name,) = truth.file_names  # type: ignore[attr-defined]
    height, width = truth.hw[0].tolist()  # type: ignore[attr-defined]
    Image.new("RGB", (width, height), (90, 120, 60)).save(folder / name)
    return Truth(truth, folder)  # type: ignore[arg-type]


def test_section_shows_a_picture_with_its_numbers(tmp_path: Path) -> None:
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE)])
    known = picture_of(tmp_path, truth)
    result = SetResult("model", "val", None, truth=known, detections=results)
    shown = parse(worst_section(result, count=3, max_bytes=50_000))
    image = shown.one("img")
    assert (image.attributes["src"] or "").startswith("data:image/jpeg;base64,")
    assert "1 missed, 0 wrong, 1 right: 33% lost" in shown.one("figcaption").text
    assert image.attributes["alt"] is not None


def test_missing_image_is_a_remark(tmp_path: Path) -> None:
    truth, results = scene([(0, BOX)], [])
    result = SetResult("model", "val", None, truth=Truth(truth, tmp_path), detections=results)
    shown = parse(worst_section(result, count=3, max_bytes=50_000))
    assert "no such file" in shown.one("p", "remark").text
    assert not list(shown.all("img"))


def test_nothing_lost_is_said() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX)])
    result = SetResult("model", "val", None, truth=Truth(truth, Path()), detections=results)
    assert "Nothing is lost" in worst_section(result, count=3, max_bytes=50_000)


def test_without_ground_truth_there_is_no_section() -> None:
    assert worst_section(SetResult("model", "val", None), count=3, max_bytes=1) == ""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.report.parts.worst import worst_images, worst_section
from ladcli.evaluate.report.reading.judging import ImageLoss, judge
from ladcli.runs.score_thresholds import ScoreThresholds, Threshold
from tests.evaluate.random_sets import CASES
from tests.evaluate.report.markup import parse
from tests.evaluate.scenes import scene

BOX, OTHER, NOWHERE = [10.0, 10, 20, 20], [100.0, 10, 20, 20], [200.0, 200, 20, 20]


def test_the_largest_share_comes_first_then_the_larger_number() -> None:
    truth, results = CASES["ordinary"].draw(1)
    known = Truth(truth, Path())
    result = MeasuredRun("model", "val", None, truth=known, detections=results)
    kept = worst_images(known, judge(result), 6)
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
    result = MeasuredRun("model", "val", None, truth=known, detections=results)
    shown = parse(worst_section(result, count=3, max_bytes=50_000))
    image = shown.one("img")
    assert (image.attributes["src"] or "").startswith("data:image/jpeg;base64,")
    assert "1 missed, 0 wrong, 1 right: 33% lost" in shown.one("figcaption").text
    assert image.attributes["alt"] is not None
    # Scores are 0.9 and 0.1, and no threshold is known.
    assert "Counted and drawn are 1 of 2 detections, those with a score of at least 0.3" in (
        shown.text
    )


def test_thresholds_of_the_network_say_what_is_drawn(tmp_path: Path) -> None:
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE)])
    thresholds = ScoreThresholds(Threshold(0.05, 0.5), {})
    known = picture_of(tmp_path, truth)
    result = MeasuredRun(
        "model", "val", None, truth=known, detections=results, thresholds=thresholds
    )
    shown = parse(worst_section(result, count=3, max_bytes=50_000))
    assert "1 missed, 1 wrong, 1 right: 50% lost" in shown.one("figcaption").text
    assert "2 of 2 detections, those of at least the score of best F1 on val" in shown.text


def test_nothing_lost_is_said() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX)])
    result = MeasuredRun("model", "val", None, truth=Truth(truth, Path()), detections=results)
    shown = worst_section(result, count=3, max_bytes=50_000)
    assert "Nothing is lost" in shown
    assert "1 of 1 detections" in shown


def test_without_ground_truth_there_is_no_section() -> None:
    assert worst_section(MeasuredRun("model", "val", None), count=3, max_bytes=1) == ""

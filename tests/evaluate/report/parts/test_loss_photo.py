from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.report.parts import loss_photo as module
from ladcli.evaluate.report.parts.loss_photo import (
    FALSE_COLOR,
    MAX_NAMES,
    MISSED_COLOR,
    RIGHT_COLOR,
    loss_photo,
)
from ladcli.evaluate.report.reading.judging import image_losses, judge
from ladcli.evaluate.results import Results
from ladcli.runs.score_thresholds import DEFAULT_SCORE
from tests.evaluate.report.markup import Node, parse
from tests.evaluate.scenes import scene

SIDE = 640
#: x, y, width, height; far from each other.
BOX, OTHER, NOWHERE = [40.0, 60, 150, 150], [340.0, 60, 150, 150], [340.0, 400, 150, 150]
COLORS = {"right": RIGHT_COLOR, "missed": MISSED_COLOR, "false": FALSE_COLOR}
#: One object found, one wrong detection; the last detection has a score that nobody would see.
SEEN = [(0, BOX), (1, OTHER)], [(0, BOX), (0, NOWHERE), (1, OTHER)]


def known(folder: Path, truth: CocoFile, size: tuple[int, int] = (SIDE, SIDE)) -> Truth:
    truth.hw[:] = SIDE
    Image.new("RGB", size, (90, 90, 90)).save(folder / truth.file_names[0])
    return Truth(truth, folder)


def shown(truth: Truth, results: Results, *, max_bytes: int = 100_000, title: str = "one") -> Node:
    judged = judge(MeasuredRun("model", "val", None, truth=truth, detections=results))
    (loss,) = image_losses(truth, judged)
    return parse(loss_photo(truth, judged, loss, title=title, max_bytes=max_bytes))


def picture(figure: Node) -> Image.Image:
    head, _, content = (figure.one("img").attributes["src"] or "").partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def borders(image: Image.Image, box: list[float]) -> tuple[str, float]:
    """The color of a box's left and right borders, and the share of their length that has it."""
    x, y, width, height = (int(v) for v in box)
    pixels = np.asarray(image, dtype=np.int64)[y + 8 : y + height - 8]
    sides = np.stack([pixels[:, at - 3 : at + 4] for at in (x, x + width)])  # [2, H, 7, 3]
    tint = sides.max(axis=3) - sides.min(axis=3)
    colored = sides[tint > 60]  # the picture is gray, and so is the casing of lines
    nearest = np.abs(colored[:, None] - np.array(list(COLORS.values()))).sum(axis=2).argmin(axis=1)
    kind = list(COLORS)[int(np.bincount(nearest).argmax())]
    return kind, float((tint > 60).any(axis=2).mean())


def test_losses_and_what_is_right_have_colors_and_lines_of_their_own(tmp_path: Path) -> None:
    truth, results = scene(*SEEN)
    image = picture(shown(known(tmp_path, truth), results))
    assert image.size == (SIDE, SIDE)
    right, missed, false = (borders(image, box) for box in (BOX, OTHER, NOWHERE))
    assert (right[0], missed[0], false[0]) == ("right", "missed", "false")
    assert right[1] == false[1] == 1
    assert 0.4 < missed[1] < 0.95  # dashed
    assert np.ptp(np.asarray(image)[500:, :300]) < 5  # nothing is drawn where nothing is


def test_numbers_stand_beside_the_title(tmp_path: Path) -> None:
    truth, results = scene(*SEEN)
    figure = shown(known(tmp_path, truth), results, title="<b>one</b>")
    assert figure.one("figcaption").one("b").text == "<b>one</b>"
    # Of two objects and two detections one each is without a partner.
    assert figure.one("figcaption").one("span").text == "1 missed, 1 wrong, 1 right: 50% lost"
    assert figure.one("img").attributes["alt"] == "<b>one</b>: 1 missed, 1 wrong, 1 right: 50% lost"


def test_large_images_are_scaled_with_their_boxes(tmp_path: Path) -> None:
    truth, results = scene([(0, [2 * v for v in BOX])], [])
    large = known(tmp_path, truth, (2 * SIDE, 2 * SIDE))
    truth.hw[:] = 2 * SIDE
    image = picture(shown(large, results))
    assert image.size == (SIDE, SIDE)
    kind, share = borders(image, BOX)
    assert kind == "missed"
    assert share > 0.4


def test_picture_fits_its_share_of_the_page(tmp_path: Path) -> None:
    truth, results = scene([(0, BOX)], [(1, NOWHERE)])
    figure = shown(known(tmp_path, truth), results, max_bytes=6_000)
    assert len(figure.one("img").attributes["src"] or "") < 6_100


def test_missing_image_is_a_remark(tmp_path: Path) -> None:
    truth, results = scene([(0, BOX)], [])
    figure = shown(Truth(truth, tmp_path), results)
    assert "no such file" in figure.one("p", "remark").text
    assert figure.one("span").text == "1 missed, 0 wrong, 0 right: 100% lost"
    assert not list(figure.all("img"))


@pytest.mark.parametrize("size", [(SIDE - 1, SIDE), (SIDE // 2, SIDE // 2)])
def test_image_of_another_size_is_a_remark(tmp_path: Path, size: tuple[int, int]) -> None:
    truth, results = scene([(0, BOX)], [])
    figure = shown(known(tmp_path, truth, size), results)
    assert "640" in figure.one("p", "remark").text
    assert not list(figure.all("img"))


def test_small_images_are_enlarged_with_their_boxes(tmp_path: Path) -> None:
    truth, results = scene([(0, [v / 8 for v in BOX])], [])
    small = known(tmp_path, truth, (SIDE // 8, SIDE // 8))
    truth.hw[:] = SIDE // 8
    image = picture(shown(small, results))
    assert image.size == (480, 480)
    kind, share = borders(image, [0.75 * v for v in BOX])
    assert kind == "missed"
    assert share > 0.3


def test_only_the_first_losses_carry_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was missed, then the surest of what is wrong."""
    drawn: list[str] = []

    def noting(image: Image.Image, boxes: Any, texts: list[str], *_: Any, **__: Any) -> Image.Image:
        drawn.extend(texts)
        return image

    monkeypatch.setattr(module, "draw_boxes", noting)
    truth, results = scene([(0, BOX), (1, OTHER)], [(0, BOX)] + [(1, NOWHERE)] * 20)
    shown(known(tmp_path, truth), results)
    false = [f"class 1 {score:.2f}" for score in results.scores[1:MAX_NAMES]]
    assert drawn[:MAX_NAMES] == ["class 1", *false]
    assert set(drawn[MAX_NAMES:]) == {""}
    # Beside the missed object: those above the least score, and two boxes of what is right.
    assert len(drawn) == 1 + int((results.scores[1:] >= DEFAULT_SCORE).sum()) + 2

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladcli.evaluate.report.parts.data_pictures import around, pictures_section
from tests.data.measured import content_of, measured_set
from tests.evaluate.report.markup import Node, parse

COLORS = {"cup": (230, 159, 0), "plate": (0, 114, 178)}


def shown(markup: str) -> list[Image.Image]:
    sources = [image.attributes["src"] or "" for image in parse(markup).all("img")]
    return [Image.open(io.BytesIO(base64.b64decode(s.split(",")[1]))) for s in sources]


def captions(markup: str) -> list[str]:
    return [node.text for node in parse(markup).all("figcaption")]


def legend(page: Node) -> list[tuple[str, str | None]]:
    items = page.one("ul", "legend").all("li")
    return [(item.text, item.one("rect").attributes["fill"]) for item in items]


def test_boxes_are_drawn_in_the_colors_of_the_legend(tmp_path: Path) -> None:
    images = [[("plate", [32.0, 24, 64, 48])]]
    measured = measured_set(tmp_path, content_of(images))
    Image.new("RGB", (128, 96), (128, 128, 128)).save(tmp_path / "000.png")
    markup = pictures_section(measured, COLORS, few=False, max_bytes=10**6)
    assert legend(parse(markup)) == [("plate", "#0072b2")]
    (picture,) = shown(markup)
    assert picture.size == (480, 360)  # enlarged, so that names have room
    factor = 480 / 128
    edge = np.asarray(picture.convert("RGB"))[round(48 * factor), round(32 * factor)]
    assert np.abs(edge.astype(int) - COLORS["plate"]).max() < 60
    assert captions(markup) == ["Most boxes 000.png, 128x96; 1 plate"]


def test_small_box_is_shown_large(tmp_path: Path) -> None:
    large = ("plate", [10.0, 10, 300, 300])
    # Three images have more boxes, and three fewer.
    images = [*[[large] * 3] * 3, *[[large]] * 3, [("cup", [500.0, 400, 8, 8]), large]]
    measured = measured_set(tmp_path, content_of(images, size=(1000, 800)))
    told = captions(pictures_section(measured, COLORS, few=False, max_bytes=10**6))
    words = "Smallest box, 8 px 006.png, 1000x800; 1 cup, 1 plate; shown is a part of 96x96"
    assert words in told


def test_crowd_and_difficult_are_told_apart(tmp_path: Path) -> None:
    content = content_of([[("cup", [float(k), 0, 20, 20]) for k in range(3)]])
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["ignore"] = 1
    markup = pictures_section(measured_set(tmp_path, content), COLORS, few=False, max_bytes=10**6)
    assert captions(markup) == ["Most boxes 000.png, 128x96; 1 cup, 2 dashed"]


def test_pictures_keep_to_their_share_of_the_page(tmp_path: Path) -> None:
    images = [[("cup", [0.0, 0, 30, 30])]] * 12
    measured = measured_set(tmp_path, content_of(images, size=(640, 480)))
    small = pictures_section(measured, COLORS, few=False, max_bytes=120_000)
    assert len(small) < 140_000
    assert len(list(parse(small).all("img"))) == 12


def test_nothing_without_images(tmp_path: Path) -> None:
    measured = measured_set(tmp_path, content_of([[]]), pixels=False)
    assert pictures_section(measured, COLORS, few=False, max_bytes=10**6) == ""


@pytest.mark.parametrize(
    ("box", "size", "part"),
    [
        ([10, 10, 20, 20], (1000, 800), (0, 0, 120, 120)),
        ([500, 400, 510, 410], (1000, 800), (445, 345, 565, 465)),
        ([990, 790, 1000, 800], (1000, 800), (880, 680, 1000, 800)),
        ([10, 10, 14, 14], (120, 80), (0, 0, 120, 80)),  # a small image is shown whole
        ([0, 50, 300, 52], (1000, 100), (0, 0, 450, 100)),  # a long box as a whole
        ([100, 100, 600, 600], (1000, 800), (0, 0, 1000, 800)),
    ],
)
def test_part_around_a_box(
    box: list[float], size: tuple[int, int], part: tuple[int, int, int, int]
) -> None:
    assert around(np.array(box, dtype=np.float64), size) == part

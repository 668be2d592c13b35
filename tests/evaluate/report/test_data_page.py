"""The page of a data set: its parts, and that nothing of the data breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ladcli.data.statistics import MeasuredSet
from ladcli.evaluate.report.data_page import data_page
from tests.data.measured import content_of, measured_set, statistics
from tests.evaluate.report.markup import Node, drawing_of, figures, parse, table_of

IMAGES = [[("cup", [0.0, 0, 16, 16]), ("plate", [0, 0, 128, 32])], [], [("cup", [0, 0, 50, 50])]]


def page_of(*sets: MeasuredSet, notes: tuple[str, ...] = ()) -> Node:
    text = data_page("my data", statistics(*sets), sets, notes)
    return parse(text.removeprefix("<!doctype html>\n"))


def headings(page: Node, level: int = 2) -> list[str]:
    return [node.text for node in page.all(f"h{level}")]


def test_page_of_one_set(tmp_path: Path) -> None:
    page = page_of(measured_set(tmp_path, content_of(IMAGES)), notes=("odd <file>",))
    assert page.one("title").text == "my data: data"
    assert headings(page) == ["Overview", "Classes", "Images and boxes", "Pictures of train"]
    assert page.one("p", "remark").text == "odd <file>"
    assert table_of(page, "Numbers of every set")[1] == ["images", "3"]
    assert table_of(page, "Image sizes")[1] == ["128x96", "train", "3", "100.0 %"]
    assert table_of(page, "Boxes and images of every class")[1:] == [
        ["cup", "2", "2"],
        ["plate", "1", "1"],
    ]
    charts = figures(page)
    assert {
        "Boxes per class", "Boxes per image", "Sides of boxes, stored",
        "Sides of boxes at 96x128", "Aspect ratios of boxes", "Brightness of images",
        "Levels at 96x128",
    } <= set(charts)  # fmt: skip
    assert "1 of 3 images have none" in charts["Boxes per image"].text
    images = list(page.all("img"))
    assert len(images) == 3
    assert all((i.attributes["src"] or "").startswith("data:image/jpeg;base64,") for i in images)
    legends = [[item.text for item in names.all("li")] for names in page.all("ul", "legend")]
    assert legends[-1] == ["cup", "plate"]


def test_histograms_count_everything(tmp_path: Path) -> None:
    page = page_of(measured_set(tmp_path, content_of(IMAGES)))
    drawing = drawing_of(figures(page)["Boxes per image"])
    bars = [node for node in drawing.all("rect") if "fill" in node.classes]
    heights = [bar.number("height") for bar in bars]
    assert len(bars) == 3  # images of no, one and two boxes
    assert heights == pytest.approx([heights[0]] * 3, abs=0.1)


def test_several_sets_stand_side_by_side(tmp_path: Path) -> None:
    page = page_of(
        measured_set(tmp_path, content_of(IMAGES), "train"),
        measured_set(tmp_path, content_of(IMAGES[2:]), "val"),
    )
    assert "Pictures of val" in headings(page)
    assert "Boxes per image" in headings(page, 3)
    assert [f.one("b").text for f in page.all("figure") if f.one("b").text in ("train", "val")] == (
        ["train", "val"] * 5
    )
    rows = table_of(page, "Boxes and images of every class")
    assert rows[0] == ["class", "train: boxes", "images", "val: boxes", "images"]
    assert rows[2] == ["plate", "1", "1", "none", ""]
    assert page.one("span", "lacking").text == "none"
    assert page.one("p", "remark").text == "val: no box of plate, which another set has."


def test_text_of_files_stays_text(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    content = content_of([[(evil, [0.0, 0, 16, 16])]], classes=(evil,))
    content["images"][0]["file_name"] = "<b>&amp;.png"
    measured = measured_set(tmp_path, content)
    text = data_page("</title><script>", statistics(measured), [measured], ["<i>"])
    assert "<script" not in text
    assert "<img src=x" not in text
    page = parse(text.removeprefix("<!doctype html>\n"))
    assert page.one("h1").text == "</title><script>"
    assert any("<b>&amp;.png" in caption.text for caption in page.all("figcaption"))


def test_set_without_boxes(tmp_path: Path) -> None:
    page = page_of(measured_set(tmp_path, content_of([[], []])))
    charts = figures(page)
    assert charts["Sides of boxes, stored"].text.endswith("No boxes.")
    assert list(charts["Aspect ratios of boxes"].all("svg")) == []
    assert len(list(page.all("img"))) == 2


def test_many_classes_are_on_demand_and_the_legend_is_short(tmp_path: Path) -> None:
    names = tuple(f"class {k}" for k in range(100))
    content = content_of([[(name, [0.0, 0, 20, 20]) for name in names]], classes=names)
    page = page_of(measured_set(tmp_path, content))
    assert "All numbers per class" in page.text
    assert "45 most and the 45 least frequent of 100" in page.text
    assert "and 40 further classes" in page.text


def test_image_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    content = content_of(IMAGES)
    measured = measured_set(tmp_path, content)
    (tmp_path / "000.png").write_text("no image")
    page = page_of(measured)
    assert any("is not an image" in remark.text for remark in page.all("p", "remark"))


def crowd_content() -> dict[str, Any]:
    content = content_of([[("cup", [0.0, 0, 16, 16]), ("cup", [40, 40, 30, 30])]])
    content["annotations"][1]["iscrowd"] = 1
    return content


def test_crowd_regions_are_counted_apart(tmp_path: Path) -> None:
    page = page_of(measured_set(tmp_path, crowd_content()))
    assert "1 cup, 1 dashed" in page.text

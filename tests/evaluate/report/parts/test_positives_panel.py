from __future__ import annotations

from pathlib import Path

from ladcli.evaluate.report.parts.positives_panel import boxes_of, positives_panel
from ladcli.runs.probe_file import Probe, read_probe
from tests.evaluate.report.markup import Node, parse
from tests.evaluate.report.runs import write_probe


def probe(folder: Path) -> Probe:
    names = ("a.jpg", "b.jpg")
    return read_probe(write_probe(folder / "epoch_003.npz", epoch=3, names=names))


def panel(of: Probe, *, photo: str | None = None, shown: tuple[int, ...] = ()) -> Node:
    return parse(positives_panel("Own", of, of.decisions["own"], "b.jpg", photo=photo, shown=shown))


def test_dots_are_at_the_centers_of_positives_in_the_color_of_their_box(tmp_path: Path) -> None:
    shown = panel(probe(tmp_path))
    drawing = shown.one("svg", "probe")
    assert drawing.attributes["viewbox"] == "0 0 128 96"
    fine, coarse = drawing.all("circle", "positive")
    assert (fine.number("cx"), fine.number("cy")) == (24, 32)
    assert (coarse.number("cx"), coarse.number("cy")) == (40, 48)
    assert coarse.number("r") > fine.number("r")  # strides 32 and 8
    box = drawing.one("rect", "box")
    assert [box.number(k) for k in ("x", "y", "width", "height")] == [10, 10, 50, 50]
    assert "k0" in box.classes
    assert "k0" in fine.classes
    assert "2 positives for 2 objects" in shown.text


def test_the_photo_lies_below_or_a_blank_ground(tmp_path: Path) -> None:
    of = probe(tmp_path)
    assert panel(of, photo="probe-1").one("use").attributes["href"] == "#probe-1"
    blank = panel(of).one("rect", "blank")
    assert (blank.number("width"), blank.number("height")) == (128, 96)


def test_places_that_are_shown_carry_numbers(tmp_path: Path) -> None:
    of = probe(tmp_path)
    marks = list(panel(of, shown=(1, 0)).all("text", "mark"))
    assert sorted((mark.text, mark.number("x")) for mark in marks) == [("1", 81.0), ("2", 11.0)]
    assert not list(panel(of).all("text", "mark"))


def test_boxes_of_an_image_are_its_rows(tmp_path: Path) -> None:
    of = probe(tmp_path)
    assert boxes_of(of, "a.jpg").tolist() == [0, 1]
    assert boxes_of(of, "b.jpg").tolist() == [2, 3]

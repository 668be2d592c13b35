from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.formats.foreign import Box
from ladcli.formats.tally import Tally
from ladcli.formats.voc import read_voc_file
from ladcli.formats.voc import voc_xml as written_xml
from tests.formats.foreign_sets import problem, voc_xml, write


def read(folder: Path, text: str, **options: bool) -> tuple[list[Box], Tally]:
    tally = Tally(folder)
    found = read_voc_file(write(folder / "a.xml", text), tally, **options)
    return list(found.boxes), tally


def test_pixels_count_from_one_and_the_last_is_included(tmp_path: Path) -> None:
    (box,), tally = read(tmp_path, voc_xml(("cat", 1, 1, 64, 48)))
    assert (box.class_name, box.corners) == ("cat", (0, 0, 64, 48))
    assert not tally.lines()


def test_coordinates_from_zero_are_taken_as_they_are(tmp_path: Path) -> None:
    (box,), tally = read(tmp_path, voc_xml(("cat", 0, 0, 64, 48)), zero_based=True)
    assert box.corners == (0, 0, 64, 48)
    assert not tally.lines()


def test_a_zero_is_no_coordinate_of_voc(tmp_path: Path) -> None:
    (box,), tally = read(tmp_path, voc_xml(("cat", 0, 5, 64, 48)))
    assert box.corners == (-1, 4, 64, 48)
    assert "import with --zero-based" in problem(tally)


def test_coordinates_may_have_decimals(tmp_path: Path) -> None:
    (box,), _ = read(tmp_path, voc_xml(("cat", 3.25, 4.5, 10.75, 9.5)))
    assert box.corners == (2.25, 3.5, 10.75, 9.5)


def test_a_click_is_no_box_but_a_line_of_pixels_is(tmp_path: Path) -> None:
    boxes, tally = read(tmp_path, voc_xml(("cat", 5, 5, 5, 5), ("cat", 5, 5, 5, 9)))
    assert [box.corners for box in boxes] == [(4, 4, 5, 9)]
    assert problem(tally).startswith("box: left out: corners of one pixel")
    assert "(a.xml object 1)" in tally.lines()[0]


@pytest.mark.parametrize(
    ("more", "difficult", "flags"),
    [
        ("<difficult>0</difficult><truncated>0</truncated>", False, {}),
        ("<difficult>1</difficult>", True, {}),
        ("<difficult> 1\n</difficult>", True, {}),
        ("<Difficult>1</Difficult><truncated>1</truncated>", True, {"truncated": 1}),
        ("<occluded>1</occluded>", False, {"occluded": 1}),
    ],
)
def test_flags_are_kept(tmp_path: Path, more: str, difficult: bool, flags: dict[str, int]) -> None:
    (box,), _ = read(tmp_path, voc_xml(("cat", 1, 1, 9, 9), more=more))
    assert (box.difficult, box.flags) == (difficult, flags)


def test_boxes_of_parts_are_not_boxes_of_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax>"
    part += "<ymax>3</ymax></bndbox></part>"
    boxes, _ = read(tmp_path, voc_xml(("person", 1, 1, 9, 9), more=part))
    assert [(box.class_name, box.corners) for box in boxes] == [("person", (0, 0, 9, 9))]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<name>cat</name>", "object: left out: no bndbox"),
        ("<bndbox/>", "box: left out: no class name"),
        ("<name> </name><bndbox/>", "box: left out: no class name"),
        ("<name>cat</name><bndbox><xmin>1</xmin></bndbox>",
         "box: left out: a coordinate missing or no number"),
        ("<name>cat</name><bndbox><xmin>a</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>",
         "box: left out: a coordinate missing or no number"),
    ],
)  # fmt: skip
def test_an_odd_object_is_left_out(tmp_path: Path, body: str, why: str) -> None:
    boxes, tally = read(tmp_path, f"<annotation><object>{body}</object></annotation>")
    assert boxes == []
    assert problem(tally) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "invalid XML at line 1"),
        ("<annotation><object>", "invalid XML at line 1"),
        ("<annotations/>", "run lad data import cvat"),
        ("<html/>", "is no Pascal VOC annotation (its root is <html>)"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>', "defines XML entities"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>',
         "defines XML entities"),
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert why in str(caught.value)


@pytest.mark.parametrize("size", [None, (0, 0), (64, 0)])
def test_a_size_may_be_missing(tmp_path: Path, size: tuple[int, int] | None) -> None:
    path = write(tmp_path / "a.xml", voc_xml(size=size))
    assert read_voc_file(path, Tally()).size is None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    boxes = (
        Box("a <b> & c", (0, 0, 64, 48), difficult=True, flags={"truncated": 1, "occluded": 1}),
        Box("été", (2.25, 3.5, 2.5, 9)),  # thinner than a pixel
    )
    text = written_xml("x.jpg", "JPEGImages", (64, 48), boxes)
    found = read_voc_file(write(tmp_path / "a.xml", text), Tally())
    assert (found.file_name, found.size) == ("x.jpg", (64, 48))
    for box, again in zip(boxes, found.boxes, strict=True):
        assert (again.class_name, again.corners) == (box.class_name, box.corners)
        assert (again.difficult, again.flags) == (box.difficult, box.flags)


def test_a_prediction_has_its_confidence() -> None:
    text = written_xml("x.jpg", "", (64, 48), (Box("cat", (0, 0, 9, 9), score=0.5),))
    assert "<confidence>0.5</confidence>" in text
    assert "difficult" not in text
    assert "<xmin>1</xmin>" in text
    assert "<xmax>9</xmax>" in text

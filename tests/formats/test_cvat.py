from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.formats.cvat import read_cvat
from ladcli.formats.foreign import ForeignSet
from ladcli.formats.tally import Tally
from tests.formats.foreign_sets import picture, problem, problems, write

META = (
    "<meta><task><labels><label><name>dog</name></label><label><name>cat</name></label>"
    "<label><name>nose</name><parent>dog</parent></label></labels></task></meta>"
)
BOX = '<box label="cat" occluded="0" xtl="3.5" ytl="4" xbr="10" ybr="20"/>'


def image(*shapes: str, name: str = "a.jpg", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="64" height="48" {more}>{"".join(shapes)}</image>'


def read(folder: Path, *elements: str, meta: str = META) -> tuple[ForeignSet, Tally]:
    text = f"<annotations><version>1.1</version>{meta}{''.join(elements)}</annotations>"
    write(folder / "annotations.xml", text)
    tally = Tally(folder)
    return read_cvat(folder, tally), tally


def test_classes_have_the_order_of_the_task(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    found, tally = read(tmp_path, image(BOX))
    assert found.class_names == ("dog", "cat")
    assert found.images[0].boxes[0].class_name == "cat"
    assert found.images[0].stated_size == (64, 48)
    assert not tally.lines()


CUBOID = "".join(
    f'x{corner}="{x}" y{corner}="{y}" '
    for corner, x, y in (
        ("tl1", 5, 6), ("bl1", 5, 20), ("tr1", 12, 6), ("br1", 12, 22),
        ("tl2", 8, 2), ("bl2", 8, 16), ("tr2", 15, 2), ("br2", 15, 18),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("drawn", "corners"),
    [
        (BOX, (3.5, 4, 10, 20)),
        ('<polygon label="cat" points="3,9;10.5,4;8,20"/>', (3, 4, 10.5, 20)),
        ('<ellipse label="cat" cx="20" cy="10" rx="5" ry="3"/>', (15, 7, 25, 13)),
        ('<ellipse label="cat" cx="20" cy="10" rx="5" ry="3" rotation="90"/>', (17, 5, 23, 15)),
        ('<mask label="cat" left="3" top="4" width="7" height="16" rle="1, 2"/>', (3, 4, 10, 20)),
        (f'<cuboid label="cat" {CUBOID}/>', (5, 2, 15, 22)),
    ],
)
def test_shapes_become_boxes(tmp_path: Path, drawn: str, corners: tuple[float, ...]) -> None:
    picture(tmp_path / "a.jpg")
    found, tally = read(tmp_path, image(drawn))
    assert found.images[0].boxes[0].corners == pytest.approx(corners)
    assert not tally.lines()


def test_a_turned_box_becomes_the_one_around_it(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    turned = '<box label="cat" xtl="10" ytl="10" xbr="30" ybr="20" rotation="{}"/>'
    found, tally = read(tmp_path, image(turned.format(90), turned.format(45)))
    quarter, eighth = found.images[0].boxes
    assert quarter.corners == pytest.approx((15, 5, 25, 25))
    half = 15 / 2**0.5
    assert eighth.corners == pytest.approx((20 - half, 15 - half, 20 + half, 15 + half))
    assert problems(tally) == {"turned box: replaced by the box around it": 2}


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        ('<polyline label="cat" points="1,2;3,4;5,6"/>',
         "shape: left out: a polyline encloses nothing"),
        ('<points label="cat" points="1,2"/>', "shape: left out: a points encloses nothing"),
        ('<tag label="cat"/>', "tag: left out: of the whole image, no box"),
        ('<box xtl="1" ytl="1" xbr="9" ybr="9"/>', "shape: left out: no label"),
        ('<box label="cat" xtl="a" ytl="1" xbr="9" ybr="9"/>',
         "shape: left out: a coordinate missing or no number"),
        ('<polygon label="cat" points="1,2;3"/>',
         "shape: left out: a coordinate missing or no number"),
    ],
)  # fmt: skip
def test_other_shapes_are_left_out(tmp_path: Path, drawn: str, why: str) -> None:
    picture(tmp_path / "a.jpg")
    found, tally = read(tmp_path, image(drawn, BOX))
    assert len(found.images[0].boxes) == 1
    assert problem(tally) == why


def test_marks_are_kept(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    attributes = '<attribute name="is_crowd">true</attribute><attribute name="hue">red</attribute>'
    crowd = f'<box label="cat" occluded="1" xtl="1" ytl="1" xbr="9" ybr="9">{attributes}</box>'
    found, _ = read(tmp_path, image(crowd))
    (box,) = found.images[0].boxes
    assert (box.crowd, box.difficult, box.flags) == (True, False, {"occluded": 1})


def test_subsets_are_splits_and_folders_are_kept_apart(tmp_path: Path) -> None:
    for number, name in enumerate(("x/a.jpg", "y/a.jpg", "c.jpg")):
        picture(tmp_path / "images" / name, seed=number)
    found, tally = read(
        tmp_path,
        image(BOX, name="x/a.jpg", more='subset="Train"'),
        image(name="y/a.jpg", more='subset="Validation"'),
        image(name="gone.jpg"),
    )
    assert [(i.path.parent.name, i.split, len(i.boxes)) for i in found.images] == [
        ("x", "train", 1), ("y", "val", 0),
    ]  # fmt: skip
    assert problem(tally) == "image: left out: file not found: no file of that name"


def track(*shapes: str, label: str = "cat") -> str:
    return f'<track id="0" label="{label}">{"".join(shapes)}</track>'


def at(frame: int, *, outside: int = 0, x: int = 3) -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="{x}" ytl="4" xbr="{x + 5}" '
        'ybr="20"/>'
    )


def test_tracks_become_boxes_of_frames(tmp_path: Path) -> None:
    for frame in range(5):
        picture(tmp_path / f"images/frame_{frame:06d}.png", seed=frame)
    found, tally = read(
        tmp_path,
        track(at(0), at(1, x=4), at(2, outside=1), at(9)),
        track(at(1, x=20), label="dog"),
        meta="<meta><task><size>4</size><start_frame>0</start_frame><stop_frame>3</stop_frame>"
        "<original_size><width>64</width><height>48</height></original_size></task></meta>",
    )
    assert {i.path.name: [(b.class_name, b.corners[0]) for b in i.boxes] for i in found.images} == {
        "frame_000000.png": [("cat", 3)],
        "frame_000001.png": [("cat", 4), ("dog", 20)],
        "frame_000002.png": [],
        "frame_000003.png": [],
        "frame_000004.png": [],  # a frame 9 is stated, so the video goes on
    }
    assert found.images[0].stated_size == (64, 48)
    assert found.class_names is None
    assert tally.lines() == ["1 frame left out: no image has its number (annotations.xml frame 9)"]


def test_two_images_of_one_frame_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        picture(tmp_path / folder / "frame_000000.png")
    with pytest.raises(UserError, match="so frames are unclear"):
        read(tmp_path, track(at(0)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<annotation/>", "run lad data import voc"),
        ("<annotations/>", "holds neither images nor tracks"),
        ("<a", "invalid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations/>', "defines XML entities"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, why: str) -> None:
    write(tmp_path / "annotations.xml", text)
    with pytest.raises(UserError, match=why):
        read_cvat(tmp_path, Tally())


def test_images_are_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='CVAT exports them with "Save images"'):
        read(tmp_path, image(BOX))

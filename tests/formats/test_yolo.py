from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.formats.foreign import Box
from ladcli.formats.tally import Tally
from ladcli.formats.yolo import LabelRow, holds, label_line, read_label_file
from tests.formats.foreign_sets import problem, problems, write


def rows_of(folder: Path, text: str, **options: object) -> tuple[list[LabelRow], Tally]:
    tally = Tally(folder)
    path = write(folder / "a.txt", text)
    num_classes = options.pop("num_classes", 3)
    rows = read_label_file(path, tally, num_classes=num_classes, **options)  # type: ignore[arg-type]
    return rows, tally


@pytest.mark.parametrize(
    "text",
    [
        "1 0.5 0.25 0.5 0.5",
        "1 0.5 0.25 0.5 0.5\n",
        "1 0.5 0.25 0.5 0.5\r\n",
        "\ufeff1 0.5 0.25 0.5 0.5\n",
        "  1\t0.5  0.25 0.5 0.5   \n\n  \n",
        "1.0 5e-1 .25 0.5 0.5",
        "1 0.25 0 0.75 0 0.75 0.5 0.25 0.5",
    ],
    ids=["plain", "newline", "crlf", "bom", "blanks", "floats", "polygon"],
)
def test_a_box_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    rows, _ = rows_of(tmp_path, text)
    assert [(row.class_number, row.corners) for row in rows] == [(1, (0.25, 0.0, 0.75, 0.5))]
    assert rows[0].where.endswith("a.txt line 1")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("3 0.5 0.5 0.1 0.1", "class not one of the 3"),
        ("-1 0.5 0.5 0.1 0.1", "class not one of the 3"),
        ("1.5 0.5 0.5 0.1 0.1", "class no whole number"),
        ("cat 0.5 0.5 0.1 0.1", "not only numbers"),
        ("0 nan 0.5 0.1 0.1", "a number that is not finite"),
        ("0 inf 0.5 0.1 0.1", "a number that is not finite"),
        ("0 0.5 0.5 0.1", "neither 5 numbers nor those of a polygon"),
        ("0", "neither 5 numbers nor those of a polygon"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "neither 5 numbers nor those of a polygon"),
        ("0 320 240 64 48", "a number outside of 0 to 1 (pixels?)"),
        ("0 0.5 -0.2 0.1 0.1", "a number outside of 0 to 1 (pixels?)"),
        ("0 0.5 0.5 0.1 1.2", "a number outside of 0 to 1 (pixels?)"),
    ],
)
def test_an_odd_line_is_left_out_and_the_others_stay(tmp_path: Path, line: str, why: str) -> None:
    rows, tally = rows_of(tmp_path, f"0 0.5 0.5 0.5 0.5\n{line}\n2 0.5 0.5 0.5 0.5\n")
    assert [row.class_number for row in rows] == [0, 2]
    assert problem(tally) == f"row: left out: {why}"
    assert "(a.txt line 2" in tally.lines()[0]


def test_a_confidence_is_said_and_not_kept(tmp_path: Path) -> None:
    rows, tally = rows_of(tmp_path, "0 0.5 0.5 0.5 0.5 0.93\n")
    assert rows[0].corners == (0.25, 0.25, 0.75, 0.75)
    assert problems(tally) == {"row: with a sixth number (a confidence?), which is not kept": 1}


def test_keypoints_are_no_polygon(tmp_path: Path) -> None:
    line = "0 0.5 0.5 0.5 0.5 " + "0.9 0.9 2 " * 4
    rows, tally = rows_of(tmp_path, line, has_keypoints=True)
    assert rows[0].corners == (0.25, 0.25, 0.75, 0.75)
    assert not tally.lines()


def test_without_names_an_absurd_class_is_a_slip(tmp_path: Path) -> None:
    rows, tally = rows_of(
        tmp_path, "999999999 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1", num_classes=None
    )
    assert [row.class_number for row in rows] == [7]
    assert problem(tally) == "row: left out: class not one of the 10,000"


def test_a_line_says_where_a_box_is() -> None:
    box = Box("cat", (16, 0, 48, 24))
    assert label_line(box, 2, (64, 48)) == "2 0.5 0.25 0.5 0.5"


def test_a_prediction_has_its_score_last() -> None:
    assert label_line(Box("cat", (16, 0, 48, 24), score=0.625), 0, (64, 48)).endswith(" 0.625")


def test_a_box_is_clipped_only_where_shares_cannot_say_it() -> None:
    a_little, much = Box("cat", (-8, 0, 24, 48)), Box("cat", (-48, 0, 32, 48))
    assert holds(a_little.corners, (64, 48))
    assert label_line(a_little, 0, (64, 48)) == "0 0.125 0.5 0.5 1"
    assert not holds(much.corners, (64, 48))
    assert label_line(much, 0, (64, 48)) == "0 0.25 0.5 0.5 1"

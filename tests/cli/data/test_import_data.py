from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoke import lad, refused_untouched
from tests.formats.foreign_sets import picture, voc_xml, write


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    src = tmp_path / "src"
    for number in range(3):
        picture(src / f"images/{number}.jpg", seed=number)
        write(
            src / f"annotations/{number}.xml", voc_xml(("cat", 1, 1, 10, 20), ("x\x7f", 5, 5, 5, 5))
        )
    return src


def test_what_was_written_and_what_was_odd_is_said(voc: Path, tmp_path: Path) -> None:
    done = lad("data", "import", "voc", voc, "--out", tmp_path / "out")
    assert done.done() == (
        f"train: 3 images, 3 boxes\n1 class (with boxes): cat 3\ndata folder: {tmp_path}/out\n"
    )
    assert done.err.splitlines() == [
        "note: 3 boxes left out: corners of one pixel, as a click leaves them "
        "(annotations/0.xml object 2, annotations/1.xml object 2, annotations/2.xml object 2)",
        "note: every image is for training; --val 0.2 makes a validation split",
    ]


def test_json_is_one_object(voc: Path, tmp_path: Path) -> None:
    done = lad("data", "import", "voc", voc, "--out", tmp_path / "out", "--json")
    found = json.loads(done.done())
    assert found["splits"] == {"train": {"images": 3, "boxes": 3}}
    assert found["classes"] == [{"id": 1, "name": "cat", "boxes": 3}]
    assert found["findings"][0]["count"] == 3


def test_yolo_with_every_option(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / f"pics/s{number // 4}_{number}.jpg", seed=number)
        write(tmp_path / f"txt/s{number // 4}_{number}.txt", "0 0.5 0.5 0.5 0.5\n")
    done = lad(
        "data", "import", "yolo", tmp_path, "--images", "pics", "--labels", "txt", "--classes",
        "cat,dog", "--val", "0.3", "--test", "0.2", "--group-by", r"^(s\d+)_", "--copy", "--out",
        tmp_path.parent / f"{tmp_path.name}-out",
    )  # fmt: skip
    lines = done.done().splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["train", "val", "test"]
    assert lines[3] == "2 classes (with boxes): cat 40, dog 0"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("coco", "src"), "invalid value for 'FORMAT': 'coco' is not one of"),
        (("voc", "gone"), "gone: no such file or folder; check the name"),
        (("voc", "src", "--labels", "src"), "--labels belongs to yolo; leave it out for voc"),
        (("voc", "src", "--val", "1.5"), "--val must be a share of the images, 0 to 1, got 1.5"),
        (("yolo", "src"), "no label file is named like an image"),
        (("csv", "src"), "src: holds no .csv file; name the table"),
        (("labelme", "src"), "src: holds no .json file"),
        (("cvat", "src/annotations/0.xml"), "run lad data import voc"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert why in refused_untouched(tmp_path, "data", "import", *arguments, "--out", "out")


def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "set.zip", "PK")
    message = refused_untouched(tmp_path, "data", "import", "yolo", path, "--out", tmp_path / "o")
    assert message == f"{path}: is an archive; unpack it and name the folder"

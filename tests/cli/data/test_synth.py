from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import contents

SMALL = ("--train", 3, "--val", 2, "--test", 0, "--width", 96, "--height", 64, "--classes", 2)


def synth(out: Path, *more: str | int) -> list[str]:
    return ["data", "synth", "--out", str(out), *map(str, SMALL), *map(str, more)]


def test_set_is_drawn_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "a set"
    assert lad(*synth(out)).done() == f"5 images in {out}\n"
    assert {path.name for path in (out / "annotations").iterdir()} == {"train.json", "val.json"}
    content = json.loads((out / "annotations/train.json").read_text())
    assert len(content["images"]) == 3
    assert len(content["categories"]) == 2
    with Image.open(out / "images" / content["images"][0]["file_name"]) as image:
        assert image.size == (96, 64)


def test_same_options_give_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        lad(*synth(tmp_path / name, "--seed", seed)).done()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_earlier_set_is_replaced_only_on_request(tmp_path: Path) -> None:
    lad(*synth(tmp_path / "set")).done()
    message = refused_untouched(tmp_path, *synth(tmp_path / "set"))
    assert message.startswith(f"{tmp_path}/set: exists and is not empty")
    lad(*synth(tmp_path / "set", "--seed", 1, "--overwrite")).done()
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"annotations", "images"}


def test_strangers_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.tex").write_text("years of work")
    for more in ((), ("--overwrite",)):
        message = refused_untouched(tmp_path, *synth(tmp_path / "set", *more))
        assert message == (
            f"{tmp_path}/set: exists and is not empty: it holds thesis.tex, which is not of a "
            "synthetic set; move it away, or choose another --out"
        )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--classes", 9), "classes must be 1 to 8, got 9"),
        (("--classes", 0), "classes must be 1 to 8, got 0"),
        (("--train", -1), "train must be 0 or more images, got -1"),
        (("--train", 0, "--val", 0), "no images asked for"),
        (("--width", 5), "size must be at least 32x32 pixels, got 5x64"),
        (("--seed", -1), "seed must be 0 or more, got -1"),
        (("--min-objects", 5, "--max-objects", 2), "a least and a most number, got 5 and 2"),
    ],
)
def test_values_out_of_range_are_named(
    tmp_path: Path, options: tuple[str | int, ...], reason: str
) -> None:
    message = refused_untouched(tmp_path, *synth(tmp_path / "set", *options))
    assert message.startswith("synthetic set: ")
    assert reason in message


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file/set", Path("/proc/set")):
        message = refused_untouched(tmp_path, *synth(place))
        assert message.startswith(f"{place}: cannot be written (")

"""Images of the same content are found within a set and between sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from ladcli.check.checked_set import CheckedSet, check_annotations
from ladcli.check.image_files import decode_files, look_at_files
from ladcli.check.same_content import report_same_content
from tests.data.corpus import plain, write_images, write_json


def a_set(folder: Path, name: str) -> CheckedSet:
    folder.mkdir()
    content = plain()
    write_images(folder, content)
    return check_annotations(name, write_json(folder, content), folder)


@pytest.fixture
def sets(tmp_path: Path) -> list[CheckedSet]:
    """Two sets of which three images are the same but for their names' order."""
    found = [a_set(tmp_path / name, name) for name in ("train", "val")]
    for place, name in enumerate(("wide", "tall", "bare")):
        Image.new("RGB", (48, 64) if name == "tall" else (64, 48), (place, 9, 9)).save(
            tmp_path / f"val/{name}.png"
        )
    return found


def said(sets: list[CheckedSet], *, decode: bool = False) -> dict[str, str]:
    for checked in sets:
        look_at_files(checked, quiet=True)
    pixels = decode_files(sets, quiet=True) if decode else [{} for _ in sets]
    report_same_content(sets, pixels)
    return {
        f.kind: f.text for checked in sets for f in checked.findings.found if "image-" in f.kind
    }


def test_different_images_are_no_finding(sets: list[CheckedSet]) -> None:
    assert said(sets) == {}


def test_a_copy_in_another_set(sets: list[CheckedSet], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "train/bare.png", tmp_path / "val/wide.png")
    assert said(sets) == {"image-shared": "val shares 1 image(s) with train: wide.png = bare.png"}
    assert sets[0].findings.found[-1].kind != "image-shared"


def test_a_copy_in_the_same_set(sets: list[CheckedSet], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "train/bare.png", tmp_path / "train/wide.png")
    assert said(sets) == {
        "image-repeated": "1 image(s) of train have the content of another one: wide.png = bare.png"
    }


def test_the_same_pixels_in_another_file_are_found_by_decoding(
    sets: list[CheckedSet], tmp_path: Path
) -> None:
    with Image.open(tmp_path / "train/bare.png") as image:
        image.save(tmp_path / "val/wide.png", compress_level=1, dpi=(9, 9))
    assert said(sets) == {}
    for checked in sets:
        checked.findings.found.clear()
    assert "image-shared" in said(sets, decode=True)


def test_equal_ends_are_no_equal_files(sets: list[CheckedSet], tmp_path: Path) -> None:
    for name in ("wide", "bare"):
        with Image.open(tmp_path / f"train/{name}.png") as image:
            image.save(tmp_path / f"train/{name}.bmp")
        data = bytearray((tmp_path / f"train/{name}.bmp").read_bytes())
        data[-5000:] = bytes(5000)
        (tmp_path / f"train/{name}.png").write_bytes(data)
    assert "image-repeated" not in said(sets)

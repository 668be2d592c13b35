"""Many files are looked at together, and the bad ones are counted in one line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ladcli.data.decode import EXIF_ORIENTATION, decode_image
from ladcli.data.findings import Findings
from ladcli.data.headers import describe_bad, look_at_all, read_header, remark_oddities
from ladcli.errors import BadImageError, Interrupted


def test_what_was_found_is_in_the_order_of_the_files() -> None:
    def look(number: int) -> int:
        time.sleep(0.002 * (number % 3))  # the later may be done before the earlier
        return number * number

    assert look_at_all(look, range(40)) == [number * number for number in range(40)]
    assert look_at_all(look, []) == []


def test_an_interruption_does_not_wait_for_the_rest() -> None:
    looked = []

    def look(number: int) -> None:
        looked.append(number)
        time.sleep(0.005)

    def interrupted_at_the_end() -> Iterator[int]:
        yield from range(1000)
        raise Interrupted

    with pytest.raises(Interrupted):
        look_at_all(look, interrupted_at_the_end())
    assert len(looked) < 200


def test_an_error_does_not_wait_for_the_rest() -> None:
    looked = []

    def look(number: int) -> None:
        looked.append(number)
        time.sleep(0.005)
        if number == 0:
            raise BadImageError("0.jpg", "torn")

    with pytest.raises(BadImageError):
        look_at_all(look, range(1000))
    assert len(looked) < 200


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (["a: torn"], "1 of 9 image files cannot be used: a: torn"),
        (["a", "b", "c"], "3 of 9 image files cannot be used: a | b | c"),
        (["a", "b", "c", "d"], "4 of 9 image files cannot be used: a | b | c | ..."),
    ],
)
def test_the_first_reasons_are_told(bad: list[str], sentence: str) -> None:
    assert describe_bad(bad, 9) == sentence


def turned(path: Path, orientation: int) -> Path:
    """A picture whose camera was held otherwise."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.new("RGB", (6, 4)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_orientations_are_noted_in_every_format(tmp_path: Path, suffix: str) -> None:
    headers = [read_header(turned(tmp_path / f"{i}.{suffix}", i), (4, 6)) for i in range(1, 7)]
    assert [header.oddities for header in headers] == [(), *[("image-turned",)] * 5]
    assert {header.hw for header in headers} == {(4, 6)}
    findings = Findings(tmp_path)
    remark_oddities(findings, headers)
    (found,) = findings.found
    assert (found.kind, found.severity, found.count) == ("image-turned", "note", 5)
    assert f": '2.{suffix}', '3.{suffix}', '4.{suffix}', ..." in found.text


def test_a_tiff_is_turned_when_it_is_read(tmp_path: Path) -> None:
    path = turned(tmp_path / "a.tif", 6)
    assert read_header(path).oddities == ()
    assert decode_image(path).shape == (6, 4, 3)


def test_looking_at_a_png_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("decoded"))
    assert read_header(tmp_path / "a.png").format == "PNG"


def test_what_is_no_image_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    header = read_header(tmp_path / "a.jpg")
    assert header.problem is not None
    assert "is not an image" in header.problem

"""Images are decoded whole, by as many processes as cores."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ladcli.check import decoding
from ladcli.check.decoding import decode_all, decode_one


def pictures(folder: Path, count: int) -> list[str]:
    for number in range(count):
        Image.new("RGB", (20, 10), (number, 0, 0)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(count)]


def test_damage_that_the_header_hides_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "noise.jpg")
    Image.effect_noise((200, 100), 90).save(path)
    assert decode_one(path).problem is None
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) // 2])
    problem = decode_one(path).problem
    assert problem is not None
    assert problem.startswith(f"{path}: cannot be decoded")


def test_pixels_have_a_digest(tmp_path: Path) -> None:
    first, second = pictures(tmp_path, 2)
    Image.new("RGB", (20, 10), (0, 0, 0)).save(tmp_path / "same.bmp")
    Image.new("RGB", (10, 20), (0, 0, 0)).save(tmp_path / "turned.bmp")
    digests = [
        decode_one(str(path)).digest
        for path in (first, tmp_path / "same.bmp", second, tmp_path / "turned.bmp")
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    paths = pictures(tmp_path, decoding._ALONE + 5)
    Path(paths[7]).write_text("torn")
    found = decode_all(paths, "decode", quiet=True)
    assert found == [decode_one(path) for path in paths]
    assert [place for place, one in enumerate(found) if one.problem] == [7]

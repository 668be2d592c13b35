"""Which files inputs lead to, and what their headers say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from ladcli.classes import ClassTable
from ladcli.data.image_files import FoundImage, find_images, index_images
from ladcli.errors import UserError

CLASSES = ClassTable((2, 9), ("cup", "plate"))


def write(path: Path, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    return path


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Images at two depths, and what is none."""
    folder = tmp_path / "shots"
    for name in ("b.jpg", "UPPER.JPG", "day 2/é.png", "day 2/deep/a.bmp"):
        write(folder / name)
    write(folder / ".hidden.jpg")
    write(folder / ".thumbs/b.jpg")
    (folder / "notes.txt").write_text("no image")
    (folder / "folder.jpg").mkdir()
    return folder


def names(*inputs: str | Path) -> list[str]:
    return [image.name for image in find_images([str(text) for text in inputs])]


ALL = ["UPPER.JPG", "b.jpg", "day 2/deep/a.bmp", "day 2/é.png"]


def test_a_folder_is_searched_with_all_below_it(shots: Path) -> None:
    assert names(shots) == ALL
    found = find_images([f"{shots}/"])
    assert [image.path for image in found] == [f"{shots}/{name}" for name in ALL]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["b.jpg"]),
        ("*", ["UPPER.JPG", "b.jpg"]),
        ("**/*.???", ALL),
        ("**", ALL),
        ("day 2/*.png", ["é.png"]),
        ("*/deep/[ab].bmp", ["day 2/deep/a.bmp"]),
    ],
)
def test_a_pattern_finds_files_that_are_named_like_images(
    shots: Path, pattern: str, expected: list[str]
) -> None:
    """Named from the last folder before the first sign."""
    assert names(f"{shots}/{pattern}") == expected


def test_inputs_in_the_current_folder(shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shots)
    assert names(".") == ALL
    assert names("**/*.bmp") == ["day 2/deep/a.bmp"]
    assert names("day 2/é.png") == ["é.png"]


def test_a_named_file_is_taken_whatever_its_name(shots: Path) -> None:
    odd = write(shots / "[1] *.png").rename(shots / "[1] *.dat")
    assert names(odd) == ["[1] *.dat"]
    assert names(shots / "notes.txt", shots / ".hidden.jpg") == [".hidden.jpg", "notes.txt"]


def test_the_same_file_is_taken_once(shots: Path, tmp_path: Path) -> None:
    os.symlink(shots / "b.jpg", tmp_path / "link.jpg")
    inputs = (shots, shots / "b.jpg", f"{shots}/../shots/*.jpg", tmp_path / "link.jpg")
    assert names(*inputs) == ALL


def test_names_that_several_folders_share_become_paths(tmp_path: Path) -> None:
    for name in ("a/x.jpg", "a/y.jpg", "b/x.jpg"):
        write(tmp_path / name)
    assert names(tmp_path / "a") == ["x.jpg", "y.jpg"]
    assert names(tmp_path / "b", tmp_path / "a") == [
        f"{tmp_path}/{name}" for name in ("a/x.jpg", "a/y.jpg", "b/x.jpg")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("none.jpg", "no such file or folder; check the name"),
        ("*.tiff", "0 file(s) match, none of them an image (.jpg"),
        ("*.txt", "1 file(s) match, none of them an image (.jpg"),
        ("folder.jpg", "holds no image (.jpg"),
    ],
)
def test_inputs_that_lead_to_no_image_are_refused(shots: Path, text: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        find_images([str(shots), f"{shots}/{text}"])
    assert str(caught.value).startswith(f"{shots}/{text}: {reason}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_not_passed_over(shots: Path) -> None:
    (shots / "day 2").chmod(0)
    with pytest.raises(UserError, match=r"day 2: cannot be read \(Permission denied\)"):
        find_images([str(shots)])
    (shots / "day 2").chmod(0o700)


def found_in(folder: Path, *file_names: str) -> list[FoundImage]:
    return [FoundImage(str(folder / name), name) for name in file_names]


def test_the_index_knows_sizes_and_no_boxes(tmp_path: Path) -> None:
    write(tmp_path / "wide.png", (40, 30))
    write(tmp_path / "höhe.png", (7, 90))
    opened = index_images(found_in(tmp_path, "wide.png", "höhe.png"), CLASSES, skip_bad=False)
    index = opened.index
    assert opened.bad == ()
    assert len(index) == 2
    assert index.image_ids.tolist() == [1, 2]
    assert index.hw.tolist() == [[30, 40], [90, 7]]
    assert index.path(1) == tmp_path / "höhe.png"
    assert [part.shape for part in index.targets(1)] == [(0, 4), (0,), (0, 4)]
    assert index.classes is CLASSES
    assert index.subset([1]).path(0) == tmp_path / "höhe.png"


def test_files_that_are_no_images_are_named_or_left_out(tmp_path: Path) -> None:
    write(tmp_path / "good.png")
    (tmp_path / "text.jpg").write_text("plain text")
    (tmp_path / "empty.jpg").write_bytes(b"")
    found = found_in(tmp_path, "empty.jpg", "good.png", "text.jpg")
    with pytest.raises(UserError) as caught:
        index_images(found, CLASSES, skip_bad=False)
    message = str(caught.value)
    assert message.startswith(
        f"2 of 3 image files cannot be used: {tmp_path}/empty.jpg: the file is empty"
    )
    assert f"{tmp_path}/text.jpg: is not an image" in message
    assert message.endswith("or leave them out with --skip-bad-images")
    opened = index_images(found, CLASSES, skip_bad=True)
    assert opened.index.image_ids.tolist() == [2]  # the position in what was found
    assert opened.index.path(0) == tmp_path / "good.png"
    assert [text.split(": ")[0] for text in opened.bad] == [
        f"{tmp_path}/{name}" for name in ("empty.jpg", "text.jpg")
    ]
    with pytest.raises(UserError, match=r"^1 of 1 image files cannot be used: .*; choose image"):
        index_images(found[:1], CLASSES, skip_bad=True)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        Path(path).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(UserError, match="its name is not UTF-8; rename it"):
        index_images(find_images([str(tmp_path)]), CLASSES, skip_bad=False)

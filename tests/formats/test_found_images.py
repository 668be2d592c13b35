from __future__ import annotations

import os
from pathlib import Path

import pytest

from ladcli.formats.found_images import ImageFiles, files_below, folder_called
from ladcli.stages.import_data import Source
from tests.formats.foreign_sets import imported, picture, write


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for number, name in enumerate(
        ("a.jpg", "x/b.jpg", "y/b.jpg", "x/c d.png", "ünï.jpg", " e .jpg")
    ):
        picture(tmp_path / name, seed=number)
    return ImageFiles(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("..\\photos\\a.jpg", "a.jpg"),
        ("/home/me/a.jpg", "a.jpg"),
        ("A.JPG", "a.jpg"),
        ("a.png", "a.jpg"),
        ("a", "a.jpg"),
        ("x/b.jpg", "x/b.jpg"),
        ("/data/set/y/b.jpg", "y/b.jpg"),
        ("Y/B.JPEG", "y/b.jpg"),
        ("c%20d.png", "x/c d.png"),
        (" e .jpg", " e .jpg"),
        ("e.jpg", " e .jpg"),
        (" e ", " e .jpg"),
        ("u\u0308ni\u0308.jpg", "ünï.jpg"),
    ],
)
def test_names_of_other_tools_lead_to_the_file(
    files: ImageFiles, tmp_path: Path, name: str, found: str
) -> None:
    assert files.find(name) == tmp_path / found


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("z.jpg", "no file of that name"),
        ("b.jpg", "2 images have this name"),
        ("../..", "the name is empty"),
        ("", "the name is empty"),
    ],
)
def test_what_is_not_found_or_unclear_is_said(files: ImageFiles, name: str, why: str) -> None:
    assert files.find(name) == why


def test_the_nearer_of_two_is_taken(files: ImageFiles, tmp_path: Path) -> None:
    assert files.find("b.jpg", near=tmp_path / "y") == tmp_path / "y/b.jpg"
    assert files.find("B.png", near=tmp_path / "x") == tmp_path / "x/b.jpg"


def test_only_regular_files_that_are_not_hidden_are_found(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / ".hidden.jpg")
    picture(tmp_path / ".cache/b.jpg")
    picture(tmp_path / "__MACOSX/c.jpg")
    (tmp_path / "d.jpg").mkdir()
    os.mkfifo(tmp_path / "e.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    write(tmp_path / "f.txt", "")
    assert files_below(tmp_path, (".jpg",)) == [tmp_path / "a.jpg"]


def test_an_import_inside_is_not_read_again(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.txt", "0 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "data.yaml", "names: [cat]\n")
    imported(Source("yolo", tmp_path / "data.yaml"), tmp_path / "data-coco")
    assert (tmp_path / "data-coco/images/a.jpg").is_file()
    assert files_below(tmp_path, (".jpg",)) == [tmp_path / "a.jpg"]
    assert files_below(tmp_path / "data-coco", (".jpg",)) == [tmp_path / "data-coco/images/a.jpg"]


def test_a_folder_is_found_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "ANNOTATIONS").mkdir()
    write(tmp_path / "images", "a file")
    assert folder_called(tmp_path, "labels", "Annotations") == tmp_path / "ANNOTATIONS"
    assert folder_called(tmp_path, "images") is None

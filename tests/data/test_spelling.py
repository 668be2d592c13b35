from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from ladcli.data.spelling import Spelling, differences, locate


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "there", "kinds"),
    [
        ("a%20b.jpg", "a b.jpg", ["percent encoding"]),
        ("caf%C3%A9.jpg", "café.jpg", ["percent encoding"]),
        (unicodedata.normalize("NFD", "café.jpg"), "café.jpg", ["another Unicode form"]),
        ("a.jpg ", "a.jpg", ["blanks at the ends"]),
        ("Photos/A.JPG", "photos/a.jpg", ["upper and lower case"]),
        ("A%20b.JPG ", "a b.jpg", None),
    ],
)
def test_other_spellings_are_found(
    tmp_path: Path, name: str, there: str, kinds: list[str] | None
) -> None:
    folder = folder_of(tmp_path, there, "other.png")
    assert Spelling(folder).find(name) == there
    assert locate(folder, name) == folder / there
    if kinds is not None:
        assert differences(name, there) == kinds


def test_none_of_several_is_chosen(tmp_path: Path) -> None:
    spelling = Spelling(folder_of(tmp_path, "a.jpg", "A.jpg"))
    assert spelling.find("a.JPG") is None
    assert sorted(spelling.matches("a.JPG")) == ["A.jpg", "a.jpg"]


def test_what_leads_out_of_the_folder_is_not_looked_for(tmp_path: Path) -> None:
    inner = folder_of(tmp_path, "secret.jpg", "in/a.jpg") / "in"
    for name in ("../secret.jpg", "%2e%2e/secret.jpg", "/etc/passwd"):
        assert Spelling(inner).matches(name) == []


def test_special_files_are_no_matches(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert Spelling(tmp_path).find("PIPE.jpg") is None


def test_hint_names_what_is_most_alike(tmp_path: Path) -> None:
    spelling = Spelling(folder_of(tmp_path, "raccoon.png", "zebra-at-home.jpg"))
    assert spelling.hint("raccoon.jpg") == "raccoon.png"  # another ending
    assert spelling.hint("zebra_at_home.jpg") == "zebra-at-home.jpg"
    assert spelling.hint("house.jpg") is None


def test_numbered_files_are_not_meant_by_each_others_names(tmp_path: Path) -> None:
    spelling = Spelling(folder_of(tmp_path, "frame_000007.jpg", "frame_000008.jpg"))
    assert spelling.hint("frame_000003.jpg") is None
    assert spelling.hint("frame_000007.png") == "frame_000007.jpg"

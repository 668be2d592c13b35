"""Readers see the old content or the new, never a part."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.files import atomic_path, require_writable, write_json, write_text, writing_to


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write_half(path: Path, error: BaseException) -> None:
    """Begin to write, and fail."""
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error


def test_content_appears_under_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path  # a rename must stay inside one file system
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "er" / "a.txt", "x")
    assert (tmp_path / "deep" / "er" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_content_and_no_trace(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error())
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_path(path) as first, atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # whoever ends last
    assert names(tmp_path) == ["a.txt"]


def test_content_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: (order.append("flush"), fsync(f)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), rename(a, b)))
    write_text(tmp_path / "a.txt", "x")
    assert order == ["flush", "rename"]


def test_a_full_disk_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UserError) as caught:
        write_half(path, OSError(28, "No space left on device"))
    text = str(caught.value)
    assert text.startswith(f"{path}: cannot be written (No space left on device)")
    assert "free some space or choose another folder" in text
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UserError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_name_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_reasons_of_several_lines_become_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, writing_to(tmp_path / "a.h5"):
        raise OSError("unable to flush\n  file: errno = 28\n" + "x" * 500)
    assert "\n" not in str(caught.value)
    assert "unable to flush file: errno = 28" in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 250


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing_to(tmp_path / "a.txt"):
        raise ZeroDivisionError


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "Käfer →\n")
    assert (tmp_path / "a.txt").read_bytes() == "Käfer →\n".encode()


def test_json_is_readable_and_strict(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, None], "b": 0.5})
    assert json.loads(path.read_text()) == {"a": [1, None], "b": 0.5}
    assert path.read_text().endswith("\n")
    assert path.read_text().count("\n") > 3
    with pytest.raises(ValueError):
        write_json(path, {"a": math.nan})
    assert json.loads(path.read_text()) == {"a": [1, None], "b": 0.5}


def test_places_that_cannot_be_written_to_are_refused_before_any_work(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "new/folder")
    assert names(tmp_path) == []  # nothing is made
    (tmp_path / "file").write_text("precious")
    for place in (tmp_path / "file", tmp_path / "file/new"):
        with pytest.raises(UserError) as caught:
            require_writable(place)
        assert str(caught.value) == (
            f"{place}: cannot be written ({tmp_path}/file is no folder); choose another place"
        )


def test_folder_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"cannot be written \(no permission\)"):
        require_writable(tmp_path / "new")

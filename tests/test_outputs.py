"""What this program wrote may be replaced; anything else stays, byte for byte."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.outputs import Layout, refuse_inputs, replacing_folder, require_replaceable
from tests.refusals import refusal_of

ROOT = Path(__file__).parent.parent


def is_ours(path: Path) -> bool:
    return path.read_text() == "ours"


LAYOUT = Layout({"first": is_ours, "second": is_ours, "deep/*/third.txt": is_ours})


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def refused(path: Path, **options: object) -> str:
    return refusal_of(require_replaceable, path, is_ours, "a table", flag="--out", **options)


def test_new_and_own_files_may_be_written(tmp_path: Path) -> None:
    fill(tmp_path, old="ours")
    for name in ("new", "folder/new", "old"):
        require_replaceable(tmp_path / name, is_ours, "a table", flag="--out")
    assert sorted(os.listdir(tmp_path)) == ["old"]


def test_anything_else_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, dear="dear", old="ours")
    (tmp_path / "link").symlink_to("old")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert refused(tmp_path / "dear") == (
        f"{tmp_path}/dear: exists and is not a table, so it is not replaced; move it away, or "
        "choose another --out"
    )
    for name in ("link", "dangling"):
        assert "is a link, which is not replaced" in refused(tmp_path / name)
    assert "is a folder; name a file" in refused(tmp_path)
    assert "is no folder" in refused(tmp_path / "dear" / "new")
    assert "would make '~x'" in refused(tmp_path / "~x")


def test_no_output_is_an_input(tmp_path: Path) -> None:
    fill(tmp_path, a="ours", b="ours")
    (tmp_path / "soft").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    (tmp_path / "folder").mkdir()
    for name in ("a", "soft", "hard", "folder/../a"):
        text = refused(tmp_path / "a", inputs={"--in": tmp_path / name, "--other": None})
        assert text == (
            f"{tmp_path}/a: would be replaced, and is what --in reads ({tmp_path / name}); choose "
            "another --out"
        )
    refuse_inputs(
        [tmp_path / "a", tmp_path / "new"],
        {"--in": tmp_path / "b", "--gone": str(tmp_path / "none")},
        flag="--out",
    )


def test_clearing_takes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, first="ours", deep__a__third_txt="ours", deep__b__third_txt="ours")
    fill(tmp_path, mine="dear", deep__b__mine="dear", deep__mine="dear", other__first="ours")
    left = tmp_path / "deep/a/.third.txt.0a1b2c3d.part"  # of a write that was killed
    left.write_text("half")
    LAYOUT.require_clearable(tmp_path, flag="--out")
    LAYOUT.clear(tmp_path)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"mine", "deep/b/mine", "deep/mine", "other/first"}
    assert not (tmp_path / "deep/a").exists()


def test_files_may_lie_at_several_depths(tmp_path: Path) -> None:
    layout = Layout({"list": is_ours, "deep/*": is_ours, "deep/*/*": is_ours})
    fill(tmp_path, list="ours", deep__a="ours", deep__b__c="ours", deep__b__mine="dear")
    survey = layout.survey(tmp_path)
    assert len(survey.ours) == 3
    assert survey.strangers == [tmp_path / "deep/b/mine"]


def test_what_tells_the_folder_goes_last(tmp_path: Path) -> None:
    fill(tmp_path, first="ours", second="ours", deep__a__third_txt="ours")
    names = [path.name for path in LAYOUT.survey(tmp_path).ours]
    assert names == ["third.txt", "second", "first"]


@pytest.mark.parametrize("name", ["first", "deep/a/third.txt", "deep"])
def test_strangers_with_our_names_stop_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("dear")
    text = refusal_of(LAYOUT.require_clearable, tmp_path, flag="--out")
    assert text.startswith(f"{tmp_path}/{name}: was not written by this program, so it is not repl")
    LAYOUT.clear(tmp_path)
    assert (tmp_path / name).read_text() == "dear"


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    fill(elsewhere, third_txt="ours", first="ours")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a").symlink_to(elsewhere)
    (folder / "first").symlink_to(elsewhere / "first")
    assert ": is a link, so it is not replaced" in refusal_of(
        LAYOUT.require_clearable, folder, flag="--out"
    )
    LAYOUT.clear(folder)
    assert sorted(os.listdir(elsewhere)) == ["first", "third.txt"]
    assert (folder / "deep/a").is_symlink()


def test_new_folder_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "set"
    fill(place, first="ours", deep__a__third_txt="ours")
    with replacing_folder(place, LAYOUT) as new:
        (new / "second").write_text("ours")
        assert (place / "first").exists()
    assert os.listdir(place) == ["second"]
    assert os.listdir(tmp_path) == ["set"]


def test_new_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    place = tmp_path / "set"
    fill(place, first="ours")

    def fail() -> None:
        with replacing_folder(place, LAYOUT) as new:
            (new / "second").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        fail()
    assert os.listdir(place) == ["first"]
    assert os.listdir(tmp_path) == ["set"]


def test_what_came_in_the_meantime_is_not_deleted(tmp_path: Path) -> None:
    place = tmp_path / "set"
    fill(place, first="ours")
    with replacing_folder(place, LAYOUT) as new:
        (new / "second").write_text("ours")
        (place / "mine").write_text("dear")
    (kept,) = (path for path in tmp_path.iterdir() if path.name != "set")
    assert (kept / "mine").read_text() == "dear"


def test_whole_folders_are_removed_in_one_module_only() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ladcli").rglob("*.py")
        if re.search(r"rmtree|removedirs", path.read_text(encoding="utf-8"))
    ]
    assert users == ["ladcli/files.py"]  # what it made itself, under a name of its own

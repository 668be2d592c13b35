from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoke import lad, refused_untouched
from tests.stages.caches import older


def boxes_in(data: Path) -> int:
    return len(json.loads((data / "annotations/train.json").read_text())["annotations"])


def test_build_says_what_it_made(data: Path, tiny: Path, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.h5"
    args = ("--teacher", teacher, "--data", data, "--recipe", tiny, "--out", out, "--quiet")
    outcome = lad("cache-teacher", *args)
    shown = outcome.done().splitlines()
    assert outcome.err == ""
    assert shown[0] == f"{out}: level assignments, fp32"
    assert shown[1].startswith("8 images x 2 views, ")
    assert shown[3:8] == [
        f"teacher     {teacher} (mobilenetv3_small_050)",
        f"data        {data}, {boxes_in(data)} boxes",
        "views       short side 96, long side up to 128, with and without flip",
        "classes     3: disc, square, triangle",
        "fingerprints",
    ]
    assert [line.split()[0] for line in shown[8:]] == ["teacher", "data", "input", "assigner"]
    assert lad("cache-teacher", "--info", out).done().splitlines() == shown
    message = refused_untouched(tmp_path, "cache-teacher", *args)
    assert message.startswith(f"{out}: exists; replace it with --overwrite")
    lad("cache-teacher", *args, "--overwrite").done()


def test_info_as_json_is_one_object(cache: Path) -> None:
    outcome = lad("cache-teacher", "--info", cache, "--json")
    assert outcome.err == ""
    found = json.loads(outcome.done())
    assert found["level"] == "assignments"
    assert (found["images"], found["views"]) == (8, 2)
    assert found["bytes"] == cache.stat().st_size
    assert found["bytes_per_image_view"] == found["bytes"] / 16
    assert set(found["fingerprints"]) == {"teacher", "data", "input", "assigner"}
    assert all(len(digest) == 64 for digest in found["fingerprints"].values())
    assert found["teacher"]["architecture"]["backbone"] == "mobilenetv3_small_050"
    assert (found["view_grid"]["shorts"], found["view_grid"]["view_ids"]) == ([96], [0, 1])
    assert [name for _, name in found["classes"]] == ["disc", "square", "triangle"]
    assert found["data"]["boxes"] > 0


def test_info_of_an_older_cache_shows_what_it_knows(cache: Path, tmp_path: Path) -> None:
    old = older(cache, tmp_path / "old.h5")
    shown = lad("cache-teacher", "--info", old).done().splitlines()
    assert shown[3] == "teacher     not noted (the cache is of an older version)"
    assert shown[5] == "views       short side 96, long side up to 128, with and without flip"
    assert json.loads(lad("cache-teacher", "--info", old, "--json").done())["teacher"] is None


@pytest.mark.parametrize(
    ("level", "fingerprints"),
    [
        ("assignments", ["teacher", "data", "input", "assigner"]),
        ("costs", ["teacher", "data", "input", "assigner"]),
        ("soft", ["teacher", "data", "input", "assigner", "soft"]),
        ("dense", ["teacher", "data", "input"]),
    ],
)
def test_every_level_is_built_and_says_what_it_is(
    data: Path, tiny: Path, teacher: Path, tmp_path: Path, level: str, fingerprints: list[str]
) -> None:
    out = tmp_path / "t.h5"
    args = ("--teacher", teacher, "--data", data, "--recipe", tiny, "--out", out, "--quiet")
    shown = lad("cache-teacher", *args, "--level", level).done()
    assert lad("cache-teacher", "--info", out).done() == shown
    lines = shown.splitlines()
    assert lines[0] == f"{out}: level {level}, fp32"
    assert lines[1].startswith("8 images x 2 views")
    # Dense outputs are no positives yet.
    assert ("positives" in lines[1]) == (level != "dense")
    assert [line.split()[0] for line in lines[8:]] == fingerprints
    found = json.loads(lad("cache-teacher", "--info", out, "--json").done())
    assert found["level"] == level
    assert list(found["fingerprints"]) == fingerprints
    assert (found["positives"] is None) == (level == "dense")


def test_every_level_takes_more_room_than_the_one_below(caches: dict[str, Path]) -> None:
    sizes = [path.stat().st_size for path in caches.values()]
    assert list(caches) == ["assignments", "costs", "soft", "dense"]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4


def test_level_that_is_not_there_is_refused(teacher: Path, tmp_path: Path) -> None:
    args = ("--teacher", teacher, "--out", tmp_path / "t.h5", "--level", "everything")
    outcome = lad("cache-teacher", *args)
    assert outcome.code == 2
    assert "everything" in outcome.err
    assert not list(tmp_path.iterdir())


def test_info_of_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"no HDF5")
    message = refused_untouched(tmp_path, "cache-teacher", "--info", tmp_path / "x.h5")
    assert message.startswith(f"{tmp_path}/x.h5: cannot be read as HDF5")
    message = lad("cache-teacher", "--info", tmp_path / "none.h5").refused()
    assert message == f"{tmp_path}/none.h5: no such teacher cache; build one with lad cache-teacher"


def test_incomplete_commands_say_what_is_missing(teacher: Path) -> None:
    wanted = "give --teacher CKPT and --out FILE, or --info FILE"
    assert lad("cache-teacher").refused() == wanted
    assert lad("cache-teacher", "--teacher", teacher).refused() == wanted
    assert lad("cache-teacher", "--out", "t.h5").refused() == wanted

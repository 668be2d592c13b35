from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from ladcli.cache.reader import read_cache_info
from ladcli.errors import BadImageError, Interrupted, UserError
from ladcli.stages.cache_teacher import cache_teacher
from tests.stages.tiny import contents, copy_of, ctrl_c_at_call, cut_pixels, draw, tiny_recipe


def tables(cache: Path) -> dict[str, object]:
    with h5py.File(cache) as file:
        return {name: table[:].tolist() for name, table in file.items()}


def test_cache_holds_every_view_of_every_training_image(data: Path, cache: Path) -> None:
    info = read_cache_info(cache)
    assert (info.level, info.precision) == ("assignments", "fp32")
    assert (info.num_images, info.num_views) == (8, 2)  # one scale, flipped or not
    assert info.num_positives > 0
    assert info.num_bytes == cache.stat().st_size
    assert info.bytes_per_image_view == info.num_bytes / 16
    with h5py.File(cache) as file:
        assert (file["count"][:] >= 0).all()
        assert file["count"][:].sum() == info.num_positives


def test_nothing_but_the_file_is_left(cache: Path) -> None:
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_build_that_was_stopped_goes_on_where_it_was(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(data, inference__batch_size=1)  # 16 batches, in parts of 8
    whole, out = tmp_path / "whole.h5", tmp_path / "t.h5"
    cache_teacher(recipe, teacher, whole, quiet=True)
    with monkeypatch.context() as patch:
        add = "ladcli.cache.writer.CacheWriter.add"
        calls = ctrl_c_at_call(patch, add, 10)
        with pytest.raises(Interrupted, match="the same command goes on where it stopped"):
            cache_teacher(recipe, teacher, out, quiet=True)
        assert len(calls) == 10
        assert not out.exists()
    calls = ctrl_c_at_call(monkeypatch, add, 0)  # only counts
    cache_teacher(recipe, teacher, out, quiet=True)
    assert len(calls) == 8
    assert tables(out) == tables(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.h5", "t.h5"}


def test_stopped_build_is_not_mixed_with_another(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "t.h5"
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, "ladcli.cache.writer.CacheWriter.add", 10)
        with pytest.raises(Interrupted):
            cache_teacher(tiny_recipe(data, inference__batch_size=1), teacher, out, quiet=True)
    other = tiny_recipe(data, inference__batch_size=1, assign__topk=5)
    with pytest.raises(UserError, match=r"unfinished build for something else.*--overwrite"):
        cache_teacher(other, teacher, out, quiet=True)
    info = cache_teacher(other, teacher, out, overwrite=True, quiet=True)
    assert info.num_images == 8


def test_cache_that_exists_is_replaced_only_on_request(
    data: Path, teacher: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.h5"
    recipe = tiny_recipe(data)
    cache_teacher(recipe, teacher, out, quiet=True)
    with pytest.raises(UserError, match=r"t\.h5: exists; replace it with --overwrite"):
        cache_teacher(recipe, teacher, out, quiet=True)
    cache_teacher(recipe, teacher, out, overwrite=True, quiet=True)
    assert tables(out) == tables(cache)
    with pytest.raises(UserError, match="is a folder; name a file"):
        cache_teacher(recipe, teacher, tmp_path, overwrite=True, quiet=True)


def test_nothing_else_is_ever_replaced(
    data: Path, teacher: Path, cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "teacher.pt"
    own.write_bytes(teacher.read_bytes())
    (tmp_path / "dear.h5").write_bytes(b"something dear")
    (tmp_path / "link.h5").symlink_to(cache)
    (tmp_path / "link.pt").symlink_to(own)
    before = contents(tmp_path)
    for name, message in (
        ("teacher.pt", "teacher.pt: would be replaced, and is what --teacher reads"),
        ("link.pt", "link.pt: would be replaced, and is what --teacher reads"),
        ("dear.h5", "dear.h5: exists and is not a teacher cache, so it is not replaced; move it"),
        ("link.h5", "link.h5: is a link, which is not replaced"),
    ):
        for overwrite in (False, True):
            with pytest.raises(UserError, match=message):
                cache_teacher(
                    tiny_recipe(data), own, tmp_path / name, overwrite=overwrite, quiet=True
                )
    assert contents(tmp_path) == before


def test_strangers_among_the_parts_stay(data: Path, teacher: Path, tmp_path: Path) -> None:
    out, parts = tmp_path / "t.h5", tmp_path / "t.h5.parts"
    parts.mkdir()
    (parts / "notes.txt").write_text("dear")
    cache_teacher(tiny_recipe(data), teacher, out, overwrite=True, quiet=True)
    assert contents(parts).keys() == {"notes.txt"}
    (parts / "000000.npz").write_text("dear")
    with pytest.raises(UserError, match=r"000000\.npz: was not written by this program"):
        cache_teacher(tiny_recipe(data), teacher, out, overwrite=True, quiet=True)


def test_kept_cache_must_fit(
    data: Path, teacher: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ctrl_c_at_call(monkeypatch, "ladcli.objective.teacher.OnlineTeacher.look_at", 0)
    info = cache_teacher(tiny_recipe(data), teacher, cache, keep=True, quiet=True)
    assert info.num_images == 8
    with pytest.raises(UserError, match="was made for other assignment options"):
        cache_teacher(tiny_recipe(data, assign__topk=5), teacher, cache, keep=True, quiet=True)
    assert calls == []


def test_bad_image_stops_the_build_and_what_was_done_is_kept(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = copy_of(data, tmp_path / "spoiled")
    cut_pixels(spoiled / "images/train_00007.jpg")
    recipe = tiny_recipe(spoiled, inference__batch_size=1)
    out = tmp_path / "t.h5"
    with pytest.raises(BadImageError, match=r"train_00007\.jpg: cannot be decoded"):
        cache_teacher(recipe, teacher, out, quiet=True)
    assert not out.exists()
    good = (data / "images/train_00007.jpg").read_bytes()
    (spoiled / "images/train_00007.jpg").write_bytes(good)
    assert cache_teacher(recipe, teacher, out, quiet=True).num_images == 8


def test_skipped_images_are_counted_aloud(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = copy_of(data, tmp_path / "spoiled")
    cut_pixels(spoiled / "images/train_00003.jpg")
    recipe = tiny_recipe(spoiled, data__skip_bad_images=True)
    cache_teacher(recipe, teacher, tmp_path / "t.h5", quiet=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: 1 image(s) left out of the cache: ")
    assert "train_00003.jpg" in line
    with h5py.File(tmp_path / "t.h5") as file:
        assert (file["count"][:] < 0).sum() == 2  # both of its views


def test_nothing_is_written_for_bad_input(data: Path, teacher: Path, tmp_path: Path) -> None:
    other = draw(tmp_path / "four", classes=4)
    before = contents(tmp_path)
    for recipe, message in (
        (tiny_recipe(other), "knows other classes"),
        (tiny_recipe(tmp_path / "nowhere"), "no such data folder"),
        (tiny_recipe(data, data__short=[64, 96], data__scales="range"), "data.scales=grid"),
        (tiny_recipe(data, train__device="cuda:99"), "does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            cache_teacher(recipe, teacher, tmp_path / "t.h5", quiet=True)
    with pytest.raises(UserError, match=r"none\.pt: no such checkpoint"):
        cache_teacher(tiny_recipe(data), tmp_path / "none.pt", tmp_path / "t.h5", quiet=True)
    assert contents(tmp_path) == before

"""Which sets are looked at, and what becomes of a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.recipe import load_recipe
from ladcli.stages.data_stats import DataLook, StatsOptions, data_stats
from tests.stages.tiny import change_json, copy_of, cut_pixels


def look(options: StatsOptions, **flags: object) -> DataLook:
    given = {
        key.replace("__", "."): str(value) if isinstance(value, Path) else value
        for key, value in flags.items()
    }
    return data_stats(load_recipe(None, flags=given), options)


def names(found: DataLook) -> list[str]:
    return [one.name for one in found.statistics.sets]


QUIET = StatsOptions(quiet=True)


def test_every_set_of_a_folder(data: Path) -> None:
    found = look(QUIET, data__dir=data)
    assert names(found) == ["train", "val", "test"]
    assert [one.images for one in found.statistics.sets] == [8, 4, 4]
    assert [one.looked_at for one in found.statistics.sets] == [8, 4, 4]
    assert (found.statistics.short, found.statistics.long) == (800, 1333)


def test_one_set_and_one_file(data: Path) -> None:
    assert names(look(StatsOptions(split="val", quiet=True), data__dir=data)) == ["val"]
    file = data / "annotations/test.json"
    found = look(StatsOptions(annotations=file, quiet=True))
    assert names(found) == ["test"]
    assert found.statistics.sets[0].looked_at == 4  # images/ of the folder around it


def test_sample_is_of_each_set(data: Path) -> None:
    found = look(StatsOptions(sample=3, quiet=True), data__dir=data)
    assert [one.looked_at for one in found.statistics.sets] == [3, 3, 3]
    found = look(StatsOptions(sample=0, quiet=True), data__dir=data)
    assert [one.luma for one in found.statistics.sets] == [None, None, None]


def test_folder_without_training_set_is_looked_at(data: Path, tmp_path: Path) -> None:
    mine = copy_of(data, tmp_path / "set")
    (mine / "annotations/train.json").unlink()
    found = look(QUIET, data__dir=mine)
    assert names(found) == ["val", "test"]
    assert any("needs train.json" in note for note in found.notes)
    with pytest.raises(UserError, match=r"needs train\.json"):
        look(StatsOptions(split="train"), data__dir=mine)


def test_absent_set_is_refused(data: Path, tmp_path: Path) -> None:
    mine = copy_of(data, tmp_path / "set")
    (mine / "annotations/test.json").unlink()
    assert names(look(QUIET, data__dir=mine)) == ["train", "val"]
    with pytest.raises(UserError, match="has no test set; choose another --split"):
        look(StatsOptions(split="test"), data__dir=mine)


def test_counting_needs_no_images(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "annotations", tmp_path / "set/annotations")
    page = tmp_path / "page.html"
    found = look(StatsOptions(quiet=True, page=page), data__dir=tmp_path / "set")
    assert [one.images for one in found.statistics.sets] == [8, 4, 4]
    assert [one.looked_at for one in found.statistics.sets] == [0, 0, 0]
    assert found.notes[0].startswith("train: no image is looked at (")
    assert "<img" not in page.read_text(encoding="utf-8")
    with pytest.raises(UserError, match="no such image folder"):
        look(QUIET, data__dir=tmp_path / "set", data__images=tmp_path / "nowhere")


def test_unreadable_images_are_named(data: Path, tmp_path: Path) -> None:
    mine = copy_of(data, tmp_path / "set")
    images = sorted((mine / "images").glob("train*"))
    cut_pixels(images[0])
    images[3].unlink()
    page = tmp_path / "page.html"
    found = look(StatsOptions(split="train", quiet=True, page=page), data__dir=mine)
    (one,) = found.statistics.sets
    assert [path for path, _ in one.unreadable] == [str(images[0]), str(images[3])]
    assert one.looked_at == 8
    text = page.read_text(encoding="utf-8")
    assert "Images that cannot be used" in text
    assert "no such file" in text


def test_boxes_too_small_for_the_input_are_told_of(data: Path) -> None:
    found = look(QUIET, data__dir=data, data__short=32, data__long=32)
    assert any("of the training boxes overlap no anchor" in note for note in found.notes)


def test_page_replaces_only_pages(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = StatsOptions(split="val", page=page, quiet=True)
    look(options, data__dir=data)
    look(options, data__dir=data)
    page.write_text("<html>my own</html>")
    with pytest.raises(UserError, match="is not a page of this program"):
        look(options, data__dir=data)
    assert page.read_text() == "<html>my own</html>"
    with pytest.raises(UserError, match=r"ends in \.html"):
        look(StatsOptions(page=tmp_path / "page.txt"), data__dir=data)


def test_same_data_give_the_same_page(data: Path, tmp_path: Path) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        look(StatsOptions(page=page, quiet=True), data__dir=data)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_unsound_file_is_refused_before_a_page(data: Path, tmp_path: Path) -> None:
    mine = copy_of(data, tmp_path / "set")
    change_json(mine / "annotations/val.json", lambda content: content.pop("categories"))
    page = tmp_path / "page.html"
    with pytest.raises(UserError, match=r"val\.json.*'categories' is missing"):
        look(StatsOptions(page=page), data__dir=mine)
    assert not page.exists()

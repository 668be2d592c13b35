"""Ground truth of evaluated sets, found and not found."""

from __future__ import annotations

import json
from pathlib import Path

from ladcli.recipe import Recipe, load_recipe
from ladcli.stages.truths import Truths


def recipe(**flags: object) -> Recipe:
    return load_recipe(None, flags={key.replace("__", "."): v for key, v in flags.items()})


def test_sets_of_the_recipes_data(data: Path) -> None:
    found, why_not = Truths(None).find(recipe(data__dir=str(data)), "test")
    assert why_not is None
    assert found is not None
    assert found.annotations.path == data / "annotations/test.json"
    assert found.images == data / "images"


def test_a_named_folder_goes_before_the_recipe(data: Path) -> None:
    for one in (recipe(data__dir="gone"), None):
        found, _ = Truths(data).find(one, "val")
        assert found is not None


def test_a_named_file_goes_before_everything(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "mine.json"
    moved.write_bytes((data / "annotations/val.json").read_bytes())
    truths = Truths(None, moved)
    with_data, _ = truths.find(recipe(data__dir=str(data)), "anything")
    assert with_data is not None
    assert (with_data.annotations.path, with_data.images) == (moved, data / "images")
    alone, _ = truths.find(None, "anything")
    assert alone is not None
    assert alone.annotations is with_data.annotations  # read once


def test_a_set_may_be_the_stem_of_an_annotation_file(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").symlink_to(data / "images")
    content = (data / "annotations/val.json").read_bytes()
    (folder / "annotations/holdout.json").write_bytes(content)
    found, _ = Truths(folder).find(None, "holdout")
    assert found is not None
    assert found.annotations.path == folder / "annotations/holdout.json"


def test_reasons_why_there_is_none(data: Path, tmp_path: Path) -> None:
    none = "no data folder is known; name it with --data"
    assert Truths(None).find(None, "val") == (None, none)
    assert Truths(None).find(recipe(), "val") == (None, none)
    _, why_not = Truths(data).find(None, "other")
    assert why_not == f"the data has no set of this name ({data}); name it with --data"
    _, why_not = Truths(tmp_path / "gone").find(None, "val")
    assert why_not is not None
    assert why_not.startswith(f"{tmp_path}/gone: no such data folder")


def test_a_broken_file_is_a_reason_too(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps([]))
    found, why_not = Truths(None, path).find(None, "val")
    assert found is None
    assert why_not is not None
    assert why_not.startswith(f"{path}: ")


def test_folders_of_images(data: Path) -> None:
    assert Truths(data).image_folders(None) == [data / "images"]
    assert Truths(None).image_folders(None) == []

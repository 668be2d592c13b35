from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.folder import find_annotations, find_split
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig


def layout(root: Path, *names: str) -> DataConfig:
    """Make empty files and folders (names that end in a slash) below ``root``."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return DataConfig(dir=str(root))


def test_plain_names(tmp_path: Path) -> None:
    data = layout(tmp_path, "annotations/train.json", "annotations/val.json", "images/")
    train, val = find_split(data, "train"), find_split(data, "val")
    assert train is not None
    assert val is not None
    assert train.annotations == tmp_path / "annotations/train.json"
    assert train.images == val.images == tmp_path / "images"
    assert find_split(data, "test") is None


def test_coco_names(tmp_path: Path) -> None:
    data = layout(
        tmp_path,
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "images/train2017/",
        "images/val2017/",
    )
    val = find_split(data, "val")
    assert val is not None
    assert val.annotations.name == "instances_val2017.json"
    assert val.images == tmp_path / "images/val2017"


def test_lone_file_is_train_and_nothing_else(tmp_path: Path) -> None:
    data = layout(tmp_path, "annotations/instances.json", "images/")
    train = find_split(data, "train")
    assert train is not None
    assert train.annotations.name == "instances.json"
    assert find_split(data, "val") is None
    named = data.model_copy(update={"val_json": str(tmp_path / "annotations/instances.json")})
    val = find_split(named, "val")
    assert val == train


def test_named_files_win(tmp_path: Path) -> None:
    data = layout(tmp_path, "annotations/train.json", "images/", "other/x.json", "pictures/")
    named = data.model_copy(
        update={"train_json": str(tmp_path / "other/x.json"), "images": str(tmp_path / "pictures")}
    )
    train = find_split(named, "train")
    assert train is not None
    assert train.annotations == tmp_path / "other/x.json"
    assert train.images == tmp_path / "pictures"


def test_file_without_folder_option(tmp_path: Path) -> None:
    layout(tmp_path, "annotations/train.json", "images/")
    data = DataConfig(train_json=str(tmp_path / "annotations/train.json"))
    train = find_split(data, "train")
    assert train is not None
    assert train.images == tmp_path / "images"
    assert find_split(data, "val") is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["annotations/train.json", "annotations/instances_train2017.json", "images/"],
         "train.json.*--train-json"),
        (["annotations/train.json", "images/train2014/", "images/train2017/"],
         "train2014.*train2017.*--images"),
        (["annotations/val.json", "annotations/x.json", "images/"], "found: val.json, x.json"),
        (["annotations/", "images/"], "no .json file"),
        (["images/"], "no folder annotations/"),
        (["annotations/train.json"], "no folder images/"),
    ],
)  # fmt: skip
def test_unclear_layout_is_refused(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_split(layout(tmp_path, *names), "train")


def test_image_folder_is_told_by_the_annotation_file(tmp_path: Path) -> None:
    data = layout(
        tmp_path,
        "annotations/instances_train2017.json",
        "images/train2014/",
        "images/train2017/",
    )
    train = find_split(data, "train")
    assert train is not None
    assert train.images.name == "train2017"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DataConfig(dir="/nonexistent/folder"), "no such data folder"),
        (DataConfig(train_json="/nonexistent/a.json"), "no such annotation file"),
        (DataConfig(), "--data"),
    ],
)
def test_missing_places(data: DataConfig, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_split(data, "train")


def test_annotations_alone_need_no_images(tmp_path: Path) -> None:
    data = layout(tmp_path, "annotations/train.json")
    assert find_annotations(data, "train") == tmp_path / "annotations/train.json"
    assert find_annotations(data, "val") is None
    with pytest.raises(UserError, match="has no folder images/"):
        find_split(data, "train")
    named = data.model_copy(update={"val_json": str(tmp_path / "none.json")})
    with pytest.raises(UserError, match=r"none\.json: no such annotation file"):
        find_annotations(named, "val")

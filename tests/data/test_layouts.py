"""Layouts that tools write, found by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.data.folder import find_split, missing_split
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig


def write_set(file: Path, images: Path, *names: str) -> None:
    """A COCO file with these images, and something in place of each."""
    content = {
        "images": [{"id": i, "file_name": n, "width": 9, "height": 9} for i, n in enumerate(names)],
        "annotations": [],
        "categories": [{"id": 1, "name": "cat"}],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    for name in names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()


def places(data: DataConfig, split: str, root: Path) -> tuple[str, str]:
    found = find_split(data, split)  # type: ignore[arg-type]
    assert found is not None
    return str(found.annotations.relative_to(root)), str(found.images.relative_to(root))


@pytest.mark.parametrize("year", ["2017", "2014", ""])
def test_cocos_own_download(tmp_path: Path, year: str) -> None:
    for split in ("train", "val"):
        file = tmp_path / f"annotations/instances_{split}{year}.json"
        write_set(file, tmp_path / f"{split}{year}", "1.jpg", "2.jpg")
        for kind in ("captions", "person_keypoints"):
            (tmp_path / f"annotations/{kind}_{split}{year}.json").write_text("{}")
    (tmp_path / f"annotations/image_info_test{year}.json").write_text("{}")
    data = DataConfig(dir=str(tmp_path))
    for split in ("train", "val"):
        name = f"annotations/instances_{split}{year}.json"
        assert places(data, split, tmp_path) == (name, f"{split}{year}")
    assert find_split(data, "test") is None
    assert f"image_info_test{year}.json lists images without" in missing_split(data, "test")


@pytest.mark.parametrize("val", ["valid", "val"])
def test_roboflows_export(tmp_path: Path, val: str) -> None:
    for folder in ("train", val, "test"):
        write_set(tmp_path / folder / "_annotations.coco.json", tmp_path / folder, "0.jpg")
    data = DataConfig(dir=str(tmp_path))
    for split, folder in (("train", "train"), ("val", val), ("test", "test")):
        assert places(data, split, tmp_path) == (f"{folder}/_annotations.coco.json", folder)
    with pytest.raises(UserError, match=rf"a part of the data set in {tmp_path}, which is meant"):
        find_split(DataConfig(dir=str(tmp_path / "train")), "train")


def test_folder_per_split_with_equal_names(tmp_path: Path) -> None:
    for split in ("train", "val"):
        folder = tmp_path / split
        write_set(folder / "annotations/instances.json", folder / "images", "frame_0.jpg")
    data = DataConfig(dir=str(tmp_path))
    for split in ("train", "val"):
        found = f"{split}/annotations/instances.json", f"{split}/images"
        assert places(data, split, tmp_path) == found
        named = DataConfig(**{f"{split}_json": str(tmp_path / found[0]), "train_json": "x"} | (
            {"train_json": str(tmp_path / found[0])} if split == "train" else {}
        ))  # fmt: skip
        assert places(named, split, tmp_path) == found


def test_folders_of_splits_are_told_by_the_names_in_them(tmp_path: Path) -> None:
    write_set(tmp_path / "annotations/train.json", tmp_path / "images", "train/0.jpg")
    data = DataConfig(dir=str(tmp_path))
    # images/train/ has the better claim, but the names lead from images/.
    assert places(data, "train", tmp_path)[1] == "images"


def test_images_of_each_split_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    file = tmp_path / "x.json"
    write_set(file, tmp_path / "a", "0.jpg")
    named = {f"{split}_json": str(file) for split in ("train", "val", "test")}
    data = DataConfig(**named, images=str(tmp_path / "a"), val_images=str(tmp_path / "b"))
    assert [places(data, split, tmp_path)[1] for split in ("train", "val", "test")] == list("aba")
    wrong = data.model_copy(update={"val_images": str(tmp_path / "c")})
    with pytest.raises(UserError, match="c: no such image folder; check --val-images"):
        find_split(wrong, "val")


@pytest.mark.parametrize(("json_name", "folder"), [("result", "images"), ("labels", "data")])
def test_lone_file_of_any_name(tmp_path: Path, json_name: str, folder: str) -> None:
    write_set(tmp_path / f"{json_name}.json", tmp_path / folder, "0.jpg")
    data = DataConfig(dir=str(tmp_path))
    assert places(data, "train", tmp_path) == (f"{json_name}.json", folder)
    assert find_split(data, "val") is None


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("annotations/train_annotations.json", "annotations/val_annotations.json"),
        ("train_coco.json", "valid_coco.json"),
        ("annotations/coco-Train2017.json", "annotations/coco-Val2017.json"),
    ],
)
def test_split_as_a_word_of_the_name(tmp_path: Path, train: str, val: str) -> None:
    write_set(tmp_path / train, tmp_path / "train", "1.jpg")
    write_set(tmp_path / val, tmp_path / "val", "2.jpg")
    (tmp_path / train).with_name("captions_train.json").write_text('{"images": []}')
    (tmp_path / train).with_name("test_results.json").write_text("[]")
    data = DataConfig(dir=str(tmp_path))
    assert places(data, "train", tmp_path) == (train, "train")
    assert places(data, "val", tmp_path) == (val, "val")
    assert find_split(data, "test") is None


def test_words_do_not_count_beside_usual_names_nor_where_two_have_them(tmp_path: Path) -> None:
    write_set(tmp_path / "annotations/train.json", tmp_path / "images", "1.jpg")
    write_set(tmp_path / "annotations/val_old.json", tmp_path / "images", "1.jpg")
    data = DataConfig(dir=str(tmp_path))
    assert find_split(data, "val") is None
    (tmp_path / "annotations/train.json").rename(tmp_path / "annotations/train_a.json")
    write_set(tmp_path / "annotations/train_b.json", tmp_path / "images", "1.jpg")
    with pytest.raises(UserError, match=r"found: train_a\.json, train_b\.json, val_old\.json"):
        find_split(data, "train")

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.image_folder import find_image_folder
from ladcli.errors import UserError
from tests.data.corpus import plain, write_images, write_json


def data_set(root: Path, images: str, annotations: str = "annotations") -> Path:
    """A COCO file below ``root`` with its images in the folder ``images``."""
    content = plain()
    (root / images).mkdir(parents=True, exist_ok=True)
    (root / annotations).mkdir(parents=True, exist_ok=True)
    write_images(root / images, content)
    return write_json(root / annotations, content, "train.json")


@pytest.mark.parametrize("images", ["images", "images/train", "train", "images/train2017"])
def test_folder_that_holds_the_images_is_found(tmp_path: Path, images: str) -> None:
    file = data_set(tmp_path, images)
    found = find_image_folder(file, "train", tmp_path, option="data.images")
    assert found == tmp_path / images


def test_files_beside_the_annotations(tmp_path: Path) -> None:
    file = data_set(tmp_path, "train", annotations="train")
    assert find_image_folder(file, "train", tmp_path, option="data.images") == tmp_path / "train"


def test_a_set_takes_its_own_folder_of_two_with_the_same_names(tmp_path: Path) -> None:
    file = data_set(tmp_path, "images/train")
    data_set(tmp_path, "images/val")
    found = find_image_folder(file, "train", tmp_path, option="data.images")
    assert found == tmp_path / "images/train"


def test_without_any_folder_the_option_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    file = write_json(folder, plain(), "train.json")
    with pytest.raises(UserError, match="name the image folder with --images"):
        find_image_folder(file, "train", tmp_path, option="data.images")

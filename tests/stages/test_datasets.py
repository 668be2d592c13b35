from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ladcli.classes import ClassTable
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from ladcli.stages.datasets import (
    choose_evaluation_set,
    open_evaluation_set,
    open_training_set,
    require_same_classes,
)
from tests.stages.tiny import change_json, copy_of


def test_training_set_is_opened_with_every_file_checked(data: Path, tmp_path: Path) -> None:
    assert len(open_training_set(DataConfig(dir=str(data)))) == 8
    copy = copy_of(data, tmp_path / "data")
    (copy / "images/train_00002.jpg").unlink()
    with pytest.raises(UserError, match=r"train_00002\.jpg: no such file"):
        open_training_set(DataConfig(dir=str(copy)))
    kept = open_training_set(DataConfig(dir=str(copy), skip_bad_images=True))
    assert len(kept) == 7


def test_images_without_boxes_can_be_left_out_of_training(data: Path, tmp_path: Path) -> None:
    copy = copy_of(data, tmp_path / "data")

    def empty_two(content: dict[str, Any]) -> None:
        ids = [image["id"] for image in content["images"][:2]]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] not in ids]

    change_json(copy / "annotations/train.json", empty_two)
    assert len(open_training_set(DataConfig(dir=str(copy)))) == 8
    assert len(open_training_set(DataConfig(dir=str(copy), skip_empty=True))) == 6


def test_training_set_without_a_box_is_refused(data: Path, tmp_path: Path) -> None:
    copy = copy_of(data, tmp_path / "data")
    change_json(copy / "annotations/train.json", lambda c: c["annotations"].clear())
    with pytest.raises(UserError, match="nothing to train on, there are no boxes"):
        open_training_set(DataConfig(dir=str(copy)))


def test_absent_split_is_none_or_refused(data: Path, tmp_path: Path) -> None:
    copy = copy_of(data, tmp_path / "data")
    (copy / "annotations/val.json").unlink()
    config = DataConfig(dir=str(copy))
    assert open_evaluation_set(config, "val", required=False) is None
    with pytest.raises(UserError, match=r"data: has no val set; .*--annotations.*--split"):
        open_evaluation_set(config, "val")
    with pytest.raises(UserError, match=r"^no data to evaluate on: .*--data.*--annotations"):
        open_evaluation_set(DataConfig(), "val")


def test_evaluation_set_keeps_the_stored_annotations_beside_the_index(data: Path) -> None:
    opened = open_evaluation_set(DataConfig(dir=str(data)), "test")
    assert opened is not None
    assert opened.name == "test"
    assert len(opened.index) == len(opened.truth.image_ids) == 4
    assert opened.truth.classes.ids == (1, 3, 7)


def test_evaluation_set_may_be_named_by_its_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "my set.json"
    file.write_bytes((data / "annotations/test.json").read_bytes())
    config = DataConfig(images=str(data / "images"))
    opened = choose_evaluation_set(config, "val", file)
    assert opened.name == "my set"
    assert len(opened.index) == 4
    # Without a folder of images there is none around the file either.
    with pytest.raises(UserError, match="has no folder images/; name the image folder"):
        choose_evaluation_set(DataConfig(), "val", file)
    with pytest.raises(UserError, match=r"none\.json: no such annotation file"):
        choose_evaluation_set(config, "val", tmp_path / "none.json")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("cat", "dog"), "2 classes against 3, which add 'owl'"),
        (("cat", "dog", "fox"), "class 'fox' is missing"),
        (("dog", "cat", "owl"), "the same classes in another order"),
    ],
)
def test_other_classes_are_refused_with_the_difference(names: tuple[str, ...], reason: str) -> None:
    mine = ClassTable((1, 2, 3), ("cat", "dog", "owl"))
    theirs = ClassTable(tuple(range(len(names))), names)
    with pytest.raises(UserError) as caught:
        require_same_classes(mine, "the training set", theirs, "x.pt")
    assert str(caught.value) == (
        f"x.pt: knows other classes than the training set ({reason}); "
        "use one with the classes cat, dog, owl"
    )


def test_ids_of_classes_may_differ() -> None:
    require_same_classes(
        ClassTable((1, 2), ("cat", "dog")), "the set", ClassTable((7, 9), ("cat", "dog")), "x.pt"
    )


def test_long_class_lists_are_cut_short() -> None:
    mine = ClassTable(tuple(range(80)), tuple(f"class{i}" for i in range(80)))
    with pytest.raises(UserError, match=r"class7, …$"):
        require_same_classes(mine, "the set", ClassTable((1,), ("cat",)), "x.pt")

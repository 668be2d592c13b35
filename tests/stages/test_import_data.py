from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.folder import find_split
from ladcli.data.image_check import check_files
from ladcli.data.index import load_index
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from ladcli.stages.import_data import Source
from tests.formats.foreign_sets import (
    boxes_in,
    content,
    imported,
    names_in,
    picture,
    problems,
    voc_xml,
    write,
)
from tests.stages.tiny import contents

CAT = ("cat", 1, 1, 10, 20)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Six images; the last has no box."""
    src = tmp_path / "src"
    for number in range(6):
        picture(src / f"JPEGImages/{number}.jpg", seed=number)
        objects = [(("dog", "cat")[number % 2], 1 + number, 1, 10 + number, 20)]
        write(src / f"Annotations/{number}.xml", voc_xml(*(objects if number < 5 else [])))
    return src


def test_a_data_folder_is_written(voc: Path, tmp_path: Path) -> None:
    done = imported(Source("voc", voc), tmp_path / "out")
    assert (done.images, done.boxes, done.classes) == ({"train": 6}, {"train": 5}, {
        "cat": 2, "dog": 3,
    })  # fmt: skip
    assert done.notes == ["every image is for training; --val 0.2 makes a validation split"]
    found = content(tmp_path / "out")
    assert found["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [image["id"] for image in found["images"]] == [1, 2, 3, 4, 5, 6]
    assert found["annotations"][1] == {
        "id": 2, "image_id": 2, "category_id": 1, "bbox": [1.0, 0.0, 10.0, 20.0], "area": 200.0,
        "iscrowd": 0,
    }  # fmt: skip


def test_the_data_folder_is_one_that_training_reads(voc: Path, tmp_path: Path) -> None:
    imported(Source("voc", voc), tmp_path / "out", val=0.5)
    data = DataConfig(dir=str(tmp_path / "out"))
    counts = []
    for split in ("train", "val"):
        files = find_split(data, split)
        assert files is not None
        index = check_files(load_index(files.annotations, files.images), skip_bad=False)
        counts.append(len(index))
    assert sum(counts) == 6
    assert all(counts)


def test_ids_are_not_shared_by_splits(voc: Path, tmp_path: Path) -> None:
    imported(Source("voc", voc), tmp_path / "out", val=0.5)
    train, val = content(tmp_path / "out"), content(tmp_path / "out", "val")
    for key in ("images", "annotations"):
        ids = [entry["id"] for entry in (*train[key], *val[key])]
        assert sorted(ids) == list(range(1, len(ids) + 1))


def test_difficult_boxes_are_marked_as_training_and_voc_know_them(tmp_path: Path) -> None:
    picture(tmp_path / "src/a.jpg")
    more = "<difficult>1</difficult><truncated>1</truncated>"
    write(tmp_path / "src/a.xml", voc_xml(CAT, more=more))
    imported(Source("voc", tmp_path / "src"), tmp_path / "out")
    (box,) = content(tmp_path / "out")["annotations"]
    assert (box["ignore"], box["difficult"], box["truncated"], box["iscrowd"]) == (1, 1, 1, 0)


def test_given_classes_decide_order_and_choice(voc: Path, tmp_path: Path) -> None:
    done = imported(Source("voc", voc, classes="dog, bird"), tmp_path / "out")
    assert done.classes == {"dog": 3, "bird": 0}
    assert problems(done)["box: left out: class not one of --classes"] == 2
    names = write(tmp_path / "names.txt", "dog\r\ncat\r\n\r\n")
    done = imported(Source("voc", voc, classes=str(names)), tmp_path / "out2")
    assert list(done.classes) == ["dog", "cat"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("x.txt", "", "lists no class"),
        ("x.txt", "a\n\nb\n", "line 2 is empty"),
        ("x.csv", "a\n", "line 1 must hold two columns"),
        ("x.yaml", "nc: 2\n", "has no 'names'"),
        ("x.txt", None, "no such file"),
        ("a,,b", None, "holds an empty name"),
        (",".join(["a"] * 200) + ",", None, "holds an empty name"),
    ],
)
def test_class_files_that_say_nothing_are_refused(
    voc: Path, tmp_path: Path, name: str, text: str | None, why: str
) -> None:
    given = str(write(tmp_path / name, text)) if text is not None else name
    with pytest.raises(UserError, match=why):
        imported(Source("voc", voc, classes=given), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_are_links_to_the_originals_and_outlive_them(voc: Path, tmp_path: Path) -> None:
    before = contents(voc)
    done = imported(Source("voc", voc), tmp_path / "out")
    assert not done.copied
    assert (tmp_path / "out/images/0.jpg").stat().st_ino == (voc / "JPEGImages/0.jpg").stat().st_ino
    assert contents(voc) == before
    (tmp_path / "out").rename(tmp_path / "moved")
    original = (voc / "JPEGImages/0.jpg").read_bytes()
    (voc / "JPEGImages/0.jpg").unlink()
    assert (tmp_path / "moved/images/0.jpg").read_bytes() == original


def test_images_are_copied_on_request(voc: Path, tmp_path: Path) -> None:
    done = imported(Source("voc", voc), tmp_path / "out", copy=True)
    assert done.copied
    assert (tmp_path / "out/images/0.jpg").stat().st_nlink == 1
    assert (tmp_path / "out/images/0.jpg").read_bytes() == (voc / "JPEGImages/0.jpg").read_bytes()


def test_images_are_copied_where_links_cannot_be_made(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    done = imported(Source("voc", voc), tmp_path / "out")
    assert done.copied
    assert any(note.startswith("6 images copied, because a link") for note in done.notes)
    assert (tmp_path / "out/images/0.jpg").is_file()


def test_a_link_to_an_image_is_not_linked_itself(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere/x.jpg")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.jpg").symlink_to("../elsewhere/x.jpg")
    write(tmp_path / "src/a.xml", voc_xml(CAT))
    imported(Source("voc", tmp_path / "src"), tmp_path / "out")
    assert names_in(tmp_path / "out") == ["a.jpg"]
    assert not (tmp_path / "out/images/a.jpg").is_symlink()


def test_the_same_file_by_two_names_is_taken_once(tmp_path: Path) -> None:
    picture(tmp_path / "src/a.jpg")
    (tmp_path / "src/b.jpg").symlink_to("a.jpg")
    for name in ("a", "b"):
        write(tmp_path / f"src/{name}.xml", voc_xml(CAT))
    done = imported(Source("voc", tmp_path / "src"), tmp_path / "out")
    assert done.images == {"train": 1}
    assert "image: left out: the same file as another one" in problems(done)


def test_two_annotations_of_one_image_are_said_and_the_better_named_is_kept(tmp_path: Path) -> None:
    src = tmp_path / "src"
    picture(src / "JPEGImages/y/f.jpg")
    for folder in ("x", "y", "z"):
        write(src / f"Annotations/{folder}/f.xml", voc_xml((folder, 1, 1, 9, 9)))
    done = imported(Source("voc", src), tmp_path / "out")
    assert done.classes == {"y": 1}
    assert problems(done) == {"image: left out: the same file as another one": 2}


def test_same_names_of_several_folders_are_all_kept(tmp_path: Path) -> None:
    for number, folder in enumerate(("x", "y")):
        picture(tmp_path / f"src/images/{folder}/a.jpg", seed=number)
        write(tmp_path / f"src/labels/{folder}/a.txt", f"{number} 0.5 0.5 0.5 0.5\n")
    imported(Source("yolo", tmp_path / "src", classes="p,q"), tmp_path / "out")
    assert boxes_in(tmp_path / "out") == {
        "x__a.jpg": [("p", [16.0, 12.0, 32.0, 24.0])],
        "y__a.jpg": [("q", [16.0, 12.0, 32.0, 24.0])],
    }


def test_names_that_begin_like_splits_do_not_mislead(tmp_path: Path) -> None:
    for split, seed in (("train", 0), ("val", 1)):
        picture(tmp_path / f"src/{split}/images/f.jpg", seed=seed)
        write(tmp_path / f"src/{split}/labels/f.txt", "0 0.5 0.5 0.5 0.5\n")
    imported(Source("yolo", tmp_path / "src"), tmp_path / "out")
    assert names_in(tmp_path / "out") == ["train__images__f.jpg"]
    files = find_split(DataConfig(dir=str(tmp_path / "out")), "val")
    assert files is not None
    assert (files.images / names_in(tmp_path / "out", "val")[0]).is_file()


def test_nothing_usable_writes_nothing(tmp_path: Path) -> None:
    picture(tmp_path / "src/a.jpg")
    write(tmp_path / "src/a.xml", voc_xml(("cat", 9, 1, 2, 20)))
    with pytest.raises(UserError) as caught:
        imported(Source("voc", tmp_path / "src"), tmp_path / "out")
    assert "not a single box is left to import as voc: 1 box left out: corners swapped" in str(
        caught.value
    )
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (Source("voc", Path("src"), labels=Path("x")), "--labels belongs to yolo"),
        (Source("yolo", Path("src"), zero_based=True), "--zero-based belongs to voc"),
        (Source("cvat", Path("src"), coordinates="pixels"), "--coordinates belongs to csv"),
        (Source("voc", Path("nowhere")), "no such file or folder"),
        (Source("voc", Path("src"), images=Path("nowhere")), "no such folder; check --images"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    voc: Path, monkeypatch: pytest.MonkeyPatch, source: Source, why: str
) -> None:
    monkeypatch.chdir(voc.parent)
    with pytest.raises(UserError, match=why):
        imported(source, Path("out"))


@pytest.mark.parametrize("out", ["src", "src/out", "src/JPEGImages/deep/out"])
def test_what_is_read_is_not_written_into(voc: Path, tmp_path: Path, out: str) -> None:
    before = contents(tmp_path)
    with pytest.raises(UserError, match="which is read; choose another --out"):
        imported(Source("voc", voc), tmp_path / out)
    assert contents(tmp_path) == before


def test_an_earlier_import_is_replaced_on_request_only(voc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    imported(Source("voc", voc), out, val=0.5, copy=True)
    with pytest.raises(UserError, match="holds an imported set; replace it with --overwrite"):
        imported(Source("voc", voc), out)
    (voc / "JPEGImages/0.jpg").unlink()
    imported(Source("voc", voc), out, overwrite=True)
    assert names_in(out) == [f"{number}.jpg" for number in range(1, 6)]
    assert {path.name for path in (out / "annotations").iterdir()} == {"train.json"}
    assert len(list((out / "images").iterdir())) == 5


@pytest.mark.parametrize("stranger", ["notes.txt", "annotations/extra.json", "images/mine.jpg"])
def test_files_of_others_are_never_replaced(voc: Path, tmp_path: Path, stranger: str) -> None:
    out = tmp_path / "out"
    imported(Source("voc", voc), out)
    write(out / stranger, "years of work")
    before = contents(out)
    with pytest.raises(UserError, match=f"it holds {stranger}"):
        imported(Source("voc", voc), out, overwrite=True)
    assert contents(out) == before


def test_an_image_that_was_edited_is_not_ours_anymore(voc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    imported(Source("voc", voc), out, copy=True)
    picture(out / "images/0.jpg", seed=99)
    with pytest.raises(UserError, match=r"it holds images/0\.jpg"):
        imported(Source("voc", voc), out, overwrite=True)


def test_an_edited_original_does_not_block_replacing_links(voc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    imported(Source("voc", voc), out)
    with (voc / "JPEGImages/0.jpg").open("ab") as file:
        file.write(b"\0")
    imported(Source("voc", voc), out, overwrite=True)
    assert (voc / "JPEGImages/0.jpg").is_file()


def test_a_damaged_import_is_nobody_s(voc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    imported(Source("voc", voc), out)
    path = out / "annotations/train.json"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="which is not of an imported set"):
        imported(Source("voc", voc), out, overwrite=True)


def test_a_class_that_a_split_lacks_is_named(tmp_path: Path) -> None:
    for split, label in (("train", "cat"), ("val", "dog")):
        picture(tmp_path / f"src/{split}/{split}.jpg", seed=len(split))
        write(tmp_path / f"src/{split}/{split}.xml", voc_xml((label, 1, 1, 9, 9)))
    done = imported(Source("voc", tmp_path / "src"), tmp_path / "out")
    assert problems(done) == {"class: without a box in train": 1, "class: without a box in val": 1}
    assert json.loads(json.dumps(done.to_plain()))["splits"] == {
        "train": {"images": 1, "boxes": 1}, "val": {"images": 1, "boxes": 1},
    }  # fmt: skip


def test_a_set_for_evaluation_alone_is_one(voc: Path, tmp_path: Path) -> None:
    write(voc / "ImageSets/Main/test.txt", "0\n1\n")
    done = imported(Source("voc", voc), tmp_path / "out")
    assert done.images == {"test": 2}
    assert "split: without an image, so there is nothing to train on" in problems(done)


def test_a_share_too_small_for_an_image_is_said(voc: Path, tmp_path: Path) -> None:
    done = imported(Source("voc", voc), tmp_path / "out", test=0.0001)
    assert "split: without an image; its share is too small" in problems(done)

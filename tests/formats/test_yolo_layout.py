from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.formats.class_names import GivenClasses
from ladcli.formats.foreign import ForeignSet
from ladcli.formats.tally import Tally
from ladcli.formats.yolo_layout import read_yolo
from tests.formats.foreign_sets import picture, problem, problems, write

ROW = "0 0.5 0.5 0.5 0.5\n"


def example(folder: Path, images: list[str], labels: list[str], files: dict[str, str]) -> Path:
    for number, name in enumerate(images):
        picture(folder / name, seed=number)
    for name in labels:
        write(folder / name, ROW)
    for name, text in files.items():
        write(folder / name, text)
    return folder


def seen(src: Path, **options: object) -> tuple[dict[str, tuple[str | None, int]], Tally]:
    """Split and number of boxes of every image by name."""
    tally = Tally(src)
    found: ForeignSet = read_yolo(src, tally, **options)  # type: ignore[arg-type]
    folder = src if src.is_dir() else src.parent
    return {
        str(image.path.resolve().relative_to(folder.resolve())): (image.split, len(image.boxes))
        for image in found.images
    }, tally


NAMES = "names: [cat, dog]\n"
LAYOUTS = {
    "images/train with labels/train": (
        ["images/train/a.jpg", "images/val/b.jpg"], ["labels/train/a.txt", "labels/val/b.txt"],
        {"data.yaml": "path: .\ntrain: images/train\nval: images/val\n" + NAMES},
    ),
    "train/images with train/labels": (
        ["train/images/a.jpg", "valid/images/b.jpg"], ["train/labels/a.txt", "valid/labels/b.txt"],
        {"data.yaml": "train: ../train/images\nval: ../valid/images\n" + NAMES},
    ),
    "folders of another machine": (
        ["train/images/a.jpg", "val/images/b.jpg"], ["train/labels/a.txt", "val/labels/b.txt"],
        {"data.yaml": "path: /content/set\ntrain: train/images\nval: /content/set/val/images\n"
         + NAMES},
    ),
    "windows": (
        ["train/images/a.jpg", "val/images/b.jpg"], ["train/labels/a.txt", "val/labels/b.txt"],
        {"data.yaml": "\ufefftrain: 'C:\\set\\train\\images'\r\nval: val\\images\r\n" + NAMES},
    ),
    "lists of folders": (
        ["images/x/a.jpg", "images/y/b.jpg"], ["labels/x/a.txt", "labels/y/b.txt"],
        {"data.yaml": "train: [images/x]\nval:\n- images/y\nnames: {0: cat, 1: dog}\n"},
    ),
    "lists of files": (
        ["images/a.jpg", "images/b.jpg"], ["labels/a.txt", "labels/b.txt"],
        {"data.yaml": "train: t.txt\nval: v.txt\n" + NAMES,
         "t.txt": "./images/a.jpg\r\n\r\n", "v.txt": "/elsewhere/set/images/b.jpg\n"},
    ),
    "bare folders": (
        ["images/train/a.jpg", "images/val/b.jpg"], ["labels/train/a.txt", "labels/val/b.txt"], {},
    ),
    "bare folders, the other nesting": (
        ["train/images/a.jpg", "valid/images/b.jpg"], ["train/labels/a.txt", "valid/labels/b.txt"],
        {},
    ),
    "other case": (
        ["Images/Train/a.JPG", "Images/Val/b.JPG"], ["Labels/Train/a.txt", "Labels/Val/B.txt"], {},
    ),
    "darknet": (
        ["obj_train_data/a.jpg", "obj_train_data/b.jpg"],
        ["obj_train_data/a.txt", "obj_train_data/b.txt"],
        {"obj.names": "cat\ndog\n", "obj.data": "classes = 2\n",
         "train.txt": "data/obj_train_data/a.jpg\n", "valid.txt": "data/obj_train_data/b.jpg\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_found(tmp_path: Path, layout: str) -> None:
    images, labels, files = LAYOUTS[layout]
    found, tally = seen(example(tmp_path, images, labels, files))
    assert found == {images[0]: ("train", 1), images[1]: ("val", 1)}
    assert [line for line in tally.lines() if "made up" not in line] == []


def test_images_and_labels_side_by_side(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg", "b.png"], ["a.txt", "b.txt"], {"classes.txt": "cat\n"})
    found, tally = seen(src)
    assert found == {"a.jpg": (None, 1), "b.png": (None, 1)}
    assert not tally.lines()


def test_data_yaml_may_be_named_itself(tmp_path: Path) -> None:
    images, labels, files = LAYOUTS["images/train with labels/train"]
    src = example(tmp_path, images, labels, files)
    write(src / "other.yaml", "names: [x]\ntrain: images/val\n")
    assert seen(src / "data.yaml")[0].keys() == set(images)


def test_two_descriptions_are_not_chosen_between(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg"], ["a.txt"], {"x.yaml": NAMES, "y.yml": NAMES})
    with pytest.raises(UserError, match=r"holds 2 descriptions \(x.yaml, y.yml\)"):
        seen(src)


def test_an_image_without_label_file_is_a_negative(tmp_path: Path) -> None:
    src = example(tmp_path, ["images/a.jpg", "images/b.jpg"], ["labels/a.txt"], {})
    assert seen(src)[0] == {"images/a.jpg": (None, 1), "images/b.jpg": (None, 0)}


def test_a_label_file_without_image_is_named(tmp_path: Path) -> None:
    src = example(tmp_path, ["images/a.jpg"], ["labels/a.txt", "labels/b.txt"],
                  {"labels/classes.txt": "cat\n"})  # fmt: skip
    found, tally = seen(src)
    assert found == {"images/a.jpg": (None, 1)}
    assert tally.lines() == ["1 label file left out: no image belongs to them (labels/b.txt)"]


def test_folders_may_be_named(tmp_path: Path) -> None:
    src = example(tmp_path, ["pics/x/a.jpg", "pics/y/a.jpg"], ["ann/x/a.txt", "ann/y/a.txt"], {})
    found, _ = seen(src, images=src / "pics", labels=src / "ann")
    assert found == {"pics/x/a.jpg": (None, 1), "pics/y/a.jpg": (None, 1)}


def test_without_label_files_nothing_is_a_negative(tmp_path: Path) -> None:
    src = example(tmp_path, ["images/a.jpg"], ["other/a.txt"], {})
    with pytest.raises(UserError) as caught:
        seen(src)
    assert "name the folder of the label files with --labels" in str(caught.value)
    assert str(src / "other") in str(caught.value)


def test_without_images_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image; name their folder with --images"):
        seen(example(tmp_path, [], ["labels/a.txt"], {}))


def test_names_that_are_unlike_their_count_are_said(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg"], ["a.txt"], {"data.yaml": "nc: 3\n" + NAMES})
    _, tally = seen(src)
    assert problem(tally).startswith("number of classes: unlike the list of names")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[yes, no, on, 1, 1.5, null]", None),
        ("[yes, no, on, 1, 08]", ("yes", "no", "on", "1", "08")),
        ("{0: cat, 1: dog}", ("cat", "dog")),
        ("{'0': cat, '1': dog}", ("cat", "dog")),
        ("{1: cat, 2: dog}", None),
        ("[cat, cat]", ("cat",)),
        ("cat", ("cat",)),
        ("[]", None),
        ("[' ']", None),
    ],
)
def test_names_of_data_yaml(tmp_path: Path, names: str, expected: tuple[str, ...] | None) -> None:
    src = example(tmp_path, ["a.jpg"], ["a.txt"], {"data.yaml": f"names: {names}\n"})
    if expected is None:
        with pytest.raises(UserError, match="'names' "):
            read_yolo(src, Tally())
    else:
        assert read_yolo(src, Tally()).class_names == expected


def test_names_of_the_user_win(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg"], ["a.txt"], {"data.yaml": NAMES})
    tally = Tally()
    found = read_yolo(src, tally, classes=GivenClasses(("ant", "bee"), {}, "--classes"))
    assert found.class_names == ("ant", "bee")
    assert found.images[0].boxes[0].class_name == "ant"
    assert problem(tally) == "list of class names: replaced by --classes"


def test_without_names_they_are_made_up(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg"], [], {"a.txt": "2 0.5 0.5 0.5 0.5"})
    tally = Tally()
    assert read_yolo(src, tally).class_names == ("class_0", "class_1", "class_2")
    assert "made up" in problem(tally)


def test_a_label_file_that_cannot_be_read_makes_no_negative(tmp_path: Path) -> None:
    src = example(tmp_path, ["a.jpg", "b.jpg"], ["a.txt"], {})
    (src / "b.txt").write_bytes(b"\xff\xfa0 0.5 0.5 \x00")
    found, tally = seen(src, classes=GivenClasses(("cat",), {}, ""))
    assert found == {"a.jpg": (None, 1)}
    assert problem(tally) == "image: left out: label file cannot be read"


def test_an_image_in_two_parts_is_kept_for_evaluation(tmp_path: Path) -> None:
    images, labels, files = LAYOUTS["images/train with labels/train"]
    src = example(tmp_path, images, labels, files)
    write(src / "data.yaml", "train: images\nval: images/val\n" + NAMES)
    found, tally = seen(src)
    assert found == {images[0]: ("train", 1), images[1]: ("val", 1)}
    assert problems(tally) == {"image: in val and train; kept in the first": 1}


def test_training_images_are_no_validation_set_of_their_own(tmp_path: Path) -> None:
    """As in coco128.yaml."""
    src = example(tmp_path, ["images/t/a.jpg"], ["labels/t/a.txt"],
                  {"coco128.yaml": "train: images/t\nval: images/t\ntest:\n" + NAMES})  # fmt: skip
    found, tally = seen(src)
    assert found == {"images/t/a.jpg": ("train", 1)}
    assert tally.lines() == ["1 split of the training images themselves, used for training (val)"]


DARKNET = {
    "data/obj.names": "cat\r\ndog\r\n",
    "data/train.txt": "data/obj/a.jpg\n",
    "data/test.txt": "data/obj/b.jpg\n",
}


@pytest.mark.parametrize(
    ("files", "src", "split"),
    [
        ({"data/obj.data": "classes= 2\ntrain  = data/train.txt\nvalid = data/test.txt\n"
          "names = data/obj.names\nbackup = backup/\n"}, ".", "val"),
        ({"data/obj.data": "train=/content/data/train.txt\nvalid=/content/data/test.txt\n"
          "names=/content/data/obj.names\n"}, "data/obj.data", "val"),
        ({}, ".", "test"),  # without obj.data, the names of the lists say it
    ],
)  # fmt: skip
def test_darknet_lists_in_a_folder(
    tmp_path: Path, files: dict[str, str], src: str, split: str
) -> None:
    root = example(tmp_path, ["data/obj/a.jpg", "data/obj/b.jpg"],
                   ["data/obj/a.txt", "data/obj/b.txt"], {**DARKNET, **files})  # fmt: skip
    tally = Tally(root)
    found = read_yolo(root / src, tally)
    assert {image.path.name: image.split for image in found.images} == {
        "a.jpg": "train", "b.jpg": split,
    }  # fmt: skip
    assert found.class_names == ("cat", "dog")
    assert not tally.lines()


def test_darknet_list_that_is_gone(tmp_path: Path) -> None:
    files = {"obj.data": "train = t.txt\nvalid = v.txt\n", "t.txt": "obj/a.jpg\n"}
    root = example(tmp_path, ["obj/a.jpg"], ["obj/a.txt"], files)
    found, tally = seen(root)
    assert found == {"obj/a.jpg": ("train", 1)}
    assert any("not found" in line and "v.txt" in line for line in tally.lines())


def test_an_image_whose_rows_are_all_bad_is_no_silent_negative(tmp_path: Path) -> None:
    root = example(tmp_path, ["a.jpg", "b.jpg"], ["a.txt"],
                   {"b.txt": "9 0.5 0.5 0.5 0.5\n", "classes.txt": "cat\n"})  # fmt: skip
    found, tally = seen(root)
    assert found == {"a.jpg": (None, 1), "b.jpg": (None, 0)}
    (line,) = (line for line in tally.lines() if "negative" in line)
    assert line.startswith("1 image without a usable record, kept as a negative")
    assert "b.jpg" in line
    assert "a.jpg" not in line

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.formats.tally import Tally
from ladcli.formats.voc_layout import read_voc
from tests.formats.foreign_sets import picture, problem, problems, voc_xml, write

CAT = ("cat", 1, 1, 9, 9)


def seen(src: Path, **options: Path) -> tuple[dict[str, str | None], Tally]:
    """Split of every image by name."""
    tally = Tally(src)
    found = read_voc(src, tally, **options)  # type: ignore[arg-type]
    return {image.path.name: image.split for image in found.images}, tally


def plain(folder: Path, *, xml: str = "Annotations", images: str = "JPEGImages") -> Path:
    for number, name in enumerate(("a", "b", "c")):
        picture(folder / images / f"{name}.jpg", seed=number)
        write(folder / xml / f"{name}.xml", voc_xml(CAT, name=f"{name}.jpg"))
    return folder


@pytest.mark.parametrize(
    ("xml", "images"),
    [
        ("Annotations", "JPEGImages"),
        ("annotations", "images"),
        ("ANNOTATIONS", "Images"),
        ("xmls", "imgs"),
        ("labels", "image"),
        (".", "."),
        ("Annotations", "."),
        (".", "JPEGImages"),
    ],
)
def test_folders_have_many_names(tmp_path: Path, xml: str, images: str) -> None:
    found, tally = seen(plain(tmp_path, xml=xml, images=images))
    assert found == {"a.jpg": None, "b.jpg": None, "c.jpg": None}
    assert not tally.lines()


def test_the_folder_of_the_xml_files_may_be_named(tmp_path: Path) -> None:
    found, _ = seen(plain(tmp_path) / "Annotations")
    assert found.keys() == {"a.jpg", "b.jpg", "c.jpg"}


def test_lists_give_the_splits(tmp_path: Path) -> None:
    src = plain(tmp_path)
    lists = src / "ImageSets" / "Main"
    write(lists / "train.txt", "a\n")
    write(lists / "VAL.txt", "b.jpg\r\n")
    write(lists / "trainval.txt", "a\nb\n")
    write(lists / "test.txt", "\n")
    write(lists / "cat_train.txt", "c  1\n")
    found, tally = seen(src)
    assert found == {"a.jpg": "train", "b.jpg": "val"}
    assert problems(tally) == {
        "XML file: left out: in no list of ImageSets": 1,
        "image: left out: no XML file that can be used": 1,
    }


def test_a_list_with_marks_and_names_that_look_like_marks(tmp_path: Path) -> None:
    for name in ("photo 1", "photo 0", "d"):
        picture(tmp_path / f"{name}.jpg", seed=len(name))
        write(tmp_path / f"{name}.xml", voc_xml(CAT))
    write(tmp_path / "imagesets/main/train.txt", "photo 1\nd -1\n")
    write(tmp_path / "imagesets/main/val.txt", "photo 0\n")
    assert seen(tmp_path)[0] == {"photo 1.jpg": "train", "photo 0.jpg": "val", "d.jpg": "train"}


def test_an_image_in_two_lists_is_kept_for_evaluation(tmp_path: Path) -> None:
    src = plain(tmp_path)
    write(src / "ImageSets/Main/train.txt", "a\nb\nc\nd\n")
    write(src / "ImageSets/Main/val.txt", "b\n")
    found, tally = seen(src)
    assert found == {"a.jpg": "train", "b.jpg": "val", "c.jpg": "train"}
    assert problems(tally) == {
        "image: in the lists of val and train; kept in the first": 1,
        "line of ImageSets: left out: no XML file with an image of that name": 1,
    }


def test_one_folder_per_split(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "valid", "test")):
        picture(tmp_path / name / f"{name}.jpg", seed=number)
        write(tmp_path / name / f"{name}.xml", voc_xml(CAT, name=f"{name}.jpg"))
    assert seen(tmp_path)[0] == {"train.jpg": "train", "valid.jpg": "val", "test.jpg": "test"}


def test_one_folder_per_year(tmp_path: Path) -> None:
    plain(tmp_path / "VOCdevkit" / "VOC2007")
    write(tmp_path / "VOCdevkit/VOC2007/ImageSets/Main/val.txt", "a\nb\nc\n")
    picture(tmp_path / "VOCdevkit/VOC2012/JPEGImages/d.jpg", seed=9)
    write(tmp_path / "VOCdevkit/VOC2012/Annotations/d.xml", voc_xml(CAT))
    assert seen(tmp_path)[0] == {"a.jpg": "val", "b.jpg": "val", "c.jpg": "val", "d.jpg": None}


def test_masks_of_the_same_name_are_not_the_image(tmp_path: Path) -> None:
    src = plain(tmp_path)
    picture(src / "SegmentationClass/a.png")
    found, tally = seen(src)
    assert found.keys() == {"a.jpg", "b.jpg", "c.jpg"}
    assert not tally.lines()


@pytest.mark.parametrize(
    "name", [None, "", "gone.jpg", "a.png", "A.JPG", "a", "C:\\photos\\a.jpg", "/x/y/a.jpg"]
)
def test_a_file_name_may_be_missing_or_wrong(tmp_path: Path, name: str | None) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.xml", voc_xml(CAT, name=name))
    found, tally = seen(tmp_path)
    assert found.keys() == {"a.jpg"}
    assert not tally.lines()


def test_a_stale_file_name_gives_way_to_the_name_of_the_xml_file(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        picture(tmp_path / f"{name}.jpg", seed=number)
        write(tmp_path / f"{name}.xml", voc_xml((name, 1, 1, 9, 9), name="a.jpg"))
    tally = Tally(tmp_path)
    found = read_voc(tmp_path, tally)
    assert {i.path.name: i.boxes[0].class_name for i in found.images} == {
        "a.jpg": "a", "b.jpg": "b",
    }  # fmt: skip
    assert "file name of another image" in problem(tally)


def test_a_file_name_wins_over_an_unrelated_image(tmp_path: Path) -> None:
    picture(tmp_path / "000.jpg", seed=1)
    picture(tmp_path / "photo.jpg", seed=2)
    write(tmp_path / "000.xml", voc_xml(CAT, name="photo.jpg"))
    assert seen(tmp_path)[0].keys() == {"photo.jpg"}


def test_same_names_in_several_folders_stay_apart(tmp_path: Path) -> None:
    for number, folder in enumerate(("x", "y")):
        picture(tmp_path / "JPEGImages" / folder / "a.jpg", seed=number)
        write(tmp_path / "Annotations" / folder / "a.xml", voc_xml((folder, 1, 1, 9, 9)))
    found = read_voc(tmp_path, Tally())
    assert {i.path.parent.name: i.boxes[0].class_name for i in found.images} == {"x": "x", "y": "y"}


def test_bad_xml_is_left_out_with_its_image(tmp_path: Path) -> None:
    src = plain(tmp_path)
    write(src / "Annotations/b.xml", "<annotation><object>")
    found, tally = seen(src)
    assert found.keys() == {"a.jpg", "c.jpg"}
    assert problems(tally) == {
        "XML file: left out: cannot be used": 1,
        "image: left out: no XML file that can be used": 1,
    }


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([], "holds no folder Annotations/ and no .xml file"),
        (["a.xml"], "holds no image; name the folder of the images with --images"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path: Path, files: list[str], why: str) -> None:
    for name in files:
        write(tmp_path / name, voc_xml(CAT))
    with pytest.raises(UserError, match=why):
        seen(tmp_path)

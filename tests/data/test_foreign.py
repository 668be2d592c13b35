"""Folders and files of other formats are called by their name, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.folder import find_split
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig

VOC = "<annotation><filename>a.jpg</filename></annotation>"
LABELME = '{"shapes": [{"label": "a", "points": [[1, 2]]}], "imagePath": "a.jpg"}'
TABLE = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
NOTES = '{"categories": [{"id": 0, "name": "cat"}], "info": {"contributor": "Label Studio"}}'
COCO = '{"images": [], "annotations": [], "categories": []}'


def refusal(root: Path, files: dict[str, str], given: str = "") -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with pytest.raises(UserError) as caught:
        find_split(DataConfig(dir=str(root / given)), "train")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{root / given}: ")
    return message


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Annotations/a.xml": VOC, "JPEGImages/a.jpg": ""}, "voc {r} --out {r}-coco"),
        ({"a.xml": VOC, "a.jpg": ""}, "voc {r} --out {r}-coco"),
        ({"data.yaml": "nc: 1\nnames: [a]\n"}, "yolo {r} --out {r}-coco"),
        (
            {"images/a.jpg": "", "labels/a.txt": "0 .5 .5 .1 .1\n", "classes.txt": "cat\n"},
            "yolo {r} --out {r}-coco --classes {r}/classes.txt",
        ),
        ({"a.json": LABELME, "a.jpg": ""}, "labelme {r} --out {r}-coco"),
        (
            {"annotations.xml": "<annotations><version>1.1</version></annotations>"},
            "cvat {r}/annotations.xml --out {r}/annotations-coco",
        ),
        ({"b.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\n"}, "csv {r}/b.csv --out {r}/b-coco"),
        ({"b.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n"}, "csv {r}/b.csv"),
        ({"b.csv": "\ufefffilename;class;x_min;y_min;x_max;y_max\n"}, "csv {r}/b.csv"),
        # A part for each split, or year: all of them are meant.
        ({"train/a.xml": VOC, "train/a.jpg": "", "valid/b.xml": VOC}, "voc {r} --out {r}-coco"),
        ({"VOC2007/Annotations/a.xml": VOC, "VOC2012/Annotations/a.xml": VOC}, "voc {r} --out"),
        ({"train/_annotations.csv": TABLE, "valid/_annotations.csv": TABLE}, "csv {r} --out"),
        ({"train/a.json": LABELME, "val/b.json": LABELME}, "labelme {r} --out {r}-coco"),
        # Only the tables of boxes are read, so a folder with others is not named.
        ({"a.csv": TABLE, "b.csv": TABLE, "c.csv": "epoch,loss\n"}, "csv {r}/a.csv"),
        # Label Studio leaves its classes beside a YOLO export.
        (
            {"images/a.jpg": "", "labels/a.txt": "0 .5 .5 .1 .1\n", "notes.json": NOTES},
            "yolo {r} --out {r}-coco",
        ),
    ],
)
def test_command_that_imports_it(tmp_path: Path, files: dict[str, str], command: str) -> None:
    root = tmp_path / "my set"
    message = refusal(root, files)
    # As a shell takes it: the name has a blank.
    assert f"lad data import {command.format(r=root)}" in message.replace("'", "")
    assert "looks like" in message


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        ({"a.jpg": "", "b/c.png": ""}, "", "holds 2 images and no annotations; lad predict"),
        ({"r.json": '[{"image_id": 1, "score": 0.5}]'}, "", "is a list of detections"),
        ({"a.zip": ""}, "a.zip", "is an archive, not a folder; unpack it"),
        ({"a.zip": ""}, "a", "no such data folder, but there is"),
        ({"a.zip": ""}, "", "holds an archive (a.zip)"),
        ({"x/annotations/train.json": COCO}, "", "but {r}/x does; give --data {r}/x"),
        ({"annotations/train.json": COCO}, "annotations", "which is meant; give --data {r}"),
        ({"annotations/train.json": COCO, "images/a": ""}, "images", "give --data {r}"),
        ({"a.json": COCO}, "a.json", "is an annotation file, not a folder; name it with --train-"),
        (
            {"train/images/a.jpg": "", "train/labels/a.txt": "0 .5 .5 .1 .1\n"},
            "train/images",
            "holds the images of a set whose folder looks like YOLO (1 label file such as "
            "labels/a.txt); make a data set of it for --data with: lad data import yolo {r}/train ",
        ),
        ({"a.tfrecord": ""}, "", "looks like TFRecord (a.tfrecord), which is not read; export it"),
    ],
)
def test_what_was_meant(tmp_path: Path, files: dict[str, str], given: str, words: str) -> None:
    assert words.format(r=tmp_path / "s") in refusal(tmp_path / "s", files, given)


def test_annotation_file_of_another_format(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(VOC)
    with pytest.raises(UserError, match=r"a\.xml: looks like Pascal VOC .*lad data import voc"):
        find_split(DataConfig(train_json=str(file)), "train")


def test_every_folder_has_its_turn(tmp_path: Path) -> None:
    many = {f"test/{number}.xml": "" for number in range(1200)}
    message = refusal(tmp_path / "s", {**many, "test/0.xml": VOC, "train/a.xml": VOC})
    assert "many XML files" in message
    assert f"lad data import voc {tmp_path / 's'} --out" in message

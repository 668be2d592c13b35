from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.errors import UserError
from ladcli.stages.export_data import ExportSource, export_data
from ladcli.stages.import_data import Source
from tests.formats.foreign_sets import boxes_in, imported, picture, write
from tests.stages.tiny import contents

CLASSES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def images(*names: str, first: int = 1) -> list[dict[str, Any]]:
    return [
        {"id": first + number, "file_name": name, "width": 64, "height": 48}
        for number, name in enumerate(names)
    ]


def box(number: int, image: int, bbox: list[float], category: int = 3, **more: Any) -> Any:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox,
            "iscrowd": 0, **more}  # fmt: skip


def coco(folder: Path, split: str, images: list[Any], boxes: list[Any]) -> Path:
    content = {"images": images, "annotations": boxes, "categories": CLASSES}
    return write(folder / f"annotations/{split}.json", json.dumps(content))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two splits; one image without a box."""
    folder = tmp_path / "data"
    for number, name in enumerate(("a.jpg", "deep/b.jpg", "c.jpg")):
        picture(folder / "images" / name, seed=number)
    coco(folder, "train", images("a.jpg", "deep/b.jpg"), [
        box(1, 1, [16, 12, 32, 24]), box(2, 1, [0, 0, 8, 8], 7),
    ])  # fmt: skip
    coco(folder, "val", images("c.jpg"), [box(1, 1, [4.5, 6, 8.25, 12])])
    return folder


def test_yolo_has_images_labels_and_names(data: Path, tmp_path: Path) -> None:
    done = export_data("yolo", ExportSource(data=data), tmp_path / "out")
    assert (done.num_images, done.num_boxes, done.num_linked) == (3, 3, 3)
    out = tmp_path / "out"
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        "train": "images/train", "val": "images/val", "nc": 2, "names": ["cat", "dog"],
    }  # fmt: skip
    assert (out / "labels/train/a.txt").read_text() == (
        "0 0.5 0.5 0.5 0.5\n1 0.0625 0.0833333333 0.125 0.1666666667\n"
    )
    assert (out / "labels/train/deep/b.txt").read_text() == ""
    assert (out / "images/train/deep/b.jpg").stat().st_nlink == 2


def test_voc_has_annotations_images_and_lists(data: Path, tmp_path: Path) -> None:
    export_data("voc", ExportSource(data=data), tmp_path / "out", copy=True)
    out = tmp_path / "out"
    assert (out / "ImageSets/Main/train.txt").read_text() == "a\ndeep/b\n"
    assert (out / "ImageSets/Main/val.txt").read_text() == "c\n"
    assert "<xmin>5.5</xmin>" in (out / "Annotations/c.xml").read_text()
    assert "<xmax>12.75</xmax>" in (out / "Annotations/c.xml").read_text()
    assert (out / "JPEGImages/deep/b.jpg").stat().st_nlink == 1


@pytest.mark.parametrize("format_name", ["yolo", "voc"])
def test_what_goes_out_comes_back(data: Path, tmp_path: Path, format_name: Any) -> None:
    export_data(format_name, ExportSource(data=data), tmp_path / "out")
    done = imported(Source(format_name, tmp_path / "out"), tmp_path / "back")
    assert done.images == {"train": 2, "val": 1}
    assert boxes_in(tmp_path / "back") == {
        "a.jpg": [("cat", [16, 12, 32, 24]), ("dog", [0, 0, 8, 8])],
        "b.jpg": [],
        "c.jpg": [("cat", [4.5, 6, 8.25, 12])],
    }


def test_one_file_without_its_images(data: Path, tmp_path: Path) -> None:
    source = ExportSource(annotations=data / "annotations/val.json")
    done = export_data("yolo", source, tmp_path / "out")
    assert (done.num_images, done.num_linked) == (1, 0)
    assert set(contents(tmp_path / "out")) == {
        "data.yaml", "labels", "labels/c.txt", "lad-export.json",
    }  # fmt: skip


def test_predictions_have_their_scores_the_surest_first(data: Path, tmp_path: Path) -> None:
    records = [
        {"image_id": 1, "category_id": 3, "bbox": [0, 0, 32, 24], "score": score}
        for score in (0.25, 0.75, 0.01)
    ]
    results = write(tmp_path / "results.json", json.dumps(records))
    source = ExportSource(
        annotations=data / "annotations/val.json", predictions=results, min_score=0.1
    )
    export_data("yolo", source, tmp_path / "yolo")
    assert (tmp_path / "yolo/labels/c.txt").read_text() == (
        "0 0.25 0.25 0.5 0.5 0.75\n0 0.25 0.25 0.5 0.5 0.25\n"
    )
    by_split = ExportSource(data=data, split="val", predictions=results)
    export_data("voc", by_split, tmp_path / "voc")
    text = (tmp_path / "voc/Annotations/c.xml").read_text()
    assert text.index("<confidence>0.75<") < text.index("<confidence>0.25<")
    assert text.count("<confidence>") == 3


def test_flags_go_out_where_the_format_has_them(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", images("a.jpg"), [
        box(1, 1, [0, 0, 8, 8], ignore=1, truncated=1), box(2, 1, [0, 0, 9, 9], iscrowd=1),
        box(3, 1, [0, 0, 10, 10]),
    ])  # fmt: skip
    source = ExportSource(annotations=path)
    voc = export_data("voc", source, tmp_path / "voc")
    text = (tmp_path / "voc/Annotations/a.xml").read_text()
    assert text.count("<difficult>1<") == text.count("<truncated>1<") == 1
    assert text.count("<object>") == voc.num_boxes == 2
    assert {k["what"]: k["problem"] for k in voc.findings} == {
        "crowd region": "left out: VOC cannot mark them"
    }
    yolo = export_data("yolo", source, tmp_path / "yolo")
    assert yolo.num_boxes == 1
    assert {k["what"]: k["count"] for k in yolo.findings} == {
        "crowd region": 1, "difficult box": 1,
    }  # fmt: skip


def test_images_that_would_share_a_label_file_are_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for number, name in enumerate(("a.jpg", "a.png", "A.jpg")):
        picture(folder / "images" / name, seed=number)
    coco(folder, "train", images("a.jpg", "a.png", "A.jpg"), [
        box(number, number, [0, 0, 8.0 * number, 8]) for number in (1, 2, 3)
    ])  # fmt: skip
    for format_name in ("yolo", "voc"):
        out = tmp_path / format_name
        done = export_data(format_name, ExportSource(data=folder), out)  # type: ignore[arg-type]
        assert {k["problem"]: k["count"] for k in done.findings} == {
            "exported under another name": 2
        }
        imported(Source(format_name, out), tmp_path / f"{format_name}-back")  # type: ignore[arg-type]
        widths = [b[0][1][2] for b in boxes_in(tmp_path / f"{format_name}-back").values()]
        assert sorted(widths) == [8, 16, 24]


def test_splits_with_equal_names_stay_apart(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for number, split in enumerate(("train", "val")):
        picture(folder / "images" / split / "f.jpg", seed=number)
        coco(folder, split, images("f.jpg"), [box(1, 1, [0, 0, 8.0 + number, 8])])
    export_data("voc", ExportSource(data=folder), tmp_path / "voc")
    assert (tmp_path / "voc/ImageSets/Main/val.txt").read_text() == "val_f\n"
    imported(Source("voc", tmp_path / "voc"), tmp_path / "back")
    assert boxes_in(tmp_path / "back") == {
        "f.jpg": [("cat", [0, 0, 8, 8])], "val_f.jpg": [("cat", [0, 0, 9, 8])],
    }  # fmt: skip


def test_a_set_for_evaluation_alone_goes_out(data: Path, tmp_path: Path) -> None:
    (data / "annotations/train.json").unlink()
    assert export_data("voc", ExportSource(data=data), tmp_path / "out").num_images == 1
    (data / "annotations/val.json").unlink()
    with pytest.raises(UserError, match=r"needs train\.json"):
        export_data("voc", ExportSource(data=data), tmp_path / "out2")


def test_missing_images_are_said(data: Path, tmp_path: Path) -> None:
    (data / "images/c.jpg").unlink()
    done = export_data("yolo", ExportSource(data=data), tmp_path / "out")
    assert done.num_linked == 2
    assert any(note.startswith("1 image file not found") for note in done.notes)
    assert (tmp_path / "out/labels/val/c.txt").is_file()


def test_images_are_found_under_another_spelling(data: Path, tmp_path: Path) -> None:
    for path in list((data / "images").rglob("*.jpg")):
        path.rename(path.with_suffix(".JPG"))
    found = export_data("yolo", ExportSource(data=data), tmp_path / "out")
    assert found.num_linked == found.num_images > 0
    assert not any("not found" in note for note in found.notes)


def test_a_set_that_is_unclear_is_not_left_out_silently(data: Path, tmp_path: Path) -> None:
    train = data / "annotations/train.json"
    (data / "annotations/instances_train.json").write_bytes(train.read_bytes())
    with pytest.raises(UserError, match="2 files may be train"):
        export_data("yolo", ExportSource(data=data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_an_export_is_replaced(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = ExportSource(data=data)
    export_data("yolo", source, out)
    with pytest.raises(UserError, match="holds an exported set; replace it with --overwrite"):
        export_data("voc", source, out)
    export_data("voc", source, out, overwrite=True)
    assert not (out / "labels").exists()
    write(out / "Annotations/mine.xml", "<annotation/>")
    before = contents(out)
    with pytest.raises(UserError, match=r"it holds Annotations/mine\.xml"):
        export_data("voc", source, out, overwrite=True)
    assert contents(out) == before
    (out / "Annotations/mine.xml").unlink()
    write(out / "Annotations/a.xml", "<annotation>corrected by hand</annotation>")
    with pytest.raises(UserError, match=r"it holds Annotations/a\.xml"):
        export_data("voc", source, out, overwrite=True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "give either --data DIR or --annotations FILE"),
        ({"data": "data", "annotations": "x"}, "give either --data DIR or --annotations FILE"),
        ({"annotations": "x", "split": "val"}, "--split chooses a set of --data"),
        ({"data": "data", "predictions": "x"}, "--predictions are of one set"),
        ({"data": "data", "min_score": 0.5}, "--min-score chooses among --predictions"),
        ({"data": "data", "images": "nowhere"}, "no such image folder; check --images"),
        ({"data": "data", "split": "test"}, "has no split test"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    data: Path, tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    places = {
        key: tmp_path / value if key not in ("split", "min_score") else value
        for key, value in options.items()
    }
    with pytest.raises(UserError, match=why):
        export_data("yolo", ExportSource(**places), tmp_path / "out")
    assert not (tmp_path / "out").exists()

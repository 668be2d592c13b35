"""Import and export against globox on the same input, and against what went in.

Where conventions differ, the difference is written out here: globox takes VOC's corners as they
stand, and keeps no image without boxes in some formats.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from globox import Annotation, AnnotationSet, BoundingBox
from hypothesis import given, settings
from hypothesis import strategies as st

from ladcli.formats.split import Shares
from ladcli.stages.export_data import ExportSource, export_data
from ladcli.stages.import_data import Source, import_data
from tests.formats.foreign_sets import Boxes, boxes_in, picture, write

#: Pixels; formats hold six decimals or more, and sums of floats differ in the last bits.
CLOSE = 1e-5
SIZES = ((64, 48), (33, 97), (640, 480))
CLASSES = ("ant", "bee", "cow")


def of_globox(found: AnnotationSet, *, shift: float = 0.0) -> Boxes:
    """What globox has; ``shift`` is taken off the upper left corners."""
    return {
        name: [
            (b.label, [b.xmin - shift, b.ymin - shift, b.width + shift, b.height + shift])
            for b in annotation.boxes
        ]
        for name, annotation in found.items()
    }


def assert_equal(ours: Boxes, theirs: Boxes) -> None:
    """The same boxes in the same order, within `CLOSE`."""
    assert ours.keys() == theirs.keys()
    for name, boxes in ours.items():
        assert [label for label, _ in boxes] == [label for label, _ in theirs[name]]
        for (_, ours_), (_, theirs_) in zip(boxes, theirs[name], strict=True):
            assert ours_ == pytest.approx(theirs_, abs=CLOSE), name


def import_as(format_name: Any, src: Path, out: Path, **options: Any) -> Boxes:
    import_data(Source(format_name, src, **options), out, shares=Shares())
    return boxes_in(out)


def write_names(folder: Path) -> None:
    write(folder / "classes.txt", "\n".join(CLASSES))


@st.composite
def sets(draw: st.DrawFn, *, whole: bool = False, least: float = 0.01) -> AnnotationSet:
    """One to three images with up to five boxes inside; the first image has one at least.

    Args:
        whole: corners are whole pixels, and no box is a single one.
        least: smallest side of others.
    """
    images = []
    for number in range(draw(st.integers(1, 3))):
        width, height = draw(st.sampled_from(SIZES))
        boxes = []
        for _ in range(draw(st.integers(0 if number else 1, 5))):
            if whole:
                x1, y1 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
                x2, y2 = draw(st.integers(x1 + 2, width)), draw(st.integers(y1 + 1, height))
            else:
                x1, y1 = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
                x2 = draw(st.floats(x1 + least, width))
                y2 = draw(st.floats(y1 + least, height))
            label = draw(st.sampled_from(CLASSES))
            boxes.append(BoundingBox(label=label, xmin=x1, ymin=y1, xmax=x2, ymax=y2))
        images.append(Annotation(f"{number}.png", (width, height), boxes))
    return AnnotationSet(images)


def with_pictures(found: AnnotationSet, folder: Path) -> Path:
    for number, annotation in enumerate(found):
        picture(folder / annotation.image_id, annotation.image_size, seed=number)
    return folder


few = settings(max_examples=25, deadline=None)


@few
@given(sets())
def test_what_globox_writes_as_yolo_is_read(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        src = Path(place, "set")
        with_pictures(found, src)
        ids = {name: number for number, name in enumerate(CLASSES)}
        found.save_yolo_v5(src, label_to_id=ids)
        write_names(src)
        assert_equal(import_as("yolo", src, Path(place, "out")), of_globox(found))


@few
@given(sets(whole=True))
def test_what_globox_writes_as_voc_is_read(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        src = Path(place, "set")
        with_pictures(found, src / "JPEGImages")
        found.save_pascal_voc(src / "Annotations")
        as_stated = import_as("voc", src, Path(place, "a"), zero_based=True)
        assert_equal(as_stated, of_globox(found))
        by_voc = import_as("voc", src, Path(place, "b"))
        assert_equal(by_voc, of_globox(AnnotationSet.from_pascal_voc(src / "Annotations"), shift=1))


@few
@given(sets())
def test_what_globox_writes_as_labelme_is_read(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        src = with_pictures(found, Path(place, "set"))
        found.save_labelme(src)
        assert_equal(import_as("labelme", src, Path(place, "out")), of_globox(found))


@few
@given(sets())
def test_what_globox_writes_as_cvat_is_read(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        src = with_pictures(found, Path(place, "set"))
        found.save_cvat(src / "annotations.xml")
        assert_equal(import_as("cvat", src, Path(place, "out")), of_globox(found))


@few
@given(sets())
def test_what_globox_writes_as_open_images_is_read(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        src = with_pictures(found, Path(place, "set"))
        found.save_openimage(src / "boxes.csv")
        theirs = {name: boxes for name, boxes in of_globox(found).items() if boxes}
        assert_equal(import_as("csv", src, Path(place, "out")), theirs)


def as_coco(found: AnnotationSet, folder: Path) -> Path:
    """A data folder of ours."""
    with_pictures(found, folder / "images")
    images, annotations = [], []
    for image_id, annotation in enumerate(found, start=1):
        width, height = annotation.image_size
        images.append(
            {"id": image_id, "file_name": annotation.image_id, "width": width, "height": height}
        )
        for box in annotation.boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CLASSES.index(box.label) + 1,
                    "bbox": [box.xmin, box.ymin, box.width, box.height],
                    "iscrowd": 0,
                }
            )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
    }
    write(folder / "annotations" / "train.json", json.dumps(content))
    return folder


@few
@given(sets())
def test_yolo_out_is_read_by_globox_and_comes_back(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        data, out = as_coco(found, Path(place, "data")), Path(place, "yolo")
        export_data("yolo", ExportSource(data=data), out)
        read = AnnotationSet.from_yolo_v5(
            out / "labels/train", image_folder=out / "images/train", image_extension=".png"
        ).map_labels({str(i): name for i, name in enumerate(CLASSES)})
        assert_equal(of_globox(read), of_globox(found))
        assert_equal(import_as("yolo", out, Path(place, "back")), of_globox(found))


@few
@given(sets(whole=True) | sets(least=1.01))  # globox refuses thinner ones, VOC a single pixel
def test_voc_out_is_read_by_globox_and_comes_back(found: AnnotationSet) -> None:
    with tempfile.TemporaryDirectory() as place:
        data, out = as_coco(found, Path(place, "data")), Path(place, "voc")
        export_data("voc", ExportSource(data=data), out)
        read = AnnotationSet.from_pascal_voc(out / "Annotations")
        assert_equal(of_globox(read, shift=1), of_globox(found))
        assert_equal(import_as("voc", out, Path(place, "back")), of_globox(found))


def test_coco128_as_yolo(shared: Path, tmp_path: Path) -> None:
    src = shared / "data/coco128"
    ours = import_as("yolo", src, tmp_path / "set", labels=src / "yolo_labels")
    labels = AnnotationSet.from_yolo_v5(src / "yolo_labels", image_folder=src / "images")
    names = {str(number): f"class_{number}" for number in range(80)}
    theirs = of_globox(labels.map_labels(names))
    negatives = {name for name, boxes in ours.items() if not boxes}
    assert len(ours) == 128
    assert len(negatives) == 2
    assert_equal({n: b for n, b in ours.items() if b}, {n: b for n, b in theirs.items() if b})
    truth = AnnotationSet.from_coco(src / "annotations/instances.json")
    for name, boxes in of_globox(truth).items():
        for (_, a), (_, b) in zip(boxes, ours[name], strict=True):
            assert a == pytest.approx(b, abs=0.01)
    for format_name in ("yolo", "voc"):
        out = tmp_path / format_name
        export_data(format_name, ExportSource(data=tmp_path / "set"), out)
        assert_equal(import_as(format_name, out, tmp_path / f"{format_name}-back"), ours)


def test_bccd_as_voc(shared: Path, tmp_path: Path) -> None:
    src = shared / "data/bccd"
    ours = import_as("voc", src / "voc_sample", tmp_path / "set", images=src / "images")
    assert len(ours) == 20
    assert sum(map(len, ours.values())) == 254
    theirs = of_globox(AnnotationSet.from_pascal_voc(src / "voc_sample"), shift=1)
    clicks = 0
    for name, boxes in theirs.items():
        kept = [entry for entry in boxes if entry[1][2:] != [1, 1]]
        clicks += len(boxes) - len(kept)
        assert ours[name] == kept
    assert clicks == 2
    for format_name in ("yolo", "voc"):
        out = tmp_path / format_name
        export_data(format_name, ExportSource(data=tmp_path / "set"), out)
        assert_equal(import_as(format_name, out, tmp_path / f"{format_name}-back"), ours)

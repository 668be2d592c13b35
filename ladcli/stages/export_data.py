"""`lad data export`: annotations or predictions for other tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.data.folder import find_annotations, find_split, splits_there
from ladcli.data.layouts import Split
from ladcli.data.spelling import Spelling
from ladcli.errors import UserError
from ladcli.formats.exported import ExportedImage
from ladcli.formats.foreign import Box
from ladcli.formats.manifest import exported_layout, write_manifest
from ladcli.formats.tally import Tally, several
from ladcli.formats.voc_export import write_voc
from ladcli.formats.yolo_export import write_yolo
from ladcli.json_text import read_json
from ladcli.outputs import replacing_folder, require_whole_folder
from ladcli.recipe.schema import DataConfig

ExportFormat: TypeAlias = Literal["yolo", "voc"]
#: Marks of a box that VOC has too.
_FLAGS = ("truncated", "occluded")


@dataclass(frozen=True)
class ExportSource:
    """What is to be exported: a data folder, or an annotation file."""

    data: Path | None = None
    split: Split | None = None  # of the data folder; None is all
    annotations: Path | None = None
    images: Path | None = None
    predictions: Path | None = None  # detections instead of the ground truth
    min_score: float | None = None

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            UserError: naming the options.
        """
        if (self.data is None) == (self.annotations is None):
            raise UserError("give either --data DIR or --annotations FILE")
        if self.split is not None and self.data is None:
            raise UserError("--split chooses a set of --data; leave it out with --annotations")
        if self.predictions is not None and self.data is not None and self.split is None:
            raise UserError("--predictions are of one set; name it with --split, or its file with "
                            "--annotations")  # fmt: skip
        if self.min_score is not None and self.predictions is None:
            raise UserError("--min-score chooses among --predictions; leave it out")
        if self.images is not None and not self.images.is_dir():
            raise UserError(f"{self.images}: no such image folder; check --images")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    out: Path
    num_images: int
    num_boxes: int
    num_linked: int  # images that lie in the folder too
    notes: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "out": str(self.out),
            "images": self.num_images,
            "boxes": self.num_boxes,
            "image_files": self.num_linked,
            "findings": self.findings,
        }


@dataclass(frozen=True)
class _Set:
    split: Split | None
    coco: CocoFile
    images: Path | None


def export_data(
    format_name: ExportFormat,
    source: ExportSource,
    out: Path,
    *,
    copy: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a data set in the layout of another tool, complete or not at all.

    Args:
        copy: copy images instead of linking them.
        overwrite: replace ``out`` where it is an export and nothing else.

    Raises:
        UserError: options or files do not fit, or ``out`` must not be replaced.
    """
    source.check()
    require_whole_folder(
        out, exported_layout(out), "an exported set", overwrite=overwrite, flag="--out"
    )
    tally = Tally()
    sets = _sets(source)
    classes = _one_table(sets)
    notes = [note for one in sets for note in one.coco.notes]
    images = [image for one in sets for image in _images(one, source, notes)]
    with replacing_folder(out, exported_layout(out)) as new:
        if format_name == "yolo":
            num_copied = write_yolo(new, images, classes, tally, copy=copy)
        else:
            num_copied = write_voc(new, images, tally, copy=copy)
        write_manifest(new, format_name)
    if num_copied:
        notes.append(f"{several(num_copied, 'image')} copied, because a link cannot be made there")
    left_out = sum(kind["count"] for kind in tally.to_plain() if kind["left_out"])
    return Exported(
        out,
        len(images),
        sum(len(image.boxes) for image in images) - left_out,
        sum(image.path is not None for image in images),
        notes + tally.lines(),
        tally.to_plain(),
    )


def _sets(source: ExportSource) -> list[_Set]:
    if source.annotations is not None:
        return [_Set(None, read_coco(source.annotations), source.images)]
    data = DataConfig(
        dir=str(source.data), images=str(source.images) if source.images is not None else None
    )
    if source.split is not None and find_annotations(data, source.split) is None:
        raise UserError(f"{source.data}: has no split {source.split}; choose another --split")
    found = []
    for split in splits_there(data) if source.split is None else [source.split]:
        files = find_split(data, split)
        assert files is not None  # it is there
        found.append(_Set(split, read_coco(files.annotations), files.images))
    return found


def _one_table(sets: Sequence[_Set]) -> tuple[str, ...]:
    """The class names that all sets share."""
    first = sets[0].coco
    for other in sets[1:]:
        difference = first.classes.difference(other.coco.classes)
        if difference is not None:
            raise UserError(
                f"{other.coco.path}: has other classes than {first.path} ({difference}); export "
                "one set at a time with --split"
            )
    return first.classes.names


def _images(one: _Set, source: ExportSource, notes: list[str]) -> list[ExportedImage]:
    """The images of a set in the order of its file."""
    coco = one.coco
    if source.predictions is not None:
        boxes = _predicted(coco, source.predictions, source.min_score, notes)
    else:
        boxes = _annotated(coco)
    folder = one.images if source.predictions is None else None
    spelling = Spelling(folder) if folder is not None else None
    images = [
        ExportedImage(
            name,
            (int(width), int(height)),
            tuple(boxes.get(row, ())),
            one.split if source.predictions is None else None,
            folder / _spelled(folder, name, spelling) if folder and spelling else None,
        )
        for row, (name, (height, width)) in enumerate(
            zip(coco.file_names, coco.hw.tolist(), strict=True)
        )
    ]
    missing = [image for image in images if image.path is not None and not image.path.is_file()]
    if missing:
        notes.append(
            f"{several(len(missing), 'image file')} not found, annotations are exported without "
            f"({missing[0].path}{', ...' if len(missing) > 1 else ''})"
        )
    gone = {image.name for image in missing}
    return [replace(image, path=None) if image.name in gone else image for image in images]


def _spelled(folder: Path, name: str, spelling: Spelling) -> str:
    """The name of an image as it is on disk; where it is not there, as annotations have it."""
    return name if (folder / name).is_file() else spelling.find(name) or name


def _annotated(coco: CocoFile) -> dict[int, list[Box]]:
    """Boxes of the ground truth by row of their image."""
    flags = _flags(coco.path)
    boxes: dict[int, list[Box]] = defaultdict(list)
    rows = zip(
        coco.annotation_ids.tolist(), coco.image_row.tolist(), coco.class_row.tolist(),
        coco.boxes.tolist(), coco.crowd.tolist(), strict=True,
    )  # fmt: skip
    for number, row, label, (x, y, width, height), crowd in rows:
        marks = flags.get(number, {})
        boxes[row].append(
            Box(
                coco.classes.names[label],
                (x, y, x + width, y + height),
                f"{coco.path} annotation {number}",
                crowd=crowd,
                difficult=bool(marks.get("ignore") or marks.get("difficult")),
                flags={key: 1 for key in _FLAGS if marks.get(key) == 1},
            )
        )
    return boxes


def _flags(path: Path) -> dict[int, dict[str, Any]]:
    """Annotations that carry marks beyond those that training knows, by id."""
    wanted = {"ignore", "difficult", *_FLAGS}
    return {
        int(record["id"]): record
        for record in read_json(path)["annotations"]
        if not wanted.isdisjoint(record)
    }


def _predicted(
    coco: CocoFile, path: Path, min_score: float | None, notes: list[str]
) -> dict[int, list[Box]]:
    """Boxes of a results file by row of their image, the surest first."""
    from ladcli.evaluate.results import load_results, rows_in

    results = load_results(path, coco)
    notes += results.notes
    image_rows, class_rows = rows_in(coco, results)
    boxes: dict[int, list[Box]] = defaultdict(list)
    order = (-results.scores).argsort(kind="stable").tolist()
    for place in order:
        score = float(results.scores[place])
        if min_score is not None and score < min_score:
            break
        x, y, width, height = results.boxes[place].tolist()
        boxes[int(image_rows[place])].append(
            Box(
                coco.classes.names[int(class_rows[place])],
                (x, y, x + width, y + height),
                f"{path} detection at position {place}",
                score=score,
            )
        )
    return boxes

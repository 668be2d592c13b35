"""One set under check: its annotations, and its image files where they are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile, CocoRecords, examine
from ladcli.data.decode import MAX_PIXELS
from ladcli.data.findings import EXAMPLES, Findings
from ladcli.data.headers import Header
from ladcli.data.index import CocoIndex, build_index, refuse_crowded, remark_thin
from ladcli.errors import UserError
from ladcli.json_text import no_collecting, read_json

#: Classes with fewer boxes than this are called rare, and so many of them are named.
RARE, _NAMED = 10, 8
#: Detections of an image that COCO's metrics count.
COUNTED = 100


@dataclass(eq=False)
class CheckedSet:
    """A set, with everything that is found about it."""

    name: str  # train, val, test, or the stem of an annotation file
    path: Path
    images: Path | None  # the image folder; None where images are not looked at
    findings: Findings
    content: Any = None  # of the annotation file, plain values
    records: CocoRecords | None = None  # None where the file makes no sense as a whole
    coco: CocoFile | None = None  # the sound records
    index: CocoIndex | None = None  # what may be learned from; None where no image is sound
    headers: list[Header] = field(default_factory=list)  # of the images of `index`
    unusable: set[int] = field(default_factory=set)  # ids of images whose files cannot be used

    def summary(self) -> dict[str, Any]:
        """What there is, as plain values."""
        coco = self.coco
        return {
            "name": self.name,
            "annotations": str(self.path),
            "images_dir": None if self.images is None else str(self.images),
            "images": 0 if coco is None else len(coco.image_ids),
            "boxes": 0 if coco is None else len(coco.boxes),
            "classes": 0 if coco is None else len(coco.classes),
        }


def check_annotations(name: str, path: Path, images: Path | None) -> CheckedSet:
    """Read an annotation file and apply the rules to all of it.

    Args:
        images: the image folder, see `CheckedSet`.
    """
    findings = Findings(path, stop=False)
    checked = CheckedSet(name, path, images, findings)
    try:
        with no_collecting():
            checked.content = read_json(path)
            checked.records = examine(path, checked.content, findings, use="check")
    except UserError as error:
        text = str(error).removeprefix(f"{path}: ")
        findings.add("file-unusable", "error", 1, text, examples=[str(path)])
        return checked
    checked.coco = checked.records.sound()
    if len(checked.coco.image_ids):
        checked.index = build_index(checked.coco, images or Path())
        remark_thin(checked.coco, findings)
        refuse_crowded(checked.index, findings)
        _refuse_giants(checked.coco, findings)
        _check_counts(checked.coco, findings)
    return checked


def _refuse_giants(coco: CocoFile, findings: Findings) -> None:
    """Name images that are too large to be decoded, whatever their files turn out to be."""
    rows = np.flatnonzero(coco.hw.prod(axis=1) > MAX_PIXELS)
    if len(rows):
        height, width = coco.hw[rows[0]].tolist()
        findings.add(
            "image-too-large",
            "error",
            len(rows),
            f"{len(rows)} image(s) are of more than {MAX_PIXELS // 1_000_000} million pixels and "
            f"never decoded, such as image {coco.image_ids[rows[0]]} of {width}x{height}",
            examples=[f"image {coco.image_ids[row]}" for row in rows[:EXAMPLES].tolist()],
            remedy="make them smaller, or correct their sizes",
        )


def _check_counts(coco: CocoFile, findings: Findings) -> None:
    """Look at how many boxes there are: to learn from, of a class, in an image."""
    if not (coco.trainable & ~coco.crowd).any():
        reason = "every box is a crowd region" if coco.crowd.any() else "there is none"
        findings.add(
            "no-boxes", "warning", 1, f"no box to learn from, so training refuses it: {reason}"
        )
        return
    _remark_rare(coco, findings)
    per_image = np.bincount(coco.image_row[~coco.crowd], minlength=len(coco.image_ids))
    rows = np.flatnonzero(per_image > COUNTED)
    if len(rows):
        most = int(per_image.argmax())
        beyond = int((per_image[rows] - COUNTED).sum())
        findings.add(
            "image-crowded",
            "warning",
            len(rows),
            f"{len(rows)} image(s) have more than {COUNTED} objects (image "
            f"{coco.image_ids[most]}: {per_image[most]:,}), and the best {COUNTED} detections of "
            f"an image are kept (COCO counts no more of a class): {beyond:,} of "
            f"{int((~coco.crowd).sum()):,} objects cannot be found, AP is cut there",
            examples=[f"image {coco.image_ids[row]}" for row in rows[:EXAMPLES].tolist()],
            remedy="cut such images into tiles; inference.max_detections keeps more, for pictures",
        )


def _remark_rare(coco: CocoFile, findings: Findings) -> None:
    counts = np.bincount(coco.class_row[coco.trainable & ~coco.crowd], minlength=len(coco.classes))
    rare = np.flatnonzero((counts > 0) & (counts < RARE))
    if len(rare) and len(coco.image_ids) > RARE:  # in a handful of images everything is rare
        rare = rare[np.argsort(counts[rare], kind="stable")]
        named = [f"{coco.classes.names[row]} ({counts[row]})" for row in rare.tolist()]
        more = ", ..." if len(rare) > _NAMED else ""
        findings.add(
            "class-rare",
            "note",
            len(rare),
            f"{len(rare)} class(es) have fewer than {RARE} boxes: "
            f"{', '.join(named[:_NAMED])}{more}",
            examples=named[:EXAMPLES],
        )

"""The index of a data set: every image with its boxes, as a few arrays.

Arrays instead of Python objects, so that forked loader workers share the memory instead of copying
it page by page as reference counts change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, describe_some, read_coco
from ladcli.data.columns import shorten
from ladcli.data.findings import EXAMPLES, Findings
from ladcli.errors import UserError

#: Boxes whose part inside the image is thinner than this, in stored pixels, are no targets: their
#: size would round to nothing in float32, and its logarithm would be infinite.
MIN_SIDE = 0.1
#: More boxes in one image are refused: with each of them every anchor is compared, in a table of
#: several hundred megabytes.
MAX_BOXES = 10_000


@dataclass(frozen=True, eq=False)
class CocoIndex:
    """Images in ascending id with their boxes.  N images, M boxes (crowd regions included)."""

    annotations: Path
    images_dir: Path
    image_ids: np.ndarray  # [N] int64, ascending unless a subset was asked for in another order
    hw: np.ndarray  # [N, 2] int32, stored height and width, pixels
    name_bytes: np.ndarray  # [bytes] uint8, all file names in UTF-8, one after the other
    name_ptr: np.ndarray  # [N + 1] int64, where each name begins
    box_ptr: np.ndarray  # [N + 1] int64, where each image's boxes begin
    boxes: np.ndarray  # [M, 4] float32, xyxy, stored pixels, clipped to the image
    labels: np.ndarray  # [M] int64 in 0..C-1
    crowd: np.ndarray  # [M] bool
    classes: ClassTable
    notes: tuple[str, ...] = ()  # what was odd about the file, one line per kind
    #: File names by image id, where they are spelled otherwise on disk; no part of what is learned.
    found_names: Mapping[int, str] = field(default_factory=dict)
    left_out: tuple[int, ...] = ()  # ids of images that are no part of this, as they cannot be read

    def __len__(self) -> int:
        return self.image_ids.shape[0]

    def file_name(self, row: int) -> str:
        """Name of an image as the annotations give it, relative to the image folder."""
        return bytes(self.name_bytes[self.name_ptr[row] : self.name_ptr[row + 1]]).decode("utf-8")

    def path(self, row: int) -> Path:
        """Where an image lies; names that leave the image folder were refused at load."""
        found = self.found_names.get(int(self.image_ids[row])) if self.found_names else None
        return self.images_dir / (found or self.file_name(row))

    def targets(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes [g, 4] and labels [g] to learn, and crowd regions [r, 4], of one image."""
        part = slice(self.box_ptr[row], self.box_ptr[row + 1])
        crowd = self.crowd[part]
        return self.boxes[part][~crowd], self.labels[part][~crowd], self.boxes[part][crowd]

    def subset(self, rows: np.ndarray | list[int]) -> CocoIndex:
        """The index of the images ``rows`` [K], in that order."""
        rows = np.asarray(rows, dtype=np.int64)
        box_pick, box_ptr = _pick_ranges(self.box_ptr, rows)
        name_pick, name_ptr = _pick_ranges(self.name_ptr, rows)
        return replace(
            self,
            image_ids=self.image_ids[rows],
            hw=self.hw[rows],
            name_bytes=self.name_bytes[name_pick],
            name_ptr=name_ptr,
            box_ptr=box_ptr,
            boxes=self.boxes[box_pick],
            labels=self.labels[box_pick],
            crowd=self.crowd[box_pick],
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what is learned from: ids, names, sizes, boxes and the class table.

        Where the files lie, how the JSON is laid out and what was left out do not enter.
        """
        digest = hashlib.sha256(b"ladcli data 1\n")
        digest.update(json.dumps(self.classes.to_plain()).encode())
        for array, dtype in (
            (self.image_ids, "<i8"),
            (self.hw, "<i4"),
            (self.name_ptr, "<i8"),
            (self.name_bytes, "|u1"),
            (self.box_ptr, "<i8"),
            (self.boxes, "<f4"),
            (self.labels, "<i8"),
            (self.crowd, "|b1"),
        ):
            # The pointers say where each image's part ends, so the whole arrays can be hashed.
            digest.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
        return digest.hexdigest()


def load_index(annotations: Path, images_dir: Path, classes: ClassTable | None = None) -> CocoIndex:
    """Read COCO instances JSON into an index, images in ascending id.

    Args:
        classes: that the index should have, as far as the file has them.

    Raises:
        UserError: as `ladcli.data.coco_json.read_coco`, or there is no such image folder.
    """
    coco = read_coco(annotations)
    coco = coco if classes is None else coco.suited_to(classes)
    if not images_dir.is_dir():
        raise UserError(f"{images_dir}: no such image folder; name it with --images")
    findings = Findings(annotations)
    remark_thin(coco, findings)
    return replace(build_index(coco, images_dir), notes=coco.notes + findings.notes())


def build_index(coco: CocoFile, images_dir: Path) -> CocoIndex:
    """The index of an annotation file that was read already: what may be learned from it."""
    order = np.argsort(coco.image_ids, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    corners, wide_enough = _clipped_corners(coco)
    kept = np.flatnonzero(coco.trainable & wide_enough)
    kept = kept[np.argsort(rank[coco.image_row[kept]], kind="stable")]
    counts = np.bincount(rank[coco.image_row[kept]], minlength=len(order))
    names = [coco.file_names[i].encode("utf-8") for i in order.tolist()]
    return CocoIndex(
        annotations=coco.path,
        images_dir=images_dir,
        image_ids=coco.image_ids[order],
        hw=coco.hw[order].astype(np.int32),
        name_bytes=np.frombuffer(b"".join(names), dtype=np.uint8),
        name_ptr=_pointers(np.array([len(name) for name in names], dtype=np.int64)),
        box_ptr=_pointers(counts),
        boxes=corners[kept],
        labels=coco.class_row[kept],
        crowd=coco.crowd[kept],
        classes=coco.classes,
        notes=coco.notes,
    )


def remark_thin(coco: CocoFile, findings: Findings) -> None:
    """Say which boxes are too thin to be learned from."""
    thin = coco.annotation_ids[coco.trainable & ~_clipped_corners(coco)[1]].tolist()
    if thin:
        findings.add(
            "box-thin",
            "warning",
            len(thin),
            f"{len(thin)} box(es) thinner than {MIN_SIDE} pixel inside the image "
            f"are no targets: {describe_some('annotation', thin)}",
            examples=[f"annotation {i}" for i in thin[:EXAMPLES]],
        )


def refuse_crowded(index: CocoIndex, findings: Findings) -> None:
    """Refuse an image with so many boxes that no memory holds a step of training.

    Raises:
        UserError: where errors stop.
    """
    counts = np.diff(index.box_ptr)
    rows = np.flatnonzero(counts > MAX_BOXES)
    if len(rows):
        most = int(counts.argmax())
        findings.add(
            "image-too-many-boxes",
            "error",
            len(rows),
            f"image {index.image_ids[most]} ({shorten(index.file_name(most))}) has "
            f"{counts[most]:,} boxes, and training takes {MAX_BOXES:,} in an image at most",
            examples=[f"image {index.image_ids[row]}" for row in rows[:EXAMPLES]],
            remedy="cut the image into tiles, or correct the annotations",
        )


def for_training(index: CocoIndex, *, skip_empty: bool) -> CocoIndex:
    """What to train on; with ``skip_empty`` images without a trainable box are left out.

    Without it they stay and count as background.

    Raises:
        UserError: there is not a single box to learn, or an image has far too many.
    """
    refuse_crowded(index, Findings(index.annotations))
    trainable = np.flatnonzero(~index.crowd)
    if not len(trainable):
        reason = "every box is a crowd region" if len(index.crowd) else "there are no boxes"
        raise UserError(
            f"{index.annotations}: nothing to train on, {reason}; use a file with annotated objects"
        )
    if not skip_empty:
        return index
    owner = np.searchsorted(index.box_ptr, trainable, side="right") - 1
    return index.subset(np.unique(owner))


def _clipped_corners(coco: CocoFile) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [M, 4] float32 xyxy clipped to their image, and which of them are wide enough [M]."""
    limit = coco.hw[coco.image_row][:, ::-1].astype(np.float64)  # [M, 2] as W, H
    low = np.clip(coco.boxes[:, :2], 0, limit)
    with np.errstate(over="ignore"):  # of boxes that are none to learn from
        high = np.clip(coco.boxes[:, :2] + coco.boxes[:, 2:], 0, limit)
    # Adding zero turns -0.0 into 0.0, so that equal boxes have equal bytes.
    corners = np.concatenate([low, high], axis=1).astype(np.float32) + np.float32(0)
    return corners, (corners[:, 2:] - corners[:, :2] >= MIN_SIDE).all(axis=1)


def _pointers(counts: np.ndarray) -> np.ndarray:
    """[N + 1] int64: where runs of ``counts`` [N] begin, and the end of the last."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _pick_ranges(pointers: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions covered by the runs ``rows`` of ``pointers``, and the new pointers."""
    counts = pointers[rows + 1] - pointers[rows]
    new = _pointers(counts)
    shift = np.repeat(pointers[rows] - new[:-1], counts)
    return np.arange(new[-1]) + shift, new

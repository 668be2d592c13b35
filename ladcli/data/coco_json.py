"""COCO instances JSON, read and checked.

What would make a result meaningless (an unknown id, a missing key, a box that is no box) stops with
one sentence; what is merely odd is kept with a note.  A box is read for one of two uses:

- *training* learns from boxes that have a size and lie in their image, at least in part (the index
  clips them), and leaves the others out, with a note; likewise those marked ``ignore``.
- *evaluation* counts every box that pycocotools counts, as it is, and notes what training would
  leave out.  Boxes that pycocotools could not make sense of (NaN, a negative size) are refused.

What is kept is the same for both, beside a mask of what may be learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.columns import Table, first_repeat, shorten
from ladcli.data.file_names import unsafe_reason
from ladcli.data.json_text import read_json
from ladcli.errors import UserError

#: Larger numbers are no pixel coordinates; float32 would lose whole pixels.
MAX_SIDE = 10_000_000
_EXAMPLES = 3
#: Images whose stated size is that of others make boxes leave them; from this share on they are
#: suspected, if it is more than one box.
_SUSPICIOUS_SHARE = 0.2

Use: TypeAlias = Literal["training", "evaluation"]


@dataclass(frozen=True, eq=False)
class CocoFile:
    """The content of one file, in the order of the file.  N images, M annotations that count.

    Those that training alone may leave out are among them.
    """

    path: Path
    image_ids: np.ndarray  # [N] int64
    file_names: list[str]  # N names that stay inside an image folder
    hw: np.ndarray  # [N, 2] int64, height and width, pixels
    classes: ClassTable
    annotation_ids: np.ndarray  # [M] int64
    image_row: np.ndarray  # [M] int64, row of the annotation's image
    class_row: np.ndarray  # [M] int64 in 0..C-1
    boxes: np.ndarray  # [M, 4] float64, x, y, width, height, as stored; finite, sizes not negative
    area: np.ndarray  # [M] float64, square pixels; of the box where the file gives none
    crowd: np.ndarray  # [M] bool
    trainable: np.ndarray  # [M] bool, may be learned from: of some size, in its image, not `ignore`
    notes: tuple[str, ...]  # what is odd, one line per kind


def read_coco(path: Path, *, need_annotations: bool = True, use: Use = "training") -> CocoFile:
    """Read a COCO instances file.

    Args:
        need_annotations: refuse a file without the key ``annotations``, as test sets have it.
        use: decides what the notes say, and that evaluation refuses what is no box; what is kept
            is the same.

    Raises:
        UserError: naming the file, the record and the value.
    """
    content = _instances(path, read_json(path))
    images = _table(path, "image", "images", content)
    categories = _table(path, "category", "categories", content)
    if not need_annotations:
        content.setdefault("annotations", [])
    annotations = _table(path, "annotation", "annotations", content)
    if not images.records:
        raise UserError(f"{path}: 'images' is empty; there is nothing to work on")
    if not categories.records:
        raise UserError(f"{path}: 'categories' is empty; list the classes with id and name")
    image_ids = images.integers("id")
    images.refuse_repeats("id", image_ids)
    names = _file_names(images)
    hw = _sizes(images)
    classes = _classes(categories)
    annotation_ids = annotations.integers("id")
    annotations.refuse_repeats("id", annotation_ids)
    image_row = _rows(annotations, "image_id", image_ids, "images")
    class_row = _rows(annotations, "category_id", np.array(classes.ids), "categories")
    boxes = annotations.numbers("bbox", 4)
    stated = annotations.optional_numbers("area")
    crowd = annotations.flags("iscrowd")
    if use == "evaluation":
        _refuse_unmeasurable(annotations, boxes, stated)
    area, area_notes = _areas(annotations, boxes, stated, use)
    keep, inside, box_notes = _judged(annotations, boxes, hw[image_row], use)
    ignored, ignore_notes = _ignored(annotations, use)
    owner = np.stack([image_row, class_row], axis=1)
    notes = (
        *_file_name_notes(names),
        *_class_notes(classes, class_row),
        *box_notes,
        *ignore_notes,
        *area_notes,
        *_suspicions(annotations, boxes, stated, owner, inside, hw[image_row]),
    )
    return CocoFile(
        path, image_ids, names, hw, classes, annotation_ids[keep], image_row[keep],
        class_row[keep], boxes[keep], area[keep], crowd[keep], (inside & ~ignored)[keep],
        tuple(f"{path}: {note}" for note in notes),
    )  # fmt: skip


def describe_some(kind: str, ids: list[Any]) -> str:
    """The first few of ``ids``, as ``annotation 1, 5, 8, ...``."""
    some = ", ".join(str(i) for i in ids[:_EXAMPLES])
    return f"{kind} {some}{', ...' if len(ids) > _EXAMPLES else ''}"


def _instances(path: Path, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict) and "score" in value[0]:
        raise UserError(
            f"{path}: is a list of detections (a results file); "
            "ground truth in COCO instances format is needed here"
        )
    raise UserError(
        f"{path}: must hold an object with images, annotations and categories, "
        f"got {shorten(value)}; use a COCO instances file"
    )


def _table(path: Path, kind: str, key: str, content: dict[str, Any]) -> Table:
    if key not in content:
        raise UserError(f"{path}: the key {key!r} is missing; use a COCO instances file")
    return Table.from_plain(path, kind, key, content[key])


def _file_names(images: Table) -> list[str]:
    names = images.strings("file_name")
    for row, name in enumerate(names):
        reason = unsafe_reason(name)
        if reason is not None:
            raise images.error(
                row,
                f"has file_name {shorten(name)}, which {reason}; "
                "write it relative to the image folder, with forward slashes",
            )
    return names


def _sizes(images: Table) -> np.ndarray:
    """[N, 2] int64 heights and widths."""
    hw = np.stack([images.integers("height"), images.integers("width")], axis=1)
    wrong = ((hw < 1) | (hw > MAX_SIDE)).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise images.error(
            row, f"has width {hw[row, 1]} and height {hw[row, 0]}; write the size in pixels"
        )
    return hw


def _classes(categories: Table) -> ClassTable:
    ids = categories.integers("id")
    categories.refuse_repeats("id", ids)
    names = categories.strings("name")
    for row, name in enumerate(names):
        if not name.strip():
            raise categories.error(row, "has an empty name; classes are told apart by name")
        first = names.index(name)
        if first != row:
            raise categories.error(
                row, f"has the name {shorten(name)} of category {ids[first]}; rename one of them"
            )
    order = np.argsort(ids)
    return ClassTable(tuple(ids[order].tolist()), tuple(names[i] for i in order.tolist()))


def _rows(annotations: Table, key: str, known: np.ndarray, where: str) -> np.ndarray:
    """[M] int64 rows in ``known`` (ids, any order) that ``key`` of the annotations names."""
    wanted = annotations.integers(key)
    order = np.argsort(known)
    place = np.searchsorted(known[order], wanted).clip(max=len(known) - 1)
    rows = order[place]
    wrong = known[rows] != wanted
    if wrong.any():
        row = int(wrong.argmax())
        more = f" ({int(wrong.sum())} annotations like this)" if wrong.sum() > 1 else ""
        raise annotations.error(
            row, f"has {key} {wanted[row]}, which is not in {where!r}{more}; correct or remove it"
        )
    return rows.astype(np.int64)


def _refuse_unmeasurable(annotations: Table, boxes: np.ndarray, stated: np.ndarray) -> None:
    """Stop at a box [M, 4] or a stated area [M] that no evaluation can make sense of."""
    for key, wrong, words in (
        ("bbox", ~np.isfinite(boxes).all(axis=1), "which must be finite"),
        ("bbox", (boxes[:, 2:] < 0).any(axis=1), "whose size is negative"),
        ("area", _not_finite(annotations, "area", stated), "which must be finite"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            more = f" ({int(wrong.sum())} annotations like this)" if wrong.sum() > 1 else ""
            raise annotations.error(
                row,
                f"has {key} {shorten(annotations.records[row][key])}, {words}{more}; evaluation "
                "cannot measure it, correct or remove it",
            )


def _not_finite(annotations: Table, key: str, values: np.ndarray) -> np.ndarray:
    """Which ``values`` [M] of ``key`` are given and not finite, [M] bool."""
    wrong = ~np.isfinite(values)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        wrong[row] = annotations.records[row].get(key) is not None  # else there is none
    return wrong


def _areas(
    annotations: Table, boxes: np.ndarray, stated: np.ndarray, use: Use
) -> tuple[np.ndarray, list[str]]:
    """[M] float64 areas, ``stated`` [M] (NaN absent) or those of the boxes, and notes.

    A negative area stays: to pycocotools such an object is of no size, so it is never missed.
    """
    with np.errstate(all="ignore"):  # boxes are judged elsewhere, and may be infinite here
        of_box = boxes[:, 2] * boxes[:, 3]
        given = np.isfinite(stated)
        negative = given & (stated < 0)
        impossible = negative | _not_finite(annotations, "area", stated)
        # Stored areas are often rounded.
        larger = given & (stated > of_box * 1.01 + 1)
    notes = _notes(
        annotations,
        (impossible, "have an impossible area, which training does not use")
        if use == "training"
        else (
            negative,
            "have an impossible area, a negative one: they count neither as found nor as missed, "
            "as with pycocotools",
        ),
        (larger, "have an area larger than their box"),
    )
    return np.where(given, stated, of_box), notes


def _judged(
    annotations: Table, boxes: np.ndarray, hw: np.ndarray, use: Use
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which boxes [M, 4] are boxes, which lie in images of ``hw`` [M, 2], and notes.

    Returns:
        keep [M] bool, inside [M] bool (a part of it; of some size), and a line per kind.
    """
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        keep = finite & (boxes[:, 2:] >= 0).all(axis=1)
        sane = finite & (np.abs(boxes) <= MAX_SIDE).all(axis=1)
        sized = sane & (boxes[:, 2:] > 0).all(axis=1)
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        limit = hw[:, ::-1]
        inside = sized & ((high > 0) & (low < limit)).all(axis=1)
        # Half a pixel: coordinates that were rounded are no finding.
        sticking_out = inside & ((low < -0.5) | (high > limit + 0.5)).any(axis=1)
    masks = (~finite, finite & ~sane, sane & ~sized, sized & ~inside, sticking_out)
    if use == "training":
        words = (
            "have a box that is not finite, left out",
            "have a box that is beyond any image size, left out",
            "have a box of no or negative size, left out",
            "have a box wholly outside the image, left out",
            "have a box that sticks out of the image, clipped",
        )
    else:
        counted = "counted all the same, as pycocotools does"
        words = (
            "have a box that is not finite",
            f"have a box that is beyond any image size, {counted}",
            f"have a box of no size, {counted}",
            f"have a box wholly outside the image, {counted}",
            "have a box that sticks out of the image, taken as it is",
        )
    return keep, inside, _notes(annotations, *zip(masks, words, strict=True))


def _ignored(annotations: Table, use: Use) -> tuple[np.ndarray, list[str]]:
    """[M] bool, which annotations are marked ``ignore`` (difficult), and a note."""
    values = [record.get("ignore", 0) for record in annotations.records]
    if set(map(type, values)) <= {int, bool} and not any(values):
        return np.zeros(len(values), dtype=bool), []
    # Anything but 0 and 1 has no known meaning, and only training asks.
    marked = np.array([value in (1, True, "1") for value in values], dtype=bool)
    words = {
        "training": "are marked ignore (difficult), left out",
        "evaluation": "are marked ignore, which pycocotools does not read: counted all the same",
    }
    return marked, _notes(annotations, (marked, words[use]))


def _suspicions(
    annotations: Table,
    boxes: np.ndarray,
    stated: np.ndarray,
    owner: np.ndarray,
    inside: np.ndarray,
    hw: np.ndarray,
) -> list[str]:
    """Notes about sets of boxes that are valid one by one but hardly meant.

    Args:
        boxes: [M, 4] x, y, width, height.
        stated: [M] areas of the file, NaN where absent.
        owner: [M, 2] image and class of each box.
        inside: [M] bool, which boxes lie in their image; of the others only the size is judged.
        hw: [M, 2] height and width of each box's image.
    """
    if not inside.any():
        return _size_notes(boxes, hw)
    notes = []
    kept = boxes[inside]
    if (kept[:, 2:] < 1).all() and (kept[:, :2] <= 1).all():
        notes.append(
            "every box is smaller than one pixel; they look like fractions of the image size, "
            "multiply them by width and height"
        )
    if _look_like_corners(kept, stated[inside]):
        notes.append(
            "boxes look like x1, y1, x2, y2 (their area fits only so); COCO boxes are x, y, "
            "width, height"
        )
    else:
        notes += _size_notes(boxes, hw)
    repeated = np.zeros(len(boxes), dtype=bool)
    repeated[inside] = _repeats(np.column_stack([owner, boxes])[inside])
    return notes + _notes(annotations, (repeated, "repeat the box and class of another one"))


def _size_notes(boxes: np.ndarray, hw: np.ndarray) -> list[str]:
    """A note that suspects the sizes ``hw`` [M, 2] of images that many boxes [M, 4] leave."""
    with np.errstate(invalid="ignore", over="ignore"):
        far = boxes[:, :2] + boxes[:, 2:]
        leaving = int((far > hw[:, ::-1] + 0.5).any(axis=1).sum())
        exchanged = int((far > hw + 0.5).any(axis=1).sum())
    if leaving < 2 or leaving < _SUSPICIOUS_SHARE * len(boxes):
        return []
    told = (
        f"{leaving} of {len(boxes)} boxes leave their image, so the sizes in the file are suspect"
    )
    if exchanged <= leaving / 4:
        return [f"{told}: width and height look exchanged (then {exchanged} would leave it)"]
    if len(np.unique(hw, axis=0)) == 1:
        height, width = hw[0].tolist()
        return [f"{told}: {width}x{height} for all looks like a placeholder; write the true sizes"]
    return [f"{told}; compare width and height with the image files"]


def _repeats(rows: np.ndarray) -> np.ndarray:
    """Which of ``rows`` [M, K] float64 occurred before, [M] bool."""
    # Equal rows become neighbors when sorted by a checksum, which is far faster than sorting by
    # every column.  (Adding zero makes -0.0 equal 0.0 bit for bit.)
    bits = (rows + 0.0).view(np.uint64)
    checksum = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        checksum = (checksum ^ bits[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        checksum ^= checksum >> np.uint64(29)
    order = np.argsort(checksum, kind="stable")
    found = np.zeros(len(rows), dtype=bool)
    found[order[1:]] = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    return found


def _look_like_corners(boxes: np.ndarray, area: np.ndarray) -> bool:
    """Whether ``area`` [M] (NaN unknown) fits ``boxes`` [M, 4] as corners, and not as sizes."""
    as_corners = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    fits = np.isclose(area, as_corners, rtol=0.01)
    contrary = np.isclose(area, boxes[:, 2] * boxes[:, 3], rtol=0.01) & ~fits
    return bool(fits.sum() > len(boxes) / 2 and contrary.sum() < fits.sum() / 10)


def _file_name_notes(names: list[str]) -> list[str]:
    again = first_repeat(np.array(names, dtype=object)) if len(set(names)) < len(names) else None
    if again is None:
        return []
    count = len(names) - len(set(names))
    return [f"{count} image(s) share the file of another one: {shorten(names[again])}"]


def _class_notes(classes: ClassTable, class_row: np.ndarray) -> list[str]:
    counts = np.bincount(class_row, minlength=len(classes))
    unused = [classes.ids[i] for i in np.flatnonzero(counts == 0).tolist()]
    if not unused or not len(class_row):
        return []
    return [f"{len(unused)} class(es) have no annotation: {describe_some('category', unused)}"]


def _notes(annotations: Table, *findings: tuple[np.ndarray, str]) -> list[str]:
    """A line for every finding (mask [M], words) that concerns anything."""
    notes = []
    for mask, words in findings:
        rows = np.flatnonzero(mask).tolist()
        if rows:
            ids = [annotations.records[row]["id"] for row in rows[: _EXAMPLES + 1]]
            notes.append(f"{len(rows)} annotation(s) {words}: {describe_some('annotation', ids)}")
    return notes

"""COCO instances JSON, read and checked.

What would make a result meaningless (an unknown id, a missing key, a box that is no box) stops with
one sentence; what is merely odd is kept with a note.  A box is read for one of two uses:

- *training* learns from boxes that have a size and lie in their image, at least in part (the index
  clips them), and leaves the others out, with a note; likewise those marked ``ignore``.
- *evaluation* counts every box that pycocotools counts, as it is, and notes what training would
  leave out.  Boxes that pycocotools could not make sense of (NaN, a negative size) are refused.

What is kept is the same for both, beside a mask of what may be learned from.  `examine` applies the
same rules to the end and keeps what they say of every record, for those who check or mend a file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data import box_rules
from ladcli.data.box_rules import MAX_SIDE, Use
from ladcli.data.columns import Fault, Table, repeats, shorten
from ladcli.data.file_names import unsafe_reason
from ladcli.data.findings import EXAMPLES, Findings, some
from ladcli.data.root_class import leave_out_root
from ladcli.errors import UserError
from ladcli.json_text import read_json

#: Labels are stored in 16 bits, and a network's output grows with its classes.
MAX_CLASSES = 65_535


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
    root: str | None = None  # name of a category 0 that was left out, see `data.root_class`

    def suited_to(self, classes: ClassTable) -> CocoFile:
        """With the root category back where ``classes`` has it; else as it is.

        A network may have learned it as a class: from a set in which it has boxes, or when this
        program left no root category out.
        """
        if self.root is None or classes.names != (self.root, *self.classes.names):
            return self
        table = ClassTable((0, *self.classes.ids), classes.names)
        return replace(self, classes=table, class_row=self.class_row + 1, root=None)


def read_coco(path: Path, *, need_annotations: bool = True, use: Use = "training") -> CocoFile:
    """Read a COCO instances file.

    Args:
        need_annotations: refuse a file without the key ``annotations``, as test sets have it.
        use: decides what the notes say, and that evaluation refuses what is no box; what is kept
            is the same.

    Raises:
        UserError: naming the file, the record and the value.
    """
    findings = Findings(path)
    return examine(
        path, read_json(path), findings, need_annotations=need_annotations, use=use
    ).sound()


@dataclass(frozen=True, eq=False)
class CocoRecords:
    """All records of a file, with what the rules say of them.  N images, M annotations.

    Where errors stop, every record is sound.  Else a column holds some value where its key is at
    fault.
    """

    findings: Findings
    images: Table
    categories: Table
    annotations: Table
    image_ids: np.ndarray  # [N] int64
    file_names: list[str]  # [N]
    hw: np.ndarray  # [N, 2] int64
    category_ids: np.ndarray  # int64, one per category record
    classes: ClassTable  # of the sound categories
    annotation_ids: np.ndarray  # [M] int64
    image_row: np.ndarray  # [M] int64
    class_row: np.ndarray  # [M] int64, in `classes`; −1 where the category is not sound
    boxes: np.ndarray  # [M, 4] float64
    area: np.ndarray  # [M] float64
    crowd: np.ndarray  # [M] bool
    keep: np.ndarray  # [M] bool, boxes that count
    inside: np.ndarray  # [M] bool, of some size and in their image, at least in part
    ignored: np.ndarray  # [M] bool
    root: str | None  # as in `CocoFile`

    def sound_images(self) -> np.ndarray:
        """[N] bool, images that a set can have."""
        return self.images.usable()

    def sound_annotations(self) -> np.ndarray:
        """[M] bool, annotations without a fault, of sound images and categories."""
        sound = self.annotations.usable() & (self.class_row >= 0)
        return sound & self.sound_images()[self.image_row]

    def sound(self) -> CocoFile:
        """What is sound, as a set to work on."""
        images = self.sound_images()
        kept = self.sound_annotations() & self.keep
        path, names = self.findings.file, self.file_names
        if not images.all():
            names = [
                name for name, is_sound in zip(names, images.tolist(), strict=True) if is_sound
            ]
        return CocoFile(
            path, self.image_ids[images], names, self.hw[images], self.classes,
            self.annotation_ids[kept], (np.cumsum(images) - 1)[self.image_row[kept]],
            self.class_row[kept], self.boxes[kept], self.area[kept], self.crowd[kept],
            (self.inside & ~self.ignored)[kept], self.findings.notes(), self.root,
        )  # fmt: skip


def examine(
    path: Path,
    value: Any,
    findings: Findings,
    *,
    need_annotations: bool = True,
    use: Use = "training",
) -> CocoRecords:
    """Apply the rules to what a COCO file holds.

    Args:
        value: the content of the file, plain values; it stays as it is.
        findings: where what is found goes, in words for ``use``.

    Raises:
        UserError: it is no COCO file or has nothing to work on; or, where errors stop, at any.
    """
    images, categories, annotations = _tables(path, value, findings, need_annotations)
    categories, root = leave_out_root(categories, annotations)
    image_ids = images.integers("id")
    images.refuse_repeats("id", image_ids)
    names = _file_names(images)
    hw = _sizes(images)
    category_ids, classes = _classes(categories)
    annotation_ids = annotations.integers("id")
    annotations.refuse_repeats("id", annotation_ids)
    image_row = _rows(annotations, "image_id", image_ids, images.usable("id"), "images")
    usable = categories.usable("id")
    category_row = _rows(annotations, "category_id", category_ids, usable, "categories")
    class_row = _class_of_each(categories, category_ids, classes)[category_row]
    boxes = annotations.numbers("bbox", 4)
    stated = annotations.optional_numbers("area")
    crowd = annotations.flags("iscrowd")
    if use != "training":
        box_rules.refuse_unmeasurable(annotations, boxes, stated)
    limit = np.where(images.usable("height", "width")[:, None], hw[:, ::-1], np.inf)[image_row]
    limit[~annotations.usable("image_id")] = np.inf
    _remark_shared_files(findings, images, names)
    has_class = annotations.usable("category_id") & (class_row >= 0)
    _remark_root(findings, root)
    _remark_unused_classes(findings, classes, class_row[has_class])
    keep, inside = box_rules.judge(annotations, boxes, limit, use)
    ignored = box_rules.ignored(annotations, use)
    area = box_rules.areas(annotations, boxes, stated, use)
    owner = np.stack([image_row, class_row], axis=1)
    known_owner = inside & annotations.usable("image_id") & has_class
    box_rules.suspect(annotations, findings, boxes, stated, owner, known_owner, limit)
    return CocoRecords(
        findings, images, categories, annotations, image_ids, names, hw, category_ids, classes,
        annotation_ids, image_row, class_row, boxes, area, crowd, keep, inside, ignored,
        root,
    )  # fmt: skip


def describe_some(kind: str, ids: list[Any]) -> str:
    """The first few of ``ids``, as ``annotation 1, 5, 8, ...``."""
    return f"{kind} {some(ids)}"


def _tables(
    path: Path, value: Any, findings: Findings, need_annotations: bool
) -> tuple[Table, Table, Table]:
    """Images, categories and annotations."""
    content = _instances(path, value)
    if not need_annotations:
        content = {"annotations": [], **content}
    images, categories, annotations = (
        _table(path, kind, key, content, findings)
        for kind, key in (
            ("image", "images"), ("category", "categories"), ("annotation", "annotations")
        )
    )  # fmt: skip
    if not images.records:
        raise UserError(f"{path}: 'images' is empty; there is nothing to work on")
    if not categories.records:
        raise UserError(f"{path}: 'categories' is empty; list the classes with id and name")
    if len(categories.records) > MAX_CLASSES:
        raise UserError(
            f"{path}: lists {len(categories.records):,} categories, and a network can have "
            f"{MAX_CLASSES:,} classes at most; keep those that are to be found (is 'categories' a "
            "list of objects instead of classes?)"
        )
    return images, categories, annotations


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


def _table(path: Path, kind: str, key: str, content: dict[str, Any], findings: Findings) -> Table:
    if key not in content:
        raise UserError(f"{path}: the key {key!r} is missing; use a COCO instances file")
    return Table.from_plain(path, kind, key, content[key], findings)


def _file_names(images: Table) -> list[str]:
    names = images.strings("file_name")
    usable = images.usable("file_name").tolist()
    faults = []
    for row, name in enumerate(names):
        reason = unsafe_reason(name) if usable[row] else None
        if reason is not None:
            fault = Fault(
                "file-name-unsafe",
                f"has file_name {shorten(name)}, which {reason}",
                "write it relative to the image folder, with forward slashes",
            )
            faults.append((row, fault))
    images.refuse("file_name", faults)
    return names


def _sizes(images: Table) -> np.ndarray:
    """[N, 2] int64 heights and widths."""
    hw = np.stack([images.integers("height"), images.integers("width")], axis=1)
    wrong = ((hw < 1) | (hw > MAX_SIDE)).any(axis=1) & images.usable("height", "width")

    def fault(row: int) -> Fault:
        problem = f"has width {hw[row, 1]} and height {hw[row, 0]}"
        return Fault("image-size-impossible", problem, "write the size in pixels")

    images.refuse_where("height", wrong, fault)
    return hw


def _classes(categories: Table) -> tuple[np.ndarray, ClassTable]:
    """The ids of all records, and the table of those without fault."""
    ids = categories.integers("id")
    categories.refuse_repeats("id", ids)
    names = categories.strings("name")
    usable = categories.usable("name").tolist()
    first: dict[str, int] = {}
    faults = []
    for row, name in enumerate(names):
        if not usable[row]:
            continue
        if not name.strip():
            problem = "has an empty name"
            remedy = "classes are told apart by name"
            faults.append((row, Fault("category-name-empty", problem, remedy)))
        elif first.setdefault(name, row) != row:
            problem = f"has the name {shorten(name)} of category {ids[first[name]]}"
            faults.append((row, Fault("category-name-repeated", problem, "rename one of them")))
    categories.refuse("name", faults)
    rows = np.flatnonzero(categories.usable())
    rows = rows[np.argsort(ids[rows])]
    return ids, ClassTable(tuple(ids[rows].tolist()), tuple(names[i] for i in rows.tolist()))


def _class_of_each(categories: Table, ids: np.ndarray, classes: ClassTable) -> np.ndarray:
    """The class of each category record, int64; −1 where the record is not sound."""
    rows = np.searchsorted(np.array(classes.ids, dtype=np.int64), ids)
    return np.where(categories.usable(), rows, -1)


def _rows(
    annotations: Table, key: str, ids: np.ndarray, usable: np.ndarray, where: str
) -> np.ndarray:
    """[M] int64 rows in ``ids`` (any order; those that are ``usable``) that ``key`` names."""
    wanted = annotations.integers(key)
    order = np.flatnonzero(usable)
    order = order[np.argsort(ids[order], kind="stable")]
    if not len(order):
        rows, wrong = np.zeros(len(wanted), dtype=np.int64), np.full(len(wanted), True)
    else:
        place = np.searchsorted(ids[order], wanted).clip(max=len(order) - 1)
        rows = order[place]
        wrong = ids[rows] != wanted

    def fault(row: int) -> Fault:
        problem = f"has {key} {wanted[row]}, which is not in {where!r}"
        return Fault(f"{key.removesuffix('_id')}-unknown", problem, "correct or remove it")

    annotations.refuse_where(key, wrong, fault)
    return rows.astype(np.int64)


def _remark_shared_files(findings: Findings, images: Table, names: list[str]) -> None:
    if len(set(names)) == len(names):
        return
    again = np.flatnonzero(repeats(np.array(names, dtype=object)) & images.usable("file_name"))
    if len(again):
        shown = shorten(names[again[0]])
        findings.add(
            "file-shared",
            "warning",
            len(again),
            f"{len(again)} image(s) share the file of another one: {shown}",
            examples=[shorten(names[row]) for row in again[:EXAMPLES].tolist()],
        )


def _remark_root(findings: Findings, root: str | None) -> None:
    if root is not None:
        text = f"category 0 ({shorten(root)}) is the parent of the others and has no box: left out"
        findings.add("class-root", "note", 1, text, examples=["category 0"])


def _remark_unused_classes(findings: Findings, classes: ClassTable, class_row: np.ndarray) -> None:
    counts = np.bincount(class_row, minlength=len(classes))
    unused = [classes.ids[i] for i in np.flatnonzero(counts == 0).tolist()]
    if unused and len(class_row):
        findings.add(
            "class-unused",
            "note",
            len(unused),
            f"{len(unused)} class(es) have no annotation: {describe_some('category', unused)}",
            examples=[f"category {i}" for i in unused[:EXAMPLES]],
        )

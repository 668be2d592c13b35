"""Mending an annotation file: what has one right answer is repaired, what has none is dropped.

Sound records stay as they are, with every key that other programs put there.  The rules are those
of reading (`ladcli.data.coco_json.examine`), asked anew after every step.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import orjson

from ladcli.check.checked_set import CheckedSet
from ladcli.data.box_rules import repeated_rows
from ladcli.data.coco_json import CocoRecords, examine
from ladcli.data.columns import Record, Table
from ladcli.data.file_names import unsafe_reason
from ladcli.data.findings import EXAMPLES, Findings, some
from ladcli.data.headers import read_header
from ladcli.data.index import MIN_SIDE
from ladcli.errors import UserError
from ladcli.files import atomic_path
from ladcli.outputs import require_replaceable
from ladcli.recognize import CLEANED_BY, CLEANED_ENDING, is_cleaned

#: Keys that hold numbers, which some tools write as text.
_NUMBERS = {
    "image": ("id", "width", "height"),
    "category": ("id",),
    "annotation": ("id", "image_id", "category_id", "bbox", "area", "iscrowd"),
}


@dataclass
class Changes:
    """What was done to a file: the records of every kind of change, by name."""

    made: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, names: Sequence[str]) -> None:
        """Note that ``what`` was done to the records ``names``, if any."""
        if names:
            self.made.setdefault(what, []).extend(names)

    def lines(self) -> list[str]:
        """One line per kind of change."""
        return [f"{len(names)} x {what}: {some(names)}" for what, names in self.made.items()]

    def to_plain(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [
            {"change": what, "count": len(names), "examples": names[:EXAMPLES]}
            for what, names in self.made.items()
        ]


def cleaned_path(annotations: Path) -> Path:
    """Where the cleaned form of a file goes: beside it."""
    return annotations.with_name(f"{annotations.stem}{CLEANED_ENDING}")


def write_cleaned(checked: CheckedSet) -> tuple[Path, Changes] | None:
    """Write the mended annotations of a set beside them; None where there is nothing to mend.

    Raises:
        UserError: nothing sound is left, or the name is taken by a file that is not ours.
    """
    path = cleaned_path(checked.path)
    content, changes = mended(checked)
    if not changes.made:
        return None
    require_replaceable(path, is_cleaned, "a cleaned file of this program", flag="--annotations")
    examine(path, content, Findings(path), use="check")  # or it stops here
    with atomic_path(path) as temporary:
        temporary.write_bytes(_encoded({CLEANED_BY: "lad data check --fix", **content}))
    return path, changes


def _encoded(content: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # integers beyond 64 bits, halves of surrogates
        return json.dumps(content).encode("ascii")


def mended(checked: CheckedSet) -> tuple[dict[str, Any], Changes]:
    """The content of a file as it should be, and what was done to it; the original stays.

    Raises:
        UserError: the file makes no sense as a whole, or nothing sound is left.
    """
    if checked.records is None:
        raise UserError(f"{checked.path}: cannot be cleaned as a whole; mend the file first")
    changes = Changes()
    content = dict(checked.content)
    for table in (checked.records.images, checked.records.categories, checked.records.annotations):
        key = table.plural
        content[key] = _with_numbers(table, changes)
    content["images"] = _with_sizes(checked, content["images"], changes)
    records = _examined(checked, content)
    content["images"] = _without_double_ids(records.images, records.image_ids, changes)
    content["categories"], renamed = _mended_categories(records, changes)
    content["annotations"] = _renumbered(records, renamed, changes)
    records = _examined(checked, content)
    keep_images = _usable_images(checked, records, changes)
    content["annotations"] = _mended_boxes(records, keep_images, changes)
    content["images"] = _picked(records.images.records, keep_images)
    if not content["images"] or not records.categories.usable().any():
        raise UserError(f"{checked.path}: nothing sound is left; mend the file by hand")
    categories = records.categories
    changes.add("dropped, no usable category", _names(categories, ~categories.usable()))
    content["categories"] = _picked(categories.records, categories.usable())
    return content, changes


def _examined(checked: CheckedSet, content: dict[str, Any]) -> CocoRecords:
    if not content["images"] or not content["categories"]:
        raise UserError(f"{checked.path}: nothing sound is left; mend the file by hand")
    return examine(checked.path, content, Findings(checked.path, stop=False), use="check")


def _with_numbers(table: Table, changes: Changes) -> list[Record]:
    """Records whose numbers are no longer text."""
    records, changed = list(table.records), []
    for row in np.flatnonzero(~table.usable()).tolist():
        record = records[row]
        numbers = {key: _as_number(record[key]) for key in _NUMBERS[table.kind] if key in record}
        if any(value is not record[key] for key, value in numbers.items()):
            records[row] = {**record, **numbers}
            changed.append(table.name(row))
    changes.add("text became numbers", changed)
    return records


def _as_number(value: Any) -> Any:
    """The number that a text or a list of texts spells; anything else as it is."""
    if isinstance(value, list) and any(isinstance(item, str) for item in value):
        return [_as_number(item) for item in value]
    if not isinstance(value, str) or not value.isascii():
        return value
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if math.isfinite(number) else value
    return value


def _with_sizes(checked: CheckedSet, images: list[Record], changes: Changes) -> list[Record]:
    """Images that lack a size, with that of their file where there is one to look at."""
    if checked.images is None:
        return images
    assert checked.records is not None  # the caller made sure
    usable, changed = checked.records.images.usable("width", "height"), []
    images = list(images)
    for row in np.flatnonzero(~usable).tolist():
        sides = [images[row].get("width"), images[row].get("height")]
        if all(isinstance(side, int) and side > 0 for side in sides):
            continue  # text that has become numbers
        name = images[row].get("file_name")
        if not isinstance(name, str) or unsafe_reason(name) is not None:
            continue
        header = read_header(checked.images / name)
        if header.problem is None:
            height, width = header.hw
            images[row] = {**images[row], "width": width, "height": height}
            changed.append(checked.records.images.name(row))
    changes.add("size taken from the file", changed)
    return images


def _without_double_ids(table: Table, ids: np.ndarray, changes: Changes) -> list[Record]:
    """Records of one id each: of equal ones the first; of others with one id none."""
    by_id: dict[int, list[Record]] = defaultdict(list)
    for number, record in zip(ids.tolist(), table.records, strict=True):
        if _is_id(record.get("id")):  # else the column holds a filler
            by_id[number].append(record)
    double = {number for number, alike in by_id.items() if len(alike) > 1}
    if not double:
        return table.records
    clash = {number for number in double if any(r != by_id[number][0] for r in by_id[number])}
    kept, first, same, contrary = list[Record](), dict[int, Record](), list[str](), list[str]()
    for row, (number, record) in enumerate(zip(ids.tolist(), table.records, strict=True)):
        if not _is_id(record.get("id")):
            kept.append(record)
        elif number in clash:
            contrary.append(table.name(row))
        elif number in double and number in first:
            same.append(table.name(row))
        else:
            first[number] = record
            kept.append(record)
    changes.add(f"dropped, the same {table.kind} twice", same)
    changes.add(f"dropped, several {table.plural} with one id", contrary)
    return kept


def _mended_categories(
    records: CocoRecords, changes: Changes
) -> tuple[list[Record], dict[int, int]]:
    """Categories with one id and one name each, and ids that now have another one's name."""
    table = records.categories
    kept = _without_double_ids(table, records.category_ids, changes)
    by_name: dict[str, int] = {}
    renamed: dict[int, int] = {}
    found, named, merged = list[Record](), list[str](), list[str]()
    for record in kept:
        number, name = record.get("id"), record.get("name")
        if _is_id(number) and (not isinstance(name, str) or not name.strip()):
            record = {**record, "name": f"category {number}"}
            named.append(f"category {number}")
        elif _is_id(number) and name in by_name:
            renamed[number] = by_name[name]
            merged.append(f"category {number}")
            continue
        if _is_id(number):
            by_name.setdefault(record["name"], number)
        found.append(record)
    changes.add("named after their id, as there is no name", named)
    changes.add("merged with the category of the same name", merged)
    return found, renamed


def _renumbered(records: CocoRecords, renamed: dict[int, int], changes: Changes) -> list[Record]:
    """Annotations with an id each, and with the categories that others were merged into."""
    table = records.annotations
    annotations = list(table.records)
    rows = np.flatnonzero(~table.usable("id")).tolist()
    highest = int(records.annotation_ids.max(initial=0))
    for new, row in enumerate(rows, start=highest + 1):
        annotations[row] = {**annotations[row], "id": new}
    changes.add("given an id of its own", [table.name(row) for row in rows])
    if renamed:
        for row, record in enumerate(annotations):
            number = record.get("category_id")
            if _is_id(number) and number in renamed:
                annotations[row] = {**record, "category_id": renamed[number]}
    return annotations


def _is_id(value: Any) -> TypeGuard[int]:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and abs(value) < 2**63


def _usable_images(checked: CheckedSet, records: CocoRecords, changes: Changes) -> np.ndarray:
    """[N] bool, images that are sound and whose files can be used."""
    table, sound = records.images, records.sound_images()
    changes.add("dropped, no usable image record", _names(table, ~sound))
    bad = np.isin(records.image_ids, np.array(sorted(checked.unusable), dtype=np.int64))
    if checked.images is not None:
        seen = () if checked.index is None else checked.index.image_ids
        for row in np.flatnonzero(sound & ~np.isin(records.image_ids, seen)).tolist():
            height, width = (int(side) for side in records.hw[row])
            file = checked.images / records.file_names[row]
            bad[row] = read_header(file, (height, width)).problem is not None
    changes.add("dropped, the image file cannot be used", _names(table, sound & bad))
    return sound & ~bad


def _mended_boxes(records: CocoRecords, keep_images: np.ndarray, changes: Changes) -> list[Record]:
    """Annotations of images that are kept, with boxes inside them and areas that can be."""
    table = records.annotations
    sound = table.usable() & (records.class_row >= 0)
    changes.add("dropped, no usable annotation", _names(table, ~sound))
    kept = sound & keep_images[records.image_row]
    changes.add("dropped, as their image is", _names(table, sound & ~kept))
    limit = records.hw[records.image_row][:, ::-1].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        low = np.clip(records.boxes[:, :2], 0, limit)
        high = np.clip(records.boxes[:, :2] + records.boxes[:, 2:], 0, limit)
        thin = ~(high - low >= MIN_SIDE).all(axis=1)
        out = (records.boxes[:, :2] < -0.5) | (
            records.boxes[:, :2] + records.boxes[:, 2:] > limit + 0.5
        )
    nothing = kept & (~records.inside | thin)
    changes.add("dropped, a box with no part in the image", _names(table, nothing))
    kept &= ~nothing
    repeated = np.zeros(len(kept), dtype=bool)
    key = np.column_stack([records.image_row, records.class_row, records.crowd, records.boxes])
    repeated[kept] = repeated_rows(key[kept])
    changes.add("dropped, the same box and class twice", _names(table, repeated))
    kept &= ~repeated
    clipped = kept & out.any(axis=1)
    annotations = list(table.records)
    for row in np.flatnonzero(clipped).tolist():
        box = [*low[row].tolist(), *(high[row] - low[row]).tolist()]
        annotations[row] = {**annotations[row], "bbox": box}
    changes.add("clipped to the image", _names(table, clipped))
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.where(clipped, (high - low).prod(axis=1), records.boxes[:, 2:].prod(axis=1))
    wrong = kept & ((records.area < 0) | (records.area > size * 1.01 + 1))
    for row in np.flatnonzero(wrong).tolist():
        annotations[row] = {**annotations[row], "area": float(size[row])}
    changes.add("area set to that of the box", _names(table, wrong))
    return _picked(annotations, kept)


def _names(table: Table, mask: np.ndarray) -> list[str]:
    return [table.name(row) for row in np.flatnonzero(mask).tolist()]


def _picked(records: Sequence[Record], mask: np.ndarray) -> list[Record]:
    return [record for record, keep in zip(records, mask.tolist(), strict=True) if keep]

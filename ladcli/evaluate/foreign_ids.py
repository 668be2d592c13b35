"""Images and classes that a results file names otherwise than by their ids.

Some programs write the name of the image file, or its stem, as ``image_id`` (as a number where the
stem is one), and the class's name as ``category_id``.  Where that names one image or class, it is
taken so, with a note.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.data.columns import Table, shorten
from ladcli.errors import UserError

#: Of a name that several images share.
_AMBIGUOUS = -1


def with_ids(table: Table, truth: CocoFile) -> tuple[Table, list[str]]:
    """``table`` with ids in place of names of images and classes, and notes.

    What is no name stays as it is, for others to judge.

    Raises:
        UserError: a text that names no image or class, or several.
    """
    notes: list[str] = []
    if str in set(map(type, table.values("image_id"))):
        names = _ImageNames(truth)
        known = f"such as {shorten(truth.file_names[0])}"
        table = _translated(table, "image_id", names.row_of, truth.image_ids, notes, known)
    if str in set(map(type, table.values("category_id"))):
        class_of = {name: row for row, name in enumerate(truth.classes.names)}.get
        ids = np.array(truth.classes.ids, dtype=np.int64)
        known = ", ".join(f"{i} {name!r}" for i, name in truth.classes.to_plain()[:8])
        table = _translated(table, "category_id", class_of, ids, notes, known)
    return table, notes


def ids_by_stem(image_ids: np.ndarray, truth: CocoFile) -> np.ndarray | None:
    """Ids for ``image_ids`` [D] that are numbers in file names: 123 for ``000123.jpg``.

    Returns:
        [D] int64, or None where not every number is that of one file.
    """
    by_number: dict[int, int] = {}
    for row, name in enumerate(truth.file_names):
        stem = PurePosixPath(name).stem
        if stem.isascii() and stem.isdecimal() and len(stem) < 19:
            known = int(stem) in by_number
            by_number[int(stem)] = _AMBIGUOUS if known else row
    wanted, place = np.unique(image_ids, return_inverse=True)
    rows = np.array([by_number.get(number, _AMBIGUOUS) for number in wanted.tolist()])
    if not len(rows) or (rows == _AMBIGUOUS).any():
        return None
    return truth.image_ids[rows][place]


def _translated(
    table: Table,
    key: str,
    row_of: Callable[[str], int | None],
    ids: np.ndarray,
    notes: list[str],
    known: str,
) -> Table:
    """``table`` with the ids of what texts under ``key`` name; ``known`` says what there is."""
    rows: dict[str, int | None] = {}
    records, count = [], 0
    for place, record in enumerate(table.records):
        text = record[key]
        if type(text) is str:
            if text not in rows:
                rows[text] = None if _is_quoted_id(text, ids) else row_of(text)
            row = rows[text]
            if row is None or row == _AMBIGUOUS:
                raise _refusal(table, place, key, ids, known, ambiguous=row is not None)
            record = {**record, key: int(ids[row])}
            count += 1
        records.append(record)
    first, row = next(iter(rows.items()))
    assert row is not None
    what = "image" if key == "image_id" else "category"
    notes.append(
        f"{table.path}: {count} of {len(records)} detections name the {what}, not its id, and were "
        f"taken so: {shorten(first)} is {what} {ids[row]}"
    )
    return replace(table, records=records)


def _is_quoted_id(text: str, ids: np.ndarray) -> bool:
    """An id in quotes is a slip that would also hide what a number means; it is refused."""
    plain = text.isascii() and text.isdecimal() and len(text) < 19 and text == str(int(text))
    return plain and int(text) in ids


def _refusal(
    table: Table, place: int, key: str, ids: np.ndarray, known: str, *, ambiguous: bool
) -> UserError:
    text = table.records[place][key]
    told = f"has {key} {shorten(text)}, which"
    if _is_quoted_id(text, ids):
        return table.error(place, f"{told} must be an integer; write it without quotes")
    if key == "category_id":
        return table.error(
            place,
            f"{told} is neither a category id nor the name of a class; write the id ({known})",
        )
    if ambiguous:
        return table.error(
            place, f"{told} is the name of several images; write the whole file_name, or the id"
        )
    return table.error(
        place,
        f"{told} is neither an id nor the file name of an image in the annotations ({known}); use "
        "the annotations these results belong to",
    )


class _ImageNames:
    """Finds images by their file names, with or without folders and suffix."""

    def __init__(self, truth: CocoFile) -> None:
        self._rows: dict[str, int] = {}
        shorter: dict[str, int] = {}
        for row, name in enumerate(truth.file_names):
            self._rows[_normal(name)] = row  # files that are listed twice: the later one
            path = PurePosixPath(_normal(name))
            for short in {path.name, str(path.with_suffix("")), path.stem}:
                other = shorter.get(short, row)
                shorter[short] = row if other == row else _AMBIGUOUS
        self._rows = {**shorter, **self._rows}

    def row_of(self, text: str) -> int | None:
        """Row of the image that ``text`` names; `_AMBIGUOUS` of several, None of none."""
        return next((row for row in map(self._rows.get, _readings(text)) if row is not None), None)


def _readings(text: str) -> Iterable[str]:
    """What a name may stand for: itself, or the end of a path on the machine it comes from."""
    name = _normal(text)
    yield name
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    yield last
    yield PurePosixPath(last).stem


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)

"""COCO results: detections as a list of records, to write, and to read with every record checked.

A record is ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``, in pixels of
the stored image, continuous coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile
from ladcli.data.columns import Table, shorten
from ladcli.evaluate.doubtful_results import doubts
from ladcli.evaluate.foreign_ids import ids_by_stem, with_ids
from ladcli.evaluate.results_layout import detection_records
from ladcli.files import write_json
from ladcli.json_text import read_json_or_lines

if TYPE_CHECKING:
    from ladcli.structures import Detections  # results are read without torch

#: Decimals that are written: a thousandth of a pixel, a millionth of a score.
BOX_DECIMALS, SCORE_DECIMALS = 3, 6
#: Coordinates beyond this are no pixels; below it areas and sums stay finite.
MAX_COORDINATE = 1e9


@dataclass(frozen=True)
class Results:
    """Detections of a whole data set in file order.  D = detections."""

    image_ids: np.ndarray  # [D] int64, as in the ground truth
    category_ids: np.ndarray  # [D] int64, all known to the ground truth
    boxes: np.ndarray  # [D, 4] float64, x, y, width, height in pixels
    scores: np.ndarray  # [D] float64, finite; only their order matters
    notes: tuple[str, ...] = ()  # what the user should know, one line each

    def __len__(self) -> int:
        return len(self.scores)


def detections_to_results(
    detections: Sequence[Detections], image_ids: Sequence[int], classes: ClassTable
) -> list[dict[str, Any]]:
    """COCO records of ``detections``, image after image, each image's in the given order.

    Args:
        detections: one entry per image, boxes xyxy in pixels of the stored image.
        image_ids: the images' ids in the data set, beside them.
        classes: translates labels back into category ids.

    Returns:
        Plain records; boxes with `BOX_DECIMALS` decimals, scores with `SCORE_DECIMALS`.
    """
    records = []
    for found, image_id in zip(detections, image_ids, strict=True):
        corners = found.boxes.detach().cpu().numpy().astype(np.float64)
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        rows = zip(
            boxes.round(BOX_DECIMALS).tolist(),
            found.scores.detach().cpu().numpy().astype(np.float64).round(SCORE_DECIMALS).tolist(),
            found.labels.tolist(),
            strict=True,
        )
        records += [
            {
                "image_id": int(image_id),
                "category_id": classes.ids[label],
                "bbox": box,
                "score": score,
            }
            for box, score, label in rows
        ]
    return records


def save_results(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write records from `detections_to_results` to ``path`` as JSON, atomically."""
    write_json(path, list(results))


def load_results(path: Path, ground_truth: CocoFile) -> Results:
    """Read and check a COCO results file.

    Records of categories that the ground truth does not list are left out and counted in
    ``notes``; scores outside 0 to 1 are kept with a note.  An empty list is fine.  Layouts of other
    programs are read too, see `ladcli.evaluate.results_layout` and `ladcli.evaluate.foreign_ids`.

    Raises:
        UserError: no valid JSON, another kind of file, a record without one of its keys or with a
            value of the wrong type, an image that the ground truth does not list, a negative
            size, or a number that is not finite; the message names the first such record.
    """
    records, layout_notes = detection_records(path, read_json_or_lines(path))
    table, name_notes = with_ids(Table(path, "detection", records), ground_truth)
    image_ids, stem_notes = _image_ids(table, ground_truth)
    category_ids = table.integers("category_id")
    boxes = _boxes(table)
    scores = _scores(table)
    known = np.isin(category_ids, np.array(ground_truth.classes.ids, dtype=np.int64))
    row, _ = rows_in(ground_truth, Results(image_ids, category_ids, boxes, scores))
    notes = (
        *layout_notes,
        *name_notes,
        *stem_notes,
        *_category_notes(table, category_ids, known, ground_truth.classes),
        *_score_notes(table, scores),
        *(f"{path}: {doubt}" for doubt in doubts(ground_truth, row, category_ids, boxes, scores)),
    )
    return Results(image_ids[known], category_ids[known], boxes[known], scores[known], notes)


def rows_in(ground_truth: CocoFile, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Rows of image and class, each [D] int64, that ``results`` have in ``ground_truth``."""
    by_id = np.argsort(ground_truth.image_ids)
    place = np.searchsorted(ground_truth.image_ids[by_id], results.image_ids)
    class_ids = np.array(ground_truth.classes.ids, dtype=np.int64)  # ascending
    return by_id[place], np.searchsorted(class_ids, results.category_ids)


def _image_ids(table: Table, truth: CocoFile) -> tuple[np.ndarray, list[str]]:
    """[D] int64 ids of images of ``truth``, and a note where they were numbers in file names."""
    image_ids = table.integers("image_id")
    unknown = ~np.isin(image_ids, truth.image_ids)
    found = ids_by_stem(image_ids, truth) if unknown.any() else None
    if found is not None:
        row = int(unknown.argmax())
        return found, [
            f"{table.path}: image ids are the numbers in file names, and were taken so: "
            f"{image_ids[row]} is image {found[row]}"
        ]
    _refuse(
        table,
        unknown,
        "image_id",
        f"which is no image of {truth.path}; use the annotations these results belong to",
    )
    return image_ids, []


def _refuse(table: Table, wrong: np.ndarray, key: str, reason: str) -> None:
    """Stop at the first record where ``wrong`` [D] or [D, 4] is true, quoting its ``key``."""
    rows = np.flatnonzero(wrong if wrong.ndim == 1 else wrong.any(axis=1))
    if len(rows):
        row = int(rows[0])
        more = f" ({len(rows)} detections like this)" if len(rows) > 1 else ""
        raise table.error(row, f"has {key} {shorten(table.records[row][key])}, {reason}{more}")


def _boxes(table: Table) -> np.ndarray:
    """[D, 4] float64; finite, of pixel magnitude, without negative sizes."""
    boxes = table.numbers("bbox", 4)
    _refuse(table, ~np.isfinite(boxes), "bbox", "which must be finite; correct it")
    _refuse(
        table,
        np.abs(boxes) > MAX_COORDINATE,
        "bbox",
        f"which is beyond {MAX_COORDINATE:g} pixels; correct it",
    )
    _refuse(
        table,
        boxes[:, 2:] < 0,
        "bbox",
        "a negative size; boxes are x, y, width, height; correct it",
    )
    return boxes


def _scores(table: Table) -> np.ndarray:
    """[D] float64, finite."""
    values = table.values("score")
    if set(map(type, values)) <= {float}:
        scores = np.array(values, dtype=np.float64)
        _refuse(table, ~np.isfinite(scores), "score", "which must be a finite number; correct it")
        return scores
    wrong = np.array([not _is_finite(value) for value in values], dtype=bool)
    quoted = bool(wrong.any()) and type(values[int(wrong.argmax())]) is str
    remedy = "write it without quotes" if quoted else "correct it"
    _refuse(table, wrong, "score", f"which must be a finite number; {remedy}")
    return np.array(values, dtype=np.float64)


def _is_finite(value: Any) -> bool:
    """Numbers that are finite as float64; true and "0.5" are no numbers."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _category_notes(
    table: Table, category_ids: np.ndarray, known: np.ndarray, classes: ClassTable
) -> list[str]:
    if known.all():
        return []
    ids, counts = np.unique(category_ids[~known], return_counts=True)
    listed = ", ".join(f"{i} ({n})" for i, n in zip(ids[:5], counts[:5], strict=True))
    return [
        f"{table.path}: {(~known).sum()} of {len(known)} detections are left out, the annotations "
        f"have no such category: {listed}{', ...' if len(ids) > 5 else ''}; "
        f"first is {table.name(int(known.argmin()))}{_counted_from_zero(category_ids, classes)}"
    ]


def _counted_from_zero(category_ids: np.ndarray, classes: ClassTable) -> str:
    """A hint where ``category_ids`` [D] look like positions in the list of classes."""
    if classes.ids != tuple(range(1, len(classes) + 1)) or 0 not in category_ids:
        return ""
    if not ((category_ids >= 0) & (category_ids < len(classes))).all():
        return ""
    return f"; ids seem to be counted from 0, and here 1 is {classes.names[0]!r}: add 1 to each"


def _score_notes(table: Table, scores: np.ndarray) -> list[str]:
    outside = (scores < 0) | (scores > 1)
    if not outside.any():
        return []
    row = int(outside.argmax())
    in_percent = scores.min() >= 0 and 1 < scores.max() <= 100 and outside.mean() > 0.5
    percent = ", as if in percent" if in_percent else ""
    return [
        f"{table.path}: {outside.sum()} of {len(scores)} scores are outside 0 to 1 (first is "
        f"{scores[row]:g}, {table.name(row)}){percent}; only their order matters"
    ]

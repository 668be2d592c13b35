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
from ladcli.data.json_text import read_json
from ladcli.errors import UserError
from ladcli.files import write_json

if TYPE_CHECKING:
    from ladcli.structures import Detections  # results are read without torch

#: Decimals that are written: a thousandth of a pixel, a millionth of a score.
BOX_DECIMALS, SCORE_DECIMALS = 3, 6
#: Coordinates beyond this are no pixels; below it areas and sums stay finite.
MAX_COORDINATE = 1e9

KEYS = ("image_id", "category_id", "bbox", "score")


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
    ``notes``; scores outside 0 to 1 are kept with a note.  An empty list is fine.

    Raises:
        UserError: no valid JSON, another kind of file, a record without one of its keys or with a
            value of the wrong type, an image that the ground truth does not list, a negative
            size, or a number that is not finite; the message names the first such record.
    """
    table = Table(path, "detection", _list_of_objects(path, read_json(path)))
    image_ids = table.integers("image_id")
    _refuse(
        table,
        ~np.isin(image_ids, ground_truth.image_ids),
        "image_id",
        f"which is no image of {ground_truth.path}; use the annotations these results belong to",
    )
    category_ids = table.integers("category_id")
    boxes = _boxes(table)
    scores = _scores(table)
    known = np.isin(category_ids, np.array(ground_truth.classes.ids, dtype=np.int64))
    notes = (*_category_notes(table, category_ids, known), *_score_notes(table, scores))
    return Results(image_ids[known], category_ids[known], boxes[known], scores[known], notes)


def rows_in(ground_truth: CocoFile, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Rows of image and class, each [D] int64, that ``results`` have in ``ground_truth``."""
    by_id = np.argsort(ground_truth.image_ids)
    place = np.searchsorted(ground_truth.image_ids[by_id], results.image_ids)
    class_ids = np.array(ground_truth.classes.ids, dtype=np.int64)  # ascending
    return by_id[place], np.searchsorted(class_ids, results.category_ids)


def _list_of_objects(path: Path, content: Any) -> list[dict[str, Any]]:
    """``content`` where it is a list of JSON objects."""
    form = f"results are a list of objects with {', '.join(KEYS)}"
    if isinstance(content, dict) and "images" in content:
        raise UserError(
            f"{path}: is a ground-truth file (it has 'images'); {form}; "
            "perhaps the two files were swapped"
        )
    if not isinstance(content, list):
        raise UserError(f"{path}: holds {shorten(content)}; {form}")
    for position, record in enumerate(content):
        if not isinstance(record, dict):
            raise UserError(
                f"{path}: detection at position {position} (counted from 0) is "
                f"{shorten(record)}; {form}"
            )
    return content


def _refuse(table: Table, wrong: np.ndarray, key: str, reason: str) -> None:
    """Stop at the first record where ``wrong`` [D] or [D, 4] is true, quoting its ``key``."""
    places = np.argwhere(wrong)
    if len(places):
        row = int(places[0, 0])
        raise table.error(row, f"has {key} {shorten(table.records[row][key])}, {reason}")


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
    _refuse(table, wrong, "score", "which must be a finite number; correct it")
    return np.array(values, dtype=np.float64)


def _is_finite(value: Any) -> bool:
    """Numbers that are finite as float64; true and "0.5" are no numbers."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _category_notes(table: Table, category_ids: np.ndarray, known: np.ndarray) -> list[str]:
    if known.all():
        return []
    ids, counts = np.unique(category_ids[~known], return_counts=True)
    listed = ", ".join(f"{i} ({n})" for i, n in zip(ids[:5], counts[:5], strict=True))
    return [
        f"{table.path}: {(~known).sum()} of {len(known)} detections are left out, the annotations "
        f"have no such category: {listed}{', ...' if len(ids) > 5 else ''}; "
        f"first is {table.name(int(known.argmin()))}"
    ]


def _score_notes(table: Table, scores: np.ndarray) -> list[str]:
    outside = (scores < 0) | (scores > 1)
    if not outside.any():
        return []
    row = int(outside.argmax())
    return [
        f"{table.path}: {outside.sum()} of {len(scores)} scores are outside 0 to 1 (first is "
        f"{scores[row]:g}, {table.name(row)}); only their order matters"
    ]

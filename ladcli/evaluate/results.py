"""COCO results: detections as a list of records, to write, and to read with every record checked.

A record is ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``, in pixels of
the stored image, continuous coordinates.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ladcli.errors import UserError
from ladcli.files import write_json
from ladcli.structures import ClassTable, Detections

if TYPE_CHECKING:
    from ladcli.data.coco_json import CocoFile

#: Decimals that are written: a thousandth of a pixel, a millionth of a score.
BOX_DECIMALS, SCORE_DECIMALS = 3, 6
#: Coordinates beyond this are no pixels; below it areas and sums stay finite.
MAX_COORDINATE = 1e9

_KEYS = ("image_id", "category_id", "bbox", "score")


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
    ``notes``, as are scores above 1.  An empty list is fine.

    Raises:
        UserError: no valid JSON, another kind of file, a record without one of its keys or with a
            value of the wrong type, an image that the ground truth does not list, a negative
            size, or a number that is not finite; the message names the first such record.
    """
    records = _list_of_records(_read_json(path), path)
    columns = {key: [record[key] for record in records] for key in _KEYS}
    for key in ("image_id", "category_id"):
        _demand(path, key, columns[key], _is_whole, "must be a whole number", _id_remedy)
    known_images = set(ground_truth.image_ids.tolist())
    _demand(
        path,
        "image_id",
        columns["image_id"],
        known_images.__contains__,
        f"is no image of {ground_truth.path}",
        lambda _: "evaluate against the annotations that belong to these results",
    )
    _demand(path, "score", columns["score"], _is_finite, "must be a finite number")
    boxes = _check_boxes(path, columns["bbox"])

    known_categories = set(ground_truth.classes.ids)
    kept = np.array([c in known_categories for c in columns["category_id"]], dtype=bool)
    notes = [
        *_unknown_category_notes(path, columns["category_id"], kept),
        *_score_notes(path, columns["score"]),
    ]
    rows = np.flatnonzero(kept).tolist()
    return Results(
        np.array([columns["image_id"][row] for row in rows], dtype=np.int64),
        np.array([columns["category_id"][row] for row in rows], dtype=np.int64),
        boxes[kept],
        np.array(columns["score"], dtype=np.float64)[kept],
        tuple(notes),
    )


def _read_json(path: Path) -> Any:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); name a COCO results file"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not valid JSON in line {error.lineno}, column {error.colno}: "
            f"{error.msg}; write the file again"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or an endless integer
        raise UserError(f"{path}: not valid JSON ({error}); write the file again") from error


def _list_of_records(content: Any, path: Path) -> list[dict[str, Any]]:
    """``content`` where it is a list of objects that have all the keys."""
    if isinstance(content, dict) and "images" in content:
        raise UserError(
            f"{path}: is a ground-truth file (it has 'images'); results are a list of detections, "
            "perhaps the two files were swapped"
        )
    if not isinstance(content, list):
        kind = "an object" if isinstance(content, dict) else "no list"
        raise UserError(
            f"{path}: is {kind}; results must be a list of objects with {', '.join(_KEYS)}"
        )
    for position, record in enumerate(content, 1):
        if not isinstance(record, dict):
            raise UserError(
                f"{path}: record {position} is {_shown(record)}; "
                f"it must be an object with {', '.join(_KEYS)}"
            )
        for key in _KEYS:
            if key not in record:
                hint = ""
                if key == "score" and "iscrowd" in record:
                    hint = "; it looks like an annotation, not a detection"
                raise UserError(
                    f"{path}: record {position} (image {_shown(record.get('image_id'))}) has no "
                    f"{key}; every detection needs {', '.join(_KEYS)}{hint}"
                )
    return content


def _demand(
    path: Path,
    key: str,
    values: Sequence[Any],
    fits: Callable[[Any], bool],
    demand: str,
    remedy: Callable[[Any], str] = lambda _: "mend or leave out that record",
) -> None:
    """Raise for the first of ``values`` that does not fit."""
    for position, value in enumerate(values, 1):
        if not fits(value):
            raise UserError(
                f"{path}: record {position}: {key} {_shown(value)} {demand}; {remedy(value)}"
            )


def _is_whole(value: Any) -> bool:
    """Whole numbers, 1.0 too; true and "1" are none."""
    return type(value) is int or (type(value) is float and value.is_integer())


def _id_remedy(value: Any) -> str:
    if isinstance(value, str):
        return "write ids without quotes, as in the annotations"
    return "write the id that the annotations use"


def _is_finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _check_boxes(path: Path, boxes: Sequence[Any]) -> np.ndarray:
    """Boxes [D, 4] float64 where all are four finite numbers with sizes of at least 0."""

    def four_numbers(box: Any) -> bool:
        return isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))

    _demand(path, "bbox", boxes, four_numbers, "must be four finite numbers: x, y, width, height")
    array = np.array(list(itertools.chain.from_iterable(boxes)), dtype=np.float64).reshape(-1, 4)
    for bad, demand in (
        ((array[:, 2:] < 0).any(axis=1), "has a negative size; boxes are x, y, width, height"),
        ((np.abs(array) > MAX_COORDINATE).any(axis=1), f"is beyond {MAX_COORDINATE:g} pixels"),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise UserError(
                f"{path}: record {row + 1}: bbox {_shown(boxes[row])} {demand}; "
                "mend or leave out that record"
            )
    return array


def _unknown_category_notes(path: Path, categories: Sequence[Any], kept: np.ndarray) -> list[str]:
    left_out = np.flatnonzero(~kept).tolist()
    if not left_out:
        return []
    counts = Counter(categories[row] for row in left_out)
    listed = _listed(f"{_shown(category)} ({count}×)" for category, count in counts.most_common())
    return [
        f"{path}: {len(left_out)} of {len(categories)} detections left out, their category is not "
        f"in the annotations: {listed}; first is record {left_out[0] + 1}"
    ]


def _score_notes(path: Path, scores: Sequence[float]) -> list[str]:
    above = [row for row, score in enumerate(scores) if score > 1]
    if not above:
        return []
    return [
        f"{path}: {len(above)} of {len(scores)} scores are above 1, first is record "
        f"{above[0] + 1} with {_shown(scores[above[0]])}; only their order matters"
    ]


def _listed(texts: Iterable[str], most: int = 5) -> str:
    """The first few ``texts``, with dots where there are more."""
    texts = list(texts)
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")


def _shown(value: Any) -> str:
    """``value`` in JSON's words, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):  # nested too deep, or an integer of endless digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"

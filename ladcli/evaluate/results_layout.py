"""The list of detections in a results file, also as other programs lay it out.

COCO results are one list of records.  Read as well: an object per line, lists per image, and
objects that hold the list of an image (``instances``, as detectron2 writes them).
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from ladcli.data.columns import shorten
from ladcli.errors import UserError

KEYS = ("image_id", "category_id", "bbox", "score")
#: Under what names other programs keep a list of detections.
_LISTS = ("instances", "predictions", "detections", "results", "annotations")
#: What an image's detections look like in torchvision.
_TENSORS = {"boxes", "labels", "scores"}
_FORM = f"results are a list of objects with {', '.join(KEYS)}"


def detection_records(path: Path, content: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The records in ``content``, and notes on where they were found.

    Args:
        path: the file, for messages.
        content: its value.

    Raises:
        UserError: it holds something else; says what, and what is needed.
    """
    if isinstance(content, dict):
        content, note = _of_object(path, content)
    elif not isinstance(content, list):
        raise UserError(f"{path}: holds {shorten(content)}; {_FORM}")
    else:
        note = None
    if all(type(record) is dict and not _is_holder(record) for record in content):
        records: list[Any] = content
    else:
        records = list(chain.from_iterable(map(_unfolded, content)))
        note = "the detections of each image lie in a list of its own, and were read from there"
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise UserError(
                f"{path}: detection at position {position} (counted from 0) is "
                f"{shorten(record)}; {_FORM}"
            )
        if record.keys() >= _TENSORS:
            raise UserError(
                f"{path}: the object at position {position} (counted from 0) holds boxes, labels "
                f"and scores of a whole image, as torchvision gives them; {_FORM}, and bbox is "
                "x, y, width, height where boxes are corners"
            )
    return records, [f"{path}: {note}"] if note else []


def _of_object(path: Path, content: dict[str, Any]) -> tuple[list[Any], str | None]:
    """The list that an object holds."""
    if "images" in content:
        records = content.get("annotations")
        scored = isinstance(records, list) and any(
            isinstance(record, dict) and "score" in record for record in records
        )
        hint = (
            "its annotations have scores: save their list alone, with the category ids of the "
            "ground truth"
            if scored
            else "perhaps the two files were swapped"
        )
        raise UserError(f"{path}: is a ground-truth file (it has 'images'); {_FORM}; {hint}")
    if content.keys() >= set(KEYS):
        return [content], None  # the only line of a file with an object per line
    for name in _LISTS:
        if isinstance(content.get(name), list):
            return content[name], f"detections were read from {name!r} of the object in the file"
    raise UserError(f"{path}: holds {shorten(content)}; {_FORM}")


def _is_holder(record: dict[str, Any]) -> bool:
    return "bbox" not in record and isinstance(record.get("instances"), list)


def _unfolded(record: Any) -> list[Any]:
    """The detections in an entry of the list: itself, or those that it holds."""
    if isinstance(record, list):
        return record
    if not isinstance(record, dict) or not _is_holder(record):
        return [record]
    image = {"image_id": record["image_id"]} if "image_id" in record else {}
    return [{**image, **one} if isinstance(one, dict) else one for one in record["instances"]]

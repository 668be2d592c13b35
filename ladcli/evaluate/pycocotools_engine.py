"""The published evaluator, pycocotools, as a second engine: for whoever wants its own numbers.

It is handed the records of the annotation file as they are stored.  Three things differ from
``COCO(FILE)``: what the file leaves out and pycocotools demands (``iscrowd``, ``area``) is filled
in; images that were not seen leave with their boxes, and so do categories that are no classes; and
where an annotation has the id 0, all are renumbered, because pycocotools takes a match with it for
none.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.errors import UserError
from ladcli.evaluate.coco import IOU_50, IOU_75
from ladcli.evaluate.results import Results
from ladcli.json_text import read_json
from ladcli.runs.coco_numbers import STATS, CocoMetrics

#: Numbers of two engines that differ by less are the same: sums in another order.
SAME = 1e-9
#: Positions among its sizes (all, small, medium, large) and its numbers of detections (1, 10, 100).
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)
_MAX_100 = 2


Engine: TypeAlias = Literal["lad", "pycocotools"]


@dataclass(frozen=True)
class EngineOptions:
    """Who computes the COCO numbers."""

    engine: Engine = "lad"
    verify: bool = False  # compute them with both, and compare


@dataclass(frozen=True)
class Disagreement:
    """How far the numbers of two engines lie apart."""

    largest: float  # share of 1; infinite where a number is defined in one alone
    number: str | None  # the one that differs most, such as "AP75 of cup"; None where none does
    version: str  # of pycocotools

    @property
    def same(self) -> bool:
        """Up to rounding."""
        return self.largest < SAME

    def __str__(self) -> str:
        where = "" if self.number is None else f" ({self.number})"
        told = (
            "a number that one alone defines" if np.isinf(self.largest) else f"{self.largest:.1e}"
        )
        return f"largest difference to pycocotools {self.version}: {told}{where}"

    def to_json(self) -> dict[str, Any]:
        """``{"verify": {…}}`` for `--json`; an infinite difference is null."""
        largest = None if np.isinf(self.largest) else self.largest
        plain = {"largest_difference": largest, "number": self.number, "same": self.same}
        return {"verify": {**plain, "pycocotools": self.version}}


def chosen_metrics(
    own: CocoMetrics, truth: CocoFile, results: Results, options: EngineOptions
) -> tuple[CocoMetrics, Disagreement | None]:
    """The numbers of the engine that was chosen, and how far the two lie apart if that is asked.

    Args:
        own: what this program measured.
        truth, results: as for `pycocotools_metrics`.
    """
    if options == EngineOptions():
        return own, None
    published = pycocotools_metrics(truth, results)
    return (
        published if options.engine == "pycocotools" else own,
        disagreement(own, published) if options.verify else None,
    )


def pycocotools_metrics(truth: CocoFile, results: Results) -> CocoMetrics:
    """The COCO numbers of ``results`` by pycocotools.

    Args:
        truth: says where the annotation file lies, and which of its images count.
        results: detections in these images.

    Raises:
        UserError: pycocotools is not installed, or the file has changed since ``truth`` was read.
    """
    coco_class, evaluator_class = _classes()
    content = _content(truth)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        annotated, found = coco_class(), coco_class()
        annotated.dataset = content
        annotated.createIndex()
        # Its `loadRes` fails at an empty list; this is what it makes of any other.
        found.dataset = {**content, "annotations": _detections(results)}
        found.createIndex()
        evaluation = evaluator_class(annotated, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    stats = (None if value == -1 else float(value) for value in evaluation.stats)
    return CocoMetrics(
        stats=dict(zip(STATS, stats, strict=True)),
        per_class={
            name: _of_class(precision[:, :, row, :, _MAX_100], recall[:, row, _ALL, _MAX_100])
            for row, name in enumerate(truth.classes.names)  # both go by ascending id
        },
    )


def disagreement(mine: CocoMetrics, published: CocoMetrics) -> Disagreement:
    """The number in which two sets of metrics differ most."""
    largest, number = 0.0, None
    tables = [("", mine.stats, published.stats)]
    tables += [(f" of {n}", own, published.per_class[n]) for n, own in mine.per_class.items()]
    for of, own, theirs in tables:
        for key, value in own.items():
            difference = _difference(value, theirs[key])
            if difference > largest:
                largest, number = difference, f"{key}{of}"
    return Disagreement(largest, number, _version())


def _difference(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else np.inf
    return abs(one - other)


def _classes() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError(
            f"pycocotools cannot be used ({error}); install it with pip install pycocotools, or "
            "leave --engine and --verify out"
        ) from error
    return COCO, COCOeval


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pycocotools")
    except PackageNotFoundError:
        return "of unknown version"


def _content(truth: CocoFile) -> dict[str, Any]:
    """The annotation file as pycocotools gets it, without what ``truth`` leaves out."""
    content = read_json(truth.path)
    seen, known = set(truth.image_ids.tolist()), set(truth.classes.ids)
    try:
        images = [image for image in content["images"] if image["id"] in seen]
        categories = [one for one in content["categories"] if one["id"] in known]
        records = [dict(r) for r in content["annotations"] if r["image_id"] in seen]
        renumber = any(record["id"] == 0 for record in records)
        for number, record in enumerate(records, start=1):
            if renumber:
                record["id"] = number
            record.setdefault("iscrowd", 0)
            if record.get("area") is None:
                record["area"] = record["bbox"][2] * record["bbox"][3]
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"{truth.path}: has changed while it was read; start again") from error
    counts = (len(images), len(categories), len(records))
    if counts != (len(seen), len(known), len(truth.boxes)):
        raise UserError(f"{truth.path}: has changed while it was read; start again")
    return {"images": images, "categories": categories, "annotations": records}


def _detections(results: Results) -> list[dict[str, Any]]:
    """Detections as pycocotools' `loadRes` makes them of a results file."""
    columns = zip(
        results.image_ids.tolist(),
        results.category_ids.tolist(),
        results.boxes.tolist(),
        results.scores.tolist(),
        strict=True,
    )
    return [
        {
            "id": number,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": score,
        }
        for number, (image_id, category_id, box, score) in enumerate(columns, start=1)
    ]


def _of_class(precision: np.ndarray, recall: np.ndarray) -> dict[str, float | None]:
    """Numbers of one class from ``precision`` [T, 101, sizes] and ``recall`` [T]; -1 undefined."""
    return {
        "AP": _mean(precision[..., _ALL]),
        "AP50": _mean(precision[IOU_50, :, _ALL]),
        "AP75": _mean(precision[IOU_75, :, _ALL]),
        "APs": _mean(precision[..., _SMALL]),
        "APm": _mean(precision[..., _MEDIUM]),
        "APl": _mean(precision[..., _LARGE]),
        "AR100": _mean(recall),
    }


def _mean(values: np.ndarray) -> float | None:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None

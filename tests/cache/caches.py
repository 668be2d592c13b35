"""Assignments made up by hand, and caches written from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import torch

from ladcli.assign import Assigner
from ladcli.cache.batch_rows import BatchRows
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.format import POSITIVES, TABLES_OF
from ladcli.cache.reader import TeacherCache
from ladcli.cache.records import encode_positives
from ladcli.cache.writer import BatchRows as WrittenRows
from ladcli.cache.writer import CacheWriter
from ladcli.data.index import CocoIndex
from ladcli.data.views import Sample
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.objective.opinion import Opinion
from ladcli.structures import BACKGROUND, Assignment, Batch, Targets

IMAGE_IDS = np.array([7, 9, 40])
VIEW_IDS = (0, 3)
ATTRIBUTES: dict[str, Any] = {
    "fingerprints": {
        "teacher": "t" * 64,
        "data": "d" * 64,
        "input": "i" * 64,
        "assigner": "a" * 64,
    },
    "precision": "fp32",
    "classes": [[2, "cup"], [5, "plate"], [9, "spoon"]],
    "batch_size": 2,
}
WIDE, TALL = (64, 96), (96, 64)

# Batches of image views (row, view), their canvas, and the positives of each: anchor to box.
CONTENT: list[tuple[list[tuple[int, int]], tuple[int, int], list[dict[int, int]]]] = [
    ([(0, 0), (1, 0)], WIDE, [{3: 0, 5: 1, 128: 0}, {}]),
    ([(0, 3), (1, 3)], WIDE, [{90: 1}, {17: 0, 18: 0}]),
    ([(2, 0), (2, 3)], TALL, [{}, {0: 2, 127: 1}]),
]


def view_batch(views: list[tuple[int, int]], canvas_hw: tuple[int, int]) -> Batch:
    """Image views (row, view id) without pixels that matter, three boxes each."""
    number = len(views)
    box = torch.tensor([[4.0, 4.0, 40.0, 40.0]]).repeat(3, 1)
    extent = torch.tensor([canvas_hw]).repeat(number, 1)
    return Batch(
        images=torch.zeros(number, 3, *canvas_hw),
        targets=Targets.from_lists([box] * number, [torch.tensor([0, 1, 2])] * number),
        content_hw=extent,
        valid_hw=extent,
        scale_wh=torch.ones(number, 2, dtype=torch.float64),
        image_rows=tuple(row for row, _ in views),
        view_ids=tuple(view for _, view in views),
    )


def assignment_of(positives: list[dict[int, int]], canvas_hw: tuple[int, int]) -> Assignment:
    """Background everywhere but at the given anchors."""
    gt_index = torch.full((len(positives), anchor_grid(canvas_hw).num_anchors), BACKGROUND)
    for row, of_image in enumerate(positives):
        for anchor, gt in of_image.items():
            gt_index[row, anchor] = gt
    return Assignment(gt_index)


def rows_of(assignment: Assignment) -> WrittenRows:
    """What a cache of level assignments stores of a batch."""
    return {POSITIVES: encode_positives(assignment)}


def writer_for(
    path: Path,
    *,
    num_parts: int = len(CONTENT),
    remarks: dict[str, Any] | None = None,
    **changes: Any,
) -> CacheWriter:
    """A writer of one part per batch of `CONTENT`; ``changes`` replace attributes."""
    return CacheWriter(
        path,
        "assignments",
        {**ATTRIBUTES, **changes},
        image_ids=IMAGE_IDS,
        view_ids=VIEW_IDS,
        num_parts=num_parts,
        num_classes=3,
        remarks=remarks,
    )


def write_part(writer: CacheWriter, number: int) -> None:
    views, canvas_hw, positives = CONTENT[number]
    writer.add(view_batch(views, canvas_hw), rows_of(assignment_of(positives, canvas_hw)))
    writer.close_part(number)


def write_cache(path: Path) -> Path:
    """The whole of `CONTENT`."""
    writer = writer_for(path)
    for number in range(len(CONTENT)):
        write_part(writer, number)
    writer.finish()
    return path


def read_positives(cache: TeacherCache) -> dict[tuple[int, int], dict[int, int]]:
    """Positives of every image view that `CONTENT` names."""
    found = {}
    for views, canvas_hw, _ in CONTENT:
        for row, view in views:
            rows = cache.rows(POSITIVES, row, view, canvas_hw)
            pairs = zip(rows["anchor"].tolist(), rows["gt"].tolist(), strict=True)
            found[row, view] = dict(pairs)
    return found


EXPECTED = {
    view: positives
    for views, _, of_batch in CONTENT
    for view, positives in zip(views, of_batch, strict=True)
}


@dataclass(frozen=True)
class Truths:
    """Stands in for the index of a training set: how many boxes the image of each row has."""

    num_boxes: dict[int, int]

    def targets(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = self.num_boxes[row]
        return np.zeros((number, 4)), np.zeros(number), np.zeros((0, 4))


def teacher_of(
    cache: TeacherCache, assigner: Assigner, tables: Sequence[str] | None = None
) -> CachedTeacher:
    """The teacher behind a cache; it is shown batches by `look_at`."""
    tables = TABLES_OF[cache.info.level] if tables is None else tuple(tables)
    nothing_yet = cast(CocoIndex, Truths({}))
    return CachedTeacher(BatchRows(cache, nothing_yet, DEFAULT_LAYOUT, tables), assigner)


def with_rows(teacher: CachedTeacher, batch: Batch) -> Batch:
    """A batch as the loader would bring it: with what the cache holds of its images."""
    number = batch.targets.valid.sum(dim=1).tolist()
    truths = Truths(dict(zip(batch.image_rows, number, strict=True)))
    rows = replace(teacher.beside, index=cast(CocoIndex, truths))
    samples = [
        cast(Sample, View(row, view))
        for row, view in zip(batch.image_rows, batch.view_ids, strict=True)
    ]
    return replace(batch, stored=rows(samples, batch.canvas_hw))


@dataclass(frozen=True)
class View:
    """Stands in for a planned sample: an image and one of its views."""

    row: int
    view_id: int


def look_at(teacher: CachedTeacher, batch: Batch) -> Opinion:
    """What is stored of a batch, read and laid out."""
    return teacher.look_at(with_rows(teacher, batch), DEFAULT_LAYOUT.scene(batch))


def edit_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a cache says of itself."""
    with h5py.File(path, "r+") as file:
        header = json.loads(file["header"][:].tobytes())
        change(header)
        del file["header"]
        file["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


def as_version_1(path: Path, out: Path) -> Path:
    """A copy as the first version of the format had it: everything in attributes."""
    shutil.copy(path, out)
    with h5py.File(out, "r+") as file:
        header = json.loads(file["header"][:].tobytes())
        del file["header"]
        file.attrs["format"], file.attrs["version"] = "lad-teacher-cache", 1
        for name, value in header.items():
            file.attrs[name] = value if isinstance(value, int | str) else json.dumps(value)
        if "costs/cheapest" in file:
            del file["costs/cheapest/gt"]
    return out

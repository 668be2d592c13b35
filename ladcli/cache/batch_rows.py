"""Reading what a cache holds of a batch, in whichever process loads the batch's images.

A slow disk then never stalls the training step.  What is read stays compact until it is on the
device, where `ladcli.cache.records` lays it out over the priors: level `soft` takes over a hundred
megabytes laid out for 16 images of 80 classes, and well under one as it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import Switch
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
    TABLES_OF,
    Level,
)
from ladcli.cache.reader import TeacherCache, damage_in_words
from ladcli.cache.records import (
    check_boxes,
    check_classes,
    check_count,
    check_dense,
    check_positives,
    check_rest,
    check_samples,
    probabilities,
)
from ladcli.data.index import CocoIndex
from ladcli.data.views import Sample
from ladcli.detector.levels import AnchorLayout
from ladcli.structures import StoredRows

Rows = Mapping[str, np.ndarray]


def needed_tables(
    level: Level, *, teacher_assigns: bool, switch: Switch | None, soft: bool
) -> tuple[str, ...]:
    """The tables of a cache of this level that a method reads in every step.

    The cheapest candidates are among them wherever they are stored, for probes.
    """
    if level == "dense":
        return (DENSE,)
    wanted: list[str] = []
    if teacher_assigns:
        wanted += [POSITIVES, CHEAPEST]
    if switch is not None:
        wanted += [LEVEL_STATISTICS]
        if switch.criterion == "fisher" and switch.scope == "object":
            wanted += [OBJECT_STATISTICS]
    if soft:
        wanted += [CLASSES, REST, BOXES]
    return tuple(table for table in wanted if table in TABLES_OF[level])


@dataclass(frozen=True)
class BatchRows:
    """Reads the rows of batches.

    Args:
        cache: what is read.
        index: the training set, whose rows are the cache's rows.
        anchors: of the networks.
        tables: that are needed.
    """

    cache: TeacherCache
    index: CocoIndex
    anchors: AnchorLayout
    tables: tuple[str, ...]

    def __call__(self, samples: Sequence[Sample], canvas_hw: tuple[int, int]) -> StoredRows:
        """Rows of the images of one batch.

        Raises:
            UserError: a view is not in the cache, or the file is damaged.
        """
        sizes = self.anchors.level_sizes(canvas_hw)
        num_priors = sum(rows * cols for rows, cols in sizes)
        tables = {}
        for table in self.tables:
            found = []
            for sample in samples:
                rows = self.cache.rows(table, sample.row, sample.view_id, canvas_hw)
                num_gt = len(self.index.targets(sample.row)[1])
                with damage_in_words(self.cache.path):
                    self._check(table, rows, num_priors, len(sizes), num_gt)
                if table == CLASSES:
                    rows = {**rows, "prob": probabilities(rows["prob"])}
                found.append(rows)
            tables[table] = end_to_end(found)
        return StoredRows(tables)

    def close(self) -> None:
        """Let go of the file in this process."""
        self.cache.close()

    def _check(self, table: str, rows: Rows, num_priors: int, num_levels: int, num_gt: int) -> None:
        num_classes = self.cache.info.num_classes
        checks: dict[str, Callable[[], None]] = {
            POSITIVES: lambda: check_positives(rows, num_priors=num_priors, num_gt=num_gt),
            CHEAPEST: lambda: check_samples(rows, num_priors=num_priors, num_gt=num_gt),
            LEVEL_STATISTICS: lambda: check_count(rows, num_gt, of=num_levels),
            OBJECT_STATISTICS: lambda: check_count(rows, num_gt),
            CLASSES: lambda: check_classes(rows, num_priors=num_priors, num_classes=num_classes),
            REST: lambda: check_rest(rows, num_levels=num_levels, num_classes=num_classes),
            BOXES: lambda: check_boxes(rows, num_priors=num_priors),
            DENSE: lambda: check_dense(rows, num_priors=num_priors),
        }
        checks[table]()


def end_to_end(per_image: Sequence[Rows]) -> dict[str, Tensor]:
    """Columns of all images, with the image of each row and its place among the image's rows."""
    counts = [len(next(iter(rows.values()))) for rows in per_image]
    columns = {
        name: _tensor(np.concatenate([rows[name] for rows in per_image])) for name in per_image[0]
    }
    columns["image"] = torch.from_numpy(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    rank = [np.arange(count, dtype=np.int32) for count in counts]
    columns["rank"] = torch.from_numpy(np.concatenate(rank))
    return columns


def _tensor(values: np.ndarray) -> Tensor:
    """``values`` in a type that torch can index with and compute in."""
    wider = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int32}
    return torch.from_numpy(values.astype(wider.get(values.dtype, values.dtype), copy=False))

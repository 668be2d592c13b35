"""Reading a teacher cache, and the teacher that it stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from ladcli.assign import Assigner
from ladcli.detector.anchors import anchor_grid
from ladcli.distill.cache_format import FORMAT, VERSION
from ladcli.errors import UserError
from ladcli.structures import BACKGROUND, IGNORE, Assignment, Batch

_TABLES = ("image_ids", "view_ids", "start", "count", "canvas", "anchor", "gt")


@dataclass(frozen=True)
class CacheInfo:
    """What a cache says of itself."""

    path: Path
    level: str  # how much is stored: "assignments"
    fingerprints: Mapping[str, str]
    precision: str  # of the teacher's forward pass
    num_images: int
    num_views: int  # per image
    num_positives: int
    num_bytes: int  # of the file

    @property
    def bytes_per_image_view(self) -> float:
        return self.num_bytes / max(1, self.num_images * self.num_views)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``lad cache-teacher --info FILE --json``."""
        return {
            "path": str(self.path),
            "level": self.level,
            "images": self.num_images,
            "views": self.num_views,
            "positives": self.num_positives,
            "bytes": self.num_bytes,
            "bytes_per_image_view": self.bytes_per_image_view,
            "precision": self.precision,
            "fingerprints": dict(self.fingerprints),
        }


class TeacherCache:
    """An HDF5 cache at level ``assignments``, opened for reading.

    Args:
        path: the file.

    Raises:
        UserError: missing, unreadable, no cache, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _open(path) as file, _damage_in_words(path):
            self.info = _read_info(path, file)
            self.image_ids: np.ndarray = file["image_ids"][:]
            self._column = {int(v): c for c, v in enumerate(file["view_ids"][:])}
            self._start: np.ndarray = file["start"][:]
            self._count: np.ndarray = file["count"][:]
            self._canvas: np.ndarray = file["canvas"][:]
            _check_tables(self._start, self._count, self._canvas, file)
        self._file: h5py.File | None = None

    def positives(
        self, row: int, view_id: int, canvas_hw: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Anchors [P] and the ground truth of each [P], for one image view.

        Raises:
            UserError: the view is not in the cache, or was seen on another canvas.
        """
        column = self._column.get(view_id)
        if column is None or self._count[row, column] < 0:
            raise UserError(
                f"{self.path}: holds no view {view_id} of image {self.image_ids[row]}; "
                "build a cache that fits with lad cache-teacher"
            )
        stored = tuple(int(side) for side in self._canvas[row, column])
        if stored != canvas_hw:
            raise UserError(
                f"{self.path}: image {self.image_ids[row]} was seen on a canvas of {stored}, here "
                f"it is on {canvas_hw}; build a cache that fits with lad cache-teacher"
            )
        begin = int(self._start[row, column])
        span = slice(begin, begin + int(self._count[row, column]))
        file = self._opened()
        with _damage_in_words(self.path):
            return file["anchor"][span], file["gt"][span]

    def _opened(self) -> h5py.File:
        # Opened at the first read, so that a copy of this object in another process has its own.
        if self._file is None:
            self._file = _open(self.path)
        return self._file


class CachedTeacher:
    """Answers from a cache with the positives that the network behind it would have named."""

    def __init__(self, cache: TeacherCache, assigner: Assigner) -> None:
        self.cache = cache
        self.assigner = assigner

    def assign(self, batch: Batch) -> Assignment:
        """The cached positives of the batch's views, [B, A]."""
        device = batch.images.device
        grid = anchor_grid(batch.canvas_hw, device)
        gt_index = torch.full((len(batch), grid.num_anchors), BACKGROUND, dtype=torch.int64)
        # Ragged positives are laid out on the host and cross to the device in one copy.
        for i, (row, view) in enumerate(zip(batch.image_rows, batch.view_ids, strict=True)):
            anchor, gt = self.cache.positives(row, view, batch.canvas_hw)
            with _damage_in_words(self.cache.path):
                _check_range(anchor, grid.num_anchors)
                _check_range(gt, batch.targets.labels.shape[1])
            gt_index[i, torch.from_numpy(anchor.astype(np.int64))] = torch.from_numpy(
                gt.astype(np.int64)
            )
        if device.type == "cuda":
            gt_index = gt_index.pin_memory()
        gt_index = gt_index.to(device, non_blocking=True)
        valid = grid.valid(batch.valid_hw)
        assignment = Assignment(gt_index.masked_fill(~valid, IGNORE))
        return self.assigner.finish(assignment, batch.targets, grid)


def read_cache_info(path: Path) -> CacheInfo:
    """What the cache at ``path`` holds.

    Raises:
        UserError: as for `TeacherCache`.
    """
    return TeacherCache(path).info


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise UserError(f"{path}: no such teacher cache; build one with lad cache-teacher")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read as HDF5 ({str(error)[:120]}); build the cache again with "
            "lad cache-teacher"
        ) from error


@contextmanager
def _damage_in_words(path: Path) -> Iterator[None]:
    """Turn what a damaged file makes of h5py and of us into a sentence."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path}: is damaged ({reason}); build the cache again with lad cache-teacher"
        ) from error


def _read_info(path: Path, file: h5py.File) -> CacheInfo:
    attrs = file.attrs
    if attrs.get("format") != FORMAT:
        raise UserError(f"{path}: is an HDF5 file, but no teacher cache of this program")
    if int(attrs["version"]) != VERSION:
        raise UserError(
            f"{path}: has version {attrs['version']}, this program reads version {VERSION}; "
            "build the cache again with lad cache-teacher"
        )
    for name in _TABLES:
        if not isinstance(file.get(name), h5py.Dataset):
            raise ValueError(f"no table {name!r}")
    fingerprints = json.loads(attrs["fingerprints"])
    if not isinstance(fingerprints, dict):
        raise ValueError("its fingerprints are no table")
    return CacheInfo(
        path,
        str(attrs["level"]),
        fingerprints,
        str(attrs["precision"]),
        len(file["image_ids"]),
        len(file["view_ids"]),
        len(file["anchor"]),
        path.stat().st_size,
    )


def _check_tables(
    start: np.ndarray, count: np.ndarray, canvas: np.ndarray, file: h5py.File
) -> None:
    """A cache from elsewhere must not send a read past the end."""
    shape = (len(file["image_ids"]), len(file["view_ids"]))
    if start.shape != shape or count.shape != shape or canvas.shape != (*shape, 2):
        raise ValueError("its tables differ in shape")
    stored = count >= 0
    end = min(len(file["anchor"]), len(file["gt"]))
    # Subtracted, not added: sums of numbers from a damaged file could overflow.
    if np.any(count[stored] > end) or np.any(start[stored] > end - count[stored]):
        raise ValueError("its tables disagree")


def _check_range(values: np.ndarray, limit: int) -> None:
    if values.size and int(values.max()) >= limit:
        raise ValueError(f"{int(values.max())} is stored where {limit - 1} is the most")

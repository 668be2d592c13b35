"""Reading a teacher cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ladcli.distill.cache_format import (
    FORMAT,
    POSITIVES,
    TABLES,
    TABLES_OF,
    VERSION,
    Level,
    known_level,
)
from ladcli.errors import UserError
from ladcli.training_cost import UNKNOWN, TrainingCost


@dataclass(frozen=True)
class CacheInfo:
    """What a cache says of itself."""

    path: Path
    level: Level  # how much is stored, see `ladcli.distill.cache_format`
    fingerprints: Mapping[str, str]
    precision: str  # of the teacher's forward pass
    num_classes: int
    class_output: str  # what the teacher's class outputs are: logits or probs
    iou_branch: bool  # whether the teacher has one
    num_images: int
    num_views: int  # per image
    num_positives: int | None  # None where they are not stored, but made of the outputs
    num_bytes: int  # of the file
    teacher_cost: TrainingCost = UNKNOWN  # what its training took
    classes: list[list[Any]] = field(default_factory=list)  # as `ClassTable.to_plain` gives them
    views: Mapping[str, Any] = field(default_factory=dict)  # as `ViewGrid.to_plain`
    #: See `ladcli.distill.cache_differences.describe_origin`; older caches do not say.
    origin: Mapping[str, Any] = field(default_factory=dict)

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
            "teacher_cost": self.teacher_cost.to_plain(),
            "teacher": self.origin.get("teacher"),
            "data": self.origin.get("data"),
            "classes": self.classes,
            "view_grid": dict(self.views) or None,
            "assigner": self.origin.get("assigner"),
            "soft": self.origin.get("soft"),
        }


class TeacherCache:
    """An HDF5 cache, opened for reading.

    Args:
        path: the file.

    Raises:
        UserError: missing, unreadable, no cache, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _open(path) as file, damage_in_words(path):
            self.info = _read_info(path, file)
            self.image_ids: np.ndarray = file["image_ids"][:]
            self._column = {int(v): c for c, v in enumerate(file["view_ids"][:])}
            self._canvas: np.ndarray = file["canvas"][:]
            shape = (len(self.image_ids), len(self._column))
            if self._canvas.shape != (*shape, 2):
                raise ValueError("its tables differ in shape")
            self._places = {
                name: _read_places(file, name, shape) for name in TABLES_OF[self.info.level]
            }
        self._file: h5py.File | None = None

    def rows(
        self, table: str, row: int, view_id: int, canvas_hw: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Columns of one image view in one table (see `ladcli.distill.cache_format`).

        Raises:
            UserError: the view is not in the cache, or was seen on another canvas.
        """
        column = self._column.get(view_id)
        start, count = self._places[table]
        if column is None or count[row, column] < 0:
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
        begin = int(start[row, column])
        span = slice(begin, begin + int(count[row, column]))
        group = _group(self._opened(), table)
        with damage_in_words(self.path):
            return {name: group[name][span] for name in TABLES[table]}

    def read_image_digests(self) -> np.ndarray | None:
        """Digests of the images, [N, 8] uint8 beside `image_ids`; None in older caches."""
        with damage_in_words(self.path):
            stored = self._opened().get("image_digests")
            if stored is None or stored.shape != (len(self.image_ids), 8):
                return None
            return np.asarray(stored[:])

    def _opened(self) -> h5py.File:
        # Opened at the first read, so that a copy of this object in another process has its own.
        if self._file is None:
            self._file = _open(self.path)
        return self._file


def read_cache_info(path: Path) -> CacheInfo:
    """What the cache at ``path`` holds.

    Raises:
        UserError: as for `TeacherCache`.
    """
    return TeacherCache(path).info


@contextmanager
def damage_in_words(path: Path) -> Iterator[None]:
    """Turn what a damaged file makes of h5py and of us into a sentence."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path}: is damaged ({reason}); build the cache again with lad cache-teacher"
        ) from error


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


def _group(file: h5py.File, table: str) -> h5py.Group:
    return file[table] if table else file


def _read_info(path: Path, file: h5py.File) -> CacheInfo:
    attrs = file.attrs
    if attrs.get("format") != FORMAT:
        raise UserError(f"{path}: is an HDF5 file, but no teacher cache of this program")
    if int(attrs["version"]) != VERSION:
        raise UserError(
            f"{path}: has version {attrs['version']}, this program reads version {VERSION}; "
            "build the cache again with lad cache-teacher"
        )
    level = known_level(str(attrs["level"]))
    _check_tables(file, level)
    fingerprints = json.loads(attrs["fingerprints"])
    if not isinstance(fingerprints, dict):
        raise ValueError("its fingerprints are no table")
    return CacheInfo(
        path,
        level,
        fingerprints,
        str(attrs["precision"]),
        len(json.loads(attrs["classes"])),
        # The first caches did not say, and stored nothing that depends on it.
        str(attrs.get("class_output", "logits")),
        bool(attrs.get("iou_branch", True)),
        len(file["image_ids"]),
        len(file["view_ids"]),
        len(file["anchor"]) if POSITIVES in TABLES_OF[level] else None,
        path.stat().st_size,
        TrainingCost.from_plain(json.loads(attrs.get("teacher_cost", "null"))),
        json.loads(attrs["classes"]),
        _table(attrs.get("views", "{}"), "views"),
        _table(attrs.get("origin", "{}"), "origin"),
    )


def _table(text: Any, what: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"its {what} is no table")
    return found


def _check_tables(file: h5py.File, level: Level) -> None:
    wanted = ["image_ids", "view_ids", "canvas"]
    for table in TABLES_OF[level]:
        names = ("start", "count", *TABLES[table])
        wanted += [f"{table}/{name}" if table else name for name in names]
    for name in wanted:
        if not isinstance(file.get(name), h5py.Dataset):
            raise ValueError(f"no table {name!r}")


def _read_places(
    file: h5py.File, table: str, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of every image view begin and how many there are, each [N, V]; -1: absent.

    A cache from elsewhere must not send a read past the end.
    """
    group = _group(file, table)
    start, count = group["start"][:], group["count"][:]
    if start.shape != shape or count.shape != shape:
        raise ValueError("its tables differ in shape")
    stored = count >= 0
    end = min(len(group[name]) for name in TABLES[table])
    # Subtracted, not added: sums of numbers from a damaged file could overflow.
    if np.any(count[stored] > end) or np.any(start[stored] > end - count[stored]):
        raise ValueError("its tables disagree")
    return start, count

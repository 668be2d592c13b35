"""Reading a teacher cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ladcli.cache.format import (
    FORMAT,
    HEADER,
    POSITIVES,
    READ_VERSIONS,
    TABLES_OF,
    VERSION,
    Columns,
    Damage,
    Level,
    columns_of,
    known_level,
)
from ladcli.errors import UserError
from ladcli.training_cost import UNKNOWN, TrainingCost


@dataclass(frozen=True)
class CacheInfo:
    """What a cache says of itself."""

    path: Path
    level: Level  # how much is stored, see `ladcli.cache.format`
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
    #: See `ladcli.cache.differences.describe_origin`; older caches do not say.
    origin: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION
    quality: bool = False  # whether positives have one

    def columns(self, table: str) -> Columns:
        """Columns of a table in this cache."""
        return columns_of(table, version=self.version, quality=self.quality)

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
            self.image_ids = _values(file, "image_ids")
            self._column = {int(v): c for c, v in enumerate(_values(file, "view_ids"))}
            self._canvas = _values(file, "canvas")
            shape = (len(self.image_ids), len(self._column))
            if self._canvas.shape != (*shape, 2):
                raise Damage("its tables differ in shape")
            self._places = {
                name: _read_places(file, name, self.info.columns(name), shape)
                for name in TABLES_OF[self.info.level]
            }
        # By process: HDF5's handles do not survive a fork, and loader workers read, too.
        self._files: dict[int, h5py.File] = {}

    def rows(
        self, table: str, row: int, view_id: int, canvas_hw: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Columns of one image view in one table (see `ladcli.cache.format`).

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
        with damage_in_words(self.path):
            file = self._opened()
            columns = self.info.columns(table)
            return {name: _values(file, _place(table, name), span) for name in columns}

    def read_image_digests(self) -> np.ndarray | None:
        """Digests of the images, [N, 8] uint8 beside `image_ids`; None in older caches."""
        with damage_in_words(self.path):
            file, name = self._opened(), "image_digests"
            if not _has(file, name):
                return None
            stored = _values(file, name)
            return stored if stored.shape == (len(self.image_ids), 8) else None

    def close(self) -> None:
        """Close this process's handle, so that none is open when processes are forked."""
        file = self._files.pop(os.getpid(), None)
        if file is not None:
            file.close()

    def _opened(self) -> h5py.File:
        process = os.getpid()
        if process not in self._files:
            self._files[process] = _open(self.path)
        return self._files[process]

    def __getstate__(self) -> dict[str, Any]:
        # A process that is started anew, and not forked, gets a copy of this object.
        return {**self.__dict__, "_files": {}}


def read_cache_info(path: Path) -> CacheInfo:
    """What the cache at ``path`` holds.

    Raises:
        UserError: as for `TeacherCache`.
    """
    return TeacherCache(path).info


@contextmanager
def damage_in_words(path: Path) -> Iterator[None]:
    """Turn what is odd in a file into a sentence.

    Of errors that we did not see coming the user must see the traceback: they are ours.
    """
    try:
        yield
    except Damage as error:
        raise UserError(
            f"{path}: is damaged ({error}); build the cache again with lad cache-teacher"
        ) from error


@contextmanager
def _hdf5() -> Iterator[None]:
    """Turn what HDF5 cannot find or decode into `Damage`.

    h5py has errors of Python's most common kinds for that, so nothing but its calls belongs inside.
    """
    try:
        yield
    except (OSError, KeyError, RuntimeError, UnicodeError) as error:
        raise Damage(" ".join(str(error).split())[:120]) from error


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


def _place(table: str, column: str) -> str:
    """The name of a table's column in the file."""
    return f"{table}/{column}" if table else column


def _has(file: h5py.File, name: str) -> bool:
    with _hdf5():
        return isinstance(file.get(name), h5py.Dataset)


def _values(file: h5py.File, name: str, span: slice = slice(None)) -> np.ndarray:
    """A whole data set, or some of its rows.

    Raises:
        Damage: it is not there, or cannot be decoded.
    """
    with _hdf5():
        return np.asarray(file[name][span])


def _read_info(path: Path, file: h5py.File) -> CacheInfo:
    with _hdf5():
        attrs = dict(file.attrs)
    if attrs.get("format") not in (FORMAT, FORMAT.encode()):
        raise UserError(f"{path}: is an HDF5 file, but no teacher cache of this program")
    version = attrs.get("version")
    if version is None:
        raise Damage("it has no version")
    if version not in READ_VERSIONS:
        raise UserError(
            f"{path}: has version {version}, this program reads version {READ_VERSIONS[-1]}; "
            "build the cache again with lad cache-teacher"
        )
    header = _Header(_header_of_version_1(attrs) if version == 1 else _read_header(file))
    origin = header.of_type("origin", dict, {})
    level = known_level(header.text("level"))
    classes = header.of_type("classes", list)
    if not all(_is_class(entry) for entry in classes):
        raise Damage("its classes are no pairs of id and name")
    info = CacheInfo(
        path,
        level,
        header.of_type("fingerprints", dict),
        header.text("precision"),
        len(classes),
        # The first caches did not say, and stored nothing that depends on it.
        header.text("class_output", "logits"),
        bool(header.get("iou_branch", True)),
        _length(file, "image_ids"),
        _length(file, "view_ids"),
        _length(file, "anchor") if POSITIVES in TABLES_OF[level] else None,
        path.stat().st_size,
        TrainingCost.from_plain(header.get("teacher_cost", None)),
        classes,
        _checked_views(header.of_type("views", dict, {})),
        {name: _checked_note(name, note) for name, note in origin.items()},
        int(version),
        bool(header.get("quality", False)),
    )
    _check_tables(file, info)
    return info


def _is_class(entry: Any) -> bool:
    return isinstance(entry, list) and [type(value) for value in entry] == [int, str]


def _checked_views(views: dict[str, Any]) -> dict[str, Any]:
    """``views`` as `ViewGrid.to_plain` gives them, or empty.

    Raises:
        Damage: they are something else.
    """
    if views:
        lists = [views.get(name) for name in ("shorts", "view_ids")]
        numbers = [n for found in lists if isinstance(found, list) and found for n in found]
        if not all(lists) or not numbers or not _all_ints([*numbers, views.get("long")]):
            raise Damage("its views are no sizes and flips")
    return views


def _checked_note(name: str, note: Any) -> dict[str, Any]:
    """A part of ``origin``, see `ladcli.cache.differences.describe_origin`.

    Raises:
        Damage: it is something else.
    """
    sound = isinstance(note, dict) and isinstance(note.get("architecture", {}), dict)
    if not sound or not _all_ints([note.get("boxes", 0)]):
        raise Damage(f"its note of {name} is none")
    return dict(note)


def _all_ints(values: Iterable[Any]) -> bool:
    return all(type(value) is int for value in values)


class _Header:
    """What a cache says of itself."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, key: str, default: Any) -> Any:
        return self._values.get(key, default)

    def of_type(self, key: str, kind: type, default: Any = None) -> Any:
        found = self._values.get(key, default)
        if not isinstance(found, kind):
            raise Damage(f"its {key} are no {kind.__name__}")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        found = self._values.get(key, default)
        if not isinstance(found, str):
            raise Damage(f"its {key} is no text")
        return found


def _read_header(file: h5py.File) -> dict[str, Any]:
    if not _has(file, HEADER):
        raise Damage(f"no {HEADER}")
    found = _parsed(_values(file, HEADER).tobytes(), HEADER)
    if not isinstance(found, dict):
        raise Damage(f"its {HEADER} is no table")
    return found


def _header_of_version_1(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of version 1: plain values, and JSON of all others."""
    plain = {"level", "precision", "class_output", "iou_branch"}
    other = {"fingerprints", "classes", "teacher_cost", "views", "origin"}
    found = {name: attrs[name] for name in plain if name in attrs}
    return found | {name: _parsed(attrs[name], name) for name in other if name in attrs}


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise Damage(f"its {what} is no JSON") from error


def _length(file: h5py.File, name: str) -> int:
    with _hdf5():
        found = file.get(name)
        if isinstance(found, h5py.Dataset) and found.shape:
            return len(found)
    raise Damage(f"no table {name!r}")


def _check_tables(file: h5py.File, info: CacheInfo) -> None:
    wanted = ["image_ids", "view_ids", "canvas"]
    for table in TABLES_OF[info.level]:
        wanted += [_place(table, name) for name in ("start", "count", *info.columns(table))]
    for name in wanted:
        _length(file, name)


def _read_places(
    file: h5py.File, table: str, columns: Columns, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of every image view begin and how many there are, each [N, V]; -1: absent.

    A cache from elsewhere must not send a read past the end.
    """
    start, count = (_values(file, _place(table, name)) for name in ("start", "count"))
    if start.shape != shape or count.shape != shape:
        raise Damage("its tables differ in shape")
    stored = count >= 0
    end = min(_length(file, _place(table, name)) for name in columns)
    # Subtracted, not added: sums of numbers from a damaged file could overflow.
    if np.any(count[stored] > end) or np.any(start[stored] > end - count[stored]):
        raise Damage("its tables disagree")
    return start, count

"""Building a teacher cache: parts that survive a kill at any point, then one file.

Beside the file to come lies a folder ``NAME.parts`` with one small file for every few batches, each
written atomically.  A build that is started again skips the parts that are there.  When all are,
they are packed into the HDF5 file, which appears in one step, and the folder goes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ladcli.cache.format import (
    FORMAT,
    HEADER,
    TABLES_OF,
    VERSION,
    Columns,
    Level,
    columns_of,
    require_match,
)
from ladcli.cache.records import Rows
from ladcli.errors import UserError
from ladcli.files import atomic_path, write_json
from ladcli.outputs import Layout
from ladcli.recognize import is_cache_build, is_cache_part
from ladcli.structures import Batch

#: Bytes of a column that are compressed together.
CHUNK_BYTES = 32768
#: How columns lie in the file.  The checksum notices every bit that changes; gzip's own misses
#: those that do not change the numbers.
_PACKED = {"compression": "gzip", "shuffle": True, "fletcher32": True}
#: What lies in the folder of parts.
PARTS = Layout({"build.json": is_cache_build, "[0-9][0-9][0-9][0-9][0-9][0-9].npz": is_cache_part})
#: Rows of all images of a batch, by table.
BatchRows = Mapping[str, list[Rows]]


@dataclass
class _Part:
    """Rows of some image views, growing batch by batch."""

    row: list[int] = field(default_factory=list)  # row in the data index, per image view
    view: list[int] = field(default_factory=list)
    canvas: list[tuple[int, int]] = field(default_factory=list)
    rows: dict[str, list[Rows]] = field(default_factory=dict)  # by table, per image view

    def add(self, batch: Batch, rows: BatchRows) -> None:
        self.row.extend(batch.image_rows)
        self.view.extend(batch.view_ids)
        self.canvas.extend([batch.canvas_hw] * len(batch))
        for table, per_image in rows.items():
            self.rows.setdefault(table, []).extend(per_image)

    def arrays(self, tables: Mapping[str, Columns]) -> dict[str, np.ndarray]:
        """Everything end to end, the columns of a table under ``TABLE|COLUMN``."""
        found = {
            "row": np.array(self.row, dtype=np.int64),
            "view": np.array(self.view, dtype=np.int64),
            "canvas": np.array(self.canvas, dtype=np.int64).reshape(-1, 2),
        }
        for table, columns in tables.items():
            per_image = self.rows.get(table, [])
            lengths = [len(next(iter(rows.values()))) for rows in per_image]
            found[f"{table}|count"] = np.array(lengths, dtype=np.int64)
            for column, (dtype, _) in columns.items() if per_image else ():
                values = np.concatenate([rows[column] for rows in per_image])
                found[f"{table}|{column}"] = values.astype(dtype)
        return found


class CacheWriter:
    """Collects a teacher's opinions part by part and packs them.

    Args:
        path: the HDF5 file to make.
        level: how much is stored of each.
        attributes: plain values that the cache says of itself (fingerprints and so on).
        remarks: likewise, but a build goes on whatever they are.
        image_ids: [N] of the data index.
        image_digests: [N, 8] of the same images, see `ladcli.data.image_digests`.
        view_ids: the views that every image is stored under.
        num_parts: how many parts the plan has.
        num_classes: C.
        quality: positives have a quality.

    Raises:
        UserError: parts of another build lie beside the file.
    """

    def __init__(
        self,
        path: Path,
        level: Level,
        attributes: Mapping[str, Any],
        *,
        image_ids: np.ndarray,
        view_ids: tuple[int, ...],
        num_parts: int,
        num_classes: int,
        image_digests: np.ndarray | None = None,
        remarks: Mapping[str, Any] | None = None,
        quality: bool = False,
    ) -> None:
        self.path = path
        self.tables = {table: columns_of(table, quality=quality) for table in TABLES_OF[level]}
        # Left out where it is false, so that builds begun by an older program go on.
        self.attributes = {"level": level, **attributes, **({"quality": True} if quality else {})}
        self.remarks = remarks or {}
        self.image_ids = image_ids
        self.image_digests = image_digests
        self.view_ids = view_ids
        self.num_parts = num_parts
        self.num_classes = num_classes
        self.folder = parts_folder(path)
        self._part = _Part()
        self._check_folder()

    def missing_parts(self) -> list[int]:
        """Numbers of the parts that still have to be made."""
        return [k for k in range(self.num_parts) if not self._part_path(k).exists()]

    def add(self, batch: Batch, rows: BatchRows) -> None:
        """Take in one batch: for every table of the level, the rows of each image."""
        self._part.add(batch, rows)

    def close_part(self, number: int) -> None:
        """Write what was added since the last part as part ``number``."""
        path = self._part_path(number)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **self._part.arrays(self.tables))  # type: ignore[arg-type]
        self._part = _Part()

    def drop_part(self, number: int) -> None:
        """Forget a part that was written, so that it is made again."""
        self._part_path(number).unlink(missing_ok=True)

    def finish(self) -> None:
        """Pack all parts into the file and remove them."""
        # From version 1.10 on, HDF5 protects its own tables by checksums.
        versions = ("v110", "v110")
        with (
            atomic_path(self.path) as temporary,
            h5py.File(temporary, "w", libver=versions) as file,
        ):
            self._pack(file)
        discard_parts(self.path)

    def _check_folder(self) -> None:
        label = self.folder / "build.json"
        mine = {**self.attributes, "num_parts": self.num_parts}
        if not label.exists():
            write_json(label, mine)
            return
        try:
            theirs = json.loads(label.read_text(encoding="utf-8"))
            found = theirs["fingerprints"]
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{self.folder}: holds no build of a cache; move it away, or choose another --out"
            ) from None
        try:
            require_match(self.path, found, self.attributes["fingerprints"])
        except UserError as error:
            raise UserError(
                f"{self.folder}: holds an unfinished build for something else ({error}); "
                "start anew with --overwrite"
            ) from None
        if theirs != mine:
            raise UserError(
                f"{self.folder}: holds an unfinished build with other options; "
                "start anew with --overwrite"
            )

    def _part_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _parts(self) -> Iterator[Mapping[str, np.ndarray]]:
        """The parts in order, one in memory at a time."""
        for number in range(self.num_parts):
            with np.load(self._part_path(number), allow_pickle=False) as part:
                yield part

    def _pack(self, file: h5py.File) -> None:
        """Rows of all image views end to end, with tables of where each begins."""
        # Attributes of a fixed length lie in the file's header, which has a checksum.  Others lie
        # in a heap that has none, and damage there can send the library into an endless loop.
        file.attrs["format"], file.attrs["version"] = np.bytes_(FORMAT), VERSION
        header = json.dumps({**self.attributes, **self.remarks}).encode("utf-8")
        _store(file, **{HEADER: np.frombuffer(header, dtype=np.uint8)})
        shape = (len(self.image_ids), len(self.view_ids))
        canvas = np.zeros((*shape, 2), dtype=np.uint16)
        start = {table: np.zeros(shape, dtype=np.uint64) for table in self.tables}
        # -1: this image view is not in the cache.
        count = {table: np.full(shape, -1, dtype=np.int32) for table in self.tables}
        num_rows = dict.fromkeys(self.tables, 0)
        columns = {view: column for column, view in enumerate(self.view_ids)}
        for table, table_columns in self.tables.items():
            group = file.require_group(table or "/")
            _create_columns(group, table_columns, self.num_classes)
        for part in self._parts():
            where = part["row"], np.array([columns[int(v)] for v in part["view"]], dtype=np.int64)
            canvas[where] = part["canvas"]
            for table, table_columns in self.tables.items():
                lengths = part[f"{table}|count"]
                begins = num_rows[table] + np.concatenate([[0], np.cumsum(lengths)])
                start[table][where], count[table][where] = begins[:-1], lengths
                num_rows[table] = int(begins[-1])
                _append(file.require_group(table or "/"), table, table_columns, part)
        view_ids = np.array(self.view_ids, dtype=np.int32)
        _store(file, image_ids=self.image_ids, view_ids=view_ids, canvas=canvas)
        if self.image_digests is not None:
            _store(file, image_digests=self.image_digests)
        for table in self.tables:
            _store(file.require_group(table or "/"), start=start[table], count=count[table])


def discard_parts(path: Path) -> None:
    """Forget an unfinished build of the cache ``path``."""
    folder = parts_folder(path)
    with contextlib.suppress(OSError):  # not there, or holds what others put there
        PARTS.clear(folder)
        folder.rmdir()


def parts_folder(path: Path) -> Path:
    """Where the parts of the cache ``path`` lie while it is built."""
    return path.with_name(f"{path.name}.parts")


def _create_columns(group: h5py.Group, columns: Columns, num_classes: int) -> None:
    """Empty columns of a table, that grow as parts come in."""
    for column, (dtype, row_shape) in columns.items():
        shape = tuple(num_classes if size == "C" else int(size) for size in row_shape)
        row_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        group.create_dataset(
            column,
            shape=(0, *shape),
            maxshape=(None, *shape),
            dtype=dtype,
            chunks=(max(1, CHUNK_BYTES // row_bytes), *shape),
            **_PACKED,
        )


def _append(
    group: h5py.Group, table: str, columns: Columns, part: Mapping[str, np.ndarray]
) -> None:
    """Add the rows of one part to the columns of a table."""
    for column in columns:
        values = part.get(f"{table}|{column}")
        if values is not None and len(values):
            stored = group[column]
            stored.resize(len(stored) + len(values), axis=0)
            stored[len(stored) - len(values) :] = values


def _store(group: h5py.Group, **tables: np.ndarray) -> None:
    """Write whole tables."""
    for name, values in tables.items():
        group.create_dataset(name, data=values, **(_PACKED if values.size else {}))

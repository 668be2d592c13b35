"""Building a teacher cache: parts that survive a kill at any point, then one file.

Beside the file to come lies a folder ``NAME.parts`` with one small file for every few batches, each
written atomically.  A build that is started again skips the parts that are there.  When all are,
they are packed into the HDF5 file, which appears in one step, and the folder goes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from torch import Tensor

from ladcli.distill.cache_format import FORMAT, VERSION, require_match
from ladcli.errors import UserError
from ladcli.files import atomic_path, write_json
from ladcli.structures import Assignment, Batch


@dataclass
class _Part:
    """Positives of some image views, growing batch by batch."""

    row: list[int] = field(default_factory=list)  # row in the data index, per image view
    view: list[int] = field(default_factory=list)
    canvas: list[tuple[int, int]] = field(default_factory=list)
    count: list[int] = field(default_factory=list)  # positives
    anchor: list[np.ndarray] = field(default_factory=list)
    gt: list[np.ndarray] = field(default_factory=list)

    def add(self, batch: Batch, gt_index: Tensor) -> None:
        on_host = gt_index.cpu().numpy()
        for i, (row, view) in enumerate(zip(batch.image_rows, batch.view_ids, strict=True)):
            anchor = np.flatnonzero(on_host[i] >= 0)
            self.row.append(row)
            self.view.append(view)
            self.canvas.append(batch.canvas_hw)
            self.count.append(len(anchor))
            self.anchor.append(anchor)
            self.gt.append(on_host[i, anchor])

    def arrays(self) -> dict[str, np.ndarray]:
        empty = [np.zeros(0, dtype=np.int64)]
        return {
            "row": np.array(self.row, dtype=np.int64),
            "view": np.array(self.view, dtype=np.int64),
            "canvas": np.array(self.canvas, dtype=np.int64).reshape(-1, 2),
            "count": np.array(self.count, dtype=np.int64),
            "anchor": np.concatenate(self.anchor or empty).astype(np.int64),
            "gt": np.concatenate(self.gt or empty).astype(np.int64),
        }


class CacheWriter:
    """Collects assignments part by part and packs them.

    Args:
        path: the HDF5 file to make.
        attributes: plain values that become its root attributes (fingerprints and so on).
        image_ids: [N] of the data index.
        view_ids: the views that every image is stored under.
        num_parts: how many parts the plan has.

    Raises:
        UserError: parts of another build lie beside the file.
    """

    def __init__(
        self,
        path: Path,
        attributes: Mapping[str, Any],
        *,
        image_ids: np.ndarray,
        view_ids: tuple[int, ...],
        num_parts: int,
    ) -> None:
        self.path = path
        self.attributes = dict(attributes)
        self.image_ids = image_ids
        self.view_ids = view_ids
        self.num_parts = num_parts
        self.folder = _parts_folder(path)
        self._part = _Part()
        self._check_folder()

    def missing_parts(self) -> list[int]:
        """Numbers of the parts that still have to be made."""
        return [k for k in range(self.num_parts) if not self._part_path(k).exists()]

    def add(self, batch: Batch, assignment: Assignment) -> None:
        """Take in the positives of one batch."""
        self._part.add(batch, assignment.gt_index)

    def close_part(self, number: int) -> None:
        """Write what was added since the last part as part ``number``."""
        path = self._part_path(number)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **self._part.arrays())  # type: ignore[arg-type]
        self._part = _Part()

    def finish(self) -> None:
        """Pack all parts into the file and remove them."""
        arrays = self._gather_parts()
        # From version 1.10 on, HDF5 protects its own tables by checksums.
        versions = ("v110", "v110")
        with (
            atomic_path(self.path) as temporary,
            h5py.File(temporary, "w", libver=versions) as file,
        ):
            self._pack(file, arrays)
        shutil.rmtree(self.folder, ignore_errors=True)

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
                f"{self.folder}: holds no build of a cache; move it away, or replace it with "
                "--overwrite"
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

    def _gather_parts(self) -> dict[str, np.ndarray]:
        parts = []
        for number in range(self.num_parts):
            with np.load(self._part_path(number), allow_pickle=False) as part:
                parts.append({name: part[name] for name in part.files})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _pack(self, file: h5py.File, arrays: dict[str, np.ndarray]) -> None:
        """Positives of all image views end to end, with a table of where each begins."""
        views = {view: column for column, view in enumerate(self.view_ids)}
        column = np.array([views[int(v)] for v in arrays["view"]], dtype=np.int64)
        shape = (len(self.image_ids), len(self.view_ids))
        start = np.zeros(shape, dtype=np.uint64)
        count = np.full(shape, -1, dtype=np.int32)  # -1: this image view is not in the cache
        canvas = np.zeros((*shape, 2), dtype=np.uint16)
        begins = np.concatenate([[0], np.cumsum(arrays["count"])[:-1]]).astype(np.uint64)
        where = (arrays["row"], column)
        start[where], count[where], canvas[where] = begins, arrays["count"], arrays["canvas"]
        for name, value in self.attributes.items():
            file.attrs[name] = value if isinstance(value, (str, int)) else json.dumps(value)
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        tables = {
            "image_ids": self.image_ids,
            "view_ids": np.array(self.view_ids, dtype=np.int32),
            "start": start,
            "count": count,
            "canvas": canvas,
            "anchor": _narrow(arrays["anchor"]),
            "gt": _narrow(arrays["gt"]),
        }
        for name, values in tables.items():
            packed = {"compression": "gzip", "shuffle": True} if values.size else {}
            file.create_dataset(name, data=values, **packed)


def discard_parts(path: Path) -> None:
    """Forget an unfinished build of the cache ``path``."""
    shutil.rmtree(_parts_folder(path), ignore_errors=True)


def _parts_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.parts")


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same non-negative integers in the smallest unsigned type that holds them."""
    largest = int(values.max()) if values.size else 0
    return values.astype(np.min_scalar_type(largest))

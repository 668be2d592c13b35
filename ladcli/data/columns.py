"""Columns out of a list of JSON records: fast where all is well, exact about the culprit if not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ladcli.errors import UserError

Record: TypeAlias = dict[str, Any]
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class Table:
    """The records of one kind in a file, all of them JSON objects."""

    path: Path
    kind: str  # "image", "annotation" or "category", for messages
    records: list[Record]

    @staticmethod
    def from_plain(path: Path, kind: str, key: str, value: Any) -> Table:
        """Check that ``value``, found under ``key``, is a list of objects.

        Raises:
            UserError: it is not.
        """
        if not isinstance(value, list):
            raise UserError(
                f"{path}: {key!r} must be a list, got {shorten(value)}; "
                "this must be a COCO instances file"
            )
        if not set(map(type, value)) <= {dict}:
            row = next(i for i, record in enumerate(value) if type(record) is not dict)
            raise UserError(f"{path}: {key}[{row}] must be an object, got {shorten(value[row])}")
        return Table(path, kind, value)

    def name(self, row: int) -> str:
        """A record as the user would find it: by id if it has one, else by position."""
        number = self.records[row].get("id")
        if isinstance(number, (int, float, str)) and not isinstance(number, bool):
            return f"{self.kind} {shorten(number)}"
        return f"{self.kind} at position {row} (counted from 0)"

    def error(self, row: int, problem: str) -> UserError:
        """A sentence about one record, to raise."""
        return UserError(f"{self.path}: {self.name(row)} {problem}")

    def values(self, key: str, default: Callable[[Record], Any] | None = None) -> list[Any]:
        """``key`` of all records; ``default`` (if any) stands in where it is absent."""
        if default is not None:
            return [record[key] if key in record else default(record) for record in self.records]
        try:
            return [record[key] for record in self.records]
        except KeyError:
            rows = [i for i, record in enumerate(self.records) if key not in record]
            more = f" ({len(rows)} {self.kind}s like this)" if len(rows) > 1 else ""
            raise self.error(rows[0], f"has no {key!r}; add it{more}") from None

    def integers(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] int64; whole floats (1.0) count, nothing else does."""
        values = self.values(key)
        if set(map(type, values)) <= {int}:
            try:
                return np.array(values, dtype=np.int64)
            except OverflowError:
                pass
        return np.array([self._integer(row, key, v) for row, v in enumerate(values)], np.int64)

    def _integer(self, row: int, key: str, value: Any) -> int:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if whole and -_INT64_MAX <= value <= _INT64_MAX:
            return int(value)
        if whole:
            raise self.error(
                row, f"has {key} {shorten(value)}, which needs more than 64 bits; renumber"
            )
        hint = "; write it without quotes" if isinstance(value, str) else ""
        raise self.error(row, f"has {key} {shorten(value)}, which must be an integer{hint}")

    def strings(self, key: str) -> list[str]:
        """``key`` of all records; strings that can be written as UTF-8."""
        values = self.values(key)
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise self.error(row, f"has {key} {shorten(value)}, which must be a string")
            if not value.isascii() and not _is_unicode(value):
                raise self.error(
                    row, f"has {key} {shorten(value)}, which is no valid Unicode; rename it"
                )
        return values

    def numbers(self, key: str, width: int) -> np.ndarray:
        """``key`` of all records, lists of ``width`` numbers, as [N, width] float64.

        NaN and infinities pass; integers beyond float64 do not.
        """
        values = self.values(key)
        if set(map(type, values)) <= {list} and set(map(len, values)) <= {width}:
            flat = list(chain.from_iterable(values))
            if set(map(type, flat)) <= {int, float}:
                try:
                    return np.array(flat, dtype=np.float64).reshape(-1, width)
                except OverflowError:
                    pass
        wrong = [row for row, value in enumerate(values) if not _are_numbers(value, width)]
        more = f" ({len(wrong)} {self.kind}s like this)" if len(wrong) > 1 else ""
        raise self.error(
            wrong[0],
            f"has {key} {shorten(values[wrong[0]])}, which must be a list of {width} numbers{more}",
        )

    def optional_numbers(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] float64, NaN where absent or null."""
        values = [record.get(key, np.nan) for record in self.records]
        if set(map(type, values)) <= {int, float}:
            try:
                return np.array(values, dtype=np.float64)
            except OverflowError:
                pass
        for row, value in enumerate(values):
            if value is not None and not _are_numbers([value], 1):
                raise self.error(row, f"has {key} {shorten(value)}, which must be a number")
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    def flags(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] bool from 0, 1, false or true; absent is False."""
        values = [record.get(key, 0) for record in self.records]
        if set(map(type, values)) <= {int, bool} and set(values) <= {0, 1}:
            return np.array(values, dtype=bool)
        for row, value in enumerate(values):
            if not isinstance(value, (int, float)) or value not in (0, 1):
                raise self.error(row, f"has {key} {shorten(value)}, which must be 0 or 1")
        return np.array(values, dtype=bool)

    def refuse_repeats(self, key: str, values: np.ndarray) -> None:
        """Stop where two records share a value [N] of ``key``."""
        first = first_repeat(values)
        if first is not None:
            raise UserError(
                f"{self.path}: {self.kind} {key} {values[first]} occurs more than once "
                f"(again at position {first}, counted from 0); every {key} must be unique"
            )


def first_repeat(values: np.ndarray) -> int | None:
    """Position of the first value [N] that occurred before, or None."""
    order = np.argsort(values, kind="stable")
    repeats = order[1:][values[order[1:]] == values[order[:-1]]]
    return int(repeats.min()) if len(repeats) else None


def shorten(value: Any, limit: int = 60) -> str:
    """``value`` as it would look in the file, cut to ``limit`` characters."""
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, list) and len(value) > 6:
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = ascii(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def _are_numbers(value: Any, width: int) -> bool:
    if type(value) is not list or len(value) != width:
        return False
    # An integer beyond float64 would overflow.
    return all(type(v) is float or (type(v) is int and abs(v) < 2**1000) for v in value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

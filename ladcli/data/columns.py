"""Columns out of a list of JSON records: fast where all is well, exact about the culprit if not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ladcli.data.findings import EXAMPLES, Findings, Severity, some
from ladcli.errors import UserError

Record: TypeAlias = dict[str, Any]
_INT64_MAX = 2**63 - 1
#: Stands where a record lacks a key.
_ABSENT = object()


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value of one record."""

    kind: str  # of the finding
    problem: str  # follows the record's name: ``has id 'x', which must be an integer``
    remedy: str = ""


@dataclass(eq=False)
class Table:
    """The records of one kind in a file, all of them JSON objects.

    Every column is read to its end.  What is wrong goes to ``findings`` by kind, with a count, and
    that stops where the reader of the file wants to be stopped; else the column holds some value in
    its place, and `usable` tells where.
    """

    path: Path
    kind: str  # "image", "annotation", "category" or "detection", for messages
    records: list[Record]
    findings: Findings | None = None  # where faults go; without, the first one stops

    def __post_init__(self) -> None:
        self._told = Findings(self.path) if self.findings is None else self.findings
        self._bad: dict[str, np.ndarray] = {}  # by key, [N] bool

    @staticmethod
    def from_plain(
        path: Path, kind: str, key: str, value: Any, findings: Findings | None = None
    ) -> Table:
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
        return Table(path, kind, value, findings)

    def name(self, row: int) -> str:
        """A record as the user would find it: by id if it has one, else by position."""
        number = self.records[row].get("id")
        if isinstance(number, (int, float, str)) and not isinstance(number, bool):
            return f"{self.kind} {shorten(number)}"
        return f"{self.kind} at position {row} (counted from 0)"

    def error(self, row: int, problem: str) -> UserError:
        """A sentence about one record, to raise."""
        return UserError(f"{self.path}: {self.name(row)} {problem}")

    def usable(self, *keys: str) -> np.ndarray:
        """Records [N] bool whose values of ``keys`` have no fault; of all keys where none is given.

        Only keys that were asked for before can have one.
        """
        usable = np.ones(len(self.records), dtype=bool)
        for key in keys or self._bad:
            if key in self._bad:
                usable &= ~self._bad[key]
        return usable

    def refuse(self, key: str, faults: Sequence[tuple[int, Fault]]) -> None:
        """Report records, by row in ascending order, whose ``key`` is at fault: a finding per kind.

        Raises:
            UserError: about the first, where errors stop.
        """
        by_kind: dict[str, list[tuple[int, Fault]]] = {}
        for row, fault in faults:
            by_kind.setdefault(fault.kind, []).append((row, fault))
        for kind, found in by_kind.items():
            row, fault = found[0]
            more = f" ({len(found)} {self.plural} like this)" if len(found) > 1 else ""
            self._told.add(
                kind,
                "error",
                len(found),
                f"{self.name(row)} {fault.problem}{more}",
                examples=[self.name(row) for row, _ in found[:EXAMPLES]],
                remedy=fault.remedy,
            )
        if faults:
            bad = self._bad.setdefault(key, np.zeros(len(self.records), dtype=bool))
            bad[[row for row, _ in faults]] = True

    def refuse_where(self, key: str, wrong: np.ndarray, fault: Callable[[int], Fault]) -> None:
        """As `refuse`, for the records where ``wrong`` [N] holds and ``key`` is usable."""
        rows = np.flatnonzero(wrong & self.usable(key)).tolist()
        if rows:
            first = fault(rows[0])  # the others are only counted and named
            self.refuse(key, [(row, first) for row in rows])

    def remark(
        self, kind: str, severity: Severity, mask: np.ndarray, words: str, remedy: str = ""
    ) -> None:
        """Say of the records where ``mask`` [N] holds, if any, what is odd but no error."""
        rows = np.flatnonzero(mask).tolist()
        if rows:
            names = [self.name(row) for row in rows[:EXAMPLES]]
            ids = [name.removeprefix(f"{self.kind} ") for name in names]
            text = f"{len(rows)} {self.kind}(s) {words}: {self.kind} {some(ids, len(rows))}"
            self._told.add(kind, severity, len(rows), text, examples=names, remedy=remedy)

    @property
    def plural(self) -> str:
        """What several of the records are called."""
        return "categories" if self.kind == "category" else f"{self.kind}s"

    def values(self, key: str, default: Callable[[Record], Any] | None = None) -> list[Any]:
        """``key`` of all records; ``default`` (if any) stands in where it is absent."""
        if default is not None:
            return [record[key] if key in record else default(record) for record in self.records]
        try:
            return [record[key] for record in self.records]
        except KeyError:
            fault = Fault(f"{self.kind}-without-{key}", f"has no {key!r}", "add it")
            rows = [row for row, record in enumerate(self.records) if key not in record]
            self.refuse(key, [(row, fault) for row in rows])
            return [record.get(key, _ABSENT) for record in self.records]

    def integers(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] int64; whole floats (1.0) count, nothing else does."""
        values = self.values(key)
        if set(map(type, values)) <= {int}:
            try:
                return np.array(values, dtype=np.int64)
            except OverflowError:
                pass
        return self._read_each(key, values, 0, np.dtype(np.int64), int, self._integer_fault)

    def _integer_fault(self, key: str, value: Any) -> Fault | None:
        kind = f"{self.kind}-{key}-no-integer"
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if whole and -_INT64_MAX <= value <= _INT64_MAX:
            return None
        if whole:
            problem = f"has {key} {shorten(value)}, which needs more than 64 bits"
            return Fault(f"{self.kind}-{key}-too-large", problem, "renumber")
        hint = "write it without quotes" if isinstance(value, str) else ""
        return Fault(kind, f"has {key} {shorten(value)}, which must be an integer", hint)

    def strings(self, key: str) -> list[str]:
        """``key`` of all records; strings that can be written as UTF-8."""
        values, faults = self.values(key), []
        for row, value in enumerate(values):
            if type(value) is str and (value.isascii() or _is_unicode(value)):
                continue
            if value is not _ABSENT:
                faults.append((row, self._string_fault(key, value)))
            values[row] = ""
        self.refuse(key, faults)
        return values

    def _string_fault(self, key: str, value: Any) -> Fault:
        if not isinstance(value, str):
            problem = f"has {key} {shorten(value)}, which must be a string"
            return Fault(f"{self.kind}-{key}-no-string", problem)
        problem = f"has {key} {shorten(value)}, which is no valid Unicode"
        return Fault(f"{self.kind}-{key}-no-unicode", problem, "rename it")

    def numbers(self, key: str, width: int) -> np.ndarray:
        """``key`` of all records, lists of ``width`` numbers, as [N, width] float64.

        NaN and infinities pass; integers beyond float64 do not.  Where ``key`` is not usable, NaN.
        """
        values = self.values(key)
        if set(map(type, values)) <= {list} and set(map(len, values)) <= {width}:
            flat = list(chain.from_iterable(values))
            if set(map(type, flat)) <= {int, float}:
                try:
                    return np.array(flat, dtype=np.float64).reshape(-1, width)
                except OverflowError:
                    pass

        def fault(key: str, value: Any) -> Fault | None:
            if _are_numbers(value, width):
                return None
            problem = f"has {key} {shorten(value)}, which must be a list of {width} numbers"
            return Fault(f"{self.kind}-{key}-no-numbers", problem)

        filler = [math.nan] * width
        found = self._read_each(key, values, filler, np.dtype(np.float64), list, fault)
        return found.reshape(-1, width)

    def optional_numbers(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] float64, NaN where absent, null, or not usable."""
        values = [record.get(key, math.nan) for record in self.records]
        if set(map(type, values)) <= {int, float}:
            try:
                return np.array(values, dtype=np.float64)
            except OverflowError:
                pass

        def fault(key: str, value: Any) -> Fault | None:
            if value is None or _are_numbers([value], 1):
                return None
            problem = f"has {key} {shorten(value)}, which must be a number"
            return Fault(f"{self.kind}-{key}-no-number", problem)

        def number(value: Any) -> float:
            return math.nan if value is None else float(value)

        return self._read_each(key, values, math.nan, np.dtype(np.float64), number, fault)

    def flags(self, key: str) -> np.ndarray:
        """``key`` of all records as [N] bool from 0, 1, false or true; absent is False."""
        values = [record.get(key, 0) for record in self.records]
        if set(map(type, values)) <= {int, bool} and set(values) <= {0, 1}:
            return np.array(values, dtype=bool)

        def fault(key: str, value: Any) -> Fault | None:
            if isinstance(value, (int, float)) and value in (0, 1):
                return None
            problem = f"has {key} {shorten(value)}, which must be 0 or 1"
            return Fault(f"{self.kind}-{key}-no-flag", problem)

        return self._read_each(key, values, False, np.dtype(bool), bool, fault)

    def _read_each(
        self,
        key: str,
        values: list[Any],
        filler: Any,
        dtype: np.dtype[Any],
        convert: Callable[[Any], Any],
        fault_of: Callable[[str, Any], Fault | None],
    ) -> np.ndarray:
        """A column, value by value; ``filler`` stands where one is absent or at fault."""
        found, faults = [], []
        for row, value in enumerate(values):
            fault = None if value is _ABSENT else fault_of(key, value)
            if fault is not None:
                faults.append((row, fault))
            found.append(filler if fault or value is _ABSENT else convert(value))
        self.refuse(key, faults)
        return np.array(found, dtype=dtype)

    def refuse_repeats(self, key: str, values: np.ndarray) -> None:
        """Stop where two records share a value [N] of ``key``; all but the first are at fault."""
        rows = np.flatnonzero(repeats(values) & self.usable(key)).tolist()
        if not rows:
            return
        first = rows[0]
        bad = self._bad.setdefault(key, np.zeros(len(self.records), dtype=bool))
        bad[rows] = True
        more = f"; {len(rows)} {self.plural} like this" if len(rows) > 1 else ""
        self._told.add(
            f"{self.kind}-{key}-repeated",
            "error",
            len(rows),
            f"{self.kind} {key} {values[first]} occurs more than once "
            f"(again at position {first}, counted from 0{more})",
            examples=[f"{self.kind} {values[row]}" for row in rows[:EXAMPLES]],
            remedy=f"every {key} must be unique",
        )


def repeats(values: np.ndarray) -> np.ndarray:
    """Which of ``values`` [N] occurred before, [N] bool."""
    order = np.argsort(values, kind="stable")
    found = np.zeros(len(values), dtype=bool)
    found[order[1:]] = values[order[1:]] == values[order[:-1]]
    return found


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

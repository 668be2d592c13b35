"""JSON files into plain Python values, with every failure as one sentence."""

from __future__ import annotations

import codecs
import gc
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ladcli.errors import UserError

#: Bytes that a packed file may unfold to; more is no annotations, but a trap.
_MAX_UNPACKED = 4 * 2**30
#: How files begin that are no JSON, and what they are.
_OTHERS = (
    (b"PK\x03\x04", "a zip archive (of files, or of tensors); unpack it and name the JSON file"),
    (b"BZh", "packed with bzip2; unpack it"),
    (b"\xfd7zXZ", "packed with xz; unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it"),
    (b"\x80\x02", "a Python pickle, which is never opened; save it as JSON"),
    (b"\x80\x03", "a Python pickle, which is never opened; save it as JSON"),
    (b"\x80\x04", "a Python pickle, which is never opened; save it as JSON"),
    (b"\x80\x05", "a Python pickle, which is never opened; save it as JSON"),
)


def read_json_or_lines(path: Path) -> Any:
    """As `read_json`; of a file with a JSON object on every line (NDJSON), the list of these.

    Raises:
        UserError: as `read_json`, or it names the line that is damaged.
    """
    try:
        return read_json(path)
    except UserError:
        lines = _read_bytes(path).removeprefix(codecs.BOM_UTF8).splitlines()
        if len(lines) < 2 or not isinstance(_parsed(lines[0]), dict):
            raise
    objects = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            value = _parsed(line)
            if not isinstance(value, dict):
                raise UserError(
                    f"{path}: line {number} is no JSON object, as the lines before it are; correct "
                    "the file or write it again"
                )
            objects.append(value)
    return objects


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(line)  # NaN
    except (ValueError, RecursionError):
        return None


#: Bytes of memory that a byte of JSON takes at least as plain values; nine were measured on COCO.
_SPREAD = 5


def read_json(path: Path) -> Any:
    """The value in a JSON file: UTF-8, with or without a byte order mark, also packed with gzip.

    NaN is read too; integers beyond 64 bits become floats.

    Raises:
        UserError: no such file, one that no memory can hold, another encoding, or no valid JSON
            (with line and column).
    """
    _refuse_beyond_memory(path)
    data = _read_bytes(path)
    with no_collecting():
        try:
            # It takes a third of Python's time and is strict: what it refuses is left to Python,
            # which reads NaN, and says where the fault is.
            return orjson.loads(data.removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError:
            return _parse(path, _decode(path, data))


@contextmanager
def no_collecting() -> Iterator[None]:
    """Keep the collector from walking millions of small objects, none of which can be garbage.

    It would do so again and again while they are made or looked at, and double the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _refuse_beyond_memory(path: Path) -> None:
    """Stop before a file is read whose content cannot find room, which would end the process."""
    try:
        needed, there = _SPREAD * path.stat().st_size, _physical_memory()
    except (OSError, ValueError):
        return  # reading says what is wrong
    if needed > there:
        raise UserError(
            f"{path}: is of {path.stat().st_size / 2**30:.1f} GiB and takes more than "
            f"{needed / 2**30:.0f} GiB of memory to read, and this machine has "
            f"{there / 2**30:.0f}; leave out what is not needed, such as segmentations, or split it"
        )


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _parse(path: Path, text: str) -> Any:
    if not text.strip():
        raise UserError(f"{path}: the file is empty; write it again")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}; "
            "correct the file or write it again"
        ) from error
    except RecursionError as error:
        raise UserError(
            f"{path}: invalid JSON: brackets are nested too deeply; write the file again"
        ) from error
    except ValueError as error:
        # Python refuses to convert integers of thousands of digits.
        raise UserError(f"{path}: invalid JSON: a number has too many digits") from error


def _read_bytes(path: Path) -> bytes:
    data = _stored_bytes(path)
    if data.startswith(b"\x1f\x8b"):
        return _unpacked(path)
    for beginning, what in _OTHERS:
        if data.startswith(beginning):
            raise UserError(f"{path}: is no JSON but {what}")
    return data


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(_MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: is packed with gzip and damaged ({error}); write it again"
        ) from error
    if len(data) > _MAX_UNPACKED:
        raise UserError(f"{path}: unfolds to more than {_MAX_UNPACKED >> 30} GiB; unpack it first")
    return data


def _stored_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; check the name") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; name the JSON file in it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read ({reason}); check the file") from error


def _decode(path: Path, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: the encoding is UTF-16, not UTF-8; save the file as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: the encoding is not UTF-8 (byte 0x{data[error.start]:02x} in line {line}); "
            "save the file as UTF-8"
        ) from error

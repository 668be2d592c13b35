"""JSON files into plain Python values, with every failure as one sentence."""

from __future__ import annotations

import codecs
import gc
import json
from pathlib import Path
from typing import Any

import orjson

from ladcli.errors import UserError


def read_json(path: Path) -> Any:
    """The value in a JSON file: UTF-8, with or without a byte order mark.

    NaN is read too; integers beyond 64 bits become floats.

    Raises:
        UserError: no such file, another encoding, or no valid JSON (with line and column).
    """
    data = _read_bytes(path)
    # Millions of small objects are made and none can be garbage: the collector would walk them
    # again and again, and double the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        # It takes a third of Python's time and is strict: what it refuses is left to Python, which
        # reads NaN, and says where the fault is.
        return orjson.loads(data.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError:
        return _parse(path, _decode(path, data))
    finally:
        if collecting:
            gc.enable()


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

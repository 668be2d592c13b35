"""Writing files so that a reader sees either the old content or the new, never a part.

What may be replaced is decided in `ladcli.outputs`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ladcli.errors import UserError

_temporaries: set[Path] = set()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary neighbor of ``path`` that takes its name when the block ends well.

    Raises:
        UserError: the folder cannot be written to, or the disk is full; ``path`` is untouched.
    """
    with writing_to(path), temporary_neighbor(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)


@contextlib.contextmanager
def temporary_neighbor(path: Path) -> Iterator[Path]:
    """A free name beside ``path``, for a file or a folder that is gone when the block ends."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _temporaries.add(temporary)
    try:
        yield temporary
    finally:
        _remove(temporary)
        _temporaries.discard(temporary)


def remove_temporaries() -> None:
    """Remove what is being written now, because the process ends here."""
    for temporary in list(_temporaries):
        with contextlib.suppress(OSError):
            _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def expand_user(text: str) -> str:
    """A path with a leading ``~`` or ``~user`` as a shell would read it; others as they are.

    A home folder that is not known here stays as it was typed, and `require_writable` refuses it.
    """
    return os.path.expanduser(text)


def require_writable(folder: Path, *, named: Path | None = None) -> None:
    """Stop before long work whose results could not be written to ``folder``, which may not exist.

    Args:
        named: what messages name instead, such as a file to be written into the folder.

    Raises:
        UserError: it is no folder, lies in none, may not be written to, or would be named ``~``.
    """
    name = named or folder
    require_plain_name(name)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"{name}: cannot be written ({there} is no folder); choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{name}: cannot be written (no permission); choose another place")


def require_plain_name(path: Path) -> None:
    """Refuse to make a folder or file whose name begins with ``~``: nobody wants a folder ``~``.

    Raises:
        UserError: naming the part; one that exists already is as good as any other.
    """
    for place in (path, *path.parents):
        if place.name.startswith("~") and not os.path.lexists(place):
            raise UserError(
                f"{path}: would make {place.name!r}, and ~ at the beginning of a name stands for a "
                "home folder, which is not known here; write the path out"
            )


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write ``path`` into a sentence."""
    try:
        yield
    except OSError as error:
        reason = " ".join((error.strerror or str(error)).split())[:120]
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space or choose another folder" if full else "choose another place"
        raise UserError(f"{path}: cannot be written ({reason}); {remedy}") from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically, as readable JSON without NaN."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""Decoding many image files in as many processes as there are cores.

The processes import this file, so it imports little.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from ladcli.data.decode import decode_image
from ladcli.errors import BadImageError, RunError

#: Images that a process gets at a time, and from how many on a second process is worth its start.
_CHUNK, _ALONE = 8, 64


@dataclass(frozen=True)
class Decoded:
    """What decoding one file gave."""

    problem: str | None  # why it cannot be decoded
    digest: bytes = b""  # of its pixels and their shape


def decode_all(paths: Sequence[str], title: str, *, quiet: bool = False) -> list[Decoded]:
    """Decode files at full size, in as many processes as there are cores.

    Raises:
        RunError: a process was ended from outside, as by a lack of memory.
    """
    from ladcli.engine.progress import progress

    found: list[Decoded] = []
    few = len(paths) < _ALONE
    processes = 1 if few else num_cores()
    with progress(title, len(paths), unit="images", quiet=quiet or few) as reporter:
        reporter.update(0)
        if processes < 2:
            for path in paths:
                found.append(decode_one(path))
                reporter.update(len(found))
            return found
        # Fresh processes: a copy of this one could inherit locks that its threads hold.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_signals)
        try:
            for one in pool.map(decode_one, paths, chunksize=_CHUNK):
                found.append(one)
                reporter.update(len(found))
        except BrokenProcessPool as error:
            raise RunError(
                f"{title}: a process that decodes images was ended from outside near "
                f"{paths[len(found)]}, perhaps for lack of memory"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of the files
    return found


def decode_one(path: str) -> Decoded:
    """Decode a file at full size."""
    try:
        pixels = decode_image(Path(path))
    except BadImageError as error:
        return Decoded(str(error))
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.data)
    return Decoded(None, digest.digest())


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_signals() -> None:
    # The main process hears Ctrl-C too, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

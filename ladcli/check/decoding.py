"""Decoding many image files in as many processes as there are cores."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path

from ladcli.data.decode import decode_image
from ladcli.engine.progress import progress
from ladcli.errors import BadImageError, RunError

#: Images that a process gets at a time, and from how many on a second process is worth its start.
_CHUNK, _ALONE = 8, 64
#: Seconds between two looks at whether the main process is still there.
_LOOK_EVERY = 2.0


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
    few = len(paths) < _ALONE
    if few:
        return [decode_one(path) for path in paths]
    found: list[Decoded] = []
    pool = ProcessPoolExecutor(
        num_cores(), mp_context=_context(), initializer=_begin, initargs=(os.getpid(),)
    )
    try:
        # The processes start here, before a display has a thread whose locks they would inherit.
        decoded = pool.map(decode_one, paths, chunksize=_CHUNK)
        with progress(title, len(paths), unit="images", quiet=quiet) as reporter:
            reporter.update(0)
            for one in decoded:
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


def _context() -> BaseContext:
    # Forked processes share what is imported, and leave nothing behind when they are killed.
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if "fork" in methods else "spawn")


def _begin(parent: int) -> None:
    """What a process does first."""
    # The main process hears Ctrl-C too, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when the one that started it was killed, instead of waiting forever."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)

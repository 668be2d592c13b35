"""The headers of many image files at once, and what to say of those that are unsound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

File = TypeVar("File")
Found = TypeVar("Found")

#: Opening files mostly waits, for a disk or for the network.
_THREADS = 8


def look_at_all(look: Callable[[File], Found], files: Iterable[File]) -> list[Found]:
    """``look`` at every file, several at a time; what it found, in the order of ``files``."""
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            return list(pool.map(look, files))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of the files
            raise


def describe_bad(bad: Sequence[str], total: int) -> str:
    """How many of ``total`` files cannot be used, with the first reasons."""
    more = " | ..." if len(bad) > 3 else ""
    return f"{len(bad)} of {total} image files cannot be used: {' | '.join(bad[:3])}{more}"

"""How many images may be bad before the work stops: a disk that goes away is no bad image."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ladcli.data.headers import describe_bad
from ladcli.errors import TooManyBadImages

_KEY = "data.max_bad_share"


def allowed_bad(total: int, share: float) -> int:
    """How many of ``total`` images may be bad; one always, so that a small set can have one."""
    return max(1, math.floor(total * share + 1e-9))


def refuse_too_many(bad: Sequence[str], total: int, share: float, *, where: str = "") -> None:
    """Stop where ``bad`` images, each described by its file and reason, are over the limit.

    Args:
        total: images of the set.
        share: of them, that may be bad.
        where: beginning of the message.

    Raises:
        TooManyBadImages: they are.
    """
    allowed = allowed_bad(total, share)
    if len(bad) <= allowed:
        return
    raise TooManyBadImages(
        f"{where}{describe_bad(bad, total)}, more than the {allowed} that {_KEY}={share:g} allows",
        f"a higher {_KEY}",
    )


def require_folder(folder: Path) -> None:
    """Stop where the whole image folder went away, as a disk or a network share does.

    Raises:
        TooManyBadImages: it cannot be listed.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise TooManyBadImages(
            f"{folder}: the image folder went away ({error.strerror})"
        ) from error


class BadImages:
    """Counts the images of one pass over a set that could not be read."""

    def __init__(self, total: int, share: float) -> None:
        self._total = total
        self._share = share
        self._seen: dict[str, None] = {}  # in order, each once, however many views it has

    def add(self, problems: Iterable[str]) -> None:
        """Count images; see `refuse_too_many`."""
        self._seen.update(dict.fromkeys(problems))
        refuse_too_many(list(self._seen), self._total, self._share)

"""What identifies a teacher cache, and when one fits a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ladcli.errors import UserError

FORMAT = "lad-teacher-cache"
VERSION = 1

#: What a fingerprint stands for, in an error message.
_MEANINGS = {
    "teacher": "another teacher network",
    "data": "another data set (images, boxes, labels or classes)",
    "input": "another view set (resizing, flips or canvases)",
    "assigner": "other assignment options",
}


@dataclass(frozen=True)
class Fingerprints:
    """SHA-256 of everything that a cached assignment depends on.  See `ladcli.structures`."""

    teacher: str
    data: str
    input: str
    assigner: str

    def to_plain(self) -> dict[str, str]:
        """Name to hex digest."""
        return asdict(self)


def require_match(path: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse a cache that was made for something else.

    Args:
        path: of the cache, for the message.
        found: the fingerprints in the cache.
        wanted: those of this run; names that are absent are not compared.

    Raises:
        UserError: says which fingerprints differ.
    """
    wrong = [name for name in _MEANINGS if name in wanted and found.get(name) != wanted[name]]
    if not wrong:
        return
    reasons = " and ".join(_MEANINGS[name] for name in wrong)
    name = wrong[0]
    raise UserError(
        f"{path}: was made for {reasons} ({name} {str(found.get(name))[:12]}, this run has "
        f"{wanted[name][:12]}); build one that fits with lad cache-teacher"
    )

"""Image files whose names are spelled otherwise on disk than in the annotations.

Tools encode names for the web (``a%20b.jpg``), file systems change the form of accents (é as one
character or as two), spreadsheets leave blanks behind, and cameras write ``.JPG``.  A file counts
as the one that is meant where it alone in its folder has that name but for these differences.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from ladcli.data.file_names import unsafe_reason

#: What may differ, in the order in which it is undone.
_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("percent encoding", unquote),
    ("another Unicode form", lambda text: unicodedata.normalize("NFC", text)),
    ("blanks at the ends", str.strip),
    ("upper and lower case", str.casefold),
)

_DIGITS = re.compile(r"\d+")


class Spelling:
    """Finds files of a folder under other spellings.  Listings are kept, so make one per use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """The one file that ``name`` means, relative to the folder; None for none or several."""
        found = self.matches(name)
        return found[0] if len(found) == 1 else None

    def matches(self, name: str) -> list[str]:
        """All regular files whose names, folders included, differ only in spelling."""
        decoded = unquote(name)
        if unsafe_reason(decoded) is not None:
            return []
        found = [""]
        for part in decoded.split("/"):
            if part not in ("", "."):
                found = [
                    f"{folder}/{entry}" if folder else entry
                    for folder in found
                    for entry in self._listing(folder).get(_key(part), ())
                ]
        return [path for path in found if (self._folder / path).is_file()]

    def hint(self, name: str) -> str | None:
        """What lies beside the place of a file that is not there, and is most like it."""
        folder, _, base = name.rpartition("/")
        entries = [entry for group in self._listing(folder).values() for entry in group]
        stem = os.path.splitext(_key(base))[0]
        same = [entry for entry in entries if os.path.splitext(_key(entry))[0] == stem]
        # Of numbered files each is like every other, and none is meant by another's name.
        letters = _DIGITS.sub("", base)
        others = [entry for entry in entries if _DIGITS.sub("", entry) != letters]
        close = same or difflib.get_close_matches(base, others, n=1, cutoff=0.8)
        return close[0] if close else None

    def some(self, count: int = 3) -> list[str]:
        """The first few entries of the folder itself."""
        entries = sorted(entry for group in self._listing("").values() for entry in group)
        return entries[:count]

    def _listing(self, folder: str) -> dict[str, list[str]]:
        """The entries of a folder below the own one, by what they are but for their spelling."""
        if folder not in self._listings:
            listing: dict[str, list[str]] = {}
            for name in _names(self._folder / folder):
                listing.setdefault(_key(name), []).append(name)
            self._listings[folder] = listing
        return self._listings[folder]


def locate(folder: Path, name: str) -> Path:
    """Where the image ``name`` lies in ``folder``: there, or under the one other spelling."""
    path = folder / name
    if path.is_file():
        return path
    found = Spelling(folder).find(name)
    return path if found is None else folder / found


def differences(name: str, found: str) -> list[str]:
    """In what the spelling of two names differs, in words."""
    return [words for words, _ in _STEPS if _key(name, but=words) != _key(found, but=words)]


def _key(name: str, *, but: str = "") -> str:
    """What a name is but for its spelling, or for all of it ``but`` one kind."""
    parts = name.split("/")
    for words, step in _STEPS:
        if words != but:
            parts = [step(part) for part in parts]
    return "/".join(parts)


def _names(folder: Path) -> list[str]:
    """Entries of a folder whose names can be written down; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    return sorted(name for name in names if name.isascii() or _is_unicode(name))


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""Image files below a folder, found by the names that other tools give them."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from ladcli.data.image_suffixes import SUFFIXES
from ladcli.data.layouts import SPLITS
from ladcli.errors import UserError
from ladcli.recognize import is_imported


def folded(name: str) -> str:
    """``name`` without what tools treat differently: case, Unicode form, blanks at the ends."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Regular files with one of ``suffixes`` (lower case), sorted; nothing hidden.

    Links are followed, but no folder is entered twice, and none that an import wrote: it holds the
    same images again.

    Raises:
        UserError: a folder cannot be read.
    """
    wanted = tuple(suffixes)
    return sorted(
        path
        for path in _walk(folder)
        if path.suffix.lower() in wanted and path.is_file()  # a pipe would never end
    )


def children(folder: Path) -> list[Path]:
    """What lies in a folder, sorted.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> UserError:
    return UserError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise _unreadable(error) from error

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name != "__MACOSX" and not _is_import(parent, name)
        )
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _is_import(parent: str, name: str) -> bool:
    annotations = Path(parent, name, "annotations")
    return any(is_imported(annotations / f"{split}.json") for split in SPLITS)


def shared_folders(path: Path, name: str) -> int:
    """How many folders above a file are those that ``name`` has above its last part."""
    said = name.replace("\\", "/").split("/")[:-1]
    shared = 0
    for a, b in zip(reversed(path.parent.parts), reversed(said), strict=False):
        if folded(a) != folded(b):
            break
        shared += 1
    return shared


def folder_called(parent: Path, *names: str) -> Path | None:
    """The folder in ``parent`` with one of ``names``, whatever the case; earlier names first."""
    if not parent.is_dir():
        return None
    there = {folded(path.name): path for path in children(parent) if path.is_dir()}
    return next((there[name] for name in map(folded, names) if name in there), None)


class ImageFiles:
    """Image files below some folders."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.paths = [path for folder in folders for path in files_below(folder, SUFFIXES)]
        self._known = {os.path.normpath(path): path for path in self.paths}
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self._by_name[folded(path.name)].append(path)
            self._by_stem[folded(path.stem)].append(path)

    def find(self, name: str, *, near: Path | None = None) -> Path | str:
        """The file that annotations call ``name``, or why there is none.

        Folders of ``name`` decide where several files have its last part; they may be those of
        another machine.  Case, Unicode form, ``%20`` and the ending may differ where the file is
        unambiguous.

        Args:
            near: folder to prefer, such as that of the annotations.
        """
        plain = name.strip().replace("\\", "/")
        reasons = []
        for spelling in dict.fromkeys((plain, unquote(plain))):
            found = self._find(spelling, near)
            if isinstance(found, Path):
                return found
            reasons.append(found)
        return reasons[0]

    def _find(self, name: str, near: Path | None) -> Path | str:
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        if not parts:
            return "the name is empty"
        places = ([near] if near else []) + list(self.folders)
        for start in range(len(parts)):
            for place in places:
                exact = self._known.get(os.path.normpath(place.joinpath(*parts[start:])))
                if exact is not None:
                    return exact
        last = Path(parts[-1])
        for candidates in (
            self._by_name.get(folded(last.name), []),
            self._by_stem.get(folded(last.stem), []) if last.suffix.lower() in SUFFIXES else [],
            self._by_stem.get(folded(last.name), []),
        ):
            if candidates:
                return _closest(candidates, parts, near)
        return "no file of that name"


def _closest(candidates: list[Path], parts: list[str], near: Path | None) -> Path | str:
    """The candidate whose folders fit best, where that is one."""
    if len(candidates) == 1:
        return candidates[0]

    def fit(path: Path) -> tuple[bool, int]:
        return path.parent == near, shared_folders(path, "/".join(parts))

    ranked = sorted(candidates, key=fit, reverse=True)
    if fit(ranked[0]) == fit(ranked[1]):
        return f"{len(candidates)} images have this name"
    return ranked[0]

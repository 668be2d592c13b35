"""Which folder holds the images that an annotation file names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ladcli.data.file_names import unsafe_reason
from ladcli.data.layouts import NAMES, ROBOFLOW, Split, folders
from ladcli.data.spelling import Spelling
from ladcli.errors import UserError
from ladcli.recipe.flags import FLAGS

#: Names that are read from the beginning and the end of an annotation file, to look for.
_SAMPLE = 24
_PART = 2**18
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')


def find_image_folder(annotations: Path, split: Split, root: Path | None, *, option: str) -> Path:
    """The folder of a split's images, in the data folder or around the annotation file.

    Candidates stand in the order of their claim.  The first that holds most of the images that the
    file names (of a few that are looked for) is taken; where none does, the first that is there,
    so that whoever opens the images finds out what is missing.

    Args:
        option: the key that would name the folder, for messages.

    Raises:
        UserError: there is no such folder, or several have the same claim.
    """
    groups = _candidates(annotations, split, root)
    names = first_file_names(annotations)
    for group, _ in groups:
        holding = [folder for folder in group if holds(folder, names)]
        if holding:
            return _only(holding, annotations, split, option)
    for group, by_convention in groups:
        if by_convention and group:
            return _only(group, annotations, split, option)
    base = _bases(annotations, root)[0][0]
    raise UserError(
        f"{base}: has no folder images/; name the image folder with {FLAGS[option]} (those of "
        f"{annotations.name} are wanted)"
    )


def first_file_names(annotations: Path) -> list[str]:
    """A few names of image files, from the beginning and the end of an annotation file.

    The file is not parsed: that of a large set takes seconds.
    """
    try:
        with annotations.open("rb") as file:
            parts = [file.read(_PART)]
            size = os.fstat(file.fileno()).st_size
            if size > _PART:
                file.seek(max(_PART, size - _PART))
                parts.append(file.read(_PART))
    except OSError:
        return []
    found: list[str] = []
    for part in parts:
        for match in _FILE_NAME.finditer(part):
            if len(found) == _SAMPLE:
                return found
            try:
                name = json.loads(match[1])
                name.encode("utf-8")
            except (ValueError, UnicodeError):
                continue
            if unsafe_reason(name) is None:
                found.append(name)
    return found


def holds(folder: Path, names: Sequence[str]) -> bool:
    """Whether ``folder`` has more than half of some images (at least one), under any spelling."""
    if not names:
        return False
    spelling = Spelling(folder)
    there = sum((folder / name).is_file() or spelling.find(name) is not None for name in names)
    return 2 * there > len(names)


def folders_near(folder: Path) -> Iterable[Path]:
    """Folders in which images may lie that are not in ``folder``: below, beside and above it."""
    below = folders(folder)
    yield from below
    for inner in below:
        yield from folders(inner)
    above = Path(os.path.normpath(folder / ".."))
    yield above
    for beside in folders(above):
        if beside.absolute() != folder.absolute():
            yield beside
            yield from folders(beside)


def _candidates(
    annotations: Path, split: Split, root: Path | None
) -> list[tuple[list[Path], bool]]:
    """Groups of folders of equal claim, each with whether its names alone are a claim."""
    groups: list[tuple[list[Path], bool]] = []
    if annotations.name == ROBOFLOW:
        groups.append(([annotations.parent], True))
    suffix = annotations.stem.casefold().removeprefix("instances_")
    bases = _bases(annotations, root)
    for base, is_set in bases:
        inner = folders(base)
        images = next((f for f in inner if f.name.casefold() == "images"), None)
        in_images = folders(images) if images is not None else []
        groups += [
            ([f for f in in_images if f.name.casefold() == suffix], True),
            ([f for f in in_images if f.name.casefold().startswith(NAMES[split])], True),
            ([images] if images is not None else [], True),
            ([f for f in inner if f.name.casefold() == suffix], is_set),
            ([f for f in inner if f.name.casefold().startswith(NAMES[split])], is_set),
            ([f for f in inner if f.name.casefold() == "data"], is_set),
        ]
    return [*groups, ([annotations.parent], False), *(([base], False) for base, _ in bases)]


def _bases(annotations: Path, root: Path | None) -> list[tuple[Path, bool]]:
    """Folders to look for images in, each with whether it is known to be that of a data set."""
    parent = annotations.parent
    above = Path(os.path.normpath(parent / ".."))
    in_layout = parent.absolute().name.casefold() == "annotations"
    own = above if in_layout else parent
    if root is None:
        return [(own, True)] if in_layout else [(own, True), (above, False)]
    if own.absolute() == root.absolute():
        return [(root, True)]
    if own.absolute().is_relative_to(root.absolute()):
        return [(own, True), (root, True)]  # a folder per split
    return [(root, True), (own, False)]


def _only(group: list[Path], annotations: Path, split: Split, option: str) -> Path:
    if len(group) == 1:
        return group[0]
    named = [path for path in group if annotations.stem.casefold().endswith(path.name.casefold())]
    if len(named) == 1:
        return named[0]
    base = Path(os.path.commonpath([path.absolute().parent.parent for path in group]))
    names = ", ".join(f"{path.absolute().relative_to(base)}/" for path in group)
    raise UserError(
        f"{base}: {len(group)} folders may hold the images of {split}: {names}; "
        f"name the one you mean with {FLAGS[option]}"
    )

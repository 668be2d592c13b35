"""Images that belong to no data set: found by file, folder or pattern, and indexed like one."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.findings import Findings
from ladcli.data.headers import (
    Header,
    describe_bad,
    look_at_all,
    read_header,
    remark_oddities,
)
from ladcli.data.image_suffixes import SUFFIXES
from ladcli.data.index import CocoIndex
from ladcli.errors import UserError


@dataclass(frozen=True)
class FoundImage:
    """A file that is to be looked at."""

    path: str  # as the user's input leads to it
    name: str  # relative to the folder that was given, see `find_images`


@dataclass(frozen=True)
class FoundIndex:
    """Files whose header was read."""

    index: (
        CocoIndex  # no boxes, but notes; image ids are positions in what was found, counted from 1
    )
    bad: tuple[str, ...]  # what was left out, each with the reason


def find_images(inputs: Sequence[str]) -> list[FoundImage]:
    """Image files in the order of their names, the same file once.

    Args:
        inputs: files, taken whatever their ending; folders, searched with all below them; and
            patterns with ``*``, ``?``, ``[...]`` and ``**``, which match files.  In folders and by
            patterns only `SUFFIXES` are found, and nothing hidden.

    Returns:
        Names are relative: to the folder, to the last folder of a pattern before its first sign,
        or to the folder of a file.  Where that would give two images one name, as folders with
        the same names inside do, all names are paths.

    Raises:
        UserError: an input leads to no image, or a folder cannot be read.
    """
    unique: dict[str, FoundImage] = {}
    for text in inputs:
        for image in _images_of(text):
            unique.setdefault(os.path.realpath(image.path), image)
    found = list(unique.values())
    if len({image.name for image in found}) < len(found):
        found = [FoundImage(image.path, Path(image.path).as_posix()) for image in found]
    return sorted(found, key=lambda image: image.name)


def _images_of(text: str) -> list[FoundImage]:
    """What one input leads to."""
    paths, root = [], text
    if os.path.isdir(text):
        paths = list(_walk(text))
        problem = f"holds no image ({' '.join(SUFFIXES)}), nor do the folders in it"
    elif os.path.isfile(text):  # also where its name looks like a pattern
        paths, root = [text], os.path.dirname(text)
    elif first := re.search(r"[*?[]", text):
        matches = [path for path in glob.iglob(text, recursive=True) if os.path.isfile(path)]
        paths = [path for path in matches if _is_named_like_image(path)]
        root = os.path.dirname(text[: first.start()])
        problem = f"{len(matches)} file(s) match, none of them an image ({' '.join(SUFFIXES)})"
    else:
        problem = "no such file or folder"
    if not paths:
        raise UserError(f"{text if text.isprintable() else ascii(text)}: {problem}; check the name")
    names = (Path(os.path.relpath(path, root or None)).as_posix() for path in paths)
    return [FoundImage(path, name) for path, name in zip(paths, names, strict=True)]


def _walk(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise UserError(
            f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
        ) from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = os.path.join(parent, name)
            # A pipe that is named like an image would never end.
            if not name.startswith(".") and _is_named_like_image(name) and os.path.isfile(path):
                yield path


def _is_named_like_image(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in SUFFIXES


def index_images(found: Sequence[FoundImage], classes: ClassTable, *, skip_bad: bool) -> FoundIndex:
    """An index of images without boxes; only the headers of the files are read.

    Args:
        classes: of the network that is to look at them.
        skip_bad: leave out files that are no images, instead of stopping.

    Raises:
        UserError: with the count and the first names; or no image is left.
    """
    headers = look_at_all(_header, found)
    bad = tuple(header.problem for header in headers if header.problem is not None)
    if bad and not skip_bad:
        raise UserError(
            f"{describe_bad(bad, len(found))}; mend them, or leave them out with --skip-bad-images"
        )
    if len(bad) == len(found):
        raise UserError(f"{describe_bad(bad, len(found))}; choose image files")
    sizes = {row: header.hw for row, header in enumerate(headers) if header.problem is None}
    findings = Findings(Path())
    remark_oddities(findings, headers)
    names = [found[row].path.encode("utf-8") for row in sizes]
    index = CocoIndex(
        annotations=Path(),  # there are none
        images_dir=Path(),  # names are whole paths
        image_ids=np.array(list(sizes), dtype=np.int64) + 1,
        hw=np.array(list(sizes.values()), dtype=np.int32),
        name_bytes=np.frombuffer(b"".join(names), dtype=np.uint8),
        name_ptr=np.cumsum([0, *map(len, names)], dtype=np.int64),
        box_ptr=np.zeros(len(sizes) + 1, dtype=np.int64),
        boxes=np.zeros((0, 4), dtype=np.float32),
        labels=np.zeros(0, dtype=np.int64),
        crowd=np.zeros(0, dtype=bool),
        classes=classes,
        notes=tuple(finding.text for finding in findings.found),
    )
    return FoundIndex(index, bad)


def _header(image: FoundImage) -> Header:
    try:
        image.path.encode("utf-8")
    except UnicodeEncodeError:
        return Header(image.path, problem=f"{image.path!a}: its name is not UTF-8; rename it")
    return read_header(Path(image.path))

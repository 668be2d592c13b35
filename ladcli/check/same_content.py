"""Image files with the same content, found without reading most of them.

Files of different sizes differ; of the others first a little is read, and all only of those that
agree in it.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from ladcli.check.checked_set import CheckedSet
from ladcli.data.columns import shorten
from ladcli.data.findings import EXAMPLES
from ladcli.data.headers import look_at_all

#: Bytes that are read at the end of a file, where compressed pixels lie.
_TAIL = 4096


@dataclass(frozen=True)
class ImageOfSet:
    """An image, as one of the sets under check."""

    place: int  # of the set
    row: int  # of the set's index
    path: str
    pixels: bytes | None = None  # digest, where it was decoded


def report_same_content(sets: Sequence[CheckedSet], pixels: Sequence[dict[int, bytes]]) -> None:
    """Report images that occur twice in a set, or in two of them.

    Args:
        pixels: digests of decoded images by row, beside ``sets``; empty where none were decoded.
    """
    images = [
        ImageOfSet(place, row, header.path, pixels[place].get(row))
        for place, checked in enumerate(sets)
        for row, header in enumerate(checked.headers)
        if header.problem is None
    ]
    repeated: dict[int, list[str]] = defaultdict(list)
    shared: dict[tuple[int, int], list[str]] = defaultdict(list)
    for group in same_content(images):
        first: dict[int, ImageOfSet] = {}
        for image in group:
            if first.setdefault(image.place, image).path != image.path:
                repeated[image.place].append(_pair(sets, image, first[image.place]))
        places = sorted(first)
        for later in places[1:]:
            shared[places[0], later].append(_pair(sets, first[later], first[places[0]]))
    for place, pairs in repeated.items():
        sets[place].findings.add(
            "image-repeated",
            "warning",
            len(pairs),
            f"{len(pairs)} image(s) of {sets[place].name} have the content of another one: "
            f"{_some(pairs)}",
            examples=pairs[:EXAMPLES],
        )
    for (one, other), pairs in sorted(shared.items()):
        sets[other].findings.add(
            "image-shared",
            "warning",
            len(pairs),
            f"{sets[other].name} shares {len(pairs)} image(s) with {sets[one].name}: "
            f"{_some(pairs)}",
            examples=pairs[:EXAMPLES],
            remedy="keep each in one set: AP on images that were learned from is too high",
        )


def same_content(images: Sequence[ImageOfSet]) -> list[list[ImageOfSet]]:
    """Groups of two and more images of the same content, in their order."""
    decoded = [image for image in images if image.pixels is not None]
    others = [image for image in images if image.pixels is None]
    groups = _split([decoded], lambda image: image.pixels)
    alike = [others]
    for key in (_size, _tail, _digest):
        alike = _split(alike, key)
    return groups + alike


def _split(
    groups: Sequence[list[ImageOfSet]], key: Callable[[ImageOfSet], Hashable]
) -> list[list[ImageOfSet]]:
    """Parts of ``groups`` whose images agree in ``key``; lone images are dropped."""
    flat = [(number, image) for number, group in enumerate(groups) for image in group]
    keys = look_at_all(lambda pair: key(pair[1]), flat)
    parts: dict[Hashable, list[ImageOfSet]] = defaultdict(list)
    for (number, image), value in zip(flat, keys, strict=True):
        if value is not None:
            parts[number, value].append(image)
    return [part for part in parts.values() if len(part) > 1]


def _size(image: ImageOfSet) -> int | None:
    try:
        return os.stat(image.path).st_size
    except OSError:
        return None


def _tail(image: ImageOfSet) -> bytes | None:
    try:
        with open(image.path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read()
    except OSError:
        return None


def _digest(image: ImageOfSet) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(image.path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError:
        return None
    return digest.digest()


def _pair(sets: Sequence[CheckedSet], image: ImageOfSet, other: ImageOfSet) -> str:
    return f"{_name(sets, image)} = {_name(sets, other)}"


def _name(sets: Sequence[CheckedSet], image: ImageOfSet) -> str:
    index = sets[image.place].index
    assert index is not None  # it has headers
    return shorten(index.file_name(image.row))[1:-1]


def _some(pairs: Sequence[str]) -> str:
    return ", ".join(pairs[:EXAMPLES]) + (", ..." if len(pairs) > EXAMPLES else "")

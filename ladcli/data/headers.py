"""The headers of many image files at once, and what to say of those that are unsound or odd."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from PIL import Image

from ladcli.data.decode import EXIF_ORIENTATION, check_size, opened
from ladcli.data.findings import EXAMPLES, Findings, some
from ladcli.errors import BadImageError

File = TypeVar("File")
Found = TypeVar("Found")

#: What is odd about a file that can be read.
Oddity: TypeAlias = Literal["image-turned", "image-animated", "image-16-bit"]

#: Why a file cannot be used: it is not there, its header cannot be read, or its size is not what
#: the annotations say.
Fault: TypeAlias = Literal["image-missing", "image-unreadable", "image-size-differs"]

#: What is said of odd files.
_WORDS: dict[Oddity, tuple[str, str]] = {
    "image-turned": (
        "have an EXIF orientation, which is not applied",
        "boxes that were drawn on the turned images lie elsewhere in the stored ones: look at some",
    ),
    "image-animated": ("are animated or hold several frames, of which the first is read", ""),
    "image-16-bit": ("have 16 bits a color, cut to 8", ""),
}

#: Opening files mostly waits, for a disk or for the network.
_THREADS = 8


def look_at_all(
    look: Callable[[File], Found],
    files: Iterable[File],
    seen: Callable[[int], None] | None = None,
) -> list[Found]:
    """``look`` at every file, several at a time; what it found, in the order of ``files``.

    Args:
        seen: is told how many are done.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            found = []
            for result in pool.map(look, files):
                found.append(result)
                if seen is not None:
                    seen(len(found))
            return found
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of the files
            raise


def describe_bad(bad: Sequence[str], total: int) -> str:
    """How many of ``total`` files cannot be used, with the first reasons."""
    more = " | ..." if len(bad) > 3 else ""
    return f"{len(bad)} of {total} image files cannot be used: {' | '.join(bad[:3])}{more}"


@dataclass(frozen=True)
class Header:
    """What the beginning of an image file tells."""

    path: str
    hw: tuple[int, int] = (0, 0)  # stored height and width, pixels; zeros where it cannot be used
    format: str = ""  # as Pillow names it, such as JPEG
    problem: str | None = None  # why the file cannot be used, as a sentence that names it
    fault: Fault | None = None  # the same as one of few kinds
    oddities: tuple[Oddity, ...] = ()


def read_header(path: Path, stored_hw: tuple[int, int] | None = None) -> Header:
    """Look at one file, without its pixels.

    Args:
        stored_hw: height and width that the file must have.
    """
    readable = False
    try:
        with opened(path) as image:
            readable = True
            if stored_hw is not None:
                check_size(path, image, stored_hw)
            hw = (image.height, image.width)
            return Header(str(path), hw, image.format or "", oddities=_oddities(image))
    except BadImageError as error:
        fault: Fault = "image-size-differs" if readable else "image-unreadable"
        if not os.path.lexists(path):
            fault = "image-missing"
        return Header(str(path), problem=str(error), fault=fault)


def remark_oddities(findings: Findings, headers: Sequence[Header]) -> None:
    """A note for every kind of oddity among files."""
    for kind, (words, remedy) in _WORDS.items():
        files = [header.path for header in headers if kind in header.oddities]
        if files:
            names = [repr(Path(file).name) for file in files[:EXAMPLES]]
            findings.add(
                kind,
                "note",
                len(files),
                f"{len(files)} image(s) {words}: {some(names, len(files))}",
                examples=files[:EXAMPLES],
                remedy=remedy,
            )


def _oddities(image: Image.Image) -> tuple[Oddity, ...]:
    found: list[Oddity] = []
    if _is_turned(image):
        found.append("image-turned")
    if getattr(image, "is_animated", False):
        found.append("image-animated")
    # A single channel of 16 bits is scaled, not cut.
    if image.mode in ("RGB", "RGBA") and ";16" in str(getattr(image, "tile", "")):
        found.append("image-16-bit")
    return tuple(found)


def _is_turned(image: Image.Image) -> bool:
    """Whether the file has an orientation other than upright that stays as stored."""
    # Pillow turns TIFF files itself.  Of other formats than JPEG it would decode all of the pixels
    # to look for EXIF data that the header does not hold.
    if image.format == "TIFF" or (image.format != "JPEG" and "exif" not in image.info):
        return False
    return image.getexif().get(EXIF_ORIENTATION, 1) in range(2, 9)

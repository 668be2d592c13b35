"""Image files to pixels, by fixed rules.

* The content decides, not the name: JPEG, PNG, GIF, BMP, TIFF, WebP and PPM are read.
* EXIF orientation is not applied: COCO boxes are in stored pixels.  (That of a TIFF file is, by
  Pillow itself.)
* Gray, 1 bit and palette become RGB; CMYK is converted; alpha and transparency are dropped, so the
  color underneath shows.
* 16 bit gray is scaled by 1/257 to 8 bit; 16 bit RGB is cut to 8 bit by Pillow.  Gray of 32 bit or
  floating point has no known range and is refused.
* Of an animation the first frame is read.
* A file that lacks pixels is refused, never filled up.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ladcli.errors import BadImageError

#: Larger images are refused by their header, before memory is taken.
MAX_PIXELS = 89_478_485
#: Formats that are tried.  Pillow knows more, some of which start other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")

#: A JPEG is decoded at reduced size where it is this many times larger than the target ...
_REDUCE_FROM = 4
#: ... and the reduced image is still this many times larger, so that resizing looks the same.
_REDUCE_TO = 2
_GRAY_16 = ("I;16", "I;16B", "I;16L", "I;16N", "I")
#: Tag of the orientation.
EXIF_ORIENTATION = 0x0112
_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def decode_image(
    path: Path,
    *,
    target_hw: tuple[int, int] | None = None,
    stored_hw: tuple[int, int] | None = None,
) -> np.ndarray:
    """Pixels of an image file.

    Args:
        target_hw: size that the caller resizes to; lets large JPEGs be decoded at a fraction of
            their size (still at least twice the target), which is much faster.
        stored_hw: size that the file must have.

    Returns:
        [H, W, 3] uint8 RGB; H and W are the stored size, or less where ``target_hw`` allowed.

    Raises:
        BadImageError: the file cannot be opened or decoded, is too large, or not of ``stored_hw``.
    """
    with opened(path) as image:
        if stored_hw is not None:
            check_size(path, image, stored_hw)
        if target_hw is not None:
            _allow_reduced(image, target_hw)
        image.load()
        return _to_rgb(path, image)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image of a file with only its header read; failures inside become `BadImageError`.

    Only regular files are opened: a named pipe would wait for a writer forever.
    """
    kind = special_kind(path)
    if kind is not None:
        raise BadImageError(str(path), f"is {kind}, not an image file")
    try:
        with Image.open(path, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise BadImageError(str(path), _too_large(f"{image.width}x{image.height}"))
            yield image
    except BadImageError:
        raise
    except Exception as error:
        # Broken files make Pillow raise nearly anything: OSError, SyntaxError, struct.error, ...
        raise BadImageError(str(path), _reason(path, error)) from error


def special_kind(path: Path) -> str | None:
    """What a path leads to that is no regular file, in words; None for files and for nothing."""
    with suppress(OSError, ValueError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return next((words for is_kind, words in _SPECIAL if is_kind(mode)), "no regular file")
    return None


def check_size(path: Path, image: Image.Image, stored_hw: tuple[int, int]) -> None:
    """Refuse an opened image whose stored size is not ``stored_hw``.

    Raises:
        BadImageError: naming both sizes, and EXIF where the size fits the rotated image.
    """
    height, width = stored_hw
    if image.size == (width, height):
        return
    found = f"the file is {image.width}x{image.height}, the annotations say {width}x{height}"
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if image.size == (height, width) and orientation in (5, 6, 7, 8):
        raise BadImageError(
            str(path),
            f"{found}, which is its size after EXIF rotation; annotations must use stored pixels "
            "(EXIF orientation is not applied)",
        )
    raise BadImageError(str(path), f"{found}; correct the annotations or the file")


def _allow_reduced(image: Image.Image, target_hw: tuple[int, int]) -> None:
    """Let the JPEG decoder skip detail that resizing would discard anyway."""
    height, width = target_hw
    if image.width >= _REDUCE_FROM * width and image.height >= _REDUCE_FROM * height:
        # Does nothing for other formats.
        image.draft(image.mode, (_REDUCE_TO * width, _REDUCE_TO * height))


def _to_rgb(path: Path, image: Image.Image) -> np.ndarray:
    """[H, W, 3] uint8 of a loaded image, see the module's rules."""
    if image.mode in _GRAY_16:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadImageError(
                str(path), "gray values beyond 16 bit have no known range; save it as 8 or 16 bit"
            )
        gray = ((values + 128) // 257).astype(np.uint8)  # v / 257, rounded
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise BadImageError(
            str(path), "floating-point gray has no known range; save it as 8 or 16 bit"
        )
    if "transparency" in image.info:
        # By way of alpha, because Pillow warns when it drops a palette's transparency itself.
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _reason(path: Path, error: Exception) -> str:
    """Why a file could not be read, with the likely cause."""
    if isinstance(error, FileNotFoundError):
        return "no such file; check the image folder and the file_name in the annotations"
    if isinstance(error, Image.DecompressionBombError):
        return _too_large("by its header")
    if isinstance(error, PermissionError):
        return "permission to read it is missing"
    try:
        with path.open("rb") as file:
            start = file.read(256).lstrip().lower()
    except OSError as second:
        return f"cannot be read ({second.strerror})"
    if not start:
        return "the file is empty; fetch it again"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not an image (a failed download?); fetch it again"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not an image; run git lfs pull"
    if isinstance(error, UnidentifiedImageError):
        return "is not an image that can be read (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM)"
    text = " ".join(str(error).split()) or type(error).__name__
    return f"cannot be decoded ({text[:120]}); replace the file"


def _too_large(size: str) -> str:
    return f"more than {MAX_PIXELS // 1_000_000} million pixels ({size}); make it smaller"

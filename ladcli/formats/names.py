"""Names of images in a data folder of ours: one folder, no two alike, nothing that cannot be said.

Images keep their file name.  Where folders of the data set hold the same name, those images are
called by their folders too, as ``camera1__frame_000.jpg``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ladcli.data.file_names import unsafe_reason
from ladcli.formats.found_images import folded

#: Bytes of a name; file systems allow 255.
_LONGEST = 200


def relative_names(paths: Sequence[Path]) -> list[str]:
    """Each path below the folder that all of them share, with forward slashes."""
    if not paths:
        return []
    absolute = [os.path.abspath(path) for path in paths]
    above = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(os.path.relpath(path, above)).as_posix() for path in absolute]


def flat_names(relative: Sequence[str], digests: Sequence[str]) -> list[str]:
    """A file name for each image, unique also where case and Unicode form do not count.

    Args:
        relative: names with folders, each once.
        digests: of the images' content, hex; stand in for names that cannot be used.
    """
    plain = [
        _usable(name.rsplit("/", 1)[-1], digest)
        for name, digest in zip(relative, digests, strict=True)
    ]
    shared = Counter(map(folded, plain))
    names: list[str] = []
    taken: set[str] = {key for key, count in shared.items() if count == 1}
    for name, whole, digest in zip(plain, relative, digests, strict=True):
        if shared[folded(name)] > 1:
            name = _free(_usable(whole.replace("/", "__"), digest), taken)
            taken.add(folded(name))
        names.append(name)
    return names


def _usable(name: str, digest: str) -> str:
    """``name``, or one that can be written in JSON and opened on any system."""
    ending = os.path.splitext(name)[1]
    name = name.replace("\\", "_").replace(":", "_")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return digest[:16] + (ending if ending.isascii() else "")
    if size > _LONGEST or unsafe_reason(name) is not None:
        return digest[:16] + ending
    return name


def _free(name: str, taken: set[str]) -> str:
    stem, ending = os.path.splitext(name)
    number = 2
    while folded(name) in taken:
        name, number = f"{stem}_{number}{ending}", number + 1
    return name

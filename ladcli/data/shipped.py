"""Photos that come with the program, so that a first run needs no download."""

from __future__ import annotations

from pathlib import Path


def shipped_photos(name: str) -> Path:
    """The folder of a shipped data set, in COCO layout.

    Args:
        name: ``demo``, blood cell photos; `ladcli/demo/README.md` tells where they come from.
    """
    return Path(__file__).resolve().parent.parent / name

"""Which file names of an annotation file may be opened: those that stay in the image folder."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def unsafe_reason(name: str) -> str | None:
    """Why ``name`` must not be opened below the image folder, or None where it may.

    Decided by the text alone.  A symbolic link inside the image folder is followed: its owner put
    it there.
    """
    if not name.strip():
        return "is empty"
    if "\0" in name:
        return "contains a NUL character"
    if _SCHEME.match(name):
        return "is a URL, and nothing is fetched from the network"
    if _DRIVE.match(name) or "\\" in name:
        return "is a Windows path"
    if name.startswith("/"):
        return "is an absolute path"
    if ".." in name.split("/"):
        return "leaves the image folder"
    return None

"""Caches as older versions of the program left them."""

from __future__ import annotations

from pathlib import Path

import h5py

from tests.cache.caches import as_version_1


def older(cache: Path, out: Path) -> Path:
    """A copy that notes nothing of what it was made for but its fingerprints and views."""
    as_version_1(cache, out)
    with h5py.File(out, "r+") as file:
        del file.attrs["origin"]
        del file["image_digests"]
    return out

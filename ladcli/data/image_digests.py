"""Digests of single images of a data set, to tell which of them differ between two sets."""

from __future__ import annotations

import hashlib

import numpy as np

from ladcli.data.index import CocoIndex


def image_digests(index: CocoIndex) -> np.ndarray:
    """The first 8 bytes of SHA-256 over what is learned from each image, [N, 8] uint8.

    As in the fingerprint of the whole set: id, name, size, boxes, labels and crowd flags.
    """
    digests = np.empty((len(index), 8), dtype=np.uint8)
    for row in range(len(index)):
        boxes = slice(index.box_ptr[row], index.box_ptr[row + 1])
        name = slice(index.name_ptr[row], index.name_ptr[row + 1])
        digest = hashlib.sha256()
        for values, dtype in (
            (index.image_ids[row], "<i8"),
            (index.hw[row], "<i4"),
            (index.name_bytes[name], "|u1"),
            (index.boxes[boxes], "<f4"),
            (index.labels[boxes], "<i8"),
            (index.crowd[boxes], "|b1"),
        ):
            digest.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
            digest.update(b"|")
        digests[row] = np.frombuffer(digest.digest()[:8], dtype=np.uint8)
    return digests

"""How bright images are, from their pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ladcli.data.decode import decode_image
from ladcli.data.headers import look_at_all
from ladcli.data.index import CocoIndex
from ladcli.errors import BadImageError

#: Size that images may be reduced to: means hardly change, and JPEG files are read much faster.
_TARGET_HW = (16, 16)
#: Images between two reports of progress.
_AT_A_TIME = 256
#: Weights of red, green and blue in luma (ITU-R BT.601).
_WEIGHTS = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, eq=False)
class Brightness:
    """The mean luma of some images of a set."""

    rows: np.ndarray  # [K] int64, rows of the images in their index
    luma: np.ndarray  # [K] float64, 0 black to 255 white
    #: Images that were looked at and cannot be used, by row.
    bad: Mapping[int, BadImageError] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        """How many images were opened."""
        return len(self.rows) + len(self.bad)


def spread_evenly(total: int, count: int) -> np.ndarray:
    """At most ``count`` of the rows 0..total-1, evenly spread, both ends included; int64."""
    if count >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, count).round().astype(np.int64)


def mean_brightness(
    index: CocoIndex, rows: np.ndarray, *, on_progress: Callable[[int], None] = lambda done: None
) -> Brightness:
    """Decode the images ``rows`` [K] of ``index``, several at a time.

    An image that cannot be read, or is not of the size that the annotations say, is told of.

    Args:
        on_progress: is told, now and then, how many images were looked at.
    """
    found: list[float | BadImageError] = []
    for start in range(0, len(rows), _AT_A_TIME):
        part = rows[start : start + _AT_A_TIME].tolist()
        found += look_at_all(partial(_luma, index), part)
        on_progress(len(found))
    pairs = list(zip(rows.tolist(), found, strict=True))
    good = [(row, luma) for row, luma in pairs if isinstance(luma, float)]
    return Brightness(
        np.array([row for row, _ in good], dtype=np.int64),
        np.array([luma for _, luma in good], dtype=np.float64),
        {row: error for row, error in pairs if isinstance(error, BadImageError)},
    )


def _luma(index: CocoIndex, row: int) -> float | BadImageError:
    height, width = (int(side) for side in index.hw[row])
    try:
        pixels = decode_image(index.path(row), target_hw=_TARGET_HW, stored_hw=(height, width))
    except BadImageError as error:
        return error
    return float(pixels.mean(axis=(0, 1)) @ _WEIGHTS)

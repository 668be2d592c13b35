"""Random draws that depend on nothing but (seed, epoch, image id) and the purpose of the draw.

No generator is advanced, so the number of workers, the order of requests and a resumed run cannot
change a draw.  The mixing function is splitmix64's finalizer (Steele, Lea and Flood 2014).
"""

from __future__ import annotations

import numpy as np

#: What a draw is for.  Numbers are part of the contract: changing one changes every run.
ORDER = 0
SCALE = 1
FLIP = 2
BRIGHTNESS = 3
CONTRAST = 4
SATURATION = 5

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def uniform(seed: int, epoch: int, image_ids: np.ndarray, stream: int) -> np.ndarray:
    """One draw per image.

    Args:
        seed: of the run; any integer.
        epoch: counted from 0.
        image_ids: [N] int64.
        stream: one of the constants above.

    Returns:
        [N] float64 in [0, 1), multiples of 2**-53.
    """
    state = np.zeros(1, dtype=np.uint64)
    for part in (seed, epoch, stream):
        state = _mix(state ^ np.array([part & _MASK], dtype=np.uint64))
    bits = _mix(state ^ _mix(np.asarray(image_ids, dtype=np.int64).astype(np.uint64)))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: np.ndarray) -> np.ndarray:
    """Scramble [N] uint64 one-to-one; arithmetic wraps at 64 bits, as intended."""
    x = x + _STEP
    x = (x ^ (x >> np.uint64(30))) * _MULTIPLY_1
    x = (x ^ (x >> np.uint64(27))) * _MULTIPLY_2
    return x ^ (x >> np.uint64(31))

"""The levels of the pyramid, as numbers: whoever only counts needs no torch."""

from __future__ import annotations

#: Names of the levels, the finest first.
LEVELS = ("P3", "P4", "P5", "P6", "P7")
#: Pixels per cell of each level.
STRIDES = (8, 16, 32, 64, 128)
#: Side of an anchor in strides.
ANCHOR_SCALE = 8

"""What a teacher cache holds at each level, what identifies it, and when it fits a training run.

A cache is an HDF5 file.  Its rows belong to image views (an image under one of its views) and are
ragged: a table has, for every image view, the place where its rows begin and their number, and one
data set per column with the rows of all image views end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ladcli.assign import Switch
from ladcli.errors import UserError

FORMAT = "lad-teacher-cache"
#: Version 1 had everything that a cache says of itself in attributes, which HDF5 does not protect,
#: no ground truth beside the cheapest candidates, and no quality.  It is still read.
VERSION = 2
READ_VERSIONS = (1, 2)
#: The checksummed data set, UTF-8 JSON, in which a cache of version 2 says what it is.
HEADER = "header"

Level = Literal["assignments", "costs", "soft", "dense"]
#: From the least to the most that is stored.
LEVELS: tuple[Level, ...] = ("assignments", "costs", "soft", "dense")

#: The first table lies at the root of the file, the others in groups of their name.
POSITIVES = ""
CHEAPEST = "costs/cheapest"
LEVEL_STATISTICS = "costs/levels"
OBJECT_STATISTICS = "costs/objects"
CLASSES = "soft/classes"
REST = "soft/rest"
BOXES = "soft/boxes"
DENSE = "dense"
Columns = dict[str, tuple[type[np.generic], tuple[int | str, ...]]]
_TABLES: dict[str, Columns] = {
    # One row per positive.
    POSITIVES: {"anchor": (np.uint32, ()), "gt": (np.uint16, ())},
    # One row per sample: the cheapest candidates of every ground truth and level.
    CHEAPEST: {"anchor": (np.uint32, ()), "gt": (np.uint16, ()), "cost": (np.float32, ())},
    # One row per ground truth and level, over all candidates.
    LEVEL_STATISTICS: {
        "candidates": (np.uint32, ()),
        "mean": (np.float64, ()),
        "squared_deviation": (np.float64, ()),
        "fisher": (np.float64, ()),
    },
    # One row per ground truth.
    OBJECT_STATISTICS: {"fisher": (np.float64, ())},
    # One row per class probability that stands out.
    CLASSES: {"anchor": (np.uint32, ()), "label": (np.uint16, ()), "prob": (np.uint8, ())},
    # One row per level: the mean of the probabilities that do not.
    REST: {"prob": (np.float16, ("C",))},
    # One row per anchor whose box is a soft target.
    BOXES: {"anchor": (np.uint32, ()), "box": (np.uint16, (4,)), "iou": (np.uint8, ())},
    # One row per anchor.
    DENSE: {"cls": (np.float16, ("C",)), "box": (np.float16, (4,)), "iou": (np.float16, ())},
}


def columns_of(table: str, *, version: int = VERSION, quality: bool = False) -> Columns:
    """Columns of a table: type, and shape of one row ("C" stands for the number of classes).

    Args:
        quality: the cache's assigner gives its positives a quality.
    """
    columns = dict(_TABLES[table])
    if table == POSITIVES and quality:
        columns["quality"] = (np.float32, ())
    if table == CHEAPEST and version == 1:
        del columns["gt"]
    return columns


_COSTS = (POSITIVES, CHEAPEST, LEVEL_STATISTICS, OBJECT_STATISTICS)
TABLES_OF: dict[Level, tuple[str, ...]] = {
    "assignments": (POSITIVES,),
    "costs": _COSTS,
    "soft": (*_COSTS, CLASSES, REST, BOXES),
    "dense": (DENSE,),
}

#: What a fingerprint stands for, in an error message.
_MEANINGS = {
    "teacher": "another teacher network",
    "data": "another data set (images, boxes, labels or classes)",
    "input": "another view set (resizing, flips or canvases, or the anchors on them)",
    "assigner": "other assignment options",
    "soft": "another choice of soft targets (soft.select or soft.min_iou)",
}


@dataclass(frozen=True)
class Fingerprints:
    """SHA-256 of everything that a cached opinion depends on.  See `ladcli.structures`."""

    teacher: str
    data: str
    input: str
    assigner: str
    soft: str

    def of_level(self, level: Level) -> dict[str, str]:
        """Name to hex digest, of what the contents of a level depend on."""
        left_out = {"assignments": {"soft"}, "costs": {"soft"}, "dense": {"soft", "assigner"}}
        return {k: v for k, v in asdict(self).items() if k not in left_out.get(level, ())}


def needed_level(
    *, teacher_assigns: bool, switch: Switch | None, soft: bool, positives_move: bool = False
) -> Level:
    """The least that a cache must hold for a method.

    Args:
        positives_move: they change with the progress of the training, so costs are needed.

    Moments per ground truth and level add up to those of any wider scope; Fisher scores do not,
    and are stored for the scopes `level` and `object` alone.
    """
    if switch is not None and switch.criterion == "fisher" and switch.scope in ("image", "batch"):
        return "dense"
    if soft:
        return "soft"
    costs = teacher_assigns and (switch is not None or positives_move)
    return "costs" if costs else "assignments"


class Damage(Exception):
    """What a file holds cannot be what this program wrote; the message says what is odd."""


def known_level(name: str) -> Level:
    """``name`` as a level.

    Raises:
        Damage: there is no such level.
    """
    for level in LEVELS:
        if level == name:
            return level
    raise Damage(f"its level {name!r} is unknown")


def require_level(path: Path, found: Level, needed: Level) -> None:
    """Refuse a cache that holds too little.

    Raises:
        UserError: names the level that is needed, and the command that builds it.
    """
    if LEVELS.index(found) < LEVELS.index(needed):
        raise UserError(
            f"{path}: is of level {found}, and this method needs {needed}; build it with "
            f"lad cache-teacher --level {needed}"
        )


def require_match(
    path: Path,
    found: Mapping[str, str],
    wanted: Mapping[str, str],
    explain: Callable[[str], str | None] = lambda name: None,
) -> None:
    """Refuse a cache that was made for something else.

    Args:
        path: of the cache, for the message.
        found: the fingerprints in the cache.
        wanted: those of this run; names that are absent are not compared.
        explain: what is different in a fingerprint, in words, where that is known.

    Raises:
        UserError: says which fingerprints differ.
    """
    wrong = [name for name in _MEANINGS if name in wanted and found.get(name) != wanted[name]]
    if not wrong:
        return
    reasons = []
    for name in wrong:
        known = explain(name)
        if known is not None:
            reasons.append(f"{_MEANINGS[name].partition(' (')[0]} ({known})")
            continue
        # Digests at least tell whether two messages mean the same.
        digests = f"{name} {str(found.get(name))[:12]}, this run has {wanted[name][:12]}"
        reasons.append(f"{_MEANINGS[name]} ({digests})")
    raise UserError(
        f"{path}: was made for {' and '.join(reasons)}; build one that fits with lad cache-teacher"
    )

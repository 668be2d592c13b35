"""In which ways a teacher cache and a run differ, in words that name both.

Fingerprints say that they differ.  What they are made of is told by what a cache notes beside them
(`describe_origin`); older caches note less, and then less can be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.assign import Assigner
from ladcli.cache.reader import CacheInfo, TeacherCache
from ladcli.classes import ClassTable
from ladcli.data.image_digests import image_digests
from ladcli.data.index import CocoIndex
from ladcli.data.views import ViewGrid
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.model import Detector
from ladcli.recipe.flags import option_value, shown_value
from ladcli.recipe.schema import DataConfig, SoftConfig


@dataclass(frozen=True)
class CacheUse:
    """What a run, or another build, wants a cache to have been made for."""

    index: CocoIndex
    data: DataConfig
    assigner: Assigner
    soft: SoftConfig
    anchors: AnchorLayout
    teacher: tuple[Path, Detector] | None = None  # where it is known


def describe_origin(use: CacheUse) -> dict[str, Any]:
    """What a cache notes of what it is made for: plain values, outside of its fingerprints."""
    origin: dict[str, Any] = {
        "data": {
            "folder": use.data.dir,
            "annotations": str(use.index.annotations),
            "boxes": len(use.index.boxes),
        },
        "assigner": dict(use.assigner.options),
        "soft": _soft_options(use.soft),
        "anchors": use.anchors.to_plain(),
    }
    if use.teacher is not None:
        path, detector = use.teacher
        origin["teacher"] = {
            "path": str(path),
            "architecture": detector.architecture.to_plain(),
        }
    return origin


def anchors_of(info: CacheInfo) -> AnchorLayout:
    """The anchors of a cache's teacher, as far as the cache notes them.

    Older caches do not, and their teachers had no choice.
    """
    return AnchorLayout.from_plain(info.origin.get("anchors", {}))


def difference(cache: TeacherCache, use: CacheUse, name: str) -> str | None:
    """How a cache differs from what is wanted in a fingerprint; None where it cannot be told.

    Args:
        name: of the fingerprint, see `ladcli.cache.format.Fingerprints`.

    Raises:
        UserError: what the cache notes of its images is damaged.
    """
    origin = cache.info.origin
    match name:
        case "input":
            return _both(
                views_difference(cache.info.views, ViewGrid.from_config(use.data).to_plain()),
                _anchors_difference(cache.info, use),
            )
        case "data":
            return _data_difference(cache, use.index)
        case "teacher":
            return _teacher_difference(origin.get("teacher"), use)
        case "assigner":
            return _both(
                options_difference("assign", origin.get("assigner"), dict(use.assigner.options)),
                _anchors_difference(cache.info, use),
            )
        case "soft":
            return options_difference("soft", origin.get("soft"), _soft_options(use.soft))
    return None


def views_difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """How two sets of views differ; both as `ViewGrid.to_plain` gives them."""
    if not stored:
        return None
    theirs, mine = views_in_words(stored), views_in_words(wanted)
    if theirs != mine:
        return f"{theirs}; here they are {mine}"
    changed = [key for key in wanted if stored.get(key) != wanted[key]]
    if not changed:
        return None
    return f"its {' and '.join(changed)} are those of another version of the program"


def views_in_words(views: Mapping[str, Any]) -> str:
    """Sizes and flips, such as ``short side 640 to 800 in 6 steps, long side up to 1333, …``."""
    shorts = [int(side) for side in views["shorts"]]
    sides = f"{shorts[0]}"
    if len(shorts) > 1:
        sides += f" to {shorts[-1]} in {len(shorts)} steps"
    flips = {0: "unflipped", 1: "flipped"}
    seen = sorted({int(view) % 2 for view in views["view_ids"]})
    flipped = "with and without flip" if len(seen) == 2 else f"{flips[seen[0]]} only"
    return f"short side {sides}, long side up to {views['long']}, {flipped}"


def options_difference(
    section: str, stored: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> str | None:
    """The options of a section in which a cache differs, with both values."""
    if not stored:
        return None
    words = ", ".join(
        f"{option_value(f'{section}.{key}', stored.get(key))}, here {shown_value(value)}"
        for key, value in wanted.items()
        if stored.get(key) != value
    )
    return words or None


def teacher_in_words(teacher: Mapping[str, Any]) -> str:
    """``PATH (backbone)`` of what a cache notes of its teacher."""
    return f"{teacher.get('path')} ({teacher.get('architecture', {}).get('backbone')})"


def settings_of_views(info: CacheInfo, data: DataConfig) -> dict[str, Any] | None:
    """Options by dotted key that give the views of a cache, or None where none are known to.

    Args:
        data: the options of the run; its probability of a flip stays where the cache allows it.
    """
    views = info.views
    if not views:
        return None
    shorts = [int(side) for side in views["shorts"]]
    flips = {int(view) % 2 for view in views["view_ids"]}
    flip = data.flip
    if len(flips) == 1:
        flip = float(min(flips))
    elif flip in (0.0, 1.0):
        flip = 0.5
    values = {
        "short": [shorts[0]] if len(shorts) == 1 else [shorts[0], shorts[-1]],
        "long": int(views["long"]),
        "scales": "grid",
        "scale_steps": data.scale_steps if len(shorts) == 1 else len(shorts),
        "flip": flip,
    }
    grid = ViewGrid.from_config(data.model_copy(update=values))
    if grid.to_plain() != dict(views):
        return None
    return {f"data.{key}": value for key, value in values.items()}


def _anchors_difference(info: CacheInfo, use: CacheUse) -> str | None:
    return options_difference("model", anchors_of(info).to_plain(), use.anchors.to_plain())


def _both(*differences: str | None) -> str | None:
    return ", ".join(filter(None, differences)) or None


def _soft_options(soft: SoftConfig) -> dict[str, Any]:
    return {"select": soft.select, "min_iou": soft.min_iou}


def _teacher_difference(stored: Mapping[str, Any] | None, use: CacheUse) -> str | None:
    if not stored or use.teacher is None:
        return None
    path, detector = use.teacher
    return f"{teacher_in_words(stored)}; here it is {path} ({detector.architecture.backbone})"


def _data_difference(cache: TeacherCache, index: CocoIndex) -> str | None:
    info = cache.info
    words = []
    boxes = info.origin.get("data", {}).get("boxes")
    counts = [("images", info.num_images, len(index))]
    if boxes is not None:
        counts.append(("boxes", int(boxes), len(index.boxes)))
    words += [f"{theirs} {what}, here {mine}" for what, theirs, mine in counts if theirs != mine]
    classes = ClassTable.from_plain(info.classes)
    if classes != index.classes:
        named = classes.difference(index.classes) or "their ids differ"
        words.append(f"classes {_some(classes)}, here {_some(index.classes)} ({named})")
    first = _first_image(cache, index)
    if first is not None:
        words.append(f"the first image that differs is {first}")
    return ", ".join(words) or None


def _first_image(cache: TeacherCache, index: CocoIndex) -> str | None:
    """The image of lowest id that only one of both has, or that they see otherwise."""
    mine, theirs = index.image_ids, cache.image_ids
    only_here, only_there = np.setdiff1d(mine, theirs), np.setdiff1d(theirs, mine)
    found: list[tuple[int, str]] = []
    if len(only_there):
        found.append((int(only_there[0]), f"{only_there[0]}, which is not here"))
    if len(only_here):
        row = int(np.flatnonzero(mine == only_here[0])[0])
        text = f"{only_here[0]} ({index.file_name(row)}), which is not in the cache"
        found.append((int(only_here[0]), text))
    digests = cache.read_image_digests()
    if digests is not None:
        shared, here, there = np.intersect1d(mine, theirs, return_indices=True)
        other = (image_digests(index)[here] != digests[there]).any(axis=1)
        if other.any():
            place = int(other.argmax())
            row = int(here[place])
            text = f"{shared[place]} ({index.file_name(row)}): its name, size or boxes"
            found.append((int(shared[place]), text))
    return min(found)[1] if found else None


def _some(classes: ClassTable, most: int = 5) -> str:
    return ", ".join(classes.names[:most]) + (", …" if len(classes) > most else "")

"""Classes that differ between the sets of one data set."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.check.checked_set import CheckedSet
from ladcli.classes import ClassTable

#: Names that are shown of each kind.
_NAMED = 8


def report_class_differences(sets: Sequence[CheckedSet]) -> None:
    """Compare the classes of every set with those of the first; they must be the same."""
    known = [checked for checked in sets if checked.coco is not None]
    for other in known[1:]:
        assert known[0].coco is not None
        assert other.coco is not None
        mine, theirs = known[0].coco.classes, other.coco.classes
        words = class_differences(mine, theirs)
        if words is not None:
            different = len(set(mine.names) ^ set(theirs.names)) or len(mine)
            other.findings.add(
                "classes-differ",
                "error",
                different,
                f"{other.name} has other classes than {known[0].name}: {words}",
                remedy="give both files the same categories",
            )
        elif mine.ids != theirs.ids:
            other.findings.add(
                "class-ids-differ",
                "note",
                sum(a != b for a, b in zip(mine.ids, theirs.ids, strict=True)),
                f"{other.name} gives the classes other ids than {known[0].name}; they are matched "
                "by name",
            )


def class_differences(mine: ClassTable, theirs: ClassTable) -> str | None:
    """How the names of ``theirs`` differ from ``mine``, or None where they do not."""
    if mine.names == theirs.names:
        return None
    missing = [name for name in mine.names if name not in set(theirs.names)]
    besides = [name for name in theirs.names if name not in set(mine.names)]
    parts = []
    if missing:
        parts.append(f"it lacks {_named(missing)}")
    if besides:
        parts.append(f"it has {_named(besides)} besides")
    return " and ".join(parts) or "the same names, but their ids are in another order"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown

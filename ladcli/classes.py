"""The classes a detector knows, by name and by the id that its data set gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassTable:
    """Classes in the order of ascending category id; position is the label 0..C-1."""

    ids: tuple[int, ...]  # category ids of the data set, ascending, gaps allowed
    names: tuple[str, ...]  # beside the ids

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.names):
            raise ValueError(f"{len(self.ids)} class ids but {len(self.names)} class names")

    def __len__(self) -> int:
        return len(self.ids)

    def to_plain(self) -> list[list[Any]]:
        """``[[id, name], …]`` for JSON and checkpoints."""
        return [[i, name] for i, name in zip(self.ids, self.names, strict=True)]

    @staticmethod
    def from_plain(rows: list[list[Any]]) -> ClassTable:
        """The reverse of `to_plain`."""
        return ClassTable(tuple(int(i) for i, _ in rows), tuple(str(n) for _, n in rows))

    def difference(self, other: ClassTable) -> str | None:
        """Why ``other`` names other classes than this table, or None where the names agree."""
        if self.names == other.names:
            return None
        missing = [name for name in self.names if name not in other.names]
        if len(self) != len(other):
            added = [name for name in other.names if name not in self.names]
            changes = [f"lack {_listed(missing)}"] if missing else []
            changes += [f"add {_listed(added)}"] if added else []
            return f"{len(self)} classes against {len(other)}, which {' and '.join(changes)}"
        if missing:
            return f"class {missing[0]!r} is missing"
        return "the same classes in another order"


def _listed(names: list[str]) -> str:
    """The first few of ``names``, in quotes, without control characters."""
    return ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")

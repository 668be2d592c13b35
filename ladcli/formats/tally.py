"""What was odd about a data set: a line per kind, with a count and the first examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ladcli.plain_text import one_line

_EXAMPLES = 3


@dataclass
class _Kind:
    left_out: bool
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Tally:
    """Counts records that were left out, and others worth a word, in the order they were met.

    What is wrong with a set of our own layout is a `ladcli.data.findings.Finding`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Args:
        folder: where the data set lies; files in it are named without it.
        """
        self._prefix = f"{folder}/" if folder is not None else ""
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def leave_out(self, what: str, why: str, where: str) -> None:
        """A record is not imported.

        Args:
            what: the kind of record, singular, such as ``box``.
            why: the reason, which ends the sentence ``2 boxes left out: ...``.
            where: file and record.
        """
        self._add(what, f"left out: {why}", where, left_out=True)

    def note(self, what: str, words: str, where: str) -> None:
        """A record is imported, and something about it should be known.

        Args:
            words: what follows the count, such as ``kept, no class name``.
        """
        self._add(what, words, where, left_out=False)

    def _add(self, what: str, words: str, where: str, *, left_out: bool) -> None:
        kind = self._kinds.setdefault((what, words), _Kind(left_out))
        kind.count += 1
        if where and len(kind.examples) < _EXAMPLES:
            if self._prefix:
                where = where.replace(self._prefix, "")
            kind.examples.append(one_line(where))

    def lines(self) -> list[str]:
        """``2 boxes left out: no area (a.txt line 3, b.txt line 1)``."""
        lines = []
        for (what, words), kind in self._kinds.items():
            more = ", ..." if kind.count > len(kind.examples) else ""
            examples = f" ({', '.join(kind.examples)}{more})" if kind.examples else ""
            lines.append(f"{several(kind.count, what)} {one_line(words)}{examples}")
        return lines

    def to_plain(self) -> list[dict[str, Any]]:
        """The same for JSON."""
        return [
            {
                "what": what,
                "problem": one_line(words),
                "left_out": kind.left_out,
                "count": kind.count,
                "examples": kind.examples,
            }
            for (what, words), kind in self._kinds.items()
        ]


def several(count: int, what: str) -> str:
    """``1 box``, ``2 boxes``, ``3 label files``."""
    if count == 1:
        return f"1 {what}"
    ending = "es" if what.endswith(("s", "x", "ch")) else "s"
    return f"{count:,} {what}{ending}"

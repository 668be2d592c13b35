"""What is found about a data set, as values: counted by kind, with the first examples.

Who reads to work on a set stops at the first error and shows the rest as notes; who checks one
collects everything.  Both look with the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ladcli.errors import UserError

#: An error stops every command that reads the set.  A warning is about what is left out, or hardly
#: meant; a note about what is odd, or good to know.
Severity: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

#: Records that are named.
EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One kind of problem, however often it occurs."""

    kind: str  # a name that stays, such as ``box-outside``
    severity: Severity
    count: int  # records or files concerned
    file: str  # the file or folder that it is about
    text: str  # what, with a count and the first examples; no file, no remedy
    examples: tuple[str, ...] = ()  # the first few, such as ``annotation 5``
    remedy: str = ""  # what to do, where that is not plain

    def line(self) -> str:
        """All of it as one line."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.file}: {self.text}{remedy}"

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "count": self.count,
            "file": self.file,
            "text": self.text,
            "examples": list(self.examples),
            "remedy": self.remedy,
        }


@dataclass
class Findings:
    """The findings about one file, in the order in which they were met."""

    file: Path
    stop: bool = True  # at the first error
    found: list[Finding] = field(default_factory=list)

    def add(
        self,
        kind: str,
        severity: Severity,
        count: int,
        text: str,
        *,
        examples: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        """Keep a finding.

        Raises:
            UserError: it is an error, and errors stop.
        """
        finding = Finding(kind, severity, count, str(self.file), text, tuple(examples), remedy)
        if severity == "error" and self.stop:
            raise UserError(finding.line())
        self.found.append(finding)

    def notes(self) -> tuple[str, ...]:
        """Whatever is no error, one line each."""
        return tuple(finding.line() for finding in self.found if finding.severity != "error")


def some(names: Sequence[Any], total: int | None = None) -> str:
    """The first few names: ``1, 5, 8, ...``.

    Args:
        total: how many there are, where ``names`` holds only the first.
    """
    total = len(names) if total is None else total
    shown = ", ".join(str(name) for name in names[:EXAMPLES])
    return f"{shown}, ..." if total > EXAMPLES else shown

"""A method of a comparison: the runs that stand behind one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.runs.names import ONLY_NETWORK


@dataclass(frozen=True, eq=False)
class Part:
    """One network of one run."""

    run: RunRecord
    network: str  # model, a or b

    def key(self, name: str) -> str:
        """What metrics.jsonl calls a number of this network."""
        return name if self.network == ONLY_NETWORK else f"{self.network}.{name}"


@dataclass(frozen=True, eq=False)
class MethodRecord:
    """What a comparison shows under one name.  Several parts differ in their seed."""

    name: str
    parts: tuple[Part, ...]

    def entry(self, split: str, place: int) -> MeasuredMethod | None:
        """Its results on a set; None where it has none.  ``place`` is that of the method."""
        results = tuple(
            result
            for part in self.parts
            for result in part.run.results
            if result.network == part.network and result.split == split
        )
        return MeasuredMethod(self.name, results, place) if results else None


def runs_of(methods: Sequence[MethodRecord]) -> list[RunRecord]:
    """All runs, each once."""
    return list(dict.fromkeys(part.run for method in methods for part in method.parts))

"""How long a pipeline has been running, and roughly how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ladcli.data.views import ViewGrid, is_ranged
from ladcli.engine.progress import clock, spell
from ladcli.recipe.pipeline import Stage
from ladcli.recipe.schema import Recipe

#: Cost of a pass of the whole training set through a network that does not learn, and of measuring
#: on another set (whose size is not known), in epochs of training.
_FORWARD, _MEASURING = 0.35, 0.1


@dataclass(frozen=True)
class Work:
    """A piece of a pipeline, before anybody knows how long it takes."""

    label: str  # how lines call it
    kind: str  # of one kind, time is in proportion to the amount
    amount: float  # epochs times pixels of an image

    @staticmethod
    def of_stage(stage: Stage, recipe: Recipe, label: str) -> Work:
        pixels = float(recipe.data.short[-1] * recipe.data.long)
        kind = f"{stage.run} {recipe.model.backbone}"
        match stage.run:
            case "synth":
                return Work(label, kind, 0.0)
            case "cache-teacher":
                views = 1 if is_ranged(recipe.data) else ViewGrid.from_config(recipe.data).num_views
                return Work(label, "cache-teacher", _FORWARD * views * pixels)
            case _:
                # The same network takes the same time alone and with a cache.
                networks = len(stage.networks)
                return Work(
                    label,
                    f"training {networks} {recipe.model.backbone}",
                    networks * recipe.schedule.epochs * pixels,
                )

    @staticmethod
    def of_measuring(recipe: Recipe, split: str, label: str) -> Work:
        pixels = float(recipe.data.short[-1] * recipe.data.long)
        return Work(label, f"measuring on {split}", _MEASURING * pixels)


class PipelineTime:
    """Where a pipeline is among its pieces of work."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._works = works
        self._begun = time.monotonic()
        self._number = -1  # of the piece under way
        self._number_begun = self._begun
        self._found_done = False
        self._took: dict[int, float] = {}  # seconds, by number

    def begin(self) -> None:
        """The next piece begins, and the one before it has ended."""
        now = time.monotonic()
        if self._number >= 0 and not self._found_done:
            self._took[self._number] = now - self._number_begun
        self._number += 1
        self._number_begun, self._found_done = now, False

    def found_done(self) -> None:
        """The piece under way was done before, so its time says nothing of others."""
        self._found_done = True

    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def left(self, of_this: float | None = None) -> float | None:
        """Seconds to the end; None while nothing is known.

        Args:
            of_this: seconds that the piece under way still takes, where that is known.
        """
        took = dict(self._took)
        rest = range(max(0, self._number), len(self._works))
        if of_this is not None:
            took[self._number] = time.monotonic() - self._number_begun + of_this
            rest = range(self._number + 1, len(self._works))
        amount = sum(self._works[n].amount for n in took)
        if not amount:
            return None
        mean = sum(took[n] for n in took if self._works[n].amount) / amount
        return (of_this or 0.0) + sum(self._expected(self._works[n], took, mean) for n in rest)

    def _expected(self, work: Work, took: dict[int, float], mean: float) -> float:
        same = [n for n in took if self._works[n].kind == work.kind]
        amount = sum(self._works[n].amount for n in same)
        return work.amount * (sum(took[n] for n in same) / amount if amount else mean)

    def line(self, of_this: float | None) -> str:
        """For the end of a progress display, of parts that are two spaces apart."""
        left = self.left(of_this)
        about = "" if left is None else f"  about {spell(left)} left"
        return f"{self._works[self._number].label}  {clock(self.elapsed())} so far{about}"

    def to_go(self) -> str:
        """For the headline of a piece of work; empty while nothing is known."""
        left = self.left()
        return "" if left is None else f"; about {spell(left)} to go"

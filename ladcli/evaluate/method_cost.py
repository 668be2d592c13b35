"""What a method cost, over its runs, in the words of tables and pages."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ladcli.evaluate.table import UNDEFINED
from ladcli.training_cost import UNKNOWN, TrainingCost

#: Costs that are no further apart than this count as equal: an image that cannot be read is left
#: out of one run and not of another.
_EQUAL_WITHIN = 0.02


@dataclass(frozen=True)
class Figures:
    """Means over the runs of a method; None where a run does not tell."""

    epochs: tuple[int, int] | None  # the fewest and the most
    images: float | None  # times the networks that saw them
    seconds: float | None
    trained: float | None  # parameters that were trained

    @staticmethod
    def of(costs: Sequence[TrainingCost]) -> Figures:
        """``costs`` of the runs; at least one."""
        epochs = _known([cost.epochs for cost in costs])
        return Figures(
            None if epochs is None else (min(epochs), max(epochs)),
            _mean([cost.seen for cost in costs]),
            _mean([cost.seconds for cost in costs]),
            _mean([cost.trained for cost in costs]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "epochs": None if self.epochs is None else list(self.epochs),
            "images": self.images,
            "seconds": self.seconds,
            "trained_parameters": self.trained,
        }


@dataclass(frozen=True)
class MethodCost:
    """A method with the cost of each of its runs; `UNKNOWN` for a bare results file."""

    name: str
    runs: tuple[TrainingCost, ...]

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return any(run != UNKNOWN for run in self.runs)

    @property
    def own(self) -> Figures:
        """Of its own training, without a teacher's."""
        return Figures.of(self.runs or (UNKNOWN,))

    @property
    def before(self) -> Figures | None:
        """Of the trainings that it builds on; None where it builds on none."""
        if not any(run.earlier for run in self.runs):
            return None
        return Figures.of([run.before() for run in self.runs])

    @property
    def networks(self) -> int:
        """Networks that a run trains at once."""
        return max((run.networks for run in self.runs), default=1)

    @property
    def parameters(self) -> float | None:
        """Of the network at inference."""
        return _mean([run.parameters for run in self.runs])

    @property
    def total_images(self) -> float | None:
        """Images seen by all networks that were trained for it."""
        own, before = self.own.images, self.before
        if before is None or own is None:
            return own
        return None if before.images is None else own + before.images

    @property
    def earlier_name(self) -> str:
        """What the trainings that it builds on are called."""
        return "teacher" if self.networks == 1 else "initial networks"

    def to_json(self) -> dict[str, Any]:
        """Plain values: means over the runs."""
        before = self.before
        return {
            **self.own.to_json(),
            "networks": self.networks,
            "parameters": self.parameters,
            "earlier": None if before is None else before.to_json(),
        }


def what_is_compared(costs: Sequence[MethodCost]) -> str:
    """One sentence: do the methods have equal schedules, or equal total costs?"""
    schedule = _schedule(costs)
    totals = _known([cost.total_images for cost in costs])
    if schedule is None:
        unknown = ", ".join(cost.name for cost in costs if cost.own.epochs is None)
        return f"What {unknown} cost is not known, so it cannot be said at what cost they compare."
    same, words = schedule
    if totals is None:
        beginning = "Compared at equal student schedule" if same else "Student schedules differ"
        names = ", ".join(cost.name for cost in costs if cost.total_images is None)
        return f"{beginning} ({words}); the total cost of {names} is not known."
    if _equal(totals):
        if same:
            return f"Compared at equal student schedule ({words}) and at equal total cost."
        return (
            f"Compared at equal total cost ({count(totals[0])} images, teachers' included), not at "
            f"equal student schedule ({words})."
        )
    if same:
        dearest = max(range(len(totals)), key=totals.__getitem__)
        cheapest = min(range(len(totals)), key=totals.__getitem__)
        ratio = totals[dearest] / max(totals[cheapest], 1)
        return (
            f"Compared at equal student schedule ({words}), not at equal total cost: with every "
            f"network that was trained for it, {costs[dearest].name} took {ratio:.1f} times the "
            f"images of {costs[cheapest].name}."
        )
    return (
        f"Compared neither at equal student schedule ({words}) nor at equal total cost "
        f"({count(min(totals))} to {count(max(totals))} images, teachers' included)."
    )


def how_to_read(costs: Sequence[MethodCost]) -> list[str]:
    """Further sentences on what the figures hold and what they do not."""
    lines = []
    if any(cost.before is not None for cost in costs):
        lines.append("A teacher that several runs share is counted in full for each.")
    if any(cost.networks > 1 for cost in costs):
        lines.append(
            "CoLAD trains two networks, and both count as trained; one of them is used at "
            "inference."
        )
    return lines


def epochs_words(figures: Figures) -> str:
    """``12``, or ``12–24`` where runs differ."""
    if figures.epochs is None:
        return UNDEFINED
    fewest, most = figures.epochs
    return str(fewest) if fewest == most else f"{fewest}–{most}"


def images_words(figures: Figures, networks: int = 1) -> str:
    """``2,460``, or ``2 × 2,460`` where two networks saw them."""
    if figures.images is None:
        return UNDEFINED
    times = f"{networks} × " if networks > 1 else ""
    return times + count(figures.images / networks)


def count(number: float | None) -> str:
    """A number of images or of parameters, short."""
    if number is None:
        return UNDEFINED
    for unit, name in ((1e9, "G"), (1e6, "M")):
        if number >= 10 * unit:
            return f"{number / unit:.1f} {name}"
    return f"{round(number):,}"


def parameters_words(number: float | None) -> str:
    """``25.6 M``: three digits tell networks apart."""
    if number is None:
        return UNDEFINED
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{_three_digits(number / unit)} {name}"
    return f"{number:.0f}"


def duration(seconds: float | None) -> str:
    """A time in the unit in which it is read at a glance."""
    if seconds is None:
        return UNDEFINED
    for least, unit, name in ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (60, 60, "min")):
        if seconds >= least:
            return f"{_three_digits(seconds / unit)} {name}"
    return f"{_three_digits(seconds)} s"


def _three_digits(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _schedule(costs: Sequence[MethodCost]) -> tuple[bool, str] | None:
    """Whether all students were trained alike, and for how many epochs."""
    spans = [cost.own.epochs for cost in costs if cost.own.epochs is not None]
    if len(spans) < len(costs):
        return None
    fewest, most = min(span[0] for span in spans), max(span[1] for span in spans)
    if fewest < most:
        return False, f"{fewest} to {most} epochs"
    epochs = f"{fewest} epoch{'' if fewest == 1 else 's'}"
    images = _known([None if (n := c.own.images) is None else n / c.networks for c in costs])
    if images is not None and not _equal(images):
        return False, f"{epochs} of {count(min(images))} to {count(max(images))} images in all"
    return True, epochs


def _equal(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= _EQUAL_WITHIN * max(values)


def _known(values: Sequence[Any]) -> list[Any] | None:
    """The values, where there are some and none is None."""
    return list(values) if values and all(value is not None for value in values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return statistics.fmean(known) if known is not None else None

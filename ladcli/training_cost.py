"""What a training cost: epochs, images, time and parameters, and the trainings it builds on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Trainings that build on trainings are followed so far; a file may say anything.
_MAX_DEPTH = 16


@dataclass(frozen=True)
class TrainingCost:
    """The cost of one training.  A number is None where it is not known."""

    epochs: int | None = None
    images: int | None = None  # that its steps saw, repeats counted; each of its networks saw them
    seconds: float | None = None  # of its steps and of loading; no evaluations, no pauses
    parameters: int | None = None  # of the network at inference
    trained: int | None = None  # parameters that its steps changed, of all its networks
    networks: int = 1  # that were trained at once: two in CoLAD
    earlier: tuple[TrainingCost, ...] = ()  # of its teacher, or of the networks it started from

    @property
    def seen(self) -> int | None:
        """Images seen, times the networks that saw them."""
        return None if self.images is None else self.images * self.networks

    def before(self) -> TrainingCost:
        """All earlier trainings together, those that they build on too; 0 where there are none.

        Its images are those of `seen`.
        """
        chain = list(self._chain())
        return TrainingCost(
            epochs=_whole_sum(cost.epochs for cost in chain),
            images=_whole_sum(cost.seen for cost in chain),
            seconds=_sum(cost.seconds for cost in chain),
            trained=_whole_sum(cost.trained for cost in chain),
        )

    def _chain(self) -> Iterable[TrainingCost]:
        for cost in self.earlier:
            yield cost
            yield from cost._chain()

    def to_plain(self) -> dict[str, Any]:
        """Plain values for checkpoints, caches and JSON."""
        return {
            "epochs": self.epochs,
            "images": self.images,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "parameters": self.parameters,
            "trained_parameters": self.trained,
            "networks": self.networks,
            "earlier": [cost.to_plain() for cost in self.earlier],
        }

    @staticmethod
    def from_plain(plain: Any) -> TrainingCost:
        """The reverse of `to_plain`; whatever is not as that writes it is unknown."""
        return _from_plain(plain, _MAX_DEPTH)


#: A training of which nothing is known, or a teacher from elsewhere.
UNKNOWN = TrainingCost()


def logged_work(lines: Iterable[Mapping[str, Any]]) -> tuple[int | None, float | None]:
    """Images seen and seconds trained, of the objects of a run's `metrics.jsonl`.

    Lines carry both as totals.  Those of older programs have the speed since the line before, which
    is taken for all steps between the two.

    Returns:
        None for what a line does not tell.
    """
    images: float | None = 0.0
    seconds: float | None = 0.0
    last_step = 0
    for line in lines:
        step = line.get("step")
        if line.get("kind") != "train" or not isinstance(step, int):
            continue
        spent = _product(_number(line.get("seconds_per_step")), step - last_step)
        seconds = _total(line, "seconds_trained", seconds, spent)
        images = _total(line, "images_seen", images, _product(line.get("images_per_second"), spent))
        last_step = step
    if not last_step:
        return None, None
    return None if images is None else round(images), seconds


def _total(
    line: Mapping[str, Any], key: str, so_far: float | None, more: float | None
) -> float | None:
    """The total that a line carries, or the one before it and ``more``."""
    carried = _number(line.get(key))
    if carried is not None:
        return carried
    return None if so_far is None or more is None else so_far + more


def _product(a: Any, b: float | None) -> float | None:
    number = _number(a)
    return None if number is None or b is None else number * b


def _number(value: Any) -> float | None:
    """``value`` where it is a finite number, 0 or more."""
    if type(value) not in (int, float) or not 0 <= value < 1e15 or not math.isfinite(value):
        return None
    return float(value)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 10**15 else None


def _from_plain(plain: Any, depth: int) -> TrainingCost:
    if not isinstance(plain, dict) or not depth:
        return UNKNOWN
    earlier = plain.get("earlier")
    return TrainingCost(
        _count(plain.get("epochs")),
        _count(plain.get("images")),
        _number(plain.get("seconds")),
        _count(plain.get("parameters")),
        _count(plain.get("trained_parameters")),
        2 if plain.get("networks") == 2 else 1,
        costs_from_plain(earlier, depth - 1) if isinstance(earlier, list) else (UNKNOWN,),
    )


def costs_from_plain(plain: list[Any], depth: int = _MAX_DEPTH) -> tuple[TrainingCost, ...]:
    """The costs of a list; a training builds on one or two others."""
    return tuple(_from_plain(cost, depth) for cost in plain[:2])


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return math.fsum(known) if len(known) == len(found) else None


def _whole_sum(values: Iterable[int | None]) -> int | None:
    total = _sum(values)
    return None if total is None else int(total)

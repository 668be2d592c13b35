"""The chain candidates → cost → selection, composed of three parts.

Every label assignment method is a triple of a candidate rule, a cost and a selection rule.  The
chain can be walked in one go (`Assigner.assign`) or stopped between the parts, which is what
distillation does: there, another network prices the candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ladcli.assign.crowd import ignore_crowd
from ladcli.structures import Assignment, Candidates, ClassOutput, Costs, Scene

CandidateRule = Callable[[Scene], Candidates]
#: Takes class outputs [B, A, C] and decoded boxes [B, A, 4].
CostRule = Callable[[Candidates, Scene, ClassOutput, Tensor], Costs]


class SelectionRule(Protocol):
    """Which candidates become positives."""

    @property
    def topk(self) -> int:
        """Cheapest candidates per ground truth and level that are looked at; caches keep these."""
        ...

    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        """Positives, background and ignored priors, [B, A]."""
        ...


@dataclass(frozen=True)
class Assigner:
    """A label assignment method, and the options that tell it from another."""

    candidate_rule: CandidateRule
    cost_rule: CostRule
    selection_rule: SelectionRule
    options: tuple[tuple[str, Any], ...]  # everything that changes positives, for fingerprints
    crowd_is_ignored: bool = False
    #: Whether a network's outputs enter the costs; where they do not, no teacher can price.
    asks_network: bool = True
    #: Whether positives change with the progress of the training even where prices do not: then
    #: they have to be selected anew in every step, and a cache of positives alone cannot serve.
    needs_progress: bool = False

    @property
    def topk(self) -> int:
        """See `SelectionRule.topk`."""
        return self.selection_rule.topk

    def candidates(self, scene: Scene) -> Candidates:
        """Priors that each ground truth may choose from."""
        return self.candidate_rule(scene)

    def price(self, candidates: Candidates, scene: Scene, cls: ClassOutput, boxes: Tensor) -> Costs:
        """What each candidate costs a network.

        Args:
            cls: its class outputs, [B, A, C].
            boxes: its boxes [B, A, 4], decoded and not clipped.
        """
        return self.cost_rule(candidates, scene, cls, boxes)

    def select(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        """Positives, background and ignored priors, [B, A]."""
        return self.finish(self.selection_rule(candidates, costs, scene), scene)

    def finish(self, assignment: Assignment, scene: Scene) -> Assignment:
        """What remains to be done to positives that come from elsewhere, such as a cache."""
        return ignore_crowd(assignment, scene) if self.crowd_is_ignored else assignment

    def assign(self, scene: Scene, cls: ClassOutput, boxes: Tensor) -> Assignment:
        """The whole chain, priced by the network of these outputs; arguments as for `price`."""
        candidates = self.candidates(scene)
        return self.select(candidates, self.price(candidates, scene, cls, boxes), scene)

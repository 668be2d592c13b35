"""Candidates and their costs, in the layouts that assignment methods need.

A candidate is a pair of a prior and a ground truth.  Where a prior may be wanted by one ground
truth alone, a table with one place per prior holds all pairs (`OwnedCandidates`: PAA); where
several may want it, every ground truth has places of its own (`SharedCandidates`: OTA, TAL,
one-to-one).  Costs lie beside the candidates in the same layout.  Moments, the switch, the cheapest
candidates and the cache ask for owner, prior and level of every place, and for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ladcli.structures.priors import Priors

#: No ground truth; see also `ladcli.structures.assignment`.
BACKGROUND = -1


class Candidates(Protocol):
    """Pairs of a prior and a ground truth that may become positives.

    ``...`` is the layout's own shape of places per image.
    """

    @property
    def mask(self) -> Tensor:
        """[B, ...] bool, which places hold a candidate."""
        ...

    def owner(self) -> Tensor:
        """Row of the ground truth of each place, int64, broadcastable to `mask`.

        Meaningless where there is no candidate, but never out of range above.
        """
        ...

    def prior(self) -> Tensor:
        """Index of the prior of each place, int64, broadcastable to `mask`."""
        ...

    def level(self, priors: Priors) -> Tensor:
        """Level of the prior of each place, int64, broadcastable to `mask`."""
        ...


@dataclass(frozen=True)
class OwnedCandidates:
    """Every prior belongs to at most one ground truth.  Places: A."""

    gt_index: Tensor  # [B, A] int64, row into the image's boxes; BACKGROUND where not a candidate

    @property
    def mask(self) -> Tensor:
        return self.gt_index >= 0

    def owner(self) -> Tensor:
        return self.gt_index

    def prior(self) -> Tensor:
        return torch.arange(self.gt_index.shape[1], device=self.gt_index.device).unsqueeze(0)

    def level(self, priors: Priors) -> Tensor:
        return priors.level.unsqueeze(0)


@dataclass(frozen=True)
class SharedCandidates:
    """A prior may be a candidate of several ground truths.  Places: G × K.

    Where ``index`` is None the layout is dense: K = A, and place k is prior k.
    """

    mask: Tensor  # [B, G, K] bool
    index: Tensor | None = None  # [B, G, K] int64, of the prior; any in-range value outside mask

    def owner(self) -> Tensor:
        num_gt = self.mask.shape[1]
        return torch.arange(num_gt, device=self.mask.device).view(1, num_gt, 1)

    def prior(self) -> Tensor:
        if self.index is not None:
            return self.index
        return torch.arange(self.mask.shape[2], device=self.mask.device).view(1, 1, -1)

    def level(self, priors: Priors) -> Tensor:
        return priors.level.view(1, 1, -1) if self.index is None else priors.level[self.index]


@dataclass(frozen=True)
class Costs:
    """Price of every candidate; lower is better."""

    values: Tensor  # float32, in the layout of the candidates; +inf where there is none
    #: IoU of the pricing network's box with the ground truth, in the same layout, for rules that
    #: choose how many positives an object gets; None where no rule asks.
    iou: Tensor | None = None
    #: [B, A] price of calling each prior background, for rules that weigh it against objects.
    background: Tensor | None = None

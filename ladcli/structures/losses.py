"""What an objective hands to the training loop: sums, and what they are to be divided by.

A loss is a sum over all positives, all priors or all selected boxes of a batch, divided by their
number or weight in the *whole* batch, whose images may be spread over processes.  So an objective
returns `LossTerms`; `normalize` alone turns them into losses, and has all normalizers averaged
over processes in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ladcli.structures.batch import Batch
from ladcli.structures.predictions import Predictions

#: Averages a vector over all processes; with one process it is the vector itself.
Reduce = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Normalizer:
    """What a sum is divided by: ``max(value, at_least) + epsilon``."""

    value: Tensor  # [] float32, of this process, without a gradient
    at_least: Tensor | None = None  # [] float32, of this process
    epsilon: float = 0.0  # keeps a mean over nothing finite


@dataclass(frozen=True)
class LossTerm:
    """One loss before it is normalized."""

    total: Tensor  # [] weighted sum over this process, with a gradient
    per: str  # name of its normalizer


@dataclass(frozen=True)
class LossTerms:
    """All losses of one network, and the normalizers that they share."""

    losses: Mapping[str, LossTerm]
    normalizers: Mapping[str, Normalizer]

    def __or__(self, other: LossTerms) -> LossTerms:
        """Both together; names must differ, or mean the same."""
        return LossTerms({**self.losses, **other.losses}, {**self.normalizers, **other.normalizers})


@dataclass(frozen=True)
class StepTerms:
    """What one step minimizes, and what is only looked at."""

    terms: Mapping[str, LossTerms]  # by network
    log: dict[str, Tensor] = field(default_factory=dict)  # each [], without a gradient


#: From the predictions of every network that learns, by name, the batch, and the share of the
#: training that is done, to its loss terms.
ObjectiveFunction = Callable[[Mapping[str, Predictions], Batch, float], StepTerms]


def identity(values: Tensor) -> Tensor:
    """The average over one process."""
    return values


def normalize(
    terms: Mapping[str, LossTerms], reduce: Reduce = identity
) -> dict[str, dict[str, Tensor]]:
    """Losses by network and name, each [].

    All normalizers go through ``reduce`` together, once.  Where a divisor is 0 (nothing was
    selected anywhere) the loss is 0 and still connected to the graph.
    """
    keys = [(network, name) for network, found in terms.items() for name in found.normalizers]
    parts = []
    for network, name in keys:
        normalizer = terms[network].normalizers[name]
        floor = normalizer.at_least
        parts += [normalizer.value, torch.zeros_like(normalizer.value) if floor is None else floor]
    if not parts:
        return {network: {} for network in terms}
    shared = reduce(torch.stack(parts)).view(-1, 2)
    divisors = {
        key: values.amax() + terms[key[0]].normalizers[key[1]].epsilon
        for key, values in zip(keys, shared.unbind(0), strict=True)
    }
    return {
        network: {
            name: _quotient(loss.total, divisors[network, loss.per])
            for name, loss in found.losses.items()
        }
        for network, found in terms.items()
    }


def _quotient(total: Tensor, divisor: Tensor) -> Tensor:
    tiny = torch.finfo(divisor.dtype).tiny
    return torch.where(divisor > 0, total / divisor.clamp(min=tiny), total * 0.0)

"""What an objective hands to the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ladcli.structures.batch import Batch
from ladcli.structures.predictions import Predictions


@dataclass(frozen=True)
class StepLosses:
    """What one step minimizes, and what is only looked at."""

    losses: Mapping[str, dict[str, Tensor]]  # by network, then by name; each [], with a gradient
    log: dict[str, Tensor] = field(default_factory=dict)  # each [], without one


#: From the predictions of every network that learns, by name, to its losses.
ObjectiveFunction = Callable[[Mapping[str, Predictions], Batch], StepLosses]

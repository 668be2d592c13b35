"""Two-Gaussian mixtures of groups of any size: for the Fisher score of equation 3.

`ladcli.assign.mixture` fits the few cheapest candidates of every ground truth, rows of one length.
The Fisher score wants *all* candidates of an object, an image or a batch, from two to many
thousands.  Here every sample carries the number of its group, and sums run over groups; no padding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.assign.mixture import (
    EMPTY,
    MAX_STEPS,
    STEPS_PER_LOOK,
    TOLERANCE,
    VARIANCE_FLOOR,
    e_step,
)


@torch.no_grad()
def fit_grouped_mixtures(costs: Tensor, group: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Fit one mixture per group, with the start, the steps and the stop of `fit_mixtures`.

    Args:
        costs: [M] finite.
        group: [M] int64 in 0..N-1.
        num_groups: N.

    Returns:
        Means and variances of the two components, each [2, N] float64; those of an empty group are
        finite and mean nothing.
    """
    x = costs.double()
    count = _sums(torch.ones_like(x).unsqueeze(0), group, num_groups)  # [1, N]
    parameters = _start(x, group, count)  # [3, 2, N]
    converged = count == 0
    bound = torch.full_like(count, -torch.inf)
    on_cpu = x.device.type == "cpu" and not torch.compiler.is_compiling()
    for step in range(MAX_STEPS):
        log_density, log_odds = e_step(parameters[..., group], x)  # each [M]
        new_bound = _sums(log_density.unsqueeze(0), group, num_groups) / count.clamp(min=1)
        new = _m_step(log_odds, x, group, num_groups)
        parameters = torch.where(converged, parameters, new)
        converged = converged | ((new_bound - bound).abs() < TOLERANCE)
        bound = new_bound
        if on_cpu and step % STEPS_PER_LOOK == 0 and bool(converged.all()):
            break
    return parameters[0], parameters[1]


def _start(x: Tensor, group: Tensor, count: Tensor) -> Tensor:
    """Components at the smallest and the largest cost, unit variances, equal weights."""
    ends = [
        torch.zeros_like(count[0]).scatter_reduce(0, group, x, how, include_self=False)
        for how in ("amin", "amax")
    ]
    means = torch.stack(ends)  # [2, N]
    return torch.stack([means, torch.ones_like(means), torch.full_like(means, 0.5)])


def _m_step(log_odds: Tensor, x: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """New means, variances and weights, [3, 2, N]."""
    share = torch.stack([-log_odds, log_odds]).sigmoid_()  # [2, M]
    total = _sums(share, group, num_groups).add_(EMPTY)
    means = _sums(share * x, group, num_groups) / total
    deviation = share * (x - means[:, group]).square_()
    variances = (_sums(deviation, group, num_groups) / total).add_(VARIANCE_FLOOR)
    return torch.stack([means, variances, total / total.sum(dim=0)])


def _sums(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Sums of ``values`` [R, M] over groups, [R, N]."""
    return values.new_zeros(len(values), num_groups).index_add_(1, group, values)

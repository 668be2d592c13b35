"""Two-Gaussian mixtures of one-dimensional costs, all ground truths at once (PAA, section 3.1).

The expectation-maximisation of scikit-learn's `GaussianMixture`, with the initialisation that PAA
gives it, batched over rows.  It computes in float64: in float32 other anchors become positives.
Variances are taken around the mean instead of as a difference of squares, so that no row can end
with a negative one: odd costs give an odd fit, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 1e-3
MAX_STEPS = 100
VARIANCE_FLOOR = 1e-6
#: On the CPU, steps between two looks at whether all rows have converged.
STEPS_PER_LOOK = 4

_LOG_2PI = math.log(2 * math.pi)
_EMPTY = 10 * torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class MixtureFit:
    """N mixtures of two components over K samples each."""

    means: Tensor  # [N, 2] float64; component 0 started at the smallest cost
    variances: Tensor  # [N, 2] float64
    weights: Tensor  # [N, 2] float64, adding up to 1
    num_iter: Tensor  # [N] int64, EM steps made
    converged: Tensor  # [N] bool
    component: Tensor  # [N, K] int64, the more probable component; -1 for padding
    log_density: Tensor  # [N, K] float64, of the mixture; -inf for padding


#: What fits the mixtures: costs [N, K] ascending and which of them are samples, to a `MixtureFit`.
MixtureEngine = Callable[[Tensor, Tensor], MixtureFit]


@dataclass
class _State:
    """Parameters of all rows; rows that have converged no longer change."""

    means: Tensor  # [N, 2]
    variances: Tensor  # [N, 2]
    weights: Tensor  # [N, 2]
    bound: Tensor  # [N] mean log density of the last E step
    num_iter: Tensor  # [N]
    converged: Tensor  # [N]


@torch.no_grad()
def fit_mixtures(costs: Tensor, valid: Tensor) -> MixtureFit:
    """Fit one mixture per row.

    A row stops when its mean log density changes by less than `TOLERANCE` between two steps, or
    after `MAX_STEPS`.  On the CPU the loop ends once every row has stopped; elsewhere it runs all
    steps, since asking would make the host wait.  The result is the same.

    Args:
        costs: [N, K], finite where valid.
        valid: [N, K] bool, which entries are samples.  A row without any gives an empty fit.

    Returns:
        The fit; ``component`` and ``log_density`` come from one E step after the last M step.
    """
    x = torch.where(valid, costs.double(), 0.0)
    mask = valid.double()
    count = mask.sum(dim=1).clamp(min=1)
    state = _start(x, valid)
    on_cpu = x.device.type == "cpu" and not torch.compiler.is_compiling()
    for step in range(MAX_STEPS):
        _advance(state, x, mask, count)
        if on_cpu and step % STEPS_PER_LOOK == 0 and bool(state.converged.all()):
            break
    log_joint = _log_joint(state, x)
    component = (log_joint[..., 1] > log_joint[..., 0]).long()
    return MixtureFit(
        state.means,
        state.variances,
        state.weights,
        state.num_iter,
        state.converged,
        component.masked_fill(~valid, -1),
        torch.logaddexp(log_joint[..., 0], log_joint[..., 1]).masked_fill(~valid, -torch.inf),
    )


def _start(x: Tensor, valid: Tensor) -> _State:
    """Components at the smallest and the largest cost, equal weights, unit variances."""
    empty = ~valid.any(dim=1)
    low = x.masked_fill(~valid, torch.inf).amin(dim=1).masked_fill(empty, 0.0)
    high = x.masked_fill(~valid, -torch.inf).amax(dim=1).masked_fill(empty, 0.0)
    means = torch.stack([low, high], dim=1)
    return _State(
        means=means,
        variances=torch.ones_like(means),
        weights=torch.full_like(means, 0.5),
        bound=torch.full_like(low, -torch.inf),
        num_iter=torch.zeros_like(low, dtype=torch.int64),
        converged=empty,
    )


def _advance(state: _State, x: Tensor, mask: Tensor, count: Tensor) -> None:
    """One E step and one M step for the rows that have not converged."""
    log_joint = _log_joint(state, x)  # [N, K, 2]
    log_density = torch.logaddexp(log_joint[..., 0], log_joint[..., 1])  # [N, K]
    bound = (log_density * mask).sum(dim=1) / count

    share = (log_joint - log_density.unsqueeze(2)).exp() * mask.unsqueeze(2)  # [N, K, 2]
    total = share.sum(dim=1) + _EMPTY  # [N, 2]
    means = (share * x.unsqueeze(2)).sum(dim=1) / total
    deviation = (x.unsqueeze(2) - means.unsqueeze(1)).square_()
    variances = (share * deviation).sum(dim=1) / total + VARIANCE_FLOOR
    weights = total / total.sum(dim=1, keepdim=True)

    running = ~state.converged
    keep = running.unsqueeze(1)
    change = (bound - state.bound).abs()
    state.means = torch.where(keep, means, state.means)
    state.variances = torch.where(keep, variances, state.variances)
    state.weights = torch.where(keep, weights, state.weights)
    state.num_iter = state.num_iter + running
    state.converged = state.converged | (running & (change < TOLERANCE))
    state.bound = torch.where(running, bound, state.bound)


def _log_joint(state: _State, x: Tensor) -> Tensor:
    """log(weight · density) of every sample under both components, [N, K, 2]."""
    constant = state.weights.log() - 0.5 * (state.variances.log() + _LOG_2PI)  # [N, 2]
    half_precision = 0.5 / state.variances
    deviation = (x.unsqueeze(2) - state.means.unsqueeze(1)).square_()
    return constant.unsqueeze(1) - half_precision.unsqueeze(1) * deviation

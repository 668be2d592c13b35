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
from torch.nn import functional as F

TOLERANCE = 1e-3
MAX_STEPS = 100
VARIANCE_FLOOR = 1e-6
#: On the CPU, steps between two looks at whether all rows have converged.
STEPS_PER_LOOK = 4

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
#: scikit-learn adds this to the sum of responsibilities, so that an empty component divides.
EMPTY = 10 * torch.finfo(torch.float64).eps


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


@torch.no_grad()
def fit_mixtures(costs: Tensor, valid: Tensor) -> MixtureFit:
    """Fit one mixture per row.

    A row stops when its mean log density changes by less than `TOLERANCE` between two steps, or
    after `MAX_STEPS`.  On the CPU the loop ends once every row has stopped; elsewhere it runs all
    steps, since asking would make the host wait.  The result is the same.

    Args:
        costs: [N, K], finite where valid; K is at least 1.
        valid: [N, K] bool, which entries are samples.  A row without any gives an empty fit.

    Returns:
        The fit; ``component`` and ``log_density`` come from one E step after the last M step.
    """
    x = torch.where(valid, costs.double(), 0.0)
    mask = valid.double()
    mean_weight = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
    converged = ~valid.any(dim=1, keepdim=True)  # [N, 1]
    parameters = _start(x, valid)  # [3, 2, N, 1]: means, variances, weights
    bound = torch.full_like(parameters[0, 0], -torch.inf)  # [N, 1]
    num_iter = torch.zeros_like(converged, dtype=torch.int64)
    on_cpu = x.device.type == "cpu" and not torch.compiler.is_compiling()
    for step in range(MAX_STEPS):
        log_density, log_odds = e_step(parameters, x)
        new_bound = (log_density * mean_weight).sum(dim=1, keepdim=True)
        parameters = torch.where(converged, parameters, _m_step(log_odds, x, mask))
        num_iter += ~converged  # rows that have converged no longer change
        converged = converged | ((new_bound - bound).abs() < TOLERANCE)
        bound = new_bound
        if on_cpu and step % STEPS_PER_LOOK == 0 and bool(converged.all()):
            break
    log_density, log_odds = e_step(parameters, x)
    means, variances, weights = parameters.squeeze(3).transpose(1, 2)
    return MixtureFit(
        means,
        variances,
        weights,
        num_iter.squeeze(1),
        converged.squeeze(1),
        (log_odds > 0).long().masked_fill(~valid, -1),
        log_density.masked_fill(~valid, -torch.inf),
    )


def _start(x: Tensor, valid: Tensor) -> Tensor:
    """Components at the smallest and the largest cost, unit variances, equal weights."""
    empty = ~valid.any(dim=1, keepdim=True)
    low = x.masked_fill(~valid, torch.inf).amin(dim=1, keepdim=True).masked_fill(empty, 0.0)
    high = x.masked_fill(~valid, -torch.inf).amax(dim=1, keepdim=True).masked_fill(empty, 0.0)
    means = torch.stack([low, high])  # [2, N, 1]
    return torch.stack([means, torch.ones_like(means), torch.full_like(means, 0.5)])


def e_step(parameters: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Log density of the mixture, and log odds of component 1 over 0, in the shape of ``x``.

    ``parameters`` are means, variances and weights, [3, 2, …] with a tail that broadcasts to ``x``.
    """
    means, variances, weights = parameters
    constant = (weights * variances.rsqrt()).log() - _HALF_LOG_2PI  # [2, N, 1]
    log_joint = torch.addcmul(constant, (x - means).square_(), -0.5 / variances)  # [2, N, K]
    log_odds = log_joint[1] - log_joint[0]
    # The threshold only keeps exp() from overflowing; softplus is exact below and above it.
    return log_joint[0] + F.softplus(log_odds, threshold=700), log_odds


def _m_step(log_odds: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """New means, variances and weights, [3, 2, N, 1]."""
    share = torch.stack([-log_odds, log_odds]).sigmoid_().mul_(mask)  # [2, N, K]
    total = share.sum(dim=2, keepdim=True).add_(EMPTY)  # [2, N, 1]
    means = (share * x).sum(dim=2, keepdim=True).div_(total)
    deviation = (x - means).square_().mul_(share)
    variances = deviation.sum(dim=2, keepdim=True).div_(total).add_(VARIANCE_FLOOR)
    return torch.stack([means, variances, total / total.sum(dim=0)])

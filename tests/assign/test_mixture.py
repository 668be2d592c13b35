"""The batched mixtures: agreement with scikit-learn, and calm in the face of odd input."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ladcli.assign.mixture import MAX_STEPS, VARIANCE_FLOOR, MixtureFit, fit_mixtures
from ladcli.assign.selection import select_samples
from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn

FIELDS = ("means", "variances", "weights", "num_iter", "converged", "component", "log_density")


def separated_problems(number: int, seed: int, width: int = 45) -> tuple[Tensor, Tensor]:
    """Costs around two centers, ascending, with 2 to ``width`` samples per row."""
    draw = torch.Generator().manual_seed(seed)
    low, high = torch.rand(2, number, 1, generator=draw, dtype=torch.float64)
    center = torch.where(
        torch.rand(number, width, generator=draw) < 0.4, 0.3 + low * 0.4, 1.8 + high
    )
    costs = center + 0.2 * torch.randn(number, width, generator=draw, dtype=torch.float64)
    count = torch.randint(2, width + 1, (number, 1), generator=draw)
    valid = torch.arange(width) < count
    return costs.masked_fill(~valid, torch.inf).sort(dim=1).values, valid


def assert_equal_fits(a: MixtureFit, b: MixtureFit) -> None:
    for name in FIELDS:
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def rows_of(fit: MixtureFit, rows: slice | Tensor) -> MixtureFit:
    return MixtureFit(*(getattr(fit, name)[rows] for name in FIELDS))


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_sklearn(seed: int) -> None:
    costs, valid = separated_problems(60, seed)
    ours, theirs = fit_mixtures(costs, valid), fit_mixtures_sklearn(costs, valid)
    # Two samples and clusters of one sit on the variance floor, where sums in another order
    # move densities by more than rounding.
    for name in ("means", "variances", "weights"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-6, atol=1e-9)
    assert torch.equal(ours.num_iter, theirs.num_iter)
    assert torch.equal(ours.converged, theirs.converged)
    assert torch.equal(ours.component, theirs.component)
    torch.testing.assert_close(ours.log_density, theirs.log_density, rtol=1e-6, atol=1e-6)
    for rule in ("density-peak", "mean"):
        expected = select_samples(theirs, costs, valid, rule=rule)
        assert torch.equal(select_samples(ours, costs, valid, rule=rule), expected)


def test_finds_two_well_separated_groups() -> None:
    low, high = torch.linspace(0.9, 1.1, 5), torch.linspace(4.8, 5.2, 15)
    costs = torch.cat([low, high]).double().unsqueeze(0)
    fit = fit_mixtures(costs, torch.ones_like(costs, dtype=torch.bool))
    torch.testing.assert_close(fit.means[0], torch.tensor([1.0, 5.0], dtype=torch.float64))
    torch.testing.assert_close(fit.weights[0], torch.tensor([0.25, 0.75], dtype=torch.float64))
    variances = [low.var(correction=0).item(), high.var(correction=0).item()]
    assert fit.variances[0].tolist() == pytest.approx(variances, rel=1e-3)
    assert fit.component[0].tolist() == [0] * 5 + [1] * 15
    assert fit.converged.all()


def test_log_density_is_that_of_the_mixture() -> None:
    costs, valid = separated_problems(20, 5)
    fit = fit_mixtures(costs, valid)
    x = costs.masked_fill(~valid, 0.0).unsqueeze(2)
    normal = torch.distributions.Normal(fit.means.unsqueeze(1), fit.variances.sqrt().unsqueeze(1))
    density = (fit.weights.unsqueeze(1) * normal.log_prob(x).exp()).sum(dim=2)
    torch.testing.assert_close(fit.log_density[valid], density[valid].log())


def test_a_batch_equals_its_rows() -> None:
    costs, valid = separated_problems(30, 7)
    together = fit_mixtures(costs, valid)
    for row in range(30):
        alone = fit_mixtures(costs[row : row + 1], valid[row : row + 1])
        assert_equal_fits(rows_of(together, slice(row, row + 1)), alone)


def test_rows_in_another_order_give_the_same_fits_in_that_order() -> None:
    costs, valid = separated_problems(30, 8)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    assert_equal_fits(
        rows_of(fit_mixtures(costs, valid), order), fit_mixtures(costs[order], valid[order])
    )


@pytest.mark.parametrize("padding", [0.0, -1e30, math.inf, math.nan])
def test_padding_says_nothing(padding: float) -> None:
    costs, valid = separated_problems(30, 9)
    other = fit_mixtures(costs.masked_fill(~valid, padding), valid)
    assert_equal_fits(other, fit_mixtures(costs, valid))


def test_the_fixed_number_of_steps_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that must not be asked run all steps; converged rows stay as they are."""
    costs, valid = separated_problems(30, 10)
    stopped = fit_mixtures(costs, valid)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert_equal_fits(fit_mixtures(costs, valid), stopped)


ODD_ROWS = {
    "constant": [0.7] * 6,
    "zeros": [0.0] * 6,
    "nearly constant": [0.7, 0.7, 0.7, 0.7, 0.7 + 1e-7, 0.7 + 1e-7],
    "two values": [0.5] * 3 + [2.5] * 3,
    "one far away": [0.5, 0.6, 0.7, 0.8, 0.9, 1e4],
    "large": [1e30, 1e30, 1e30, 1e30, 1e30, 2e30],
    "large and small": [1e-30, 1e-3, 1.0, 1e3, 1e10, 1e30],
    "largest float32": [0.0, 1.0, 2.0, 3.0, 4.0, 3.4e38],
    "one sample": [0.5],
    "two samples": [0.5, 0.9],
    "two equal samples": [0.5, 0.5],
    "no samples": [],
}


def odd_batch(rows: list[list[float]]) -> tuple[Tensor, Tensor]:
    width = max(len(row) for row in rows) or 1
    costs = torch.full((len(rows), width), torch.inf, dtype=torch.float64)
    for i, row in enumerate(rows):
        costs[i, : len(row)] = torch.tensor(row, dtype=torch.float64)
    return costs, costs < torch.inf


def assert_sane(fit: MixtureFit, costs: Tensor, valid: Tensor) -> None:
    for name in ("means", "variances", "weights"):
        assert getattr(fit, name).isfinite().all(), name
    assert (fit.variances >= VARIANCE_FLOOR * 0.999).all()
    torch.testing.assert_close(fit.weights.sum(dim=1), torch.ones(len(costs)).double())
    assert fit.log_density[valid].isfinite().all()
    assert torch.isneginf(fit.log_density[~valid]).all()
    assert torch.equal(fit.component < 0, ~valid)
    assert (fit.num_iter <= MAX_STEPS).all()
    for rule in ("density-peak", "mean"):
        assert not (select_samples(fit, costs, valid, rule=rule) & ~valid).any()


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_odd_costs_give_a_finite_fit(row: list[float]) -> None:
    costs, valid = odd_batch([row])
    assert_sane(fit_mixtures(costs, valid), costs, valid)


def test_odd_rows_do_not_disturb_their_neighbors() -> None:
    good, _ = separated_problems(1, 11, width=6)
    good_row = good[0][good[0] < torch.inf].tolist()
    costs, valid = odd_batch([*ODD_ROWS.values(), good_row])
    fit = fit_mixtures(costs, valid)
    assert_sane(fit, costs, valid)
    alone_costs, alone_valid = costs[-1:], valid[-1:]
    assert_equal_fits(rows_of(fit, slice(-1, None)), fit_mixtures(alone_costs, alone_valid))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_samples_that_are_no_numbers_do_not_raise(value: float) -> None:
    """Selection leaves them out beforehand; a caller who does not still gets an answer."""
    costs, valid = separated_problems(5, 12)
    costs[0, 0] = value
    valid[0, 0] = True
    fit = fit_mixtures(costs, valid)
    clean = fit_mixtures(costs[1:], valid[1:])
    assert_equal_fits(rows_of(fit, slice(1, None)), clean)


@pytest.mark.parametrize("shape", [(0, 45), (3, 1)])
def test_few_rows_and_columns(shape: tuple[int, int]) -> None:
    costs = torch.ones(shape, dtype=torch.float64)
    fit = fit_mixtures(costs, torch.ones(shape, dtype=torch.bool))
    assert fit.means.shape == (shape[0], 2)
    assert fit.component.shape == shape


def test_single_precision_costs_are_fitted_in_double() -> None:
    costs, valid = separated_problems(10, 13)
    fit = fit_mixtures(costs.float(), valid)
    assert fit.means.dtype is torch.float64
    assert_equal_fits(fit, fit_mixtures(costs.float().double(), valid))

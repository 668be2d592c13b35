"""Mixtures of groups of any size: the fit of `mixture`, whatever else is fitted beside it."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign.grouped_mixture import fit_grouped_mixtures
from ladcli.assign.mixture import VARIANCE_FLOOR, fit_mixtures
from tests.assign.test_mixture import ODD_ROWS, odd_batch, separated_problems


def scattered(costs: Tensor, valid: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Samples of padded rows as [M] costs and the row of each, in a random order."""
    row, column = valid.nonzero(as_tuple=True)
    order = torch.randperm(len(row), generator=torch.Generator().manual_seed(seed))
    return costs[row, column][order], row[order]


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_fitted_as_rows_are(seed: int) -> None:
    costs, valid = separated_problems(60, seed)
    expected = fit_mixtures(costs, valid)
    means, variances = fit_grouped_mixtures(*scattered(costs, valid), 60)
    assert means.dtype is variances.dtype is torch.float64
    torch.testing.assert_close(means, expected.means.T, rtol=1e-9, atol=1e-12)
    # Clusters of one sample sit on the variance floor, where rounding weighs more.
    torch.testing.assert_close(variances, expected.variances.T, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("number", [2, 3, 10, 3000])
def test_agrees_with_sklearn(number: int) -> None:
    from sklearn.mixture import GaussianMixture

    draw = torch.Generator().manual_seed(number)
    costs = 1 + torch.randn(number, generator=draw, dtype=torch.float64).exp()
    model = GaussianMixture(
        2,
        covariance_type="diag",
        weights_init=[0.5, 0.5],
        means_init=[[costs.min()], [costs.max()]],
        precisions_init=[[1.0], [1.0]],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not have converged after 100 steps; nor have we
        model.fit(costs.numpy()[:, None])
    means, variances = fit_grouped_mixtures(costs, torch.zeros(number, dtype=torch.int64), 1)
    np.testing.assert_allclose(means[:, 0], model.means_[:, 0], rtol=1e-6)
    np.testing.assert_allclose(variances[:, 0], model.covariances_[:, 0], rtol=1e-6)


def test_two_clusters_by_hand() -> None:
    costs = torch.tensor([5.0, 1.1, 0.9, 4.8, 1.0, 5.2], dtype=torch.float64)
    means, variances = fit_grouped_mixtures(costs, torch.full((6,), 2), 4)
    assert means[:, 2].tolist() == pytest.approx([1, 5])
    expected = [0.02 / 3 + VARIANCE_FLOOR, 0.08 / 3 + VARIANCE_FLOOR]
    assert variances[:, 2].tolist() == pytest.approx(expected)


def test_the_order_of_samples_does_not_matter() -> None:
    costs, valid = separated_problems(30, 3)
    first, second = (fit_grouped_mixtures(*scattered(costs, valid, seed), 30) for seed in (0, 1))
    torch.testing.assert_close(first[0], second[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(first[1], second[1], rtol=1e-6, atol=1e-12)


def test_groups_do_not_meet() -> None:
    costs, group = scattered(*separated_problems(30, 4))
    together = fit_grouped_mixtures(costs, group, 30)
    for k in range(30):
        own = group == k
        alone = fit_grouped_mixtures(costs[own], torch.zeros_like(group[own]), 1)
        assert torch.equal(alone[0][:, 0], together[0][:, k])
        assert torch.equal(alone[1][:, 0], together[1][:, k])


def test_groups_in_another_order_give_the_same_fits_in_that_order() -> None:
    costs, group = scattered(*separated_problems(30, 5))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    found = fit_grouped_mixtures(costs, order[group], 30)
    expected = fit_grouped_mixtures(costs, group, 30)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine[:, order], theirs)


def test_empty_groups_are_finite_and_change_nothing() -> None:
    costs, group = scattered(*separated_problems(5, 6))
    expected = fit_grouped_mixtures(costs, group, 5)
    found = fit_grouped_mixtures(costs, 2 * group + 1, 12)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == (2, 12)
        assert mine.isfinite().all()
        assert torch.equal(mine[:, 1:10:2], theirs)


def test_no_samples_at_all() -> None:
    nothing = torch.zeros(0)
    means, variances = fit_grouped_mixtures(nothing, nothing.long(), 3)
    assert means.shape == variances.shape == (2, 3)
    assert means.isfinite().all()
    assert variances.isfinite().all()


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_odd_costs_give_a_finite_fit(row: list[float]) -> None:
    """Near-constant ones among them, on which scikit-learn may raise."""
    costs, valid = odd_batch([row, [0.5, 0.6, 2.0, 2.1]])
    means, variances = fit_grouped_mixtures(*scattered(costs, valid), 2)
    assert means.isfinite().all()
    assert variances.isfinite().all()
    assert (variances >= VARIANCE_FLOOR * 0.999).all()
    assert means[:, 1].tolist() == pytest.approx([0.55, 2.05])


@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-7])
def test_near_constant_costs_have_almost_no_score(spread: float) -> None:
    costs = 0.7 + spread * torch.arange(20, dtype=torch.float64)
    means, variances = fit_grouped_mixtures(costs, torch.zeros(20, dtype=torch.int64), 1)
    assert means.flatten().tolist() == pytest.approx([0.7, 0.7], abs=1e-5)
    score = (means[1] - means[0]).square() / variances.sum(dim=0)
    assert math.isfinite(score.item())
    assert score.item() < 1e-4


def test_the_fixed_number_of_steps_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that must not be asked run all steps; converged groups stay as they are."""
    costs, group = scattered(*separated_problems(30, 10))
    stopped = fit_grouped_mixtures(costs, group, 31)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for mine, theirs in zip(fit_grouped_mixtures(costs, group, 31), stopped, strict=True):
        assert torch.equal(mine, theirs)


def test_single_precision_costs_are_fitted_in_double() -> None:
    costs, group = scattered(*separated_problems(10, 13))
    found = fit_grouped_mixtures(costs.float(), group, 10)
    expected = fit_grouped_mixtures(costs.float().double(), group, 10)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])

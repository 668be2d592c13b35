"""The slow engine keeps the promises of the fast one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn
from tests.assign.test_mixture import ODD_ROWS, odd_batch, separated_problems


def test_is_sklearns_mixture_with_the_initialization_of_paa() -> None:
    from sklearn.mixture import GaussianMixture

    costs, valid = separated_problems(1, 3)
    samples = costs[0][valid[0]].numpy()
    model = GaussianMixture(
        2,
        weights_init=[0.5, 0.5],
        means_init=[[samples[0]], [samples[-1]]],
        precisions_init=[[[1.0]], [[1.0]]],
    ).fit(samples[:, None])

    fit = fit_mixtures_sklearn(costs, valid)
    np.testing.assert_allclose(fit.means[0], model.means_[:, 0])
    np.testing.assert_allclose(fit.variances[0], model.covariances_[:, 0, 0])
    np.testing.assert_allclose(fit.weights[0], model.weights_)
    assert fit.num_iter[0] == model.n_iter_
    np.testing.assert_array_equal(fit.component[0][valid[0]], model.predict(samples[:, None]))
    expected = model.score_samples(samples[:, None])
    np.testing.assert_allclose(fit.log_density[0][valid[0]], expected)


def test_padding_is_marked_as_by_the_fast_engine() -> None:
    costs, valid = separated_problems(5, 4)
    fit = fit_mixtures_sklearn(costs, valid)
    assert torch.equal(fit.component < 0, ~valid)
    assert torch.isneginf(fit.log_density[~valid]).all()


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_odd_costs_do_not_raise(row: list[float]) -> None:
    costs, valid = odd_batch([row])
    fit = fit_mixtures_sklearn(costs, valid)
    assert fit.means.isfinite().all()
    assert fit.log_density[valid].isfinite().all()
    assert torch.equal(fit.component < 0, ~valid)


def test_no_rows() -> None:
    fit = fit_mixtures_sklearn(torch.zeros(0, 9, dtype=torch.float64), torch.zeros(0, 9).bool())
    assert fit.means.shape == (0, 2)
    assert fit.component.shape == (0, 9)

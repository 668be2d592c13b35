"""The mixtures fitted by scikit-learn, one row at a time: a slow reference for `mixture`."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from ladcli.assign.mixture import MAX_STEPS, TOLERANCE, VARIANCE_FLOOR, MixtureFit


def fit_mixtures_sklearn(costs: Tensor, valid: Tensor) -> MixtureFit:
    """Fit one `sklearn.mixture.GaussianMixture` per row, initialised as PAA does.

    Arguments and result as in `ladcli.assign.mixture.fit_mixtures`.  Every row makes the host
    wait.  A row that scikit-learn refuses to fit (it raises on some near-constant costs) and a row
    with fewer than two samples count as one component that holds everything.
    """
    n, k = costs.shape
    fit = _empty_fit(n, k)
    all_costs, all_valid = costs.detach().double().cpu().numpy(), valid.cpu().numpy()
    for row in range(n):
        samples = all_costs[row, all_valid[row]]
        if len(samples):
            _fit_row(fit, row, samples, np.flatnonzero(all_valid[row]))
    return MixtureFit(*(torch.as_tensor(v).to(costs.device) for v in fit.values()))


def _empty_fit(n: int, k: int) -> dict[str, np.ndarray]:
    """Arrays in the order of `MixtureFit`'s fields."""
    return {
        "means": np.zeros((n, 2)),
        "variances": np.ones((n, 2)),
        "weights": np.full((n, 2), 0.5),
        "num_iter": np.zeros(n, dtype=np.int64),
        "converged": np.ones(n, dtype=bool),
        "component": np.full((n, k), -1, dtype=np.int64),
        "log_density": np.full((n, k), -np.inf),
    }


def _fit_row(fit: dict[str, np.ndarray], row: int, samples: np.ndarray, where: np.ndarray) -> None:
    """Fit ``samples`` and write the result into ``row`` at the columns ``where``."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    points = samples[:, None]
    model = GaussianMixture(
        2,
        covariance_type="diag",
        tol=TOLERANCE,
        max_iter=MAX_STEPS,
        reg_covar=VARIANCE_FLOOR,
        weights_init=np.array([0.5, 0.5]),
        means_init=np.array([[samples.min()], [samples.max()]]),
        precisions_init=np.ones((2, 1)),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(points)
    except ValueError:
        fit["component"][row, where] = 0
        fit["log_density"][row, where] = 0.0
        return
    fit["means"][row] = model.means_[:, 0]
    fit["variances"][row] = model.covariances_[:, 0]
    fit["weights"][row] = model.weights_
    fit["num_iter"][row] = model.n_iter_
    fit["converged"][row] = model.converged_
    fit["component"][row, where] = model.predict(points)
    fit["log_density"][row, where] = model.score_samples(points)

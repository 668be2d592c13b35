"""Mixtures and the selection rules against the reference, row by row.

Rows that are not ``stable`` are (nearly) constant or two-valued: rounding decides their positives,
so that only sane behavior can be asked for.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ladcli.assign.mixture import MixtureEngine, MixtureFit, fit_mixtures
from ladcli.assign.selection import Rule, select_samples
from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn
from tests.golden.scene import LOSS_TOLERANCE, Arrays, for_each, load

FILES = "gmm*.npz"
ENGINES = {"batched": fit_mixtures, "sklearn": fit_mixtures_sklearn}
each_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def problems(arrays: Arrays) -> tuple[Tensor, Tensor]:
    """Costs [N, K] with +inf as padding, as selection hands them over, and which are samples."""
    valid = torch.arange(arrays["cost"].shape[1]) < torch.from_numpy(arrays["n"]).unsqueeze(1)
    costs = torch.from_numpy(arrays["cost"]).double()
    return costs.masked_fill(~valid, torch.inf), valid


def stable_rows(arrays: Arrays) -> NDArray:
    """Rows whose answer does not hang on rounding; a fit that raised has no answer at all."""
    return arrays["stable"] & (arrays["f32_status"] == 0) & (arrays["f64_status"] == 0)


@lru_cache
def fit_of(engine: MixtureEngine, path: Path) -> tuple[MixtureFit, Tensor, Tensor]:
    """The fit with its costs and samples; scikit-learn takes a second for it."""
    costs, valid = problems(load(path))
    return engine(costs, valid), costs, valid


@for_each(FILES)
@each_engine
def test_parameters_of_stable_rows(path: Path, engine: MixtureEngine) -> None:
    arrays = load(path)
    fit, _, _ = fit_of(engine, path)
    stable = stable_rows(arrays)
    assert stable.any()
    for name in ("means", "variances", "weights"):
        found, expected = getattr(fit, name).numpy(), arrays[f"f64_{name}"]
        np.testing.assert_allclose(found[stable], expected[stable], **LOSS_TOLERANCE, err_msg=name)
    np.testing.assert_array_equal(fit.num_iter.numpy()[stable], arrays["f64_n_iter"][stable])
    np.testing.assert_array_equal(fit.converged.numpy()[stable], arrays["f64_converged"][stable])


@for_each(FILES)
@each_engine
def test_components_and_densities_of_stable_rows(path: Path, engine: MixtureEngine) -> None:
    arrays = load(path)
    fit, _, valid = fit_of(engine, path)
    stable = stable_rows(arrays)
    component = fit.component.numpy()[stable]
    np.testing.assert_array_equal(component, arrays["f64_component"][stable])
    sample = valid.numpy() & stable[:, None]
    found, expected = fit.log_density.numpy()[sample], arrays["f64_logdens"][sample]
    np.testing.assert_allclose(found, expected, **LOSS_TOLERANCE)


@for_each(FILES)
@each_engine
@pytest.mark.parametrize(("rule", "name"), [("density-peak", "pos_code"), ("mean", "pos_text")])
@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_positives_of_stable_rows(
    path: Path, engine: MixtureEngine, rule: Rule, name: str, precision: str
) -> None:
    arrays = load(path)
    fit, costs, valid = fit_of(engine, path)
    positive = select_samples(fit, costs, valid, rule=rule).numpy()
    stable = stable_rows(arrays)
    np.testing.assert_array_equal(positive[stable], arrays[f"{precision}_{name}"][stable])


@for_each(FILES)
@each_engine
@pytest.mark.parametrize("rule", ["density-peak", "mean"])
def test_all_rows_are_sane(path: Path, engine: MixtureEngine, rule: Rule) -> None:
    fit, costs, valid = fit_of(engine, path)
    for name in ("means", "variances", "weights"):
        assert getattr(fit, name).isfinite().all(), name
    assert fit.log_density[valid].isfinite().all()
    assert ((fit.component == -1) == ~valid).all()
    positive = select_samples(fit, costs, valid, rule=rule)
    assert not (positive & ~valid).any()

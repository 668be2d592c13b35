"""Means over the runs of a method, and what becomes of numbers that a run lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun, Truth
from tests.evaluate.random_sets import RandomSet
from tests.evaluate.report.runs import plain_result

NAN = float("nan")


def entry(*results: MeasuredRun) -> MeasuredMethod:
    return MeasuredMethod("LAD", results, place=2)


def averages(*values: float | None) -> MeasuredMethod:
    return entry(*(plain_result(value, classes={"cup": value}, cost=value) for value in values))


def test_numbers_are_means_over_the_runs() -> None:
    found = averages(0.40, 0.42, 0.47)
    assert found.mean("AP") == pytest.approx(0.43)
    assert found.mean("AP", "cup") == pytest.approx(0.43)
    assert found.values("AP", "cup") == [0.40, 0.42, 0.47]
    assert found.tide_cost("Loc") == pytest.approx(0.43)
    assert found.tide_costs("Loc") == [0.40, 0.42, 0.47]
    assert entry(*(plain_result(0.1, cost=1.0, count=n) for n in (3, 4))).tide_count("Dupe") == 3.5


def test_spread_is_the_sample_deviation() -> None:
    # Deviations from the mean of 0.43 are -3, -1 and 4 hundredths: sqrt(26 / 2) of them.
    assert averages(0.40, 0.42, 0.47).spread("AP") == pytest.approx(13**0.5 / 100)
    assert averages(0.40).spread("AP") is None


def test_numbers_that_a_run_lacks_are_left_out() -> None:
    found = averages(0.4, None, NAN, 0.5)
    assert found.mean("AP") == found.mean("AP", "cup") == pytest.approx(0.45)
    assert found.spread("AP") == pytest.approx(0.05 * 2**0.5)
    assert averages(0.4, None).spread("AP") is None
    assert found.tide_cost("Loc") == pytest.approx(0.45)


def test_numbers_that_no_run_has_are_none() -> None:
    found = averages(None, NAN)
    assert (found.mean("AP"), found.spread("AP"), found.mean("AP", "cup")) == (None, None, None)
    assert (found.tide_cost("Loc"), found.tide_count("FalsePos")) == (None, None)
    assert found.mean("AP", "plate") is None
    assert found.mean("speed") is None
    bare = entry(plain_result(None))
    assert (bare.tide_threshold(), bare.precision(), bare.truth()) == (None, None, None)


def test_runs_without_numbers_are_left_out() -> None:
    nothing = MeasuredRun("model", "val", None)
    found = entry(plain_result(0.4), nothing, plain_result(0.5))
    assert found.mean("AP") == pytest.approx(0.45)
    measured = found.measured()
    assert measured is not None
    assert (measured.name, measured.title, measured.place) == ("LAD", "LAD (2 runs)", 2)
    assert nothing not in measured.runs
    assert entry(nothing).measured() is None


def test_title_tells_of_how_many_runs_numbers_are_means() -> None:
    assert averages(0.4).title == "LAD"
    assert averages(0.4, 0.5, 0.6).title == "LAD (3 runs)"


def test_classes_of_all_runs_in_the_order_of_their_tables() -> None:
    found = entry(
        plain_result(0.4, classes={"plate": 0.4, "cup": 0.4}), plain_result(0.4, classes={"pot": 1})
    )
    assert found.class_names() == ["plate", "cup", "pot"]


def test_curves_are_means_where_there_are_any() -> None:
    ones, nothing = np.ones((2, 3, 101)), plain_result(0.4)
    ones[:, 2] = np.nan  # a class without objects
    found = entry(replace(nothing, precision=ones), nothing, replace(nothing, precision=0 * ones))
    curves = found.precision()
    assert curves is not None
    assert curves.shape == (2, 3, 101)
    assert (curves[:, :2] == 0.5).all()
    assert np.isnan(curves[:, 2]).all()


def test_ground_truth_and_threshold_are_those_of_the_first_run_that_has_them() -> None:
    truth = Truth(RandomSet(boxes=1).draw(0)[0], Path())
    found = entry(plain_result(0.4), plain_result(0.4, cost=1.0, truth=truth))
    assert found.truth() is truth
    assert found.tide_threshold() == 0.5

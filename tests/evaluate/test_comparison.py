"""What a method's runs come to together."""

from __future__ import annotations

import pytest

from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun
from ladcli.runs.coco_numbers import ALL_AP_KEYS, CocoMetrics
from ladcli.runs.tide_numbers import TideErrors, TideThresholds


def metrics(average: float | None) -> CocoMetrics:
    stats = dict.fromkeys(ALL_AP_KEYS, average)
    return CocoMetrics(stats, {"cup": {"AP": average}})


def errors(cost: float | None) -> TideErrors:
    return TideErrors(TideThresholds(), 50.0, {"Loc": cost}, {"Loc": 1})


def method(*averages: float | None, costs: tuple[float | None, ...] = ()) -> MeasuredMethod:
    tides = [*map(errors, costs), *[None] * (len(averages) - len(costs))]
    return MeasuredMethod(
        "PAA",
        tuple(
            MeasuredRun("model", "val", metrics(average), tide, name=str(number))
            for number, (average, tide) in enumerate(zip(averages, tides, strict=True))
        ),
    )


def test_mean_and_sample_deviation_over_runs() -> None:
    found = method(0.40, 0.42, 0.47)
    assert found.mean("AP") == pytest.approx(0.43)
    assert found.mean("AP", "cup") == pytest.approx(0.43)
    assert found.spread("AP") == pytest.approx(0.036056, abs=1e-6)


def test_one_run_has_no_spread() -> None:
    assert method(0.4).spread("AP") is None


def test_error_over_seeds_adds_the_variances_of_both_means() -> None:
    one, two = method(0.40, 0.42, 0.44), method(0.50, 0.52)
    # Variances 0.0004 of three and 0.0002 of two runs.
    assert two.seed_error(one) == pytest.approx((0.0004 / 3 + 0.0002 / 2) ** 0.5)
    assert one.seed_error(two) == two.seed_error(one)
    assert method(0.4).seed_error(one) is None
    assert one.seed_error(method(0.4, None)) is None


def test_undefined_numbers_are_left_out() -> None:
    assert method(0.4, None).mean("AP") == 0.4
    assert method(None).mean("AP") is None


def test_costs_of_errors_are_averaged_where_defined() -> None:
    assert method(0.4, 0.4, 0.4, costs=(2.0, None, 4.0)).tide_cost("Loc") == 3.0
    assert method(0.4, costs=(None,)).tide_cost("Loc") is None


def test_runs_keep_their_own_numbers_in_json() -> None:
    two = method(0.4, 0.5, costs=(2.0, 4.0))
    plain = two.to_json(two)
    assert [run["coco"]["stats"] for run in plain["runs"]] == [[0.4] * 6, [0.5] * 6]
    assert [run["tide"][0]["dAP"]["Loc"] for run in plain["runs"]] == [2.0, 4.0]
    assert plain["gains"] is None
    assert (plain["seed_error"], plain["verdict"]) == (None, None)
    assert plain["mean"] == pytest.approx(dict.fromkeys(ALL_AP_KEYS, 0.45))
    assert plain["spread"]["AP"] == pytest.approx(0.070711, abs=1e-6)

"""The paired bootstrap on numbers that are plain functions of the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ladcli.evaluate import bootstrap
from ladcli.evaluate.bootstrap import Draws, Gain, paired_bootstrap


@dataclass(frozen=True)
class Mean:
    """The weighted mean of a value per image; undefined where no weight is left."""

    values: np.ndarray  # [N], NaN for an image that does not count

    def numbers(self, weights: np.ndarray) -> np.ndarray:
        counts = ~np.isnan(self.values)
        weights = weights[counts]
        with np.errstate(invalid="ignore"):
            return (self.values[counts] @ weights / weights.sum(axis=0))[None]


def drawn_means(values: np.ndarray, draws: Draws) -> np.ndarray:
    """Means of really drawn images, one per resample."""
    rng = np.random.default_rng(draws.seed)
    return values[rng.integers(len(values), size=(draws.count, len(values)))].mean(axis=1)


VALUES = np.random.default_rng(0).normal(size=(2, 30))


def compare(*values: np.ndarray, draws: Draws = Draws()) -> Gain:
    ((gain,),) = paired_bootstrap([[Mean(v)] for v in values], len(values[0]), draws)
    return gain


def test_interval_and_share_are_those_of_really_drawn_images() -> None:
    draws = Draws(500, 0.9, seed=3)
    gain = compare(*VALUES, draws=draws)
    differences = drawn_means(VALUES[1], draws) - drawn_means(VALUES[0], draws)
    assert (gain.low, gain.high) == pytest.approx(tuple(np.quantile(differences, [0.05, 0.95])))
    assert gain.share_above == pytest.approx((differences > 0).mean())
    assert 0 < gain.share_above < 1


def test_points_are_of_the_whole_set() -> None:
    gain = compare(*VALUES, draws=Draws(10))
    before, after = VALUES.mean(axis=1)
    assert gain.baseline == pytest.approx(before)
    assert gain.value == pytest.approx(after)
    assert gain.difference == pytest.approx(after - before)


def test_draws_are_paired() -> None:
    """What all images share moves no difference, however far the images are apart."""
    gain = compare(1000 * VALUES[0], 1000 * VALUES[0] + 1, draws=Draws(200))
    assert (gain.difference, gain.low, gain.high) == pytest.approx((1, 1, 1))
    assert gain.share_above == 1


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Differences drawn around 0.3: of 200 intervals of 90 %, about 180 hold 0.3."""
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        first = rng.normal(size=60)
        gain = compare(first, first + rng.normal(0.3, 1, 60), draws=Draws(300, 0.9, seed))
        assert gain.low is not None
        assert gain.high is not None
        held += gain.low <= 0.3 <= gain.high
    assert 0.84 <= held / 200 <= 0.96  # three standard errors


def test_runs_of_a_method_are_averaged() -> None:
    one, two = VALUES
    ((gain,),) = paired_bootstrap([[Mean(one)], [Mean(one), Mean(two)]], 30, Draws(50))
    half = compare(one, (one + two) / 2, draws=Draws(50))
    assert (gain.difference, gain.low) == pytest.approx((half.difference, half.low))


def test_resamples_without_the_number_are_left_out() -> None:
    """One of three images counts: it is missing from (2/3)^3 of the draws."""
    lone = np.array([1.0, np.nan, np.nan])
    gain = compare(lone, lone + 2)
    assert gain == Gain(1.0, 3.0, 2.0, 2.0, 2.0, 1.0)
    nothing = np.full(3, np.nan)
    assert compare(nothing, nothing) == Gain(*[None] * 6)
    assert compare(lone, nothing) == Gain(1.0, *[None] * 5)


def test_a_number_that_no_resample_has_keeps_its_difference() -> None:
    """The only draw of three images misses the one that counts."""
    seed = next(s for s in range(99) if 0 not in np.random.default_rng(s).integers(3, size=3))
    lone = np.array([1.0, np.nan, np.nan])
    gain = compare(lone, lone + 2, draws=Draws(1, seed=seed))
    assert gain == Gain(1.0, 3.0, 2.0, None, None, None)


def test_the_size_of_a_step_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = Draws(25, seed=1)
    found = compare(*VALUES, draws=draws)
    assert compare(*VALUES, draws=Draws(25, seed=2)) != found
    monkeypatch.setattr(bootstrap, "_DRAWN", 7 * 30)
    again = compare(*VALUES, draws=draws)
    assert (again.low, again.high) == pytest.approx((found.low, found.high))


def test_progress_counts_resamples_of_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_DRAWN", 4 * 30)
    told: list[int] = []
    runs = [[Mean(VALUES[0])], [Mean(VALUES[1]), Mean(VALUES[1])]]
    paired_bootstrap(runs, 30, Draws(6), on_progress=told.append)
    assert told == [4, 8, 12, 14, 16, 18]

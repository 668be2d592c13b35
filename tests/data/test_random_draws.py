from __future__ import annotations

import numpy as np

from ladcli.data.random_draws import FLIP, ORDER, uniform

IDS = np.arange(20_000)


def test_draws_are_uniform() -> None:
    draws = uniform(0, 0, IDS, ORDER)
    assert draws.dtype == np.float64
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    # 1000 expected, standard deviation 31.
    assert np.abs(counts - 1000).max() < 150


def test_arguments_are_independent() -> None:
    first = uniform(0, 0, IDS, ORDER)
    for other in (uniform(1, 0, IDS, ORDER), uniform(0, 1, IDS, ORDER), uniform(0, 0, IDS, FLIP)):
        # Standard deviation of the correlation of 20000 pairs is 0.007.
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.035
    # Seed and epoch must not be exchangeable.
    assert not np.array_equal(uniform(1, 0, IDS, ORDER), uniform(0, 1, IDS, ORDER))


def test_draw_depends_on_the_image_alone() -> None:
    shuffled = np.random.default_rng(0).permutation(IDS)
    assert np.array_equal(uniform(3, 2, IDS, FLIP)[shuffled], uniform(3, 2, shuffled, FLIP))


def test_values_never_change() -> None:
    # Pinned: another value would change every run that is resumed or repeated.
    draws = uniform(7, 3, np.array([-1, 0, 2**62]), FLIP)
    assert draws.tolist() == PINNED


def test_large_seeds_are_accepted() -> None:
    assert uniform(2**80 + 5, 10**9, np.array([1]), ORDER).shape == (1,)


PINNED = [0.6307094231548487, 0.11146065188562859, 0.22984850181372907]

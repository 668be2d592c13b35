"""Matching in rounds against the walk that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from ladcli.evaluate.greedy import UNMATCHED, match_greedily


def walk(det: np.ndarray, gt: np.ndarray, num_det: int, shared: np.ndarray) -> list[int]:
    """One detection after the other takes the first of its list that is free."""
    taken, used = [UNMATCHED] * num_det, set()
    for d, g in zip(det.tolist(), gt.tolist(), strict=True):
        if taken[d] == UNMATCHED and g not in used:
            taken[d] = g
            if not shared[g]:
                used.add(g)
    return taken


@pytest.mark.parametrize("seed", range(20))
def test_rounds_end_as_the_walk_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_det, num_gt = 60, 15
    lists = [rng.permutation(num_gt)[: rng.integers(0, 6)] for _ in range(num_det)]
    det = np.repeat(np.arange(num_det), [len(of) for of in lists])
    gt = np.concatenate(lists)
    shared = rng.random(num_gt) < 0.2
    taken = match_greedily(det, gt, num_det=num_det, shared=shared)
    assert taken.tolist() == walk(det, gt, num_det, shared)


def test_a_chain_of_refusals_reaches_its_end() -> None:
    """Everybody's favorite goes to the first; the others move on one by one."""
    det = np.repeat(np.arange(50), 50)
    gt = np.tile(np.arange(50), 50)
    taken = match_greedily(det, gt, num_det=50, shared=np.zeros(50, dtype=bool))
    assert taken.tolist() == list(range(50))


def test_nobody_asks() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    taken = match_greedily(nothing, nothing, num_det=2, shared=np.zeros(0, dtype=bool))
    assert taken.tolist() == [UNMATCHED, UNMATCHED]

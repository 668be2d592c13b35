"""Candidates that several ground truths may share, in every layout, with random costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.assign.candidates import prior_iou
from ladcli.detector.levels import AnchorLayout
from ladcli.structures import Candidates, Costs, OwnedCandidates, Scene, SharedCandidates
from tests.assign.prices import SCOPES, Pair, Priced, pairs_of
from tests.assign.scenes import Problem, random_problem

Prices = dict[Pair, float]


def wanted_by_several(scene: Scene, *, min_iou: float = 0.1) -> SharedCandidates:
    """Dense: every valid prior that overlaps a ground truth, for each that it overlaps."""
    iou = prior_iou(scene.targets.boxes, scene.priors)
    present = scene.targets.valid.unsqueeze(2) & scene.valid.unsqueeze(1)
    return SharedCandidates((iou >= min_iou) & present)


def dense(candidates: OwnedCandidates, num_gt: int) -> SharedCandidates:
    """The same pairs, with a place for every prior and ground truth."""
    owner = torch.arange(num_gt).view(1, -1, 1)
    return SharedCandidates(candidates.gt_index.unsqueeze(1) == owner)


def indexed(candidates: SharedCandidates, *, seed: int = 0, spare: int = 2) -> SharedCandidates:
    """The same pairs of a dense layout by index, in a random order with gaps between them."""
    draw = torch.Generator().manual_seed(seed)
    b, g, a = candidates.mask.shape
    most = int(candidates.mask.sum(dim=2).max()) + spare if g else spare
    mask = torch.zeros(b, g, most, dtype=torch.bool)
    index = torch.randint(a, (b, g, most), generator=draw)
    for image in range(b):
        for gt in range(g):
            priors = candidates.mask[image, gt].nonzero().flatten()
            places = torch.randperm(most, generator=draw)[: len(priors)]
            mask[image, gt, places] = True
            index[image, gt, places] = priors
    return SharedCandidates(mask, index)


def prices_of(candidates: Candidates, costs: Costs) -> Prices:
    """The cost of every pair."""
    return {pair: float(costs.values[place]) for place, pair in pairs_of(candidates)}


def laid_out(candidates: Candidates, prices: Prices) -> Costs:
    """Costs of pairs in the layout of ``candidates``."""
    values = torch.full(candidates.mask.shape, torch.inf)
    for place, pair in pairs_of(candidates):
        values[place] = prices[pair]
    return Costs(values)


def random_prices(candidates: Candidates, seed: int) -> Prices:
    """Costs around two centers, all of them different."""
    draw = torch.Generator().manual_seed(seed)
    pairs = sorted(pair for _, pair in pairs_of(candidates))
    center = torch.where(torch.rand(len(pairs), generator=draw) < 0.3, 0.6, 2.0)
    costs = (center * (0.3 * torch.randn(len(pairs), generator=draw)).exp()).tolist()
    return dict(zip(pairs, costs, strict=True))


def same_rows(a: Tensor, b: Tensor, a_valid: Tensor, b_valid: Tensor) -> bool:
    """Whether rows [B, G, K] hold the same entries, where those that count come first."""
    flat = (t.flatten(0, 1) for t in (a, b, a_valid, b_valid))
    return all(torch.equal(x[m], y[n]) for x, y, m, n in zip(*flat, strict=True))


PADDED = ((160, 192), (100, 192), (160, 97), (33, 40))
Layout = Callable[[SharedCandidates], SharedCandidates]
SHARED: dict[str, Layout] = {
    "dense": lambda candidates: candidates,
    "indexed": indexed,
}
Make = Callable[[int], Problem]


def five_levels(seed: int) -> Problem:
    """What our own networks have by default."""
    return random_problem(seed, valid_hw=PADDED)


def one_level(seed: int) -> Problem:
    return five_levels(seed).level(1)


def three_levels(seed: int) -> Problem:
    return random_problem(seed, valid_hw=PADDED, layout=AnchorLayout(scale=3.0, first_level=5))


def six_levels(seed: int) -> Problem:
    return random_problem(seed, valid_hw=PADDED, layout=AnchorLayout(scale=6.0, first_level=2))


LEVELS: list[Make] = [one_level, three_levels, five_levels, six_levels]
each_shared = pytest.mark.parametrize("layout", SHARED.values(), ids=SHARED)
each_scope = pytest.mark.parametrize("scope", SCOPES)
each_number_of_levels = pytest.mark.parametrize("make", LEVELS, ids=lambda make: make.__name__)


def shared_of(scene: Scene, layout: Layout, seed: int) -> Priced:
    """Candidates in a layout, with the costs of two networks."""
    candidates = layout(wanted_by_several(scene))
    teacher, student = (
        laid_out(candidates, random_prices(candidates, 10 * seed + k)) for k in range(2)
    )
    return Priced(candidates, teacher, student, scene)


def same_pairs(make: Make, seed: int) -> list[Priced]:
    """PAA's candidates with the costs of two networks, in every layout, the owned one first."""
    scene = make(seed).scene
    owned = paa_assigner().candidates(scene)
    assert isinstance(owned, OwnedCandidates)
    prices = [random_prices(owned, 10 * seed + k) for k in range(2)]
    spread = dense(owned, scene.num_gt)
    layouts = (owned, spread, indexed(spread, seed=seed))
    return [Priced(c, *(laid_out(c, p) for p in prices), scene) for c in layouts]

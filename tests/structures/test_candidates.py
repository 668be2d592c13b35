"""The layouts of candidates answer the same questions alike."""

from __future__ import annotations

import torch

from ladcli.structures import (
    BACKGROUND,
    Candidates,
    OwnedCandidates,
    Priors,
    SharedCandidates,
)

NONE = BACKGROUND
#: Three priors in the first level, two in the second.
PRIORS = Priors.from_boxes([torch.zeros(3, 4), torch.zeros(2, 4)], [8, 16])

OWNED = OwnedCandidates(torch.tensor([[1, NONE, 0, 1, NONE], [NONE, NONE, NONE, 0, 0]]))
DENSE = SharedCandidates(
    torch.tensor(
        [
            [[0, 0, 1, 0, 0], [1, 0, 0, 1, 0]],
            [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]],
        ]
    ).bool()
)
INDEXED = SharedCandidates(
    torch.tensor([[[0, 1, 0], [1, 1, 0]], [[1, 0, 1], [0, 0, 0]]]).bool(),
    torch.tensor([[[4, 2, 2], [3, 0, 0]], [[4, 1, 3], [0, 4, 2]]]),
)
#: Image, ground truth, prior and its level.
PAIRS = {(0, 1, 0, 0), (0, 0, 2, 0), (0, 1, 3, 1), (1, 0, 3, 1), (1, 0, 4, 1)}


def pairs(candidates: Candidates) -> list[tuple[int, ...]]:
    """What the protocol says of every place with a candidate."""
    mask = candidates.mask
    image = torch.arange(len(mask)).view(-1, *(1 for _ in mask.shape[1:]))
    answers = (image, candidates.owner(), candidates.prior(), candidates.level(PRIORS))
    found = torch.stack([answer.expand_as(mask)[mask] for answer in answers], dim=1)
    return [tuple(row) for row in found.tolist()]


def test_every_layout_holds_the_same_pairs() -> None:
    for candidates in (OWNED, DENSE, INDEXED):
        found = pairs(candidates)
        assert len(found) == len(PAIRS)
        assert set(found) == PAIRS


def test_a_prior_may_be_wanted_by_several() -> None:
    both = SharedCandidates(torch.ones(1, 2, 5, dtype=torch.bool))
    assert pairs(both) == [(0, gt, prior, int(prior > 2)) for gt in range(2) for prior in range(5)]


def test_candidates_are_the_priors_with_a_box() -> None:
    candidates = OwnedCandidates(torch.tensor([[NONE, 0, 3]]))
    assert candidates.mask.tolist() == [[False, True, True]]


def test_answers_are_whole_numbers_in_range() -> None:
    for candidates in (OWNED, DENSE, INDEXED):
        for answer, end in (
            (candidates.owner(), 2),
            (candidates.prior(), 5),
            (candidates.level(PRIORS), 2),
        ):
            assert answer.dtype is torch.int64
            assert answer.max() < end
            assert answer.expand_as(candidates.mask).shape == candidates.mask.shape


def test_no_ground_truth_and_no_places() -> None:
    nothing = (
        OwnedCandidates(torch.full((2, 5), NONE)),
        SharedCandidates(torch.zeros(2, 0, 5, dtype=torch.bool)),
        SharedCandidates(
            torch.zeros(2, 3, 0, dtype=torch.bool), torch.zeros(2, 3, 0, dtype=torch.int64)
        ),
    )
    for candidates in nothing:
        assert pairs(candidates) == []

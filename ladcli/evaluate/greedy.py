"""Greedy matching, for all images and classes at once.

Evaluation walks down the scores: each detection takes the best ground truth that is still free.
The walk looks sequential.  Its outcome is also the only stable marriage between detections, each
with its own preferences, and ground truth that prefers the better score; so proposals in rounds
(Gale and Shapley 1962) find it, and a round is a few array operations over the whole data set.
"""

from __future__ import annotations

import numpy as np

UNMATCHED = -1


def match_greedily(
    det: np.ndarray, gt: np.ndarray, *, num_det: int, shared: np.ndarray
) -> np.ndarray:
    """What every detection takes when they choose one after the other.

    Args:
        det: [P] int64, ascending; detections that may take the same ground truth choose in this
            order.
        gt: [P] int64, ground truth beside it, acceptable to the detection; the favorite first.
        num_det: D, detections in all.
        shared: [G] bool, ground truth that any number of detections may take (crowd regions).

    Returns:
        [D] int64, row of the ground truth, or UNMATCHED.
    """
    choice = np.flatnonzero(np.diff(det, prepend=-1))  # pair that each asks for, favorite first
    end = np.append(choice[1:], len(det))
    asking = np.arange(len(choice))
    while True:
        wanted = gt[choice[asking]]
        first = np.full(len(shared), len(choice))
        np.minimum.at(first, wanted, asking)
        refused = asking[(first[wanted] != asking) & ~shared[wanted]]
        if not len(refused):
            break
        choice[refused] += 1
        asking = asking[choice[asking] < end[asking]]
    taken = np.full(num_det, UNMATCHED)
    taken[det[choice[asking]]] = gt[choice[asking]]
    return taken

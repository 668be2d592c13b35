"""What a few fixed images look like to the assigner as training goes on, for pictures.

A probe holds, for every ground truth of its images, the costs of the cheapest candidates, the
mixture fitted to them, and the anchors that became positives: by the network's own prices, and by
the teacher's where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import Assigner, cheapest_samples, fit_mixtures
from ladcli.objective.opinion import Opinion
from ladcli.runs.probe_file import Record
from ladcli.structures import Assignment, Batch, Candidates, Costs, Priors, Scene


@torch.no_grad()
def probe_image(
    batch: Batch, scene: Scene, opinions: Mapping[str, Opinion], assigner: Assigner
) -> Record:
    """One image as each opinion sees it.

    Args:
        batch: of one image.
        opinions: by the name that their arrays begin with, such as ``own`` and ``teacher``.

    Returns:
        ``gt_box`` [N, 4] and ``gt_label`` [N]; and of each opinion what `_positives` and
        `_samples` describe.
    """
    targets, candidates = scene.targets, assigner.candidates(scene)
    record = {
        "content_hw": batch.content_hw.cpu().numpy(),
        "canvas_hw": np.array([batch.canvas_hw]),
        "gt_box": targets.boxes[0].cpu().numpy(),
        "gt_label": targets.labels[0].cpu().numpy(),
    }
    for name, opinion in opinions.items():
        assignment, costs = opinion.assignment(), opinion.sample_costs(candidates)
        found = _positives(assignment, scene.priors)
        if costs is not None:
            found |= _samples(scene, candidates, costs, assignment, topk=assigner.topk)
        record |= {f"{name}_{key}": value for key, value in found.items()}
    return record


def _positives(assignment: Assignment, priors: Priors) -> Record:
    """Ground truth [K], center [K, 2] (x, y in pixels) and stride [K] of every positive."""
    anchor = assignment.foreground[0].nonzero().squeeze(1)
    values = {
        "positive_gt": assignment.gt_index[0, anchor],
        "positive_center": priors.centers[anchor],
        "positive_stride": priors.stride[anchor],
    }
    return {name: value.cpu().numpy() for name, value in values.items()}


def _samples(
    scene: Scene, candidates: Candidates, costs: Costs, assignment: Assignment, *, topk: int
) -> Record:
    """Costs [N, K] ascending (NaN where there is none), which are positives, and the mixture."""
    num_gt, most = scene.num_gt, topk * scene.priors.num_levels
    samples = cheapest_samples(candidates, costs, scene, topk=topk)
    cost, valid = samples.cost[0], samples.valid[0]  # [N, K]
    owner = torch.arange(num_gt, device=cost.device).unsqueeze(1)
    positive = valid & (assignment.gt_index[0][samples.prior[0]] == owner)
    fit = fit_mixtures(cost.double(), valid)
    return {
        "cost": _room(cost.masked_fill(~valid, torch.nan), torch.nan, most),
        "sample_positive": _room(positive, False, most),
        **{name: getattr(fit, name).cpu().numpy() for name in ("means", "variances", "weights")},
    }


def _room(values: Tensor, padding: float, most: int) -> np.ndarray:
    """``values`` [N, K] in as many columns as samples are possible: images differ in K."""
    out = np.full((len(values), most), padding, dtype=values.cpu().numpy().dtype)
    out[:, : values.shape[1]] = values.cpu().numpy()
    return out

"""A scene checks that its parts are of one batch, and leaves its progress where it is."""

from __future__ import annotations

import pytest
import torch

from ladcli.structures import Priors, Scene, Targets

PRIORS = Priors.from_boxes([torch.zeros(3, 4), torch.zeros(2, 4)], [8, 16])


def targets(*counts: int) -> Targets:
    return Targets.from_lists(
        [torch.zeros(n, 4) for n in counts], [torch.zeros(n, dtype=torch.int64) for n in counts]
    )


def test_sizes() -> None:
    scene = Scene(targets(2, 0, 3), PRIORS, torch.ones(3, 5, dtype=torch.bool))
    assert (scene.num_images, scene.num_gt, scene.priors.num_priors) == (3, 3, 5)
    assert scene.progress == 0


def test_a_batch_without_boxes() -> None:
    scene = Scene(targets(0, 0), PRIORS, torch.ones(2, 5, dtype=torch.bool))
    assert (scene.num_images, scene.num_gt) == (2, 0)


@pytest.mark.parametrize("shape", [(2, 5), (3, 4), (5,), (3, 5, 1)])
def test_valid_priors_of_another_batch_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"valid must be \[B=3, A=5\], got") as caught:
        Scene(targets(2, 0, 3), PRIORS, torch.ones(shape, dtype=torch.bool))
    assert str(caught.value).endswith(str(list(shape)))


def test_progress_may_stay_on_a_device() -> None:
    progress = torch.tensor(0.25, device="meta")
    scene = Scene(targets(1), PRIORS, torch.ones(1, 5, dtype=torch.bool), progress)
    assert scene.progress is progress

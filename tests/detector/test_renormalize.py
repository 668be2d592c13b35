"""Images normalized for one network, as another wants them."""

from __future__ import annotations

import torch

from ladcli.detector.renormalize import Renormalize
from tests.detector.tiny import ARCHITECTURE, tiny_batch

CPU = torch.device("cpu")


def test_renormalizing_by_hand() -> None:
    """Pixel 0.5 is (0.5 - 0.4) / 0.2 = 0.5 for one network, (0.5 - 0.1) / 0.8 = 0.5 for another."""
    given = (0.4, 0.4, 0.5), (0.2, 0.2, 0.1)
    wanted = (0.1, 0.3, 0.5), (0.8, 0.4, 0.2)
    batch = tiny_batch(boxes_per_image=(0,), canvas_hw=(32, 32))
    batch.images[:] = 0.5  # pixels 0.5, 0.5, 0.55
    found = Renormalize.between(given, wanted, CPU)(batch)
    torch.testing.assert_close(found[0, :, 7, 7], torch.tensor([0.5, 0.5, 0.25]))


def test_renormalized_padding_stays_zero() -> None:
    batch = tiny_batch(content_hw=(40, 90))
    batch.content_hw[1] = torch.tensor([20, 96])  # sizes differ between images
    given = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    wanted = ARCHITECTURE.pixel_mean, ARCHITECTURE.pixel_std
    found = Renormalize.between(given, wanted, CPU)(batch)
    for image, (height, width) in zip(found, batch.content_hw.tolist(), strict=True):
        assert (image[:, height:] == 0).all()
        assert (image[:, :, width:] == 0).all()
        assert (image[:, height - 1, width - 1] != 0).all()


def test_equal_statistics_leave_the_images_alone() -> None:
    same = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    batch = tiny_batch()
    assert Renormalize.between(same, same, CPU)(batch) is batch.images

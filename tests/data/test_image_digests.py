from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ladcli.data.image_digests import image_digests
from ladcli.recipe.schema import DataConfig
from ladcli.stages.datasets import open_training_set
from tests.stages.tiny import draw


def test_an_image_has_another_digest_when_something_of_it_differs(tmp_path: Path) -> None:
    index = open_training_set(DataConfig(dir=str(draw(tmp_path / "data"))))
    digests = image_digests(index)
    assert digests.shape == (8, 8)
    assert len(np.unique(digests, axis=0)) == 8
    # One box, of the image that owns it.
    boxes = index.boxes.copy()
    boxes[index.box_ptr[3]] += 1
    changed = image_digests(replace(index, boxes=boxes))
    assert (changed != digests).any(axis=1).tolist() == [row == 3 for row in range(8)]
    # Neither the other images nor their order matter.
    assert np.array_equal(image_digests(index.subset([5, 2])), digests[[5, 2]])

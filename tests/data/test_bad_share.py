from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.bad_share import BadImages, allowed_bad, require_folder
from ladcli.errors import TooManyBadImages


@pytest.mark.parametrize(
    ("total", "share", "allowed"),
    [(10, 0.05, 1), (20, 0.05, 1), (40, 0.05, 2), (100, 0.29, 29), (3, 0.0, 1), (5, 1.0, 5)],
)
def test_share_of_the_set_and_one_always(total: int, share: float, allowed: int) -> None:
    assert allowed_bad(total, share) == allowed


def test_views_of_an_image_count_once() -> None:
    bad = BadImages(40, 0.05)
    bad.add(["a: gone", "b: gone"])
    bad.add(["a: gone", "b: gone"])
    with pytest.raises(TooManyBadImages) as caught:
        bad.add(["c: gone"])
    assert str(caught.value) == (
        "3 of 40 image files cannot be used: a: gone | b: gone | c: gone, more than the 2 that "
        "data.max_bad_share=0.05 allows; bring the images back, or set a higher data.max_bad_share"
    )


def test_folder_that_went_away(tmp_path: Path) -> None:
    require_folder(tmp_path)
    with pytest.raises(TooManyBadImages, match="the image folder went away"):
        require_folder(tmp_path / "gone")

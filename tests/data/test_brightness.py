from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladcli.data.brightness import mean_brightness, spread_evenly
from ladcli.data.decode import decode_image
from tests.data.corpus import index_of, plain


@pytest.mark.parametrize(
    ("total", "count", "rows"),
    [
        (5, 0, []),
        (5, 1, [0]),
        (5, 2, [0, 4]),
        (5, 3, [0, 2, 4]),
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 9, [0, 1, 2, 3, 4]),
        (0, 3, []),
    ],
)
def test_rows_are_spread_evenly(total: int, count: int, rows: list[int]) -> None:
    assert spread_evenly(total, count).tolist() == rows


def test_no_row_is_drawn_twice() -> None:
    for total in range(1, 40):
        for count in range(total + 1):
            rows = spread_evenly(total, count)
            assert len(set(rows.tolist())) == count


def test_luma_of_plain_colors(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    for row, color in enumerate([(0, 0, 0), (255, 255, 255), (255, 0, 0)]):
        height, width = index.hw[row].tolist()
        Image.new("RGB", (width, height), color).save(index.path(row))
    reports: list[int] = []
    found = mean_brightness(index, np.arange(3), on_progress=reports.append)
    assert found.luma.tolist() == pytest.approx([0, 255, 0.299 * 255])
    assert (found.rows.tolist(), found.bad, found.looked_at) == ([0, 1, 2], {}, 3)
    assert reports == [3]


def test_reduced_image_is_as_bright_as_the_whole(tmp_path: Path) -> None:
    content = plain()
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace(".png", ".jpg")
        image["width"], image["height"] = 1024, 768
    index = index_of(tmp_path, content)
    found = mean_brightness(index, np.arange(3))
    whole = [
        float(decode_image(index.path(row)).mean(axis=(0, 1)) @ [0.299, 0.587, 0.114])
        for row in range(3)
    ]
    assert found.luma.tolist() == pytest.approx(whole, abs=0.5)


def test_unusable_images_are_told_of(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    index.path(1).unlink()
    shutil.copy(index.path(0), index.path(2))  # of another size
    found = mean_brightness(index, np.arange(3))
    assert (found.rows.tolist(), found.looked_at) == ([0], 3)
    assert list(found.bad) == [1, 2]
    missing, other_size = found.bad.values()
    assert missing.path == str(index.path(1))
    assert "no such file" in missing.reason
    assert other_size.path == str(index.path(2))
    assert "the file is 48x64, the annotations say 64x48" in other_size.reason

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ladcli.evaluate.report.parts.pictures import jpeg_uri, scaled


def decoded(uri: str) -> Image.Image:
    head, _, content = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1280, 960), (640, 480)), ((100, 2000), (32, 640)), ((300, 200), (300, 200))],
)
def test_pictures_are_scaled_down_and_by_themselves_never_up(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image, factor = scaled(Image.new("RGB", size))
    assert image.size == expected
    assert factor == pytest.approx(max(expected) / max(size))


def test_small_pictures_are_enlarged_on_request() -> None:
    image, factor = scaled(Image.new("RGB", (96, 48)), min_side=480)
    assert (image.size, factor) == ((480, 240), 5)
    image, factor = scaled(Image.new("RGB", (500, 48)), min_side=480)
    assert (image.size, factor) == ((500, 48), 1)


def test_plain_picture_keeps_its_size() -> None:
    assert decoded(jpeg_uri(Image.new("RGB", (320, 200)), max_bytes=20_000)).size == (320, 200)


def test_noise_is_shrunk_until_it_fits() -> None:
    uri = jpeg_uri(noise(640, 480), max_bytes=30_000)
    assert len(uri) < 30_100
    width, height = decoded(uri).size
    assert width < 640
    assert width / height == pytest.approx(4 / 3, rel=0.02)


def test_tiny_picture_is_taken_as_it_is() -> None:
    assert decoded(jpeg_uri(noise(90, 60), max_bytes=10)).size == (90, 60)

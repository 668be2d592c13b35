from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.errors import BadImageError

#: Images of the corpus that show the picture of good.jpg.  JPEG coding, or a palette, moves colors
#: by the given number of levels on average; inverted colors would move them by 131.
SAME_PICTURE = {
    "UPPER.JPG": 0.0,
    "name with space, é.jpg": 0.0,
    "progressive.jpg": 5,
    "trailing_bytes.jpg": 0.0,
    "png_inside.jpg": 5,
    "rgb16.png": 5,
    "cmyk.jpg": 5,
    "rgba.png": 5,
    "palette_transparent.png": 25,
    "animated.gif": 8,
    "exif_rotated_6.jpg": 0.0,  # stored pixels: not turned
    "exif_mirrored_2.jpg": 0.0,
}
REFUSED = {
    "truncated.jpg": "truncated",
    "no_end_marker.jpg": "truncated",
    "truncated_header.jpg": "not an image",
    "empty.jpg": "empty",
    "text.jpg": "not an image",
    "html_error_page.jpg": "web page",
    "bomb_header.png": "million pixels",
    "png_short_data.png": "truncated",
    "directory.jpg": "folder",
    "not_there.jpg": "no such file",
}


@pytest.mark.parametrize("name", sorted(SAME_PICTURE))
def test_odd_image_shows_the_right_picture(shared: Path, name: str) -> None:
    folder = shared / "data/bad/images"
    good = decode_image(folder / "good.jpg").astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode_image(folder / name)
    assert found.dtype == np.uint8
    assert np.abs(found - good).mean() <= SAME_PICTURE[name]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_bad_image_is_refused_by_name(shared: Path, name: str) -> None:
    path = shared / "data/bad/images" / name
    with pytest.raises(BadImageError, match=REFUSED[name]) as caught:
        decode_image(path)
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)


def test_every_image_of_the_corpus_decodes_or_is_refused(shared: Path) -> None:
    for path in (shared / "data/bad/images").iterdir():
        try:
            array = decode_image(path)
        except BadImageError:
            assert path.name in REFUSED
        else:
            assert array.ndim == 3
            assert array.shape[2] == 3


def test_gray_has_three_equal_channels(shared: Path) -> None:
    pixels = decode_image(shared / "data/bad/images/gray.jpg")
    assert (pixels[..., :1] == pixels).all()
    assert pixels.std() > 10


def test_16_bit_gray_is_scaled_and_not_clipped(shared: Path, tmp_path: Path) -> None:
    pixels = decode_image(shared / "data/bad/images/gray16.png")
    assert pixels.max() == 255
    assert len(np.unique(pixels)) == 256
    values = np.array([[0, 257, 385, 386, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "g.png")
    assert decode_image(tmp_path / "g.png")[0, :, 0].tolist() == [0, 1, 1, 2, 255]


def test_gray_without_known_range_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5, 2.0]], dtype=np.float32)).save(tmp_path / "f.tiff")
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "i.tiff")
    for name in ("f.tiff", "i.tiff"):
        with pytest.raises(BadImageError, match="known range"):
            decode_image(tmp_path / name)


def test_one_bit_is_black_and_white(shared: Path) -> None:
    assert np.unique(decode_image(shared / "data/bad/images/one_bit.png")).tolist() == [0, 255]


def test_alpha_is_dropped(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("stored", "target", "decoded"),
    [
        ((800, 640), (200, 160), (400, 320)),  # four times larger: half is twice the target
        ((800, 640), (100, 80), (200, 160)),
        ((800, 640), (201, 160), (800, 640)),  # one side is not four times larger
        ((800, 640), (400, 320), (800, 640)),
        ((803, 645), (100, 80), (201, 162)),  # fractions round up
    ],
)
def test_jpeg_is_reduced_only_far_above_the_target(
    tmp_path: Path, stored: tuple[int, int], target: tuple[int, int], decoded: tuple[int, int]
) -> None:
    Image.new("RGB", stored[::-1], (200, 30, 60)).save(tmp_path / "a.jpg")
    pixels = decode_image(tmp_path / "a.jpg", target_hw=target, stored_hw=stored)
    assert pixels.shape == (*decoded, 3)
    assert np.abs(pixels.astype(int) - (200, 30, 60)).max() < 6


def test_other_formats_are_never_reduced(tmp_path: Path) -> None:
    Image.new("L", (400, 400)).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png", target_hw=(10, 10)).shape == (400, 400, 3)


def test_size_that_contradicts_names_both(shared: Path) -> None:
    folder = shared / "data/bad/images"
    with pytest.raises(BadImageError, match=r"96x64.*640x480") as caught:
        decode_image(folder / "good.jpg", stored_hw=(480, 640))
    assert "EXIF" not in str(caught.value)
    with pytest.raises(BadImageError, match="EXIF"):
        decode_image(folder / "exif_rotated_6.jpg", stored_hw=(96, 64))


def test_git_lfs_pointer_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "lfs.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BadImageError, match="git lfs pull"):
        decode_image(tmp_path / "lfs.jpg")

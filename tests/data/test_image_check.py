from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ladcli.data.image_check import check_files
from ladcli.data.index import CocoIndex, load_index
from ladcli.errors import TooManyBadImages, UserError
from tests.data.corpus import index_of, plain, write_images, write_json

BAD_FILES = {
    "image_absent": ["not_there.jpg", "no such file"],
    "image_is_directory": ["directory.jpg", "folder"],
    "size_mismatch": ["96x64", "640x480"],
    "size_swapped_exif": ["exif_rotated_6.jpg", "EXIF"],
    "with_empty_jpg": ["empty.jpg", "empty"],
    "with_text_jpg": ["text.jpg", "not an image"],
}
#: Truncated pixels cannot be seen in the header.
GOOD_HEADERS = ("with_cmyk_jpg", "with_truncated_jpg")


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_bad_files_are_found_before_the_first_step(shared: Path, name: str) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json" / f"{name}.json", bad / "images")
    with pytest.raises(UserError) as caught:
        check_files(index, skip_bad=False)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(index.annotations))
    for words in ["1 of 2", "skip_bad_images", *BAD_FILES[name]]:
        assert words in message
    kept = check_files(index, skip_bad=True)
    assert kept.image_ids.tolist() == [1]
    assert "left out" in kept.notes[-1]


@pytest.mark.parametrize("name", GOOD_HEADERS)
def test_sound_headers_pass(shared: Path, name: str) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json" / f"{name}.json", bad / "images")
    assert check_files(index, skip_bad=False) is index


def test_orientation_is_noted(shared: Path) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json/size_stored_exif.json", bad / "images")
    (note,) = check_files(index, skip_bad=False).notes
    assert "1 image(s) have an EXIF orientation, which is not applied: 'exif_rotated_6.jpg'" in note


def test_no_image_left_is_an_error(tmp_path: Path) -> None:
    index = load_index(write_json(tmp_path, plain()), tmp_path)
    with pytest.raises(UserError, match="3 of 3"):
        check_files(index, skip_bad=True)


def test_header_bomb_is_refused(shared: Path) -> None:
    bad = shared / "data/bad"
    content = copy.deepcopy(json.loads((bad / "json/ok.json").read_text()))
    content["images"][1].update(file_name="bomb_header.png", width=60000, height=60000)
    index = load_index(bad / "json/ok.json", bad / "images")
    names = b"good.jpgbomb_header.png"
    index = type(index)(
        **{
            **index.__dict__,
            "name_bytes": np.frombuffer(names, np.uint8),
            "name_ptr": np.array([0, 8, len(names)]),
        }
    )
    with pytest.raises(UserError, match="million pixels"):
        check_files(index, skip_bad=False)


def test_names_may_hold_any_letter(tmp_path: Path) -> None:
    content = plain()
    content["images"][0]["file_name"] = "a b, é/日本.png"
    (tmp_path / "a b, é").mkdir()
    write_images(tmp_path, content)
    index = load_index(write_json(tmp_path, content), tmp_path)
    assert index.file_name(2) == "a b, é/日本.png"
    assert len(check_files(index, skip_bad=False)) == 3


def test_animation_is_noted(shared: Path) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json/with_animated_gif.json", bad / "images")
    (note,) = check_files(index, skip_bad=False).notes
    assert note.endswith(
        "1 image(s) are animated or hold several frames, of which the first is read: 'animated.gif'"
    )


def renamed(folder: Path, **names: str) -> CocoIndex:
    """The corpus with files called otherwise on disk (by their stem) than in the annotations."""
    content = plain()
    write_images(folder, content)
    for record in content["images"]:
        stem = record["file_name"].removesuffix(".png")
        if stem in names:
            (folder / record["file_name"]).rename(folder / f"{stem}.found")
            record["file_name"] = names[stem]
    return load_index(write_json(folder, content), folder)


@pytest.mark.parametrize(
    ("in_json", "on_disk", "kind"),
    [
        ("a%20b.png", "a b.png", "percent encoding"),
        ("cafe\u0301.png", "caf\u00e9.png", "another Unicode form"),
        ("wide.png ", "wide.png", "blanks at the ends"),
        ("Wide.PNG", "wide.png", "upper and lower case"),
    ],
)
def test_other_spelling_is_found_and_noted(
    tmp_path: Path, in_json: str, on_disk: str, kind: str
) -> None:
    index = renamed(tmp_path, wide=in_json)
    (tmp_path / "wide.found").rename(tmp_path / on_disk)
    found = check_files(index, skip_bad=False)
    assert [found.path(row).name for row in range(3)] == ["tall.png", "bare.png", on_disk]
    assert f"1 image(s) are spelled otherwise on disk ({kind}) and were found" in found.notes[-1]
    assert f"{in_json!r} is {on_disk!r}" in found.notes[-1]
    # What is learned has not changed.
    assert found.fingerprint() == index.fingerprint()
    assert found.subset([2]).path(0).name == on_disk


def test_ambiguous_spelling_is_refused_with_what_is_there(tmp_path: Path) -> None:
    index = renamed(tmp_path, wide="WIDE.png")
    (tmp_path / "wide.found").rename(tmp_path / "wide.png")
    (tmp_path / "Wide.png").write_bytes((tmp_path / "wide.png").read_bytes())
    with pytest.raises(UserError, match=r"'Wide\.png' and 'wide\.png' may be meant; rename one"):
        check_files(index, skip_bad=False)


def test_spelling_never_gives_one_file_to_two_images(tmp_path: Path) -> None:
    index = renamed(tmp_path, wide="TALL.png")
    with pytest.raises(UserError, match=r"'tall\.png' may be meant, but another image has that"):
        check_files(index, skip_bad=False)


def test_other_ending_is_named(tmp_path: Path) -> None:
    index = renamed(tmp_path, wide="wide.jpg")
    (tmp_path / "wide.found").rename(tmp_path / "wide.png")
    with pytest.raises(UserError, match=r"wide\.jpg: no such file; there is 'wide\.png'"):
        check_files(index, skip_bad=False)


def test_named_pipe_is_not_opened(tmp_path: Path) -> None:
    index = renamed(tmp_path, wide="pipe.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png: is a named pipe, not an image file"):
        check_files(index, skip_bad=False)


def test_folder_with_the_images_is_named_instead_of_skipping(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "train").mkdir()
    content = plain()
    write_images(tmp_path / "val", content)
    index = load_index(write_json(tmp_path, content), tmp_path / "train")
    for skip_bad in (False, True):
        with pytest.raises(UserError) as caught:
            check_files(index, skip_bad=skip_bad, flag="--val-images")
        assert "3 of 3 images are not in the folder" in str(caught.value)
        assert str(caught.value).endswith(f"name it with --val-images {tmp_path}/val")
        assert "skip" not in str(caught.value)


def test_limit_of_bad_images(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    write_images(tmp_path, plain())
    (tmp_path / "bare.png").write_bytes(b"")
    # One is always allowed.
    kept = check_files(index, skip_bad=True, max_bad_share=0.05)
    assert kept.left_out == (7,)
    (tmp_path / "tall.png").write_bytes(b"")
    with pytest.raises(TooManyBadImages, match=r"2 of 3 .*more than the 1 that data\.max_bad_sha"):
        check_files(index, skip_bad=True, max_bad_share=0.05)
    assert check_files(index, skip_bad=True, max_bad_share=0.7).image_ids.tolist() == [9]


def test_run_that_goes_on_plans_with_the_images_of_its_start(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    write_images(tmp_path, plain())
    (tmp_path / "tall.png").write_bytes(b"")
    # Image 7 was bad at the start and is mended; 4 is bad since then.
    kept = check_files(index, skip_bad=True, max_bad_share=0.7, left_out=[7])
    assert kept.image_ids.tolist() == [4, 9]
    assert kept.left_out == (7,)

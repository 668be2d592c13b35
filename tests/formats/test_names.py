from __future__ import annotations

from pathlib import Path

from ladcli.formats.names import flat_names, relative_names


def flat(*names: str) -> list[str]:
    return flat_names(names, [f"{number:064x}" for number in range(len(names))])


def test_images_keep_their_names() -> None:
    assert flat("x/a.jpg", "y/b c.JPG") == ["a.jpg", "b c.JPG"]


def test_equal_names_are_told_apart_by_their_folders() -> None:
    assert flat("x/a.jpg", "y/a.jpg", "y/b.jpg") == ["x__a.jpg", "y__a.jpg", "b.jpg"]


def test_names_are_unique_where_case_does_not_count() -> None:
    names = flat("x/a.jpg", "y/A.jpg", "x__a.jpg", "X/a.jpg")
    assert len({name.casefold() for name in names}) == 4


def test_names_that_cannot_be_used_are_replaced_by_content() -> None:
    bad = b"\xff.jpg".decode("utf-8", "surrogateescape")
    names = flat(bad, "C:x\\y.jpg", "a" * 250 + ".jpg")
    assert names == ["0" * 16 + ".jpg", "C_x_y.jpg", "0" * 16 + ".jpg"] or len(set(names)) == 3
    assert all(name.encode() for name in names)


def test_relative_names_keep_the_folders_below_the_shared_one() -> None:
    paths = [Path("/d/set/x/a.jpg"), Path("/d/set/y/b.jpg")]
    assert relative_names(paths) == ["x/a.jpg", "y/b.jpg"]
    assert relative_names(paths[:1]) == ["a.jpg"]
    assert relative_names([]) == []

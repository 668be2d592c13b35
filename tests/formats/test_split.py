from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.foreign import Box
from ladcli.formats.sound import AnnotatedImage
from ladcli.formats.split import Shares, divided, say_lacking, say_shared_content
from ladcli.formats.tally import Tally
from tests.formats.foreign_sets import problem, problems


def images(count: int, split: Split | None = None) -> list[AnnotatedImage]:
    return [AnnotatedImage(Path(f"{number}.jpg"), 64, 48, (), split) for number in range(count)]


def digests(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def names(count: int) -> list[str]:
    return [f"{number}.jpg" for number in range(count)]


def split_of(count: int, shares: Shares) -> dict[int, str]:
    rows = divided(images(count), digests(count), names(count), shares, Tally())
    return {row: split for split, members in rows.items() for row in members}


def test_shares_are_met_about() -> None:
    places = list(split_of(4000, Shares(0.2, 0.1)).values())
    assert places.count("val") == pytest.approx(800, abs=80)
    assert places.count("test") == pytest.approx(400, abs=60)


def test_shares_that_are_far_off_are_said() -> None:
    placed = split_of(100, Shares(0.3))
    unlucky = [digest for row, digest in enumerate(digests(100)) if placed[row] == "train"][:20]
    tally = Tally()
    divided(images(20), unlucky, names(20), Shares(0.3), tally)
    (line,) = tally.lines()
    assert line.startswith("1 share far from what was asked for: where an image goes")
    assert line.endswith("(val 0 of 20, not 6)")
    close = Tally()
    divided(images(4000), digests(4000), names(4000), Shares(0.2, 0.1), close)
    assert close.lines() == []


def test_an_image_keeps_its_place_when_others_are_added() -> None:
    few, many = split_of(100, Shares(0.2, 0.1)), split_of(400, Shares(0.2, 0.1))
    assert all(many[row] == place for row, place in few.items())


def test_names_and_order_do_not_matter_and_equal_images_stay_together() -> None:
    content = [*digests(50), *digests(50)]
    rows = divided(images(100), content, names(100), Shares(0.3), Tally())
    place = {row: split for split, members in rows.items() for row in members}
    assert all(place[row] == place[row + 50] for row in range(50))


def test_the_share_of_the_test_set_does_not_move_validation() -> None:
    with_test, without = split_of(300, Shares(0.2, 0.2)), split_of(300, Shares(0.2))
    assert all((with_test[row] == "val") == (place == "val") for row, place in without.items())


def test_groups_stay_together() -> None:
    scenes = [f"scene{row // 10}/frame_{row % 10}.jpg" for row in range(200)]
    shares = Shares(0.3, 0.1, r"^(scene\d+)/")
    rows = divided(images(200), digests(200), scenes, shares, Tally())
    place = {row: split for split, members in rows.items() for row in members}
    for first in range(0, 200, 10):
        assert len({place[row] for row in range(first, first + 10)}) == 1
    assert len(set(place.values())) == 3


def test_images_without_a_group_are_said() -> None:
    tally = Tally()
    divided(images(3), digests(3), ["s1_a.jpg", "s1_b.jpg", "x.jpg"], Shares(0.5, None, "s1"),
            tally)  # fmt: skip
    assert tally.lines() == ["1 image that --group-by does not match, divided by content (x.jpg)"]


def test_a_pattern_that_never_matches_is_refused() -> None:
    with pytest.raises(UserError, match="matches no name"):
        divided(images(3), digests(3), names(3), Shares(0.5, None, "scene"), Tally())


def test_own_splits_are_kept() -> None:
    some = [*images(3, "val"), *images(2)]
    tally = Tally()
    rows = divided(some, digests(5), names(5), Shares(), tally)
    assert rows == {"train": [3, 4], "val": [0, 1, 2]}
    assert problem(tally).endswith("in none of the data set's own splits, used for training")


def test_own_splits_are_not_divided_again() -> None:
    some = [*images(3, "val"), *images(200, "train")]
    with pytest.raises(UserError, match="has a split val of its own, which is kept; leave --val"):
        divided(some, digests(203), names(203), Shares(0.2), Tally())
    rows = divided(some, digests(203), names(203), Shares(None, 0.2), Tally())
    assert rows["val"] == [0, 1, 2]
    assert len(rows["test"]) == pytest.approx(40, abs=20)


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        (Shares(1.0), "--val must be a share"),
        (Shares(float("nan")), "--val must be a share"),
        (Shares(None, -0.1), "--test must be a share"),
        (Shares(0.6, 0.4), "leave no image for training"),
        (Shares(None, None, "x"), "--group-by divides nothing"),
        (Shares(0.2, None, "("), "is no regular expression"),
    ],
)
def test_options_out_of_range_are_refused(shares: Shares, why: str) -> None:
    with pytest.raises(UserError, match=why):
        shares.check()


def test_shared_content_is_named() -> None:
    tally = Tally()
    content = ["a", "a", "b", "b"]
    say_shared_content({"train": [0, 1, 2], "val": [3]}, content, list("wxyz"), tally)
    assert tally.lines() == [
        "1 image with the content of another image (x is w)",
        "1 image with the content of an image in another split (z is y; val and train)",
    ]


def test_classes_that_a_split_lacks_are_named() -> None:
    tally = Tally()
    some = [
        AnnotatedImage(Path("a"), 64, 48, (Box("cat", (0, 0, 1, 1)), Box("dog", (0, 0, 1, 1)))),
        AnnotatedImage(Path("b"), 64, 48, (Box("cat", (0, 0, 1, 1)),)),
    ]
    say_lacking({"train": [0], "val": [1]}, some, ["cat", "dog"], tally)
    assert problems(tally) == {"class: without a box in val": 1}
    assert tally.lines() == ["1 class without a box in val (dog)"]

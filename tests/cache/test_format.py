"""When a cache fits, and what is said when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.cache.format import Fingerprints, Level, require_match
from tests.refusals import refusal_of

MINE = Fingerprints(
    teacher="1" * 64, data="2" * 64, input="3" * 64, assigner="4" * 64, soft="5" * 64
)
ALL = MINE.of_level("soft")
PATH = Path("cache.h5")


def refusal(found: dict[str, str], wanted: dict[str, str]) -> str:
    return refusal_of(require_match, PATH, found, wanted)


def test_equal_fingerprints_match() -> None:
    require_match(PATH, ALL, ALL)
    assert list(ALL) == ["teacher", "data", "input", "assigner", "soft"]


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("assignments", ["teacher", "data", "input", "assigner"]),
        ("costs", ["teacher", "data", "input", "assigner"]),
        ("soft", ["teacher", "data", "input", "assigner", "soft"]),
        ("dense", ["teacher", "data", "input"]),
    ],
)
def test_a_level_is_known_by_what_its_contents_depend_on(level: Level, names: list[str]) -> None:
    found = MINE.of_level(level)
    assert list(found) == names
    assert found == {name: getattr(MINE, name) for name in names}


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("teacher", "another teacher network"),
        ("data", "another data set (images, boxes, labels or classes)"),
        ("input", "another view set (resizing, flips or canvases"),
        ("assigner", "other assignment options"),
        ("soft", "another choice of soft targets (soft.select or soft.min_iou)"),
    ],
)
def test_what_differs_is_named_in_words_and_digits(name: str, meaning: str) -> None:
    text = refusal({**ALL, name: "f" * 64}, ALL)
    assert text.startswith(f"cache.h5: was made for {meaning}")
    digits = getattr(MINE, name)[:12]
    assert f"({name} {'f' * 12}, this run has {digits})" in text
    assert "lad cache-teacher" in text


def test_all_differences_are_told_at_once() -> None:
    text = refusal({**ALL, "data": "f", "assigner": "f"}, ALL)
    assert "another data set (images, boxes, labels or classes) (data f, " in text
    assert ") and other assignment options (assigner f, " in text


def test_what_a_run_does_not_know_is_not_compared() -> None:
    wanted = {k: v for k, v in ALL.items() if k != "teacher"}
    require_match(PATH, {**ALL, "teacher": "f" * 64}, wanted)


def test_a_fingerprint_that_a_cache_lacks_does_not_match() -> None:
    found = {k: v for k, v in ALL.items() if k != "input"}
    assert "(input None, this run has 333333333333)" in refusal(found, ALL)

"""When a cache fits, and what is said when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.distill.cache_format import Fingerprints, require_match
from ladcli.errors import UserError

MINE = Fingerprints(teacher="1" * 64, data="2" * 64, input="3" * 64, assigner="4" * 64)
PATH = Path("cache.h5")


def refusal(found: dict[str, str], wanted: dict[str, str]) -> str:
    with pytest.raises(UserError) as caught:
        require_match(PATH, found, wanted)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_equal_fingerprints_match() -> None:
    require_match(PATH, MINE.to_plain(), MINE.to_plain())
    assert list(MINE.to_plain()) == ["teacher", "data", "input", "assigner"]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("teacher", "another teacher network"),
        ("data", "another data set (images, boxes, labels or classes)"),
        ("input", "another view set (resizing, flips or canvases"),
        ("assigner", "other assignment options"),
    ],
)
def test_what_differs_is_named_in_words_and_digits(name: str, meaning: str) -> None:
    text = refusal({**MINE.to_plain(), name: "f" * 64}, MINE.to_plain())
    assert text.startswith(f"cache.h5: was made for {meaning}")
    digits = getattr(MINE, name)[:12]
    assert f"({name} {'f' * 12}, this run has {digits})" in text
    assert "lad cache-teacher" in text


def test_all_differences_are_told_at_once() -> None:
    text = refusal({**MINE.to_plain(), "data": "f", "assigner": "f"}, MINE.to_plain())
    assert "another data set (images, boxes, labels or classes) and other assignment" in text


def test_what_a_run_does_not_know_is_not_compared() -> None:
    wanted = MINE.to_plain()
    del wanted["teacher"]
    require_match(PATH, {**MINE.to_plain(), "teacher": "f" * 64}, wanted)


def test_a_fingerprint_that_a_cache_lacks_does_not_match() -> None:
    found = MINE.to_plain()
    del found["input"]
    assert "(input None, this run has 333333333333)" in refusal(found, MINE.to_plain())

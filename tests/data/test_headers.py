"""Many files are looked at together, and the bad ones are counted in one line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ladcli.data.headers import describe_bad, look_at_all
from ladcli.errors import BadImageError, Interrupted


def test_what_was_found_is_in_the_order_of_the_files() -> None:
    def look(number: int) -> int:
        time.sleep(0.002 * (number % 3))  # the later may be done before the earlier
        return number * number

    assert look_at_all(look, range(40)) == [number * number for number in range(40)]
    assert look_at_all(look, []) == []


def test_an_interruption_does_not_wait_for_the_rest() -> None:
    looked = []

    def look(number: int) -> None:
        looked.append(number)
        time.sleep(0.005)

    def interrupted_at_the_end() -> Iterator[int]:
        yield from range(1000)
        raise Interrupted

    with pytest.raises(Interrupted):
        look_at_all(look, interrupted_at_the_end())
    assert len(looked) < 200


def test_an_error_does_not_wait_for_the_rest() -> None:
    looked = []

    def look(number: int) -> None:
        looked.append(number)
        time.sleep(0.005)
        if number == 0:
            raise BadImageError("0.jpg", "torn")

    with pytest.raises(BadImageError):
        look_at_all(look, range(1000))
    assert len(looked) < 200


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (["a: torn"], "1 of 9 image files cannot be used: a: torn"),
        (["a", "b", "c"], "3 of 9 image files cannot be used: a | b | c"),
        (["a", "b", "c", "d"], "4 of 9 image files cannot be used: a | b | c | ..."),
    ],
)
def test_the_first_reasons_are_told(bad: list[str], sentence: str) -> None:
    assert describe_bad(bad, 9) == sentence

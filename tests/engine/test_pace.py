"""How long it still takes."""

from __future__ import annotations

import pytest

from ladcli.engine import pace as module
from ladcli.engine.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time stands still until a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def work(pace: Pace, clock: list[float], *steps: float, size: int = 1) -> None:
    """Steps of so many seconds each."""
    done = pace._moments[-1][1] if pace._moments else 0
    pace.tick(done)
    for number, seconds in enumerate(steps, start=1):
        clock[0] += seconds
        pace.tick(done + number * size)


def test_nothing_is_known_before_anything_is_done(clock: list[float]) -> None:
    pace = Pace(10)
    assert pace.left() is None
    pace.tick(4)
    clock[0] += 5
    assert pace.left() is None
    assert pace.seconds_per_unit() is None


def test_time_left_is_that_of_the_units_left(clock: list[float]) -> None:
    pace = Pace(100)
    work(pace, clock, 3, 3, 3, size=10)
    assert pace.seconds_per_unit() == pytest.approx(0.3)
    assert pace.left() == pytest.approx(21)


def test_what_was_done_before_says_nothing_of_the_speed(clock: list[float]) -> None:
    pace = Pace(100)
    pace.tick(80)
    clock[0] += 60
    pace.tick(90)
    assert pace.left() == pytest.approx(60)


def test_the_first_step_pays_for_the_start_and_does_not_count(clock: list[float]) -> None:
    pace = Pace(10)
    work(pace, clock, 30, 1, 1)
    assert pace.left() == pytest.approx(7)


def test_of_many_steps_the_newer_half_of_the_time_counts(clock: list[float]) -> None:
    pace = Pace(200)
    work(pace, clock, *[4.0] * 30, *[1.0] * 130)
    assert pace.left() == pytest.approx(40, rel=0.01)


def test_a_step_under_way_counts_as_partly_done_but_never_as_more(clock: list[float]) -> None:
    pace = Pace(40)
    work(pace, clock, 10, 10, size=10)
    clock[0] += 4
    assert pace.left() == pytest.approx(16)
    clock[0] += 100
    assert pace.left() == pytest.approx(10)


def test_memory_stays_small_and_the_estimate_right(clock: list[float]) -> None:
    pace = Pace(100_000)
    work(pace, clock, *[0.5] * 50_000)
    assert len(pace._moments) <= 400
    assert pace.left() == pytest.approx(25_000, rel=1e-3)


def test_time_of_an_evaluation_is_not_that_of_steps(clock: list[float]) -> None:
    pace = Pace(40, asides=2)
    work(pace, clock, 1, 1, 1, 1, size=5)
    assert pace.asides_unknown
    with pace.aside():
        clock[0] += 60
    assert pace.seconds_per_unit() == pytest.approx(0.2)
    # Nothing vanishes at the beginning of an epoch: 20 units and one evaluation.
    assert pace.left() == pytest.approx(4 + 60)
    assert not pace.asides_unknown
    work(pace, clock, 1, 1, 1, 1, size=5)
    assert pace.left() == pytest.approx(60)
    with pace.aside():
        clock[0] += 20
        assert pace.left() == pytest.approx(40)
        clock[0] += 90
        assert pace.left() == 0
    assert pace.left() == 0
    assert pace.elapsed() == 4 + 60 + 4 + 110


def test_a_failed_evaluation_is_over_too(clock: list[float]) -> None:
    pace = Pace(10, asides=1)
    work(pace, clock, 1, 1)

    def fail() -> None:
        with pace.aside():
            clock[0] += 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert pace.left() == pytest.approx(8)

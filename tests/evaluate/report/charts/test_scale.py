from __future__ import annotations

import pytest

from ladcli.evaluate.report.charts.scale import (
    Scale,
    log_ticks,
    round_step,
    round_ticks,
    rounded_range,
    tick_texts,
)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (3, 7.5, [3, 4, 5, 6, 7]),
        (-2, 2, [-2, -1, 0, 1, 2]),
        (0, 0.007, [0, 0.002, 0.004, 0.006]),
        (10, 40, [10, 20, 30, 40]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_step_never_gives_more_parts_than_asked_for() -> None:
    for span in (0.013, 0.9, 1.0, 7.3, 99.0, 12345.0):
        for about in (2, 3, 5):
            assert span / round_step(span, about) <= about * (1 + 1e-9)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.3, 20, [0.5, 1, 2, 5, 10, 20]),
        (0.1, 1, [0.1, 0.2, 0.5, 1]),
        (0.5, 5e4, [1, 10, 100, 1000, 10000]),
    ],
)
def test_logarithmic_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_range_grows_to_round_numbers() -> None:
    assert rounded_range([0.13, 1.9]) == pytest.approx((0, 2))
    assert rounded_range([31, 44], from_zero=True) == pytest.approx((0, 50))
    assert rounded_range([-3.2, 9], from_zero=True) == pytest.approx((-5, 10))
    assert rounded_range([4.0]) == (2, 6)
    assert rounded_range([], from_zero=True) == (0, 1)


def test_places_are_proportional_and_stay_inside() -> None:
    scale = Scale(0, 10, 100, 200)
    assert [scale.place(v) for v in (0, 2.5, 10, -5, 30)] == [100, 125, 200, 100, 200]
    down = Scale(0, 1, 180, 20)  # y grows downwards
    assert down.place(0.25) == 140
    assert Scale(3, 3, 0, 10).place(3) == 5


def test_logarithmic_places_are_proportional_to_powers() -> None:
    scale = Scale(1, 100, 0, 200, log=True)
    assert [scale.place(v) for v in (1, 10, 100)] == pytest.approx([0, 100, 200])


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0, 0.2, 1], ["0", "0.2", "1"]),
        ([-5, 0, 5], ["−5", "0", "5"]),
        ([0, 5000, 10000], ["0", "5k", "10k"]),
        ([0, 1500000], ["0", "1.5M"]),
        ([1e-05, 2e-05], ["1e−05", "2e−05"]),
        ([], []),
    ],
)
def test_texts_are_short(ticks: list[float], texts: list[str]) -> None:
    assert tick_texts(ticks) == texts

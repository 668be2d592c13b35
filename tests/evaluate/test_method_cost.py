"""Costs of methods in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ladcli.evaluate.method_cost import (
    MethodCost,
    count,
    duration,
    epochs_words,
    how_to_read,
    images_words,
    parameters_words,
    what_is_compared,
)
from ladcli.training_cost import UNKNOWN, TrainingCost

ONE = TrainingCost(12, 2460, 372.0, 2_900_000, 2_800_000)
PAA = MethodCost("PAA", (ONE, replace(ONE, seconds=360.0)))
LAD = MethodCost("LAD", (replace(ONE, earlier=(ONE,)),))
LONG = MethodCost("PAA, long", (replace(ONE, epochs=24, images=4920),))


def test_figures_are_means_over_the_runs() -> None:
    assert PAA.own.seconds == 366
    assert (PAA.own.epochs, PAA.own.images, PAA.own.trained) == ((12, 12), 2460, 2_800_000)
    assert PAA.before is None
    assert LAD.before is not None
    assert (LAD.before.epochs, LAD.before.images, LAD.before.seconds) == ((12, 12), 2460, 372.0)
    assert (PAA.total_images, LAD.total_images) == (2460, 4920)
    assert (PAA.parameters, LAD.parameters) == (2_900_000, 2_900_000)


def test_runs_of_several_lengths_show_their_range() -> None:
    mixed = MethodCost("PAA", (*PAA.runs, *LONG.runs))
    assert epochs_words(mixed.own) == "12–24"
    assert images_words(mixed.own) == "3,280"


def test_one_run_that_does_not_tell_leaves_the_mean_unknown() -> None:
    mixed = MethodCost("PAA", (ONE, UNKNOWN))
    assert mixed.known
    assert (mixed.own.epochs, mixed.own.images, mixed.parameters) == (None, None, None)
    assert not MethodCost("files", (UNKNOWN,)).known


def test_two_networks_count_twice_in_training_and_once_at_inference() -> None:
    pair = MethodCost("CoLAD", (replace(ONE, networks=2, trained=5_600_000),))
    assert images_words(pair.own, pair.networks) == "2 × 2,460"
    assert (pair.own.images, pair.own.trained, pair.parameters) == (4920, 5_600_000, 2_900_000)
    assert how_to_read([pair]) == [
        "CoLAD trains two networks, and both count as trained; one of them is used at inference."
    ]


def test_a_shared_teacher_is_said_to_count_in_full() -> None:
    assert how_to_read([PAA]) == []
    assert how_to_read([PAA, LAD]) == [
        "A teacher that several runs share is counted in full for each."
    ]


def test_equal_schedule_with_a_teacher_on_top() -> None:
    assert what_is_compared([PAA, LAD]) == (
        "Compared at equal student schedule (12 epochs), not at equal total cost: with every "
        "network that was trained for it, LAD took 2.0 times the images of PAA."
    )


def test_equal_total_cost() -> None:
    assert what_is_compared([LONG, LAD]) == (
        "Compared at equal total cost (4,920 images, teachers' included), not at equal student "
        "schedule (12 to 24 epochs)."
    )


def test_equal_in_both_within_an_unreadable_image_or_two() -> None:
    other = MethodCost("COP", (replace(ONE, images=2436),))
    assert what_is_compared([PAA, other]) == (
        "Compared at equal student schedule (12 epochs) and at equal total cost."
    )


def test_equal_in_neither() -> None:
    short = MethodCost("short", (replace(ONE, epochs=1, images=205),))
    assert what_is_compared([PAA, LAD, short]) == (
        "Compared neither at equal student schedule (1 to 12 epochs) nor at equal total cost (205 "
        "to 4,920 images, teachers' included)."
    )
    fewer = MethodCost("half the data", (replace(ONE, images=1230),))
    assert "schedule (12 epochs of 1,230 to 2,460 images in all)" in what_is_compared([PAA, fewer])


def test_what_is_unknown_is_said() -> None:
    orphan = MethodCost("LAD", (replace(ONE, earlier=(UNKNOWN,)),))
    assert what_is_compared([PAA, orphan]) == (
        "Compared at equal student schedule (12 epochs); the total cost of LAD is not known."
    )
    assert what_is_compared([LONG, orphan]) == (
        "Student schedules differ (12 to 24 epochs); the total cost of LAD is not known."
    )
    assert what_is_compared([PAA, MethodCost("theirs", (UNKNOWN,))]) == (
        "What theirs cost is not known, so it cannot be said at what cost they compare."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.0, "0.0 s"), (59.94, "59.9 s"), (60, "1.0 min"), (372, "6.2 min"),
     (7000, "117 min"), (7200, "2.0 h"), (36_360, "10.1 h"), (172_800, "2.0 d")],
)  # fmt: skip
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_numbers() -> None:
    assert [count(n) for n in (None, 0, 2460, 1_419_744, 14_197_440)] == [
        "–", "0", "2,460", "1,419,744", "14.2 M",
    ]  # fmt: skip
    assert [parameters_words(n) for n in (None, 900, 45_678, 2_900_000, 123_456_789)] == [
        "–", "900", "45.7 k", "2.9 M", "123 M",
    ]  # fmt: skip

"""What a training cost, as plain values and from a log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ladcli.training_cost import UNKNOWN, TrainingCost, costs_from_plain, logged_work

TEACHER = TrainingCost(12, 2460, 374.0, 2_900_000, 2_800_000)
STUDENT = TrainingCost(4, 820, 117.5, 2_900_000, 2_800_000, 1, (TEACHER,))


def line(step: int, **values: Any) -> dict[str, Any]:
    return {"kind": "train", "step": step, "epoch": 0, **values}


def test_plain_values_come_back_with_the_whole_chain() -> None:
    third = TrainingCost(8, 1640, 250.25, 5, 4, 2, (STUDENT, UNKNOWN))
    assert TrainingCost.from_plain(json.loads(json.dumps(third.to_plain()))) == third


def test_all_earlier_trainings_add_up() -> None:
    grandchild = TrainingCost(earlier=(STUDENT,))
    assert grandchild.before() == TrainingCost(16, 3280, 491.5, None, 5_600_000)
    assert TEACHER.before() == TrainingCost(0, 0, 0.0, None, 0)


def test_what_one_of_them_does_not_tell_is_unknown_of_all() -> None:
    before = TrainingCost(earlier=(TEACHER, replace(TEACHER, seconds=None))).before()
    assert (before.epochs, before.images, before.seconds) == (24, 4920, None)
    assert TrainingCost(earlier=(UNKNOWN,)).before().images is None


def test_two_networks_see_every_image_twice() -> None:
    pair = replace(TEACHER, networks=2)
    assert (pair.images, pair.seen) == (2460, 4920)
    assert TrainingCost(earlier=(pair,)).before().images == 4920


@pytest.mark.parametrize("plain", [None, 3, "12", [], [{}]])
def test_what_is_no_cost_is_unknown(plain: Any) -> None:
    assert TrainingCost.from_plain(plain) == UNKNOWN


@pytest.mark.parametrize("value", [-1, True, "12", float("nan"), 10**20, [1], None])
def test_unsound_numbers_are_unknown(value: Any) -> None:
    keys = ("epochs", "images", "seconds", "parameters", "trained_parameters")
    plain = {**dict.fromkeys(keys, value), "networks": value, "earlier": []}
    assert TrainingCost.from_plain(plain) == UNKNOWN


def test_chains_without_an_end_are_cut() -> None:
    plain: dict[str, Any] = {"epochs": 1, "earlier": []}
    plain["earlier"] = [plain]
    cost = TrainingCost.from_plain(plain)
    assert cost.epochs == 1
    assert cost.before().epochs is None
    assert len(costs_from_plain([{}] * 50)) == 2


def test_totals_of_the_last_line_are_taken() -> None:
    lines = [
        line(10, images_seen=80, seconds_trained=12.5, seconds_per_step=9.0),
        {"kind": "eval", "step": 10, "epoch": 1, "AP": 0.1},
        line(14, images_seen=109, seconds_trained=20.0, seconds_per_step=9.0),
    ]
    assert logged_work(lines) == (109, 20.0)


def test_older_lines_are_added_up_step_by_step() -> None:
    lines = [
        line(10, images_per_second=4.0, seconds_per_step=2.0),  # 20 s, 80 images
        line(13, images_per_second=6.0, seconds_per_step=1.0),  # 3 s, 18 images
    ]
    assert logged_work(lines) == (98, 23.0)
    went_on = [*lines, line(20, images_seen=150, seconds_trained=40.0)]
    assert logged_work(went_on) == (150, 40.0)


def test_lines_that_do_not_tell() -> None:
    assert logged_work([]) == (None, None)
    assert logged_work([line(10)]) == (None, None)
    assert logged_work([line(10, seconds_per_step=2.0)]) == (None, 20.0)
    # A total makes good for what came before it.
    later = line(20, images_seen=160, seconds_trained=3.0)
    assert logged_work([line(10), later]) == (160, 3.0)

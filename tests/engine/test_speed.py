"""How long a step will take, guessed."""

from __future__ import annotations

import copy

import pytest
import torch

from ladcli.engine import speed
from ladcli.engine.speed import PROBE_SIDE, guess_step_seconds
from tests.detector.tiny import tiny_detector


def test_time_grows_with_the_pixels_and_backward_counts_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = iter([0.5, 0.2, 0.3])
    monkeypatch.setattr(speed, "_timed", lambda *_: next(passes))
    detector = tiny_detector()
    # The third pass would be over the time that is granted only afterwards; the fastest counts.
    assert guess_step_seconds(detector, 10 * PROBE_SIDE**2) == pytest.approx(3 * 0.2 * 10)


def test_network_stays_as_it_was() -> None:
    detector = tiny_detector().train()
    before = copy.deepcopy(detector.state_dict())
    random_state = torch.get_rng_state()
    assert guess_step_seconds(detector, 1000) > 0
    assert detector.training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[k], v) for k, v in detector.state_dict().items())

"""Running means that stay on the device until they are read."""

from __future__ import annotations

import time
import weakref
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from ladcli.engine.meter import Meter


def scalars(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_means_by_hand() -> None:
    meter = Meter()
    meter.add(scalars(loss=1.0, cls=0.5), images=4)
    meter.add(scalars(loss=3.0, cls=0.25), images=2)
    means = meter.read()
    assert means["loss"] == 2
    assert means["cls"] == 0.375


def test_speed_is_counted_in_images_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter()
    meter.add(scalars(loss=1.0), images=4)
    meter.add(scalars(loss=1.0), images=2)
    clock[0] = 13.0
    means = meter.read()
    assert means["images_per_second"] == 2
    assert means["seconds_per_step"] == 1.5
    meter.add(scalars(loss=1.0), images=3)
    clock[0] = 14.0
    assert meter.read()["images_per_second"] == 3


def test_laps_hold_all_the_time_whenever_means_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter()
    meter.add(scalars(loss=1.0), images=4)
    clock[0] = 12.0
    assert meter.lap() == 2
    clock[0] = 15.0
    assert meter.read()["seconds_per_step"] == 5
    assert meter.lap() == 3
    assert meter.lap() == 0


def test_reading_starts_anew() -> None:
    meter = Meter()
    meter.add(scalars(loss=1.0), images=1)
    meter.read()
    assert meter.read() == {}
    meter.add(scalars(loss=5.0), images=1)
    assert meter.read()["loss"] == 5


def test_losses_are_not_changed() -> None:
    meter, loss = Meter(), torch.ones(())
    meter.add({"loss": loss}, images=1)
    meter.add({"loss": loss}, images=1)
    assert loss.item() == 1
    assert meter.read()["loss"] == 1


class Remembering(torch.autograd.Function):
    """Holds on to a thing for as long as the graph lives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, thing: object) -> Tensor:
        ctx.thing = thing
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class Thing:
    """Something that weak references can point at."""


def test_graphs_are_not_kept_alive() -> None:
    meter, thing = Meter(), Thing()
    alive = weakref.ref(thing)
    for _ in range(2):
        meter.add({"loss": Remembering.apply(torch.ones((), requires_grad=True), thing)}, images=1)
    del thing
    assert alive() is None


def test_many_steps_are_summed_without_loss_of_digits() -> None:
    meter = Meter()
    for _ in range(1000):
        meter.add(scalars(loss=0.1), images=1)
    assert meter.read()["loss"] == pytest.approx(0.1, rel=1e-5)


def test_adding_does_not_wait_and_reading_waits_once(hostsync: ModuleType) -> None:
    meter = Meter()
    with hostsync.count_host_syncs() as syncs:
        for _ in range(5):
            meter.add(scalars(loss=1.0, cls=2.0, box=3.0), images=1)
    assert not syncs, syncs.report()
    with hostsync.count_host_syncs() as syncs:
        meter.read()
    assert len(syncs) == 1, syncs.report()

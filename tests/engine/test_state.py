"""A saved state brings back everything that training goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ladcli.classes import ClassTable
from ladcli.detector.checkpoint import InputRule, save_checkpoint
from ladcli.engine.optimizer import build_optimizer
from ladcli.engine.state import Learner, Position, load_state, save_state
from ladcli.errors import UserError
from ladcli.objective.objectives import MODEL
from tests.detector.tiny import tiny_batch, tiny_detector
from tests.engine.runs import CPU, learner_for, recipe, require_equal
from tests.refusals import refusal_of


def step(learner: Learner, seed: int) -> None:
    predictions = learner.model.train()(tiny_batch(seed).images)
    loss = predictions.cls.raw.square().mean() + predictions.box_deltas.square().mean()
    learner.optimizer.zero_grad()
    loss.backward()
    learner.optimizer.step()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "state.pt"


@pytest.fixture
def saved(path: Path) -> Learner:
    """A learner after two steps, whose state lies in ``path``."""
    learner = learner_for()
    step(learner, 0)
    step(learner, 1)
    save_state(path, {MODEL: learner}, Position(epoch=1, batch=2, step=5, best={"model": 0.25}))
    return learner


def test_position_weights_and_momentum_come_back(path: Path, saved: Learner) -> None:
    other = learner_for(seed=9)
    assert load_state(path, {MODEL: other}) == Position(
        epoch=1, batch=2, step=5, best={"model": 0.25}
    )
    require_equal(other, saved)
    assert other.optimizer.param_groups[0]["momentum"] == 0.9
    step(other, 2)
    step(saved, 2)
    require_equal(other, saved)


def test_a_position_without_a_best_comes_back(path: Path) -> None:
    save_state(path, {MODEL: learner_for()}, Position())
    assert load_state(path, {MODEL: learner_for()}) == Position(0, 0, 0, {})


def test_random_draws_go_on(path: Path) -> None:
    torch.manual_seed(4)
    learner = learner_for()
    torch.rand(3)
    save_state(path, {MODEL: learner}, Position())
    expected = torch.rand(5)
    torch.manual_seed(77)
    load_state(path, {MODEL: learner_for()})
    assert torch.equal(torch.rand(5), expected)


def test_the_scale_of_half_precision_gradients_comes_back(path: Path) -> None:
    half = recipe(train__precision="fp16")
    learner = learner_for(half)
    learner.scaler.load_state_dict({**learner.scaler.state_dict(), "scale": 32.0})
    save_state(path, {MODEL: learner}, Position())
    other = learner_for(half)
    assert other.scaler.state_dict()["scale"] != 32
    load_state(path, {MODEL: other})
    assert other.scaler.state_dict()["scale"] == 32


def test_a_failed_write_keeps_the_old_state(
    path: Path, saved: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(UserError, match=r"state\.pt: cannot be written"):
            save_state(path, {MODEL: learner_for()}, Position(step=9))
    assert load_state(path, {MODEL: learner_for()}).step == 5
    assert [entry.name for entry in path.parent.iterdir()] == ["state.pt"]


def refusal(path: Path, learner: Learner) -> str:
    message = refusal_of(load_state, path, {MODEL: learner})
    assert message.startswith(str(path))
    return message


def learner_of(**changes: Any) -> Learner:
    model = tiny_detector(**changes)
    config = recipe()
    return Learner(
        model,
        build_optimizer(model, config.optim, lr=0.1),
        torch.amp.GradScaler(CPU.type, enabled=False),
        0.1,
    )


def test_the_state_of_another_network_is_refused(path: Path, saved: Learner) -> None:
    two = ClassTable((1, 2), ("a", "b"))
    text = refusal(path, learner_of(classes=two))
    assert "head.cls_out.weight is [3, 16, 3, 3], needed is [2, 16, 3, 3]" in text
    assert "--overwrite" in text
    assert "no head.cls_tower.1" in refusal(path, learner_of(head_convs=2))
    assert "unknown head." in refusal(path, learner_of(head_convs=0))


def test_the_state_of_another_optimizer_is_refused(path: Path, saved: Learner) -> None:
    assert "different number of parameter groups" in refusal(
        path, learner_for(recipe(optim__decay_norm_and_bias=False))
    )
    frozen = learner_of()
    frozen.model.backbone.freeze(stride=4, batchnorm_statistics=True)
    optimizer = build_optimizer(frozen.model, recipe().optim, lr=0.1)
    text = refusal(path, Learner(frozen.model, optimizer, frozen.scaler, 0.1))
    assert "doesn't match the size of optimizer's group" in text


def test_a_checkpoint_is_no_state(path: Path) -> None:
    save_checkpoint(path, tiny_detector(), InputRule(64, 96), {})
    assert "is no training state of this program" in refusal(path, learner_for())


def test_missing_and_unreadable_files_are_refused(path: Path) -> None:
    assert "no such training state" in refusal(path, learner_for())
    path.parent.mkdir()
    path.write_bytes(b"nothing")
    assert "cannot be read as a training state" in refusal(path, learner_for())


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("position"),
        lambda c: c.pop("networks"),
        lambda c: c["networks"]["model"].pop("optimizer"),
        lambda c: c["random"].pop("cuda"),
        lambda c: c.update(position={"epoch": 1, "page": 7}),
        lambda c: c["networks"].update(model=[1, 2]),
        lambda c: c["networks"]["model"].update(model=[1, 2]),
        lambda c: c["networks"]["model"].update(optimizer=[1, 2]),
        lambda c: c.update(random=None),
        lambda c: c["random"].update(cpu=torch.zeros(3)),
        lambda c: c["networks"]["model"]["model"].update({"head.scales": 5}),
    ],
)
def test_a_state_that_makes_no_sense_is_refused(
    path: Path, saved: Learner, change: Callable[[dict[str, Any]], Any]
) -> None:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    assert "does not fit this run" in refusal(path, learner_for())


def as_version_1(path: Path, best: float | None) -> None:
    """Write the state of one network as the first version of the file had it."""
    content = torch.load(path, weights_only=True)
    old = {
        "format": "lad-state",
        "version": 1,
        "position": {**content["position"], "best": best},
        "random": content["random"],
        **content["networks"]["model"],
    }
    assert set(old) == {"format", "version", "position", "random", "model", "optimizer", "scaler"}
    torch.save(old, path)


@pytest.mark.parametrize(("stored", "best"), [(0.25, {"model": 0.25}), (None, {})])
def test_a_state_of_version_1_comes_back(
    path: Path, saved: Learner, stored: float | None, best: dict[str, float]
) -> None:
    as_version_1(path, stored)
    other = learner_for(seed=9)
    found = load_state(path, {MODEL: other})
    assert found == Position(epoch=1, batch=2, step=5, best=best)
    step(other, 2)
    step(saved, 2)
    require_equal(other, saved)


def test_a_state_of_version_1_is_checked_like_any(path: Path, saved: Learner) -> None:
    as_version_1(path, None)
    content = torch.load(path, weights_only=True)
    del content["optimizer"]
    torch.save(content, path)
    assert "does not fit this run ('optimizer')" in refusal(path, learner_for())


def test_a_state_of_a_newer_version_is_refused(path: Path, saved: Learner) -> None:
    content = torch.load(path, weights_only=True)
    assert content["version"] == 2
    content["version"] = 3
    torch.save(content, path)
    assert "has version 3, this program reads version 2" in refusal(path, learner_for())


def test_two_networks_come_back_each_with_its_own(path: Path) -> None:
    first, second = learner_for(seed=1), learner_for(seed=2)
    step(first, 0)
    step(second, 1)
    best = {"a": 0.1, "b": 0.2}
    save_state(path, {"a": first, "b": second}, Position(step=1, best=best))
    mine, theirs = learner_for(seed=8), learner_for(seed=9)
    assert load_state(path, {"a": mine, "b": theirs}).best == best
    require_equal(mine, first)
    require_equal(theirs, second)


@pytest.mark.parametrize("names", [("a", "b"), ("a",), ("model", "b")])
def test_the_state_of_other_networks_is_refused(
    path: Path, saved: Learner, names: tuple[str, ...]
) -> None:
    with pytest.raises(UserError, match=r"does not fit this run \(it holds the networks model\)"):
        load_state(path, {name: learner_for() for name in names})

"""Everything a run needs to go on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ladcli.detector.checkpoint import (
    architecture_difference,
    read_plain_file,
    write_plain_file,
)
from ladcli.detector.model import Detector
from ladcli.detector.renormalize import Renormalize
from ladcli.errors import UserError

FORMAT = "lad-state"
VERSION = 2


@dataclass
class Position:
    """How far a run has come.  The order of images is a function of it, so it needs no saving."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches of the current epoch's plan that were used
    step: int = 0  # optimizer steps over the whole run
    best: dict[str, float] = field(default_factory=dict)  # best AP so far, by network
    images: int = 0  # that the steps saw
    seconds: float = field(default=0.0, compare=False)  # of training, over all sessions


@dataclass
class Learner:
    """A network with what trains it."""

    model: Detector
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    lr: float  # after warm-up and before the first fall
    inputs: Renormalize = field(default_factory=Renormalize)  # batch -> the images it wants


def save_state(path: Path, learners: Mapping[str, Learner], position: Position) -> None:
    """Write the state atomically.

    Raises:
        UserError: the file cannot be written; the old one stays.
    """
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    content = {
        "format": FORMAT,
        "version": VERSION,
        "position": asdict(position),
        "networks": {
            name: {
                "model": learner.model.state_dict(),
                "optimizer": learner.optimizer.state_dict(),
                "scaler": learner.scaler.state_dict(),
            }
            for name, learner in learners.items()
        },
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }
    write_plain_file(path, content)


def read_position(path: Path) -> Position:
    """How far the run of a saved state has come.

    Raises:
        UserError: the file is no state of this program.
    """
    return _position_of(path, _read(path))


def load_state(path: Path, learners: Mapping[str, Learner]) -> Position:
    """Put a saved state into ``learners`` and the random generators.

    Raises:
        UserError: the file is no state of these networks.
    """
    content = _read(path)
    position = _position_of(path, content)
    try:
        if set(content["networks"]) != set(learners):
            raise ValueError(f"it holds the networks {', '.join(content['networks'])}")
        for name, learner in learners.items():
            _restore(learner, content["networks"][name])
        torch.set_rng_state(content["random"]["cpu"])
        cuda = content["random"]["cuda"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise _misfit(path, error) from error
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    return position


def _read(path: Path) -> dict[str, Any]:
    content = read_plain_file(path, FORMAT, (1, VERSION), what="training state")
    if content["version"] != 1:
        return content
    try:
        return _from_version_1(content)
    except (KeyError, TypeError) as error:
        raise _misfit(path, error) from error


def _position_of(path: Path, content: dict[str, Any]) -> Position:
    try:
        return Position(**content["position"])
    except (KeyError, TypeError) as error:
        raise _misfit(path, error) from error


def _misfit(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path}: does not fit this run ({reason}); start anew with --overwrite")


def _restore(learner: Learner, saved: dict[str, Any]) -> None:
    problem = architecture_difference(learner.model, saved["model"])
    if problem:
        raise ValueError(problem)
    learner.model.load_state_dict(saved["model"])
    learner.optimizer.load_state_dict(saved["optimizer"])
    learner.scaler.load_state_dict(saved["scaler"])


def _from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew one network, called ``model`` since."""
    best = content["position"]["best"]
    return {
        "position": {**content["position"], "best": {} if best is None else {"model": best}},
        "networks": {"model": {key: content[key] for key in ("model", "optimizer", "scaler")}},
        "random": content["random"],
    }

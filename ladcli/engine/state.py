"""Everything a run needs to go on where it stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ladcli.detector.checkpoint import (
    architecture_difference,
    read_plain_file,
    write_plain_file,
)
from ladcli.detector.model import Detector
from ladcli.errors import UserError

FORMAT = "lad-state"
VERSION = 1


@dataclass
class Position:
    """How far a run has come.  The order of images is a function of it, so it needs no saving."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches of the current epoch's plan that were used
    step: int = 0  # optimizer steps over the whole run
    best: float | None = None  # best AP on the validation set so far


@dataclass
class Learner:
    """A network with what trains it."""

    model: Detector
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def save_state(path: Path, learner: Learner, position: Position) -> None:
    """Write the state atomically.

    Raises:
        UserError: the file cannot be written; the old one stays.
    """
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    content = {
        "format": FORMAT,
        "version": VERSION,
        "position": asdict(position),
        "model": learner.model.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "scaler": learner.scaler.state_dict(),
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }
    write_plain_file(path, content)


def load_state(path: Path, learner: Learner) -> Position:
    """Put a saved state into ``learner`` and the random generators.

    Raises:
        UserError: the file is no state of this network.
    """
    content = read_plain_file(path, FORMAT, VERSION, what="training state")
    try:
        problem = architecture_difference(learner.model, content["model"])
        if problem:
            raise ValueError(problem)
        learner.model.load_state_dict(content["model"])
        learner.optimizer.load_state_dict(content["optimizer"])
        learner.scaler.load_state_dict(content["scaler"])
        position = Position(**content["position"])
        torch.set_rng_state(content["random"]["cpu"])
        cuda = content["random"]["cuda"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: does not fit this run ({reason}); start anew with --overwrite"
        ) from error
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    return position

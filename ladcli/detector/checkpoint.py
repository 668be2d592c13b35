"""Inference checkpoints: weights and everything needed to use them, as plain values.

A checkpoint is read with ``weights_only=True``, so a file from elsewhere can never run code.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ladcli.classes import ClassTable
from ladcli.detector.model import Architecture, Detector
from ladcli.detector.safe_load import load_tensors
from ladcli.errors import UserError
from ladcli.files import atomic_path
from ladcli.structures.fingerprint import fingerprint_tensors

FORMAT = "lad-checkpoint"
VERSION = 1


@dataclass(frozen=True)
class InputRule:
    """How images are prepared for a network at inference."""

    short: int  # pixels, short side after resizing
    long: int  # pixels, limit of the long side


@dataclass(frozen=True)
class Checkpoint:
    """A trained network as it lies on disk."""

    detector: Detector  # on the CPU, in evaluation mode
    input_rule: InputRule
    training: dict[str, Any]  # epoch, recipe and the like: information, not needed for use
    path: Path
    #: Scores to show detections from, as the evaluation that found them writes them; None where
    #: there are none.  They take part in nothing else.
    thresholds: dict[str, Any] | None = None


def save_checkpoint(
    path: Path,
    detector: Detector,
    input_rule: InputRule,
    training: dict[str, Any],
    *,
    thresholds: dict[str, Any] | None = None,
) -> None:
    """Write an inference checkpoint atomically.

    Args:
        thresholds: plain values, see `Checkpoint`.

    Raises:
        UserError: the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": detector.architecture.to_plain(),
        "classes": detector.classes.to_plain(),
        "input": {"short": input_rule.short, "long": input_rule.long},
        "training": training,
        "model": {k: v.detach().cpu() for k, v in detector.state_dict().items()},
    }
    if thresholds is not None:
        content["thresholds"] = thresholds
    write_plain_file(path, content)


def store_thresholds(path: Path, detector: Detector, thresholds: dict[str, Any]) -> None:
    """Add thresholds to a checkpoint, atomically; all else in it stays, tensors bit for bit.

    A file that holds them already is not written.

    Args:
        detector: the network that the thresholds are of; whatever device it is on.

    Raises:
        UserError: the file may not be written, is no checkpoint, or holds another network by now.
    """
    path = path.resolve()  # the file, where it is a link
    before = _state_of(path)
    content = read_plain_file(path, FORMAT, (VERSION,), what="checkpoint")
    if not _holds(content.get("model"), detector):
        raise UserError(f"{path}: holds another network by now")
    if content.get("thresholds") == thresholds:
        return
    if not path.stat().st_mode & stat.S_IWUSR:  # a write beside it would not ask
        raise UserError(f"{path}: is marked read-only")

    def unchanged(temporary: Path) -> None:
        # A training that goes on replaces its checkpoints.
        if _state_of(path) != before:
            raise UserError(f"{path}: holds another network by now")
        shutil.copymode(path, temporary)

    write_plain_file(path, {**content, "thresholds": thresholds}, before_replacing=unchanged)


def _state_of(path: Path) -> tuple[int, int] | None:
    """Changes with every atomic write of ``path``; None where there is no such file."""
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _holds(state: Any, detector: Detector) -> bool:
    own = detector.state_dict()
    if not isinstance(state, dict) or architecture_difference(detector, state):
        return False
    return all(
        state[name].dtype == tensor.dtype and torch.equal(state[name], tensor.cpu())
        for name, tensor in own.items()
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and build its network.

    Raises:
        UserError: the file is missing, is no checkpoint of this program, or does not fit itself.
    """
    content = read_plain_file(path, FORMAT, (VERSION,), what="checkpoint")
    try:
        architecture = Architecture.from_plain(content["architecture"])
        classes = ClassTable.from_plain(content["classes"])
        rule = InputRule(int(content["input"]["short"]), int(content["input"]["long"]))
        state = content["model"]
        detector = Detector(architecture, classes)
        problem = architecture_difference(detector, state)
        training = dict(content.get("training", {}))
        thresholds = content.get("thresholds")
        if thresholds is not None and not isinstance(thresholds, dict):
            raise TypeError("its thresholds are no table")
    except UserError as error:
        raise UserError(f"{path}: its network cannot be built here ({error})") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: is damaged ({type(error).__name__}: {reason}); use another copy"
        ) from error
    if problem:
        raise UserError(f"{path}: its weights do not fit its own architecture ({problem})")
    detector.load_state_dict(state)
    return Checkpoint(detector.eval(), rule, training, path, thresholds)


def load_training(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its training, without building its network.

    Raises:
        UserError: the file is missing, or is no checkpoint of this program.
    """
    training = read_plain_file(path, FORMAT, (VERSION,), what="checkpoint").get("training")
    return training if isinstance(training, dict) else {}


def architecture_difference(detector: Detector, state: dict[str, Any]) -> str | None:
    """The first tensor in which ``state`` does not fit ``detector``, in words, or None."""
    own = detector.state_dict()
    for name, tensor in own.items():
        if name not in state:
            return f"no {name}"
        if tuple(state[name].shape) != tuple(tensor.shape):
            return f"{name} is {list(state[name].shape)}, needed is {list(tensor.shape)}"
    extra = sorted(set(state) - set(own))
    return f"unknown {extra[0]}" if extra else None


def teacher_fingerprint(detector: Detector) -> str:
    """Identifies a network by architecture, classes and inference tensors."""
    plain = {
        "architecture": detector.architecture.to_plain(),
        "classes": list(detector.classes.names),
    }
    state = {k: v for k, v in detector.state_dict().items() if not k.endswith("_tracked")}
    return fingerprint_tensors(state, plain)


def write_plain_file(
    path: Path,
    content: dict[str, Any],
    *,
    before_replacing: Callable[[Path], None] = lambda temporary: None,
) -> None:
    """Write tensors and plain values atomically.

    Args:
        before_replacing: called with the finished file before it takes the name ``path``; if it
            raises, the older file stays.

    Raises:
        UserError: the file cannot be written, or the disk is full; an older file stays.
    """
    with atomic_path(path) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(content, file)
        except RuntimeError as error:
            # Torch's writer hides the system's error behind one of its own.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        before_replacing(temporary)


def read_plain_file(
    path: Path, file_format: str, versions: tuple[int, ...], *, what: str
) -> dict[str, Any]:
    """A file of tensors and plain values, checked for its format and version.

    Raises:
        UserError: missing, unreadable, of another format, or of a newer version.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name the {what} file in it")
    if not path.exists():
        raise UserError(f"{path}: no such {what}")
    content = load_tensors(
        path, what=f"a {what} of this program", remedy="use a file that this program wrote"
    )
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise UserError(f"{path}: is no {what} of this program")
    found = content.get("version")
    if found not in versions:
        raise UserError(
            f"{path}: has version {found}, this program reads version {versions[-1]}; "
            "use the program that wrote it"
        )
    return content

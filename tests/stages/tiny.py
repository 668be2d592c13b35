"""A data set, a recipe and runs so small that a training takes about a second."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ladcli.data.synth import write_synthetic
from ladcli.recipe import Recipe, load_recipe

CLASSES = ("disc", "square", "triangle")

#: Eight training images in batches of four: two steps an epoch.
RECIPE: dict[str, dict[str, Any]] = {
    "data": {"short": 96, "long": 128, "workers": 0},
    "model": {
        "backbone": "mobilenetv3_small_050", "channels": 16, "head_convs": 1, "norm_groups": 4,
    },
    "optim": {"lr": 0.01, "warmup_steps": 2},
    "schedule": {"epochs": 1, "decay_epochs": []},
    "train": {"batch_size": 4, "log_every": 1, "device": "cpu"},
    "inference": {"batch_size": 4},
}  # fmt: skip


def draw(out: Path, *, classes: int = 3, seed: int = 0, train: int = 8, test: int = 4) -> Path:
    write_synthetic(
        out,
        train=train,
        val=4,
        test=test,
        size=(128, 96),
        classes=classes,
        seed=seed,
        objects=(1, 4),
    )
    return out


def tiny_recipe(data: Path | None = None, **changes: Any) -> Recipe:
    """The tiny recipe; ``changes`` name options with ``__`` for the dot."""
    flags = {key.replace("__", "."): value for key, value in changes.items()}
    if data is not None:
        flags["data.dir"] = str(data)
    return load_recipe(None, layers=[("tests", RECIPE)], flags=flags)


#: CoLAD's network b: another backbone, with other pixel statistics and more parameters, another
#: head, and a learning rate of its own.
NET_B = {"backbone": "test_resnet", "head": "cop", "lr": 0.02}


def duo_recipe(data: Path | None = None, **changes: Any) -> Recipe:
    """Two networks, two epochs: four steps, an evaluation of both after the second and fourth."""
    net_b = {f"net_b__{key}": value for key, value in NET_B.items()}
    return tiny_recipe(data, **{"schedule__epochs": 2, **net_b, **changes})


def contents(folder: Path) -> dict[str, str]:
    """Everything below a folder: digests of files by name, and folders."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    content = torch.load(checkpoint, weights_only=True)
    tensors: dict[str, torch.Tensor] = content["model"]
    return tensors


def assert_same_weights(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    different = [name for name in mine if not torch.equal(mine[name], theirs[name])]
    assert not different


def copy_of(data: Path, out: Path) -> Path:
    """A data set of one's own, to spoil."""
    return Path(shutil.copytree(data, out))


def change_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def cut_pixels(image: Path) -> None:
    """Let a JPEG keep its header and lose half of its pixels."""
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])


#: Called once in every optimizer step, before anything has changed.
STEP = "ladcli.engine.loop.lr_factor"


def ctrl_c_at_call(monkeypatch: pytest.MonkeyPatch, target: str, number: int) -> list[int]:
    """Press Ctrl-C at the ``number``-th call of the function ``target``; count the calls."""
    return at_call(monkeypatch, target, number, lambda: signal.raise_signal(signal.SIGINT))


def power_cut_at_call(monkeypatch: pytest.MonkeyPatch, target: str, number: int) -> list[int]:
    """Let the ``number``-th call of ``target`` be the program's last, with no time to save."""

    def cut() -> None:
        raise KeyboardInterrupt

    return at_call(monkeypatch, target, number, cut)


def at_call(
    monkeypatch: pytest.MonkeyPatch, target: str, number: int, happen: Callable[[], None]
) -> list[int]:
    from importlib import import_module

    module, _, name = target.rpartition(".")
    owner: Any
    try:
        owner = import_module(module)
    except ModuleNotFoundError:  # a method
        module, _, class_name = module.rpartition(".")
        owner = getattr(import_module(module), class_name)
    original = getattr(owner, name)
    calls: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(len(calls) + 1)
        if len(calls) == number:
            happen()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls

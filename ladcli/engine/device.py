"""Choosing the device and the precision of a run."""

from __future__ import annotations

import torch

from ladcli.errors import UserError
from ladcli.recipe.schema import Precision

_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def choose_device(name: str) -> torch.device:
    """The device that ``--device`` names: auto, cpu, cuda or cuda:N.

    Raises:
        UserError: an unknown name, or a device that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or (device.type != "cuda" and name != "cpu"):
        raise UserError(f"device {name!r} is unknown; choose auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            found = f"this machine has {count}" if count else "this machine has none"
            raise UserError(
                f"device {name!r} does not exist ({found}); choose --device auto or cpu"
            )
    return device


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which the network computes in ``precision``.

    Raises:
        ValueError: another word than those of `Precision`.
    """
    if _dtype(precision) is torch.float32:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=False)
    return torch.autocast(device.type, dtype=_dtype(precision))


def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Keeps fp16 gradients above underflow; does nothing for the other precisions.

    Raises:
        ValueError: as `autocast`.
    """
    return torch.amp.GradScaler(device.type, enabled=_dtype(precision) is torch.float16)


def _dtype(precision: Precision) -> torch.dtype:
    if precision not in _DTYPES:
        raise ValueError(f"precision must be one of {', '.join(_DTYPES)}, got {precision!r}")
    return _DTYPES[precision]


def peak_memory_mib(device: torch.device) -> float:
    """Most memory used so far: of the GPU, or of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

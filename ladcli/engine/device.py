"""Choosing the device and the precision of a run."""

from __future__ import annotations

import torch

from ladcli.errors import UserError

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


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


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which the network computes in ``precision`` (fp32, bf16 or fp16)."""
    dtype = _DTYPES.get(precision)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Keeps fp16 gradients above underflow; does nothing for the other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def peak_memory_mib(device: torch.device) -> float:
    """Most memory used so far: of the GPU, or of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

"""Opening files that torch wrote, without ever running code that they may hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ladcli.errors import UserError


def load_tensors(path: Path, *, what: str, remedy: str) -> Any:
    """What ``torch.save`` wrote to ``path``: tensors and plain Python values only.

    Args:
        what: what the file should be, for the message.
        remedy: what the user can do, for the message.

    Raises:
        UserError: the file cannot be read, or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = "it is damaged, or holds more than tensors and plain values"
        raise UserError(f"{path}: cannot be read as {what} ({reason}); {remedy}") from error
    except Exception as error:  # torch, zip and the system have a family of errors each
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read as {what} ({reason}); {remedy}") from error

"""The log of a run, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.recipe.flags import option_name
from ladcli.runs.metrics_log import Mirror


def require_tensorboard() -> None:
    """Refuse to start a run that could not write its log.

    Raises:
        UserError: TensorBoard is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{option_name('train.tensorboard')}: TensorBoard is not installed; pip "
            "install tensorboard, or leave the option out (metrics.jsonl holds the same numbers)"
        ) from error


def open_tensorboard(folder: Path, *, after_step: int) -> Mirror:
    """A mirror of the log that writes TensorBoard's files to ``folder``.

    Args:
        after_step: what earlier files say of later steps is hidden: a resumed run does it again.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=after_step + 1)

    def mirror(kind: str, step: int, values: dict[str, Any]) -> None:
        parts = (kind, values.get("set"), values.get("network"))
        group = "/".join(str(part) for part in parts if part)
        for name, value in values.items():
            if isinstance(value, (int, float)):
                writer.add_scalar(f"{group}/{name}", value, step)
        # Nothing closes the writer, and a run may be killed: every line is on disk at once.
        writer.flush()

    return mirror

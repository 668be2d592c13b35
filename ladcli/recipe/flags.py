"""Options of the recipe by the flags that set them on the command line, for messages.

A person who typed ``--backbone resnet5`` looks for that in a message, and whoever writes recipes
for ``model.backbone``; so messages name both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ladcli.flag_table import TABLE, Flag

#: Rows of the table by dotted key; all other keys are set with --set.  Of a flag that sets one key
#: and one that sets it with another, the first is the one to name.
_ROWS: dict[str, Flag] = {
    key: flag for flag in sorted(TABLE, key=lambda flag: -len(flag.keys)) for key in flag.keys
}
#: Flags by dotted key.
FLAGS: dict[str, str] = {key: flag.name for key, flag in _ROWS.items()}


@dataclass(frozen=True)
class NetworkKeys:
    """The options of a network, for messages: one of two may have options of its own."""

    backbone: str = "model.backbone"  # that chose it
    weights: str = "model.weights"  # that chose them
    other_backbone: str = "model.backbone"  # that chooses another one for this network


def flag_of(key: str, flags: Mapping[str, Any]) -> str | None:
    """The flag that set ``key``, or None where there is none.

    Args:
        flags: what was given on the command line, by dotted key; --schedule sets two keys.
    """
    if key == "schedule.epochs" and flags.get("schedule.decay_epochs") is not None:
        return FLAGS["schedule.decay_epochs"]
    return FLAGS.get(key)


def option_name(key: str) -> str:
    """``--backbone (model.backbone)``, or ``--set assign.topk`` where no flag exists."""
    flag = FLAGS.get(key)
    return f"--set {key}" if flag is None else f"{flag} ({key})"


def option_value(key: str, value: Any) -> str:
    """How one would set ``key`` to ``value``: ``--lr 0.02 (optim.lr)``, ``--set assign.topk=5``."""
    row = _ROWS.get(key)
    if row is None or len(row.keys) > 1 or value is None:
        return f"--set {key}={shown_value(value)}"
    if row.value is bool:
        return f"{row.name} ({key})" if value else f"no {row.name} ({key})"
    return f"{row.name} {shown_value(value)} ({key})"


def shown_value(value: Any) -> str:
    """``value`` in YAML's words, as ``--set`` takes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

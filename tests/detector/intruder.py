"""What a file from a stranger may hold instead of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)

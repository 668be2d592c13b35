"""Help that reads at any width.

Docstrings are wrapped for the source, and the terminal wraps again: without care that leaves words
alone on a line.  So paragraphs become one line each here, and the terminal alone wraps them.
Examples (indented paragraphs) become commands that can be copied, folded with a backslash where the
terminal is narrow.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from rich.console import Console
from typer.core import TyperCommand

_INDENT = "    "
#: What is not torn apart in an example: an option with its value, or a word.
_WORD = re.compile(r"--\S+(?: (?!-)\S+)?|\S+")


class Command(TyperCommand):
    """A command of `lad`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help = unwrapped(self.help or "")

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        whole = self.help
        try:
            self.help = folded(whole or "", Console().width - 2)
            super().format_help(ctx, formatter)
        finally:
            self.help = whole


def unwrapped(text: str) -> str:
    """A docstring with every paragraph on one line; an indented one is one command, indented."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(
        (_INDENT if paragraph.startswith(" ") else "") + " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def folded(text: str, width: int) -> str:
    """`unwrapped` text whose examples are folded into lines of ``width``, as a shell takes them."""
    room = width - 2 * len(_INDENT) - len(" \\")
    lines = []
    for line in text.split("\n"):
        if line.startswith(_INDENT):
            folds = [""]
            for word in _words(line, room):
                if folds[-1] and len(folds[-1]) + 1 + len(word) > room:
                    folds.append("")
                folds[-1] = f"{folds[-1]} {word}".lstrip()
            line = _INDENT + f" \\\n{2 * _INDENT}".join(folds)
        lines.append(line)
    return "\n".join(lines)


def _words(example: str, room: int) -> list[str]:
    """What is not torn apart; an option goes with its value where there is room for both."""
    words = _WORD.findall(example)
    return [part for word in words for part in ([word] if len(word) <= room else word.split())]


def without_types(params: list[Any]) -> list[Any]:
    """Take away what versions of typer add: <bool> of flags, <list[str]>, [default: None]."""
    for param in params:
        if param.default is None:
            param.show_default = False
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif param.param_type_name == "argument" and hasattr(param, "display_type_rich"):
            param.display_type_rich = lambda ctx: ""
    return params

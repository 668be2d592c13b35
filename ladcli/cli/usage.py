"""From the words of a command line to a command, and what is said where they lead to none."""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from ladcli.cli.failures import BAD_INPUT
from ladcli.cli.help import unwrapped, without_types
from ladcli.files import expand_user

#: What typer, or the click that it brings or needs, raises for a command line that cannot be.
_UsageError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError"
)
#: Words of the library that checks values, and what they mean.
_WORDS = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer.*", "is no whole number"),
    (r"Input should be a valid number.*", "is no number"),
    (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
    (r"\(Possible options: (.*)\)$", r"(did you mean \1?)"),
    (r"\.? Did you mean (.*)\?$", r" (did you mean \1?)"),
)


class Group(TyperGroup):
    """`lad`, or a command of it that has commands of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help = unwrapped(self.help or "")

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))

    def main(self, args: Any = None, *more: Any, **options: Any) -> Any:
        """Run the command line; a usage error is one line like any other, with exit code 2."""
        words = [expanded(word) for word in (sys.argv[1:] if args is None else args)]
        alone = options.pop("standalone_mode", True)
        options["standalone_mode"] = False
        if not alone:
            return super().main(words, *more, **options)
        try:
            code = super().main(words, *more, **options)
        except _UsageError as error:
            _leave(error)
        except typer.Abort:
            print("lad: interrupted", file=sys.stderr)
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


def expanded(word: str) -> str:
    """A word with ``~`` and ``~user`` expanded, at its beginning and in ``--option=~/path``.

    A shell does the first, unless the word is quoted, and leaves the second to the program.
    """
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={expand_user(value)}"
    return expand_user(word)


def _leave(error: Any) -> NoReturn:
    """Say what is wrong with the command line, and where help is."""
    if type(error).__name__ == "NoArgsIsHelpError":
        shown = error.format_message()  # empty where rich printed it already
        if shown:
            print(shown, file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"lad: {usage_message(error)}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def usage_message(error: Any) -> str:
    """One line: what, and the remedy."""
    text = " ".join(error.format_message().split()).rstrip(".")
    for theirs, ours in _WORDS:
        text = re.sub(theirs, ours, text)
    text = text[:1].lower() + text[1:]
    context, names = getattr(error, "ctx", None), list[str]()
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    where = f"{' '.join(names)}: " if names else ""
    return f"{where}{text}; {' '.join(['lad', *names])} --help shows what there is"

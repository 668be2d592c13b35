"""Options that several commands share.

Those that set options of the recipe are rows of `ladcli.flag_table`.  A command that takes many of
them has them by `recipe_options`, one that takes a few names each in its signature.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ladcli.errors import UserError
from ladcli.flag_table import DATA as DATA
from ladcli.flag_table import RUN as RUN
from ladcli.flag_table import SCHEDULES, TABLE, Flag
from ladcli.schema_facts import FACTS

if TYPE_CHECKING:
    from ladcli.data.views import InferenceViews

VIEWS = "Views"

Command = TypeVar("Command", bound=Callable[..., None])


@dataclass(frozen=True)
class RecipeOptions:
    """What a command line says about the recipe."""

    typed: Mapping[Flag, Any]  # the value of every flag that the command has

    @property
    def file(self) -> Path | None:
        """The file of --recipe."""
        file: Path | None = self._value("--recipe")
        return file

    @property
    def sets(self) -> list[str]:
        """What --set says, in order."""
        return list(self._value("--set") or [])

    @property
    def flags(self) -> dict[str, Any]:
        """Values by dotted key; None where not given.

        Raises:
            UserError: two flags contradict each other, or --size has none of its forms.
        """
        flags = {f.keys[0]: _plain(value) for f, value in self.typed.items() if len(f.keys) == 1}
        flags |= size_flags(self._value("--size"))
        schedule = self._value("--schedule")
        if schedule is not None:
            if self._value("--epochs") is not None:
                raise UserError(
                    "--schedule and --epochs both say how long to train; give one of them"
                )
            epochs, decays = SCHEDULES[schedule.value]
            flags |= {"schedule.epochs": epochs, "schedule.decay_epochs": list(decays)}
        # A message about a section names what set one of its keys last: that order is the schema's.
        return {key: flags[key] for key in FACTS if key in flags}

    def _value(self, name: str) -> Any:
        """What was typed for a flag; None where the command does not have it."""
        return next((value for flag, value in self.typed.items() if flag.name == name), None)


def recipe_options(command: str) -> Callable[[Command], Command]:
    """Give a command the options that the table has for it, in the place of its ``recipe``.

    Typer makes an option of every parameter of a function.  So what Typer looks at is a signature
    with these options where the function has ``recipe: RecipeOptions``, and the function is called
    with all of them as one.

    Args:
        command: its name in the table.
    """
    flags = [flag for flag in TABLE if command in flag.commands]

    def with_options(function: Command) -> Command:
        @functools.wraps(function)
        def wrapper(**given: Any) -> None:
            typed = {flag: given.pop(_name(flag)) for flag in flags}
            function(recipe=RecipeOptions(typed), **given)

        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(function, eval_str=True).parameters.values():
            if own.name == "recipe":
                parameters += map(_parameter, flags)
            else:
                parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapper  # type: ignore[return-value]

    return with_options


def _parameter(flag: Flag) -> inspect.Parameter:
    """A flag as Typer reads it: ``workers: Annotated[int | None, typer.Option(…)] = None``."""
    switch = flag.value is bool
    value = _choice(flag.value) if isinstance(flag.value, tuple) else flag.value
    return inspect.Parameter(
        _name(flag),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if switch else None,
        annotation=Annotated[bool if switch else value | None, _option(flag)],
    )


def _choice(words: tuple[str, ...]) -> Any:
    """A type whose values are ``words``: all versions of Typer know enumerations."""
    return Enum("Choice", {word: word for word in words})


def _name(flag: Flag) -> str:
    return flag.name.removeprefix("--").replace("-", "_")


def _option(flag: Flag) -> Any:
    return typer.Option(flag.name, metavar=flag.metavar, help=flag.help, rich_help_panel=flag.panel)


def option(name: str) -> Any:
    """One option of the table, for the signature of a command."""
    return _option(next(flag for flag in TABLE if flag.name == name))


def _plain(value: Any) -> Any:
    """A value of the command line as the recipe holds it; None where it was not given."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return None if value is False else value


DataDir = Annotated[Path | None, option("--data")]
Images = Annotated[Path | None, option("--images")]
SkipBadImages = Annotated[bool, option("--skip-bad-images")]
Size = Annotated[str | None, option("--size")]
InferenceSets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="An inference option, such as --set inference.nms_iou=0.5; may be repeated. "
        "docs/recipe.md lists them. Default: what the network's own run used.",
        rich_help_panel=RUN,
    ),
]
Flip = Annotated[
    bool,
    typer.Option(
        "--flip",
        help="See every image mirrored as well, and merge the boxes. Takes twice the time.",
        rich_help_panel=VIEWS,
    ),
]
Scales = Annotated[
    str | None,
    typer.Option(
        "--scales",
        metavar="PX[,PX...]",
        help="See every image at these short sides, such as 480,640, and merge the boxes. "
        "Default: the one that the network was trained with.",
        rich_help_panel=VIEWS,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder of the run.", rich_help_panel=RUN)
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out.", rich_help_panel=RUN),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace the run in --out. Other files in the folder stay.",
        rich_help_panel=RUN,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress display.", rich_help_panel=RUN)
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as one JSON object instead of a table.",
        rich_help_panel=RUN,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=RUN),
]


def inference_views(*, flip: bool, scales: str | None) -> InferenceViews:
    """What --flip and --scales ask for.

    Raises:
        UserError: the scales are no list of whole numbers, or out of range.
    """
    from ladcli.data.views import InferenceViews

    if scales is None:
        return InferenceViews((), flip)
    try:
        shorts = [int(part) for part in scales.split(",")]
    except ValueError:
        raise UserError(
            f"--scales {scales}: write short sides in pixels with commas between, such as 480,640"
        ) from None
    return InferenceViews(tuple(dict.fromkeys(shorts)), flip)


def check_inference_only(sets: list[str] | None, command: str) -> None:
    """Refuse overrides of what comes with the checkpoint.

    Raises:
        UserError: naming the first one.
    """
    for text in sets or []:
        if not text.strip().startswith("inference."):
            raise UserError(
                f"--set {text}: {command} changes inference options only; the network and its "
                "input size come with the checkpoint"
            )


def size_flags(size: str | None) -> dict[str, Any]:
    """What --size sets, by dotted key; nothing where it was not given."""
    return (
        {}
        if size is None
        else dict(zip(("data.short", "data.long"), image_size(size), strict=True))
    )


def image_size(text: str) -> tuple[list[int], int]:
    """``data.short`` and ``data.long`` of --size SHORT or SHORTxLONG.

    Raises:
        UserError: not of that form, or the long side is the shorter one.
    """
    match = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip(), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise UserError(
            f"--size {text}: write the short side in pixels, or short x long, such as 480 or "
            "480x640"
        )
    short = int(match[1])
    usual_short, usual_long = FACTS["data.short"].default[-1], FACTS["data.long"].default
    long = int(match[2]) if match[2] else round(short * usual_long / usual_short)
    if long < short:
        raise UserError(f"--size {text}: the short side comes first; write {long}x{short}")
    return [short], long


def check_table_name(path: Path | None) -> None:
    """Refuse a name for --csv that may be that of another file: tables replace earlier tables.

    Raises:
        UserError: the name does not end in .csv, or is that of anything but such a table.
    """
    if path is None:
        return
    if path.suffix.lower() != ".csv" or path.is_dir():
        raise UserError(f"--csv {path}: is no name for a table; name a file that ends in .csv")
    from ladcli.outputs import require_replaceable
    from ladcli.recognize import is_table

    require_replaceable(path, is_table, "a table of this program", flag="--csv")

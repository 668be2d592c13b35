"""The `lad` command.

Importing this package imports neither torch nor pydantic: commands import what they need when they
run, so that `lad --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ladcli import __version__
from ladcli.cli.cache_teacher import cache_teacher
from ladcli.cli.colad import colad
from ladcli.cli.compare import compare
from ladcli.cli.data import app as data_app
from ladcli.cli.distill import distill
from ladcli.cli.evaluate import evaluate
from ladcli.cli.help import Command
from ladcli.cli.predict import predict
from ladcli.cli.pretrain import pretrain
from ladcli.cli.report import report
from ladcli.cli.run import run
from ladcli.cli.usage import Group
from ladcli.engine.interrupt import listen

app = typer.Typer(
    name="lad",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("pretrain", cls=Command)(pretrain)
app.command("cache-teacher", cls=Command)(cache_teacher)
app.command("distill", cls=Command)(distill)
app.command("colad", cls=Command)(colad)
app.command("eval", cls=Command)(evaluate)
app.command("compare", cls=Command)(compare)
app.command("predict", cls=Command)(predict)
app.command("run", cls=Command)(run)
app.command("report", cls=Command)(report)
app.add_typer(data_app, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"lad {__version__}")
        raise typer.Exit


@app.callback()
def lad(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Train object detectors by label assignment distillation (LAD).

    The way through: pretrain a teacher, cache what it would assign, distill a student from the
    cache, evaluate. `lad run demo` does all of it on real photos in some minutes.
    """


def main() -> None:
    """Run `lad` in a program that has not started it by `ladcli.__main__`."""
    listen()
    app()

"""`lad report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.terminal import print_line


@friendly
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run folder; several are shown side by side."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Data folder with the ground truth. Default: what the run was trained on.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    set_names: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="SET",
            help="Evaluated set to show, such as val. May be repeated. Default: all.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Page to write. Default: RUN/report.html.", rich_help_panel=o.RUN
        ),
    ] = None,
    debug: o.Debug = False,
) -> None:
    """One HTML page about a run: curves, metrics, errors, worst images, label assignment.

    With several runs, their metrics side by side, with differences to the first.

    Examples:

        lad report runs/student

        lad report runs/paa runs/lad --out comparison.html
    """
    from ladcli.cli.console import print_notes
    from ladcli.stages.report import report as write_report

    written = write_report(runs, data=data, set_names=set_names or (), out=out)
    print_notes(written.notes)
    print_line(f"report in {written.path}")

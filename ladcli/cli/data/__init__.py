"""`lad data …`."""

from __future__ import annotations

import typer

from ladcli.cli.data.check import check
from ladcli.cli.data.export_data import export_data
from ladcli.cli.data.import_data import import_data
from ladcli.cli.data.stats import stats
from ladcli.cli.data.synth import synth
from ladcli.cli.help import Command
from ladcli.cli.usage import Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="Make and inspect data sets.")
app.command("import", cls=Command)(import_data)
app.command("export", cls=Command)(export_data)
app.command("check", cls=Command)(check)
app.command("stats", cls=Command)(stats)
app.command("synth", cls=Command)(synth)

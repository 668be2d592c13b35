"""`lad run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.recipe.pipeline import Pipeline
    from ladcli.stages.pipeline_plan import PipelineOptions


@friendly
@o.recipe_options("run")
def run(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A YAML file, or a shipped name such as demo.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of all stages. Default: runs/NAME.", rich_help_panel=o.RUN
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="Added to every seed of the pipeline.", rich_help_panel=o.RUN
        ),
    ] = 0,
    *,
    recipe: o.RecipeOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be run, with which settings, and what is missing; write nothing.",
            rich_help_panel=o.RUN,
        ),
    ] = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Run the stages of a pipeline in order and compare what comes out.

    Finished stages are skipped, and a stage that was stopped goes on: give the same command again.

    Example:

        lad run demo --out runs/demo
    """
    from ladcli.cli.console import print_costs, print_table, table_width
    from ladcli.evaluate.comparison_table import verdicts
    from ladcli.evaluate.summary import costs_by_method, summary_table
    from ladcli.recipe.pipeline import find_pipeline, load_pipeline
    from ladcli.stages.pipeline_plan import PipelineOptions
    from ladcli.stages.run import run_pipeline

    path = find_pipeline(pipeline)
    loaded = load_pipeline(path)
    folder = out or Path("runs") / path.stem
    options = PipelineOptions(folder, recipe.flags, recipe.sets, seed, quiet)
    if dry_run:
        _show_forecast(loaded, str(path), options, as_json=as_json)
        return
    result = run_pipeline(loaded, str(path), options)
    if as_json:
        rows = [
            {
                "run": m.run,
                "set": m.split,
                "seed": m.seed,
                **m.metrics.to_json(),
                "cost": m.cost.to_plain(),
            }
            for m in result.measured
        ]
        print(json.dumps(rows))
        return
    print_table(summary_table(result.measured, baseline=loaded.baseline, width=table_width()))
    print()
    print_costs(costs_by_method(result.measured))
    print()
    for found in result.comparisons:
        for line in verdicts(found):
            print_line(f"{found.set_name}: {line}")
    print_line(f"everything is in {folder}, all numbers in {folder / 'summary.json'}")
    for page in result.pages:
        print_line(f"comparison in {page}, its numbers in {page.with_suffix('.json')}")


def _show_forecast(
    pipeline: Pipeline, name: str, options: PipelineOptions, *, as_json: bool
) -> None:
    """Print what would be done; what is missing ends the command as bad input does."""
    from ladcli.cli.dry_run import forecast_lines
    from ladcli.stages.dry_run import forecast_pipeline

    forecasts = forecast_pipeline(pipeline, name, options)
    missing = list(dict.fromkeys(sentence for f in forecasts for sentence in f.missing))
    if as_json:
        plan = {
            "pipeline": name,
            "out": str(options.out),
            "evaluate": pipeline.evaluate,
            "runs": [forecast.to_json() for forecast in forecasts],
            "missing": missing,
        }
        print(json.dumps(plan))
    else:
        print("\n".join(forecast_lines(pipeline, name, options.out, forecasts)))
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]}{more}")

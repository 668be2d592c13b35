"""`lad compare`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.evaluate import SplitName
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.evaluate.comparison import ComparisonResult

CONFIDENCE = "Confidence"


class Intervals(str, Enum):
    """Numbers that come with an interval."""

    ap = "ap"
    all = "all"


@friendly
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Run folders or COCO results files, the baseline first; NAME=PATH gives a name.",
        ),
    ],
    split: Annotated[
        SplitName | None,
        typer.Option(
            metavar="SET",
            help="Set whose results to take from run folders: train, val or test. Default: val, "
            "or the set that lad eval calls by the name of --annotations.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ground truth of all results, whatever --split says. Default: SET as the recipes "
            "of the runs know it.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    data: o.DataDir = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="a or b, of runs that trained two networks."),
    ] = None,
    intervals: Annotated[
        Intervals,
        typer.Option(
            "--intervals",
            metavar="WHICH",
            help="Numbers with an interval: ap (AP, AP50, AP75, and AP of each class) or all "
            "(object sizes and TIDE too, which takes some four times as long).",
            rich_help_panel=CONFIDENCE,
        ),
    ] = Intervals.ap,
    resamples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=100,
            help="Sets of images to draw. Default: 10000, from 2000 images on 1000.",
            rich_help_panel=CONFIDENCE,
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Share of the resamples inside an interval.",
            rich_help_panel=CONFIDENCE,
        ),
    ] = 0.95,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Decides which images are drawn.", rich_help_panel=CONFIDENCE
        ),
    ] = 0,
    per_class: Annotated[bool, typer.Option("--per-class", help="A row for every class.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write a row per method and class.", rich_help_panel=o.RUN
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page with all charts and the intervals; all runs must be run folders.",
            rich_help_panel=o.RUN,
        ),
    ] = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Compare two or more methods on the same images, and tell gains from luck.

    Runs that differ in nothing but their seed (or carry the same NAME) are one method: their
    numbers are averaged and their spread is shown. Differences to the first method come with an
    interval and the share of resamples in which they are above zero, from a paired bootstrap over
    images.

    Examples:

        lad compare runs/paa runs/lad --split test

        lad compare PAA=runs/paa-seed0 PAA=runs/paa-seed1 LAD=runs/lad-seed0 LAD=runs/lad-seed1
    """
    if not 0 < confidence < 1:
        raise UserError(f"--confidence {confidence:g}: must lie between 0 and 1, such as 0.95")
    if network not in (None, "a", "b", "model"):
        raise UserError(f"--network {network}: is a or b")
    o.check_table_name(csv)

    from ladcli.stages.compare import CompareOptions
    from ladcli.stages.compare import compare as run

    options = CompareOptions(
        split=split.value if split else None,
        network=network,
        annotations=annotations,
        data=data,
        all_intervals=intervals is Intervals.all,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
        quiet=quiet,
    )
    result = run(runs, options, page=html)
    if csv is not None:
        from ladcli.evaluate.comparison_table import comparison_csv
        from ladcli.files import write_text

        write_text(csv, comparison_csv(result))
    _show(result, per_class=per_class, as_json=as_json)
    if not as_json:
        for what, file in (("page", html), ("table", csv)):
            if file is not None:
                print_line(f"{what} in {file}")


def _show(result: ComparisonResult, *, per_class: bool, as_json: bool) -> None:
    import json

    from ladcli.cli.console import print_costs, print_notes, print_table, table_width
    from ladcli.evaluate.comparison_table import (
        gains_table,
        methods_table,
        tide_comparison,
        verdicts,
    )

    print_notes(result.notes)
    if as_json:
        print(json.dumps(result.to_json()))
        return
    width = table_width()
    print_table(methods_table(result, width=width))
    print()
    print_table(gains_table(result, per_class=per_class, width=width))
    print()
    print_table(tide_comparison(result, width=width))
    print()
    print_costs([method.cost for method in result.methods])
    print()
    for line in verdicts(result):
        print_line(line)

"""`lad eval`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import RunError, UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.evaluate.pycocotools_engine import EngineOptions
    from ladcli.evaluate.tide import TideOptions
    from ladcli.runs.tide_numbers import TideThresholds
    from ladcli.stages.evaluate_results import Evaluation


#: Panel of `lad eval --help`.
TIDE = "TIDE"


class EngineName(str, Enum):
    """Who computes the COCO numbers."""

    lad = "lad"
    pycocotools = "pycocotools"


class SplitName(str, Enum):
    """Sets of a data folder."""

    train = "train"
    val = "val"
    test = "test"


@friendly
@o.recipe_options("eval")
def evaluate(
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Network to run and measure.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="COCO results file to measure, instead of a network."),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ground truth.", rich_help_panel=o.DATA),
    ] = None,
    split: Annotated[
        SplitName,
        typer.Option(
            metavar="SET",
            help="Set of the data folder: train, val or test.",
            rich_help_panel=o.DATA,
        ),
    ] = SplitName.val,
    sets: o.InferenceSets = None,
    flip: o.Flip = False,
    scales: o.Scales = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="A row for every class.")] = False,
    engine: Annotated[
        EngineName,
        typer.Option(
            metavar="NAME",
            help="Who computes the COCO numbers: lad, or pycocotools itself (slower).",
        ),
    ] = EngineName.lad,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Compute them with both engines and show the largest difference; exit code 1 "
            "from 1e-9 on.",
        ),
    ] = False,
    tide: Annotated[
        bool,
        typer.Option("--tide", help="What each kind of error costs.", rich_help_panel=TIDE),
    ] = False,
    tide_thresholds: Annotated[
        list[str] | None,
        typer.Option(
            "--tide-threshold",
            metavar="POS[:BG]",
            help="IoU from which a detection is right, and up to which nothing is there. "
            "May be repeated. Default: 0.5:0.1.",
            show_default=False,
            rich_help_panel=TIDE,
        ),
    ] = None,
    tide_compat: Annotated[
        bool,
        typer.Option(
            "--tide-compat",
            help="Count as the published tool tidecv does, habits included.",
            rich_help_panel=TIDE,
        ),
    ] = False,
    *,
    recipe: o.RecipeOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for predictions.json and metrics.json. Default: in the run of CKPT.",
            rich_help_panel=o.RUN,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a row per class.", rich_help_panel=o.RUN),
    ] = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """COCO metrics and TIDE errors of a checkpoint, or of any COCO results file.

    A checkpoint runs over the set first, and leaves predictions.json and metrics.json in its run
    folder. Only what an earlier evaluation wrote is replaced.

    Examples:

        lad eval --checkpoint runs/student/checkpoints/model/last.pt --data coco --split val

        lad eval --predictions results.json --annotations instances_val.json --tide --json
    """
    if (checkpoint is None) == (predictions is None):
        raise UserError("give either --checkpoint CKPT or --predictions FILE")
    o.check_table_name(csv)
    tide_options = _tide_options(wanted=tide, thresholds=tide_thresholds or [], compat=tide_compat)
    engines = _engine_options(engine, verify=verify, tide=tide)
    views = o.inference_views(flip=flip, scales=scales)
    if predictions is not None:
        if annotations is None:
            raise UserError("--predictions needs --annotations FILE")
        for given, flag in ((flip, "--flip"), (scales, "--scales")):
            if given:
                raise UserError(f"{flag} says how a network sees images; it needs --checkpoint")
        _refuse_network_options(recipe.flags, sets, out)
        from ladcli.stages.evaluate_results import evaluate_results

        evaluation = evaluate_results(predictions, annotations, tide=tide_options, engine=engines)
        _show(evaluation, per_class=per_class, as_json=as_json, csv=csv)
        return
    assert checkpoint is not None

    from ladcli.engine.runner import Runner
    from ladcli.recipe import load_recipe
    from ladcli.stages.evaluate import evaluate_on

    resolved = load_recipe(None, flags=recipe.flags, overrides=sets or [])
    o.check_inference_only(sets, "lad eval")
    evaluation = evaluate_on(
        checkpoint,
        resolved.data,
        split.value,
        annotations,
        Runner.of(resolved, quiet=quiet),
        overrides=sets or [],
        out=out,
        views=views,
        tide=tide_options,
        engine=engines,
    )
    _show(evaluation, per_class=per_class, as_json=as_json, csv=csv)


def _refuse_network_options(
    flags: Mapping[str, Any], sets: list[str] | None, out: Path | None
) -> None:
    """Refuse what says how to run a network, where none is run."""
    from ladcli.recipe.flags import FLAGS

    def given(section: str) -> list[str]:
        wanted = (key for key, value in flags.items() if value is not None)
        return [FLAGS[key] for key in wanted if key.startswith(section)]

    superfluous = [*given("data."), *(["--set"] if sets else []), *given("train.")]
    superfluous += ["--out"] if out is not None else []
    if superfluous:
        raise UserError(
            f"{superfluous[0]} is for running a network, and --predictions runs none; leave it out"
        )


def _engine_options(engine: EngineName, *, verify: bool, tide: bool) -> EngineOptions:
    """What --engine and --verify ask for."""
    from ladcli.evaluate.pycocotools_engine import EngineOptions

    if tide and engine is EngineName.pycocotools:
        raise UserError(
            "--tide: pycocotools knows no TIDE; leave --engine out, --verify compares the COCO "
            "numbers of both"
        )
    return EngineOptions(engine.value, verify)


def _tide_options(*, wanted: bool, thresholds: list[str], compat: bool) -> TideOptions | None:
    """What --tide and its companions ask for."""
    if not wanted:
        for given, flag in ((thresholds, "--tide-threshold"), (compat, "--tide-compat")):
            if given:
                raise UserError(f"{flag} changes what --tide shows, so add --tide")
        return None
    from ladcli.evaluate.tide import TideOptions

    chosen = tuple(_tide_thresholds(text) for text in thresholds or ["0.5"])
    return TideOptions(chosen, "tidecv" if compat else "corrected")


def _tide_thresholds(text: str) -> TideThresholds:
    """``POS`` or ``POS:BG`` in numbers."""
    from ladcli.runs.tide_numbers import TideThresholds

    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise UserError(f"--tide-threshold {text}: write POS or POS:BG, such as 0.5 or 0.5:0.1")
    return TideThresholds(*numbers)


def _show(evaluation: Evaluation, *, per_class: bool, as_json: bool, csv: Path | None) -> None:
    import json

    from ladcli.cli.console import print_notes, print_table
    from ladcli.evaluate.table import metrics_csv, metrics_table, tide_table
    from ladcli.files import write_text

    print_notes(evaluation.notes)
    if csv is not None:
        write_text(csv, metrics_csv(evaluation.metrics))
    if as_json:
        print(json.dumps(evaluation.to_json()))
        _require_agreement(evaluation)
        return
    print_table(metrics_table(evaluation.metrics, per_class=per_class))
    if evaluation.images is not None and evaluation.images.skipped:
        print_line(f"of {evaluation.images}")
    if evaluation.engine != "lad":
        print_line(f"measured by {evaluation.engine}")
    if evaluation.verified is not None:
        print_line(str(evaluation.verified))
    if evaluation.tide is not None:
        print()
        print_table(tide_table(evaluation.tide))
    if evaluation.folder is not None:
        print_line(f"predictions and metrics in {evaluation.folder}")
    if evaluation.stored_in is not None:
        print_line(f"score thresholds for pictures stored in {evaluation.stored_in}")
    _require_agreement(evaluation)


def _require_agreement(evaluation: Evaluation) -> None:
    """Fail where --verify found more than rounding."""
    found = evaluation.verified
    if found is not None and not found.same:
        raise RunError(f"the engines disagree: {found}; please report it with both files")

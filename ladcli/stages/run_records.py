"""Run folders as pages need them: whatever can be read, and remarks on what cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ladcli.errors import UserError
from ladcli.evaluate.measured import MeasuredRun
from ladcli.evaluate.report.parts.learning import logged_networks
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.measure import measure_set
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import Recipe
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_log import scan_metrics
from ladcli.runs.probe_file import Probe, read_probe
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.run_costs import run_cost
from ladcli.stages.truths import Truths

#: Whether the results in a folder are wanted.
Wanted: TypeAlias = Callable[[EvaluationFolder], bool]


def read_runs(folders: Sequence[Path], truths: Truths, wanted: Wanted) -> list[RunRecord]:
    """The runs with the results that are ``wanted``; what cannot be read becomes a remark."""
    return [
        _read_run(folder, name, truths, wanted)
        for folder, name in zip(folders, _names(folders), strict=True)
    ]


def _names(runs: Sequence[Path]) -> list[str]:
    """How pages call the runs: their folders' names, or their paths where those repeat."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _read_run(folder: Path, name: str, truths: Truths, wanted: Wanted) -> RunRecord:
    run = RunDirectory(folder)
    remarks: list[str] = []
    notes = _read_notes(run, remarks)
    recipe = _read_recipe(run, remarks)
    lines = _read_metrics(run, remarks)
    there = run.evaluations()
    results = [_measure(found, recipe, truths) for found in there if wanted(found)]
    if not results:
        missing = "none of the sets shown here" if there else "no set"
        remarks.append(
            f"{name}: {missing} was evaluated; lad eval --checkpoint {run.first_checkpoint()} "
            "--data DIR adds one."
        )
    probes = _read_probes(run, remarks)
    images = truths.image_folders(recipe) if probes else []
    networks = dict.fromkeys([*(found.network for found in there), *logged_networks(lines)])
    costs = {network: run_cost(notes, recipe, lines, network) for network in networks}
    return RunRecord(name, notes, recipe, lines, results, costs, probes, images, tuple(remarks))


def _read_notes(run: RunDirectory, remarks: list[str]) -> dict[str, Any]:
    try:
        return run.read_notes()
    except UserError:
        remarks.append(f"{run.notes}: is damaged, so status and versions are unknown.")
        return {}


def _read_recipe(run: RunDirectory, remarks: list[str]) -> Recipe | None:
    if not run.recipe.is_file():
        remarks.append(f"{run.recipe}: no such file, so the options are unknown.")
        return None
    try:
        return load_recipe(run.recipe)
    except UserError as error:
        remarks.append(f"{error}. The options are not shown.")
        return None


def _read_metrics(run: RunDirectory, remarks: list[str]) -> list[dict[str, Any]]:
    """The sound lines of the log.  Unlike a resumed run, a page goes on after a damaged one."""
    lines, damaged = scan_metrics(run.metrics)
    if damaged:
        remarks.append(
            f"{run.metrics}: {len(damaged)} line(s) cannot be read and are left out; first is line "
            f"{damaged[0]}."
        )
    return lines


def _read_probes(run: RunDirectory, remarks: list[str]) -> list[Probe]:
    """The first and the last probe that can be read."""
    files = run.probe_files()
    probes: list[Probe] = []
    for wanted in (files, files[::-1]):
        for path in wanted:
            try:
                probes.append(read_probe(path))
                break
            except UserError as error:
                remarks.append(f"{error}.")
    if len(probes) == 2 and probes[0].epoch == probes[1].epoch:
        probes.pop()
    remarks[:] = dict.fromkeys(remarks)
    return probes


def _measure(folder: EvaluationFolder, recipe: Recipe | None, truths: Truths) -> MeasuredRun:
    truth, why_not = truths.find(recipe, folder.set_name)
    return measure_set(folder, truths.measurements, truth=truth, why_not=why_not)

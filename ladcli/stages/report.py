"""`lad report`, and the page of `lad compare`: a run, or several methods side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ladcli.errors import UserError
from ladcli.evaluate.measurements import Measurements
from ladcli.evaluate.report.comparison_page import comparison_page
from ladcli.evaluate.report.html import Html
from ladcli.evaluate.report.parts.learning import logged_networks
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.evaluate.report.run_page import run_page
from ladcli.files import write_text
from ladcli.outputs import require_replaceable
from ladcli.recognize import is_page
from ladcli.runs.find_results import MethodResults
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.run_records import read_runs
from ladcli.stages.truths import Truths


@dataclass(frozen=True)
class Report:
    """Where the page is, and what is missing in it."""

    path: Path
    notes: tuple[str, ...]


def report(
    runs: Sequence[Path],
    *,
    data: Path | None = None,
    set_names: Sequence[str] = (),
    out: Path | None = None,
) -> Report:
    """Write the page of one run, or of the networks of several side by side.

    Args:
        runs: run folders.
        data: data folder with the ground truth, instead of what each run's recipe names.
        set_names: evaluated sets to show; all by default.
        out: file to write; by default report.html in the folder of the only run.

    Raises:
        UserError: a folder that holds no run, a set that none was evaluated on, or a file that
            cannot be written.
    """
    target = page_target(runs, out)
    _refuse_repeats(runs)
    chosen = set(set_names)
    records = read_runs(runs, Truths(data), lambda one: not chosen or one.set_name in chosen)
    if set_names:
        _require_sets(runs, records, set_names)
    if len(records) == 1:
        page = run_page(records[0])
    else:
        page = comparison_page(
            [
                MethodRecord(record.entry_name(network, alone=False), (Part(record, network),))
                for record in records
                for network in _networks(record)
            ]
        )
    return _write(target, page, records)


def run_folders(methods: Sequence[MethodResults]) -> list[Path]:
    """The run folders behind the results of methods, each once."""
    return list(dict.fromkeys(folder for method in methods for folder, _ in method.runs()))


def compare_report(
    methods: Sequence[MethodResults],
    measurements: Measurements,
    *,
    set_name: str,
    data: Path | None = None,
    annotations: Path | None = None,
    out: Path,
    extra: Sequence[tuple[str, Html]] = (),
) -> Report:
    """Write the page of a comparison on one set; runs of a method are averaged.

    Args:
        methods: of run folders; the first one is what the others are compared with.
        measurements: of their results, as far as they were made.
        set_name: the evaluated set.
        data: data folder with the ground truth, instead of what each run's recipe names.
        annotations: the ground truth itself, wherever it is.
        out: file to write.
        extra: further parts, a title and its content each.

    Raises:
        UserError: as `report`.
    """
    folders = run_folders(methods)
    target = page_target(folders, out)
    compared = {
        RunDirectory(folder).evaluation(set_name, net)
        for method in methods
        for folder, net in method.runs()
    }
    records = read_runs(
        folders, Truths(data, annotations, measurements), lambda found: found in compared
    )
    by_folder = dict(zip(folders, records, strict=True))
    shown = [
        MethodRecord(
            method.name, tuple(Part(by_folder[folder], net) for folder, net in method.runs())
        )
        for method in methods
    ]
    return _write(target, comparison_page(shown, extra=extra), records)


def _write(target: Path, page: str, records: Sequence[RunRecord]) -> Report:
    write_text(target, page)
    notes = (line for record in records for line in _all_remarks(record))
    return Report(target, tuple(dict.fromkeys(notes)))


def _networks(record: RunRecord) -> list[str]:
    """The networks of a run that were evaluated; where none was, those that were trained."""
    evaluated = list(dict.fromkeys(result.network for result in record.results))
    return evaluated or logged_networks(record.metrics)


def _all_remarks(record: RunRecord) -> Iterable[str]:
    yield from record.remarks
    for result in record.results:
        yield from result.remarks


def page_target(runs: Sequence[Path], out: Path | None, *, flag: str = "--out") -> Path:
    """The file that the page of ``runs`` is written to, checked before anything is computed.

    Args:
        flag: the option that names it.

    Raises:
        UserError: a folder that holds no run, a name that is none of a page, or a file that this
            program did not write.
    """
    for run in runs:
        if not RunDirectory(run).holds_run():
            raise UserError(
                f"{run}: holds no run (neither run.json nor recipe.yaml); name a folder that a "
                "training command wrote"
            )
    if out is None and len(runs) > 1:
        raise UserError(
            "a comparison belongs to no single run; say where it goes with --out FILE.html"
        )
    target = out or RunDirectory(runs[0]).report
    if target.suffix.lower() not in (".html", ".htm") or target.is_dir():
        raise UserError(f"{target}: is no name for a page; name a file that ends in .html")
    require_replaceable(target, is_page, "a page of this program", flag=flag)
    return target


def _refuse_repeats(runs: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for run in runs:
        if run.resolve() in seen:
            raise UserError(f"{run}: is given twice; leave one out")
        seen.add(run.resolve())


def _require_sets(
    runs: Sequence[Path], records: Sequence[RunRecord], set_names: Sequence[str]
) -> None:
    """Refuse names of sets that no run was evaluated on."""
    shown = {result.split for record in records for result in record.results}
    for name in set_names:
        if name not in shown:
            found = (one for run in runs for one in RunDirectory(run).evaluations())
            there = sorted({one.set_name for one in found})
            known = f"there are: {', '.join(there)}" if there else "nothing was evaluated"
            raise UserError(f"--split {name}: no such results in {runs[0]}; {known}")

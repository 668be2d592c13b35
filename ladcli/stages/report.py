"""`lad report`, and the page of `lad compare`: a run, or several methods side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.data.folder import Split, SplitFiles, find_split
from ladcli.engine.metrics_log import scan_metrics
from ladcli.engine.run_directory import RunDirectory
from ladcli.errors import UserError
from ladcli.evaluate.report.comparison_page import comparison_page
from ladcli.evaluate.report.content import RunRecord, SetResult, Truth
from ladcli.evaluate.report.html import Html
from ladcli.evaluate.report.learning import logged_networks
from ladcli.evaluate.report.measure import measure_set
from ladcli.evaluate.report.method import Method, Part
from ladcli.evaluate.report.probes import Probe, read_probe
from ladcli.evaluate.report.run_page import run_page
from ladcli.files import write_text
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import DataConfig, Recipe

#: Whether a folder eval/NETWORK/SET belongs to the page.
_Shown: TypeAlias = Callable[[Path], bool]
#: Sets that a data folder names; any other is the stem of an annotation file.
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


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
    records = _read_runs(
        runs, _Truths(data), lambda found: not set_names or found.name in set_names
    )
    if set_names:
        _require_sets(runs, records, set_names)
    if len(records) == 1:
        page = run_page(records[0])
    else:
        page = comparison_page(
            [
                Method(record.entry_name(network, alone=False), (Part(record, network),))
                for record in records
                for network in _networks(record)
            ]
        )
    return _write(target, page, records)


@dataclass(frozen=True)
class MethodRuns:
    """A method to compare: its name, and the folder and the network of each of its runs."""

    name: str
    runs: tuple[tuple[Path, str], ...]


def compare_report(
    methods: Sequence[MethodRuns],
    *,
    set_name: str,
    data: Path | None = None,
    annotations: Path | None = None,
    out: Path,
    extra: Sequence[tuple[str, Html]] = (),
) -> Report:
    """Write the page of a comparison on one set; runs of a method are averaged.

    Args:
        methods: the first one is what the others are compared with.
        set_name: the evaluated set.
        data: data folder with the ground truth, instead of what each run's recipe names.
        annotations: the ground truth itself, wherever it is.
        out: file to write.
        extra: further parts, a title and its content each.

    Raises:
        UserError: as `report`.
    """
    folders = list(dict.fromkeys(folder for method in methods for folder, _ in method.runs))
    target = page_target(folders, out)
    compared = {f / "eval" / net / set_name for method in methods for f, net in method.runs}
    records = _read_runs(folders, _Truths(data, annotations), lambda found: found in compared)
    by_folder = dict(zip(folders, records, strict=True))
    shown = [
        Method(method.name, tuple(Part(by_folder[folder], net) for folder, net in method.runs))
        for method in methods
    ]
    return _write(target, comparison_page(shown, extra=extra), records)


def _write(target: Path, page: str, records: Sequence[RunRecord]) -> Report:
    write_text(target, page)
    notes = (line for record in records for line in _all_remarks(record))
    return Report(target, tuple(dict.fromkeys(notes)))


def _read_runs(folders: Sequence[Path], truths: _Truths, shown: _Shown) -> list[RunRecord]:
    return [
        _read_run(folder, name, truths, shown)
        for folder, name in zip(folders, _names(folders), strict=True)
    ]


def _networks(record: RunRecord) -> list[str]:
    """The networks of a run that were evaluated; where none was, those that were trained."""
    evaluated = list(dict.fromkeys(result.network for result in record.results))
    return evaluated or logged_networks(record.metrics)


def _all_remarks(record: RunRecord) -> Iterable[str]:
    yield from record.remarks
    for result in record.results:
        yield from result.remarks


def page_target(runs: Sequence[Path], out: Path | None) -> Path:
    """The file that the page of ``runs`` is written to, checked before anything is computed.

    Raises:
        UserError: a folder that holds no run, or a name that is none of a page.
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
    target = out or runs[0] / "report.html"
    if target.suffix.lower() not in (".html", ".htm") or target.is_dir():
        raise UserError(f"{target}: is no name for a page; name a file that ends in .html")
    return target


def _names(runs: Sequence[Path]) -> list[str]:
    """How the page calls the runs: their folders' names, or their paths where those repeat."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _require_sets(
    runs: Sequence[Path], records: Sequence[RunRecord], set_names: Sequence[str]
) -> None:
    """Refuse names of sets that no run was evaluated on."""
    shown = {result.split for record in records for result in record.results}
    for name in set_names:
        if name not in shown:
            there = sorted({folder.name for run in runs for folder in _evaluated(run)})
            known = f"there are: {', '.join(there)}" if there else "nothing was evaluated"
            raise UserError(f"--split {name}: no such results in {runs[0]}; {known}")


def _evaluated(run: Path) -> list[Path]:
    """Folders eval/NETWORK/SET that hold results, val and test first."""
    found = [
        folder
        for folder in (run / "eval").glob("*/*")
        if (folder / "metrics.json").is_file() or (folder / "predictions.json").is_file()
    ]
    order = {name: place for place, name in enumerate(("val", "test", "train"))}
    return sorted(found, key=lambda f: (order.get(f.name, len(order)), f.name, f.parent.name))


def _read_run(folder: Path, name: str, truths: _Truths, shown: _Shown) -> RunRecord:
    """A run as the page needs it; what cannot be read becomes a remark."""
    run = RunDirectory(folder)
    remarks: list[str] = []
    notes = _read_notes(run, remarks)
    recipe = _read_recipe(run, remarks)
    lines = _read_metrics(run, remarks)
    there = _evaluated(folder)
    results = [_measure(found, recipe, truths) for found in there if shown(found)]
    if not results:
        missing = "none of the sets shown here" if there else "no set"
        remarks.append(
            f"{name}: {missing} was evaluated; lad eval --checkpoint {_checkpoint(folder)} "
            "--data DIR adds one."
        )
    probes = _read_probes(folder / "probes", remarks)
    images = truths.image_folders(recipe) if probes else []
    return RunRecord(name, notes, recipe, lines, results, probes, images, tuple(remarks))


def _checkpoint(folder: Path) -> Path:
    """A checkpoint of the run to evaluate."""
    found = sorted(folder.glob("checkpoints/*/last.pt"))
    return found[0] if found else folder / "checkpoints/NETWORK/last.pt"


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


def _read_probes(folder: Path, remarks: list[str]) -> list[Probe]:
    """The first and the last probe that can be read."""
    files = sorted(folder.glob("epoch_*.npz"), key=lambda path: (len(path.name), path.name))
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


def _measure(folder: Path, recipe: Recipe | None, truths: _Truths) -> SetResult:
    truth, why_not = truths.find(recipe, folder.name)
    return measure_set(
        folder, network=folder.parent.name, split=folder.name, truth=truth, why_not=why_not
    )


@dataclass
class _Truths:
    """Finds ground truth, and reads each annotation file once."""

    data: Path | None  # instead of what recipes name
    annotations: Path | None = None  # the ground truth itself, of any set
    _read: dict[Path, CocoFile] = field(default_factory=dict)

    def find(self, recipe: Recipe | None, name: str) -> tuple[Truth | None, str | None]:
        """The ground truth of a set, or why it was not found."""
        config = self._config(recipe)
        try:
            if self.annotations is not None:
                return self._truth(_files_around(self.annotations, config)), None
            if config is None:
                return None, "no data folder is known; name it with --data"
            files = _files_of(config, name)
            if files is None:
                return None, f"the data has no set of this name ({config.dir}); name it with --data"
            return self._truth(files), None
        except UserError as error:
            return None, str(error)

    def _truth(self, files: SplitFiles) -> Truth:
        path = files.annotations.resolve()
        if path not in self._read:
            self._read[path] = read_coco(files.annotations)
        return Truth(self._read[path], files.images)

    def image_folders(self, recipe: Recipe | None) -> list[Path]:
        """Where images of any set may lie, the training set's folder first."""
        config = self._config(recipe)
        found: list[Path] = []
        for split in _SPLITS if config is not None else ():
            assert config is not None
            try:
                files = find_split(config, split)
            except UserError:
                continue
            if files is not None:
                found.append(files.images)
        return list(dict.fromkeys(found))

    def _config(self, recipe: Recipe | None) -> DataConfig | None:
        if self.data is not None:
            return DataConfig(dir=str(self.data))
        if recipe is None:
            return None
        known = (recipe.data.dir, recipe.data.train_json, recipe.data.val_json)
        return recipe.data if any(known) else None


def _files_around(annotations: Path, config: DataConfig | None) -> SplitFiles:
    """Ground truth that was named, with the images of the data or, without, those beside it."""
    named = (config or DataConfig()).model_copy(update={"val_json": str(annotations)})
    try:
        found = find_split(named, "val")
    except UserError:  # no folder of images, which numbers do not need
        found = None
    return found or SplitFiles(annotations, annotations.parent.parent / "images")


def _files_of(config: DataConfig, name: str) -> SplitFiles | None:
    """The files of a set: a split, or an annotation file by its stem."""
    if name in _SPLITS:
        return find_split(config, next(split for split in _SPLITS if split == name))
    if config.dir is None:
        return None
    annotations = Path(config.dir) / "annotations" / f"{name}.json"
    if not annotations.is_file():
        return None
    return find_split(config.model_copy(update={"val_json": str(annotations)}), "val")

"""Which methods a comparison names, and where their results lie.

A comparison is given runs (folders that training made) or COCO results files.  Runs that differ in
nothing but their seed are one method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ladcli.errors import UserError
from ladcli.files import expand_user
from ladcli.fingerprint import fingerprint_plain
from ladcli.recipe import load_recipe
from ladcli.recipe.options import FREE_KEYS, PLACE_KEYS, RUN_KEYS, without
from ladcli.recipe.schema import Recipe
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.names import LAST, ONLY_NETWORK, PREDICTIONS
from ladcli.runs.run_directory import RunDirectory

_WARMUP = "optim.warmup_steps"
#: Options in which runs of one method may differ: their data may lie elsewhere, while a teacher
#: that lies elsewhere is another one.
_NOT_THE_METHOD = {"train.seed", *FREE_KEYS, *(set(PLACE_KEYS) - set(RUN_KEYS))}


@dataclass(frozen=True)
class ResultsOf:
    """One set of results that takes part in a comparison."""

    given: str  # as the user wrote it
    predictions: Path
    recipe: Recipe | None  # of the run; None for a bare results file
    name: str  # of the method
    method: str  # equal for runs that differ in their seed alone
    run: tuple[Path, str] | None = None  # folder and network; None for a bare results file


@dataclass(frozen=True)
class MethodResults:
    """A method with the results of all its seeds."""

    name: str
    results: tuple[ResultsOf, ...]

    def runs(self) -> list[tuple[Path, str]]:
        """Folder and network of each; bare results files have none."""
        return [one.run for one in self.results if one.run is not None]


def find_results(given: Sequence[str], *, split: str, network: str | None) -> list[MethodResults]:
    """The methods that the command line names, in its order.

    Args:
        given: run folders or results files, each optionally as NAME=PATH; equal names make one
            method, and without names equal recipes do.
        split: the set whose results are wanted.
        network: ``a`` or ``b`` of runs that trained two.

    Raises:
        UserError: a path that does not exist, a run without results on that set, results that are
            given twice for one method, or one method alone.
    """
    methods: dict[str, list[ResultsOf]] = {}
    for text in given:
        found = _find(text, split=split, network=network)
        runs = methods.setdefault(found.method, [])
        if any(run.predictions.samefile(found.predictions) for run in runs):
            raise UserError(
                f"{text}: is given twice; leave one out, or give each a NAME= of its own"
            )
        runs.append(found)
    if len(methods) < 2:
        raise UserError(
            "a comparison needs two methods, and this is one (its runs differ in nothing but "
            "their seed, or carry one name); add another run, or tell them apart with NAME=PATH"
        )
    return [MethodResults(_unique_name(runs, methods), tuple(runs)) for runs in methods.values()]


def _find(text: str, *, split: str, network: str | None) -> ResultsOf:
    name, path = _split_name(text)
    if EvaluationFolder(path).predictions.is_file():  # what `lad eval --out` wrote
        path = EvaluationFolder(path).predictions
    if path.is_file():
        return ResultsOf(text, path, None, name or _file_name(path), name or str(path.resolve()))
    if not path.is_dir():
        raise UserError(f"{path}: no such run folder or results file")
    run = RunDirectory(path)
    net = _network_of(run, network)
    predictions = run.evaluation(split, net).predictions
    if not predictions.exists():
        known = [one.set_name for one in run.detected(net)]
        raise UserError(
            f"{path}: has no results on the set {split} (there are {', '.join(known) or 'none'}); "
            "choose another --split, or make them with "
            f"lad eval --checkpoint {run.checkpoint(LAST, net)} and --split SET or "
            "--annotations FILE"
        )
    recipe = load_recipe(run.recipe) if run.recipe.exists() else None
    title = name or _short_name(path) + ("" if net == ONLY_NETWORK else f"/{net}")
    method = str(path.resolve())
    if recipe is not None:
        method = f"{_recipe_digest(recipe, left_open=_left_open(run))}/{net}"
    return ResultsOf(text, predictions, recipe, title, name or method, (path, net))


def _file_name(path: Path) -> str:
    """How tables call a results file: by its name, or by its folder's where all have that name."""
    return path.stem if path.name != PREDICTIONS else path.resolve().parent.name


def _split_name(text: str) -> tuple[str | None, Path]:
    """NAME and PATH of NAME=PATH, or the path alone."""
    name, equals, path = text.partition("=")
    # A path may hold "=" itself; then it exists as a whole.
    named = equals and name and path and not Path(text).exists()
    return (name, Path(expand_user(path))) if named else (None, Path(expand_user(text)))


def _network_of(run: RunDirectory, wanted: str | None) -> str:
    """The network of a run that is meant.

    A run that trained one network has no other; of two, one must be chosen.
    """
    known = run.evaluated_networks()
    if not known:
        raise UserError(f"{run.root}: holds no evaluation; make one with lad eval")
    if known == [ONLY_NETWORK]:
        wanted = ONLY_NETWORK
    elif wanted is None and len(known) == 1:
        wanted = known[0]
    if wanted in known:
        return wanted
    networks = " and ".join(f"network {name}" for name in known)
    raise UserError(f"{run.root}: has results of {networks}; choose one with --network")


def _left_open(run: RunDirectory) -> set[str]:
    """What the run's own recipe left open and its seed may have settled: the warm-up.

    It may last a share of the run, and how many steps that has is drawn where scales are.
    """
    try:
        resolved = json.loads(run.notes.read_text(encoding="utf-8"))["resolved"]
        return {_WARMUP} & set(resolved)
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # an older run, or no longer whole: its recipe alone says what it is


def _recipe_digest(recipe: Recipe, *, left_open: Collection[str]) -> str:
    """Equal for runs of one method.

    A teacher, a cache or an initial network of another seed lies in another place; such places
    count as equal where nothing but the number of a seed tells them apart.
    """
    plain = without(recipe.model_dump(exclude_defaults=True), {*_NOT_THE_METHOD, *left_open})
    for key in RUN_KEYS:
        section, name = key.split(".")
        if name in plain.get(section, {}):
            plain[section][name] = re.sub(r"(seed[-_]?)\d+", r"\1", plain[section][name])
    return fingerprint_plain(plain)


def _short_name(path: Path) -> str:
    """The folder's name without what tells its seed."""
    return re.sub(r"[-_]?seed[-_]?\d+$", "", path.resolve().name) or path.resolve().name


def _unique_name(runs: list[ResultsOf], methods: dict[str, list[ResultsOf]]) -> str:
    """The method's name; with the path where another method has the same."""
    name = runs[0].name
    same = [others for others in methods.values() if others[0].name == name]
    return name if len(same) == 1 else f"{name} ({runs[0].given})"

"""Which methods a comparison names, and where their results lie.

A comparison is given runs (folders that training made) or COCO results files.  Runs that differ in
nothing but their seed are one method.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ladcli.errors import UserError
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import Recipe
from ladcli.structures.fingerprint import fingerprint_plain

#: Options in which runs of one method may differ.
_NOT_THE_METHOD = {
    "train": {"seed", "device", "log_every", "save_every_minutes", "tensorboard", "probe_images"},
    "data": {"workers", "dir", "train_json", "val_json", "images"},
}


@dataclass(frozen=True)
class ResultsOf:
    """One set of results that takes part in a comparison."""

    given: str  # as the user wrote it
    predictions: Path
    recipe: Recipe | None  # of the run; None for a bare results file
    name: str  # of the method
    method: str  # equal for runs that differ in their seed alone


@dataclass(frozen=True)
class MethodResults:
    """A method with the results of all its seeds."""

    name: str
    results: tuple[ResultsOf, ...]


def find_results(given: Sequence[str], *, split: str, network: str | None) -> list[MethodResults]:
    """The methods that the command line names, in its order.

    Args:
        given: run folders or results files, each optionally as NAME=PATH; equal names make one
            method, and without names equal recipes do.
        split: the set whose results are wanted.
        network: ``a`` or ``b`` of runs that trained two.

    Raises:
        UserError: a path that does not exist, a run without results on that set, or one method.
    """
    methods: dict[str, list[ResultsOf]] = {}
    for text in given:
        found = _find(text, split=split, network=network)
        methods.setdefault(found.method, []).append(found)
    if len(methods) < 2:
        raise UserError(
            "a comparison needs two methods, and these runs are one (they differ in their seed "
            "alone, or carry one name); add another run"
        )
    return [MethodResults(_unique_name(runs, methods), tuple(runs)) for runs in methods.values()]


def _find(text: str, *, split: str, network: str | None) -> ResultsOf:
    name, equals, rest = text.partition("=")
    # A path may hold "=" itself; then it exists as a whole.
    named = bool(equals) and not Path(text).exists()
    path = Path(rest if named else text)
    if path.is_file():
        title = name if named else path.stem
        return ResultsOf(text, path, None, title, title if named else str(path.resolve()))
    if not path.is_dir():
        raise UserError(f"{path}: no such run folder or results file")
    net, folder = _network_of(path, network)
    predictions = folder / split / "predictions.json"
    if not predictions.exists():
        known = sorted(p.parent.name for p in folder.glob("*/predictions.json"))
        raise UserError(
            f"{path}: has no results on the set {split} (there are {', '.join(known) or 'none'}); "
            f"make them with lad eval --checkpoint {path}/checkpoints/{net}/last.pt"
        )
    recipe = load_recipe(path / "recipe.yaml") if (path / "recipe.yaml").exists() else None
    title = name if named else _short_name(path) + ("" if net == "model" else f"/{net}")
    method = title if named or recipe is None else f"{_recipe_digest(recipe)}/{net}"
    return ResultsOf(text, predictions, recipe, title, method)


def _network_of(run: Path, wanted: str | None) -> tuple[str, Path]:
    """Name and results folder of the network of a run that is meant."""
    known = sorted(p.name for p in (run / "eval").glob("*") if p.is_dir())
    if wanted in known:
        return str(wanted), run / "eval" / str(wanted)
    if len(known) == 1:
        return known[0], run / "eval" / known[0]
    if not known:
        raise UserError(f"{run}: holds no evaluation; make one with lad eval")
    raise UserError(f"{run}: holds the networks {' and '.join(known)}; choose one with --network")


def _recipe_digest(recipe: Recipe) -> str:
    plain = recipe.model_dump(exclude_defaults=True)
    for section, names in _NOT_THE_METHOD.items():
        for name in names:
            plain.get(section, {}).pop(name, None)
    # Teachers and caches of two seeds lie in two places.
    source = plain.get("distill", {})
    for name in ("teacher", "cache"):
        if name in source:
            source[name] = True
    return fingerprint_plain(plain)


def _short_name(path: Path) -> str:
    """The folder's name without what tells its seed."""
    return re.sub(r"[-_]?seed[-_]?\d+$", "", path.resolve().name) or path.resolve().name


def _unique_name(runs: list[ResultsOf], methods: dict[str, list[ResultsOf]]) -> str:
    """The method's name; with the path where another method has the same."""
    name = runs[0].name
    same = [others for others in methods.values() if others[0].name == name]
    return name if len(same) == 1 else f"{name} ({runs[0].given})"

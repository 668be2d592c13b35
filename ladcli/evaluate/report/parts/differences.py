"""Options and programs in which the runs of a comparison differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ladcli.evaluate.report.html import Child, Html, fold, join, paragraph, section, table, tag
from ladcli.evaluate.report.parts.heading import plain
from ladcli.evaluate.report.reading.method import MethodRecord, runs_of
from ladcli.recipe.options import describe_options, flat

#: What stands where a run does not tell.
_UNKNOWN = "unknown"


def differences_section(methods: Sequence[MethodRecord]) -> Html:
    """What each method was trained with, where not all were trained with the same."""
    return section("Recipes and versions", _options(methods), _versions(methods))


def _options(methods: Sequence[MethodRecord]) -> Html:
    """A row for every option in which two runs differ, be they of one method."""
    known = [
        [flat(part.run.recipe) for part in method.parts if part.run.recipe is not None]
        for method in methods
    ]
    every = [recipe for recipes in known for recipe in recipes]
    if len(every) < 2:
        return Html("")
    rows: list[list[Child]] = []
    for option in describe_options():
        if len(_distinct(recipe[option.key] for recipe in every)) > 1:
            cells = (_listed(recipe[option.key] for recipe in recipes) for recipes in known)
            rows.append([option.key, *(tag("code", cell) for cell in cells), option.description])
    if not rows:
        return paragraph("No option differs.")
    head = ("option", *(method.name for method in methods), "meaning")
    grid = table(head, rows, caption="Options that differ")
    lead = paragraph("Options that are not the same for all runs.", class_="lead")
    return tag("div", lead, grid, class_="words")


def _versions(methods: Sequence[MethodRecord]) -> Html:
    tables = [run.notes.get("versions") for run in runs_of(methods)]
    found = [versions for versions in tables if isinstance(versions, dict)]
    names = dict.fromkeys(name for versions in found for name in versions)
    if not names:
        return Html("")
    told = {name: [versions.get(name, _UNKNOWN) for versions in found] for name in names}
    several = [
        f"{name} ({_listed(told[name])})" for name in names if len(_distinct(told[name])) > 1
    ]
    remark = None
    if several:
        words = f"Not all runs used the same programs: {', '.join(several)}."
        remark = paragraph(words, class_="remark")
    rows = [(str(name), _listed(values)) for name, values in told.items()]
    grid = table(("program", "version"), rows, caption="Versions")
    return join([remark, tag("div", fold("Versions of programs", grid), class_="words")])


def _distinct(values: Iterable[Any]) -> list[str]:
    """Values as YAML would show them, each once, in order of appearance."""
    return list(dict.fromkeys(plain(value) for value in values))


def _listed(values: Iterable[Any]) -> str:
    return "; ".join(_distinct(values)) or _UNKNOWN

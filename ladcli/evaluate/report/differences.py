"""Options and programs in which the runs of a comparison differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ladcli.evaluate.report.heading import plain
from ladcli.evaluate.report.html import Child, Html, fold, join, paragraph, section, table, tag
from ladcli.evaluate.report.method import Method, runs_of
from ladcli.recipe.options import describe_options, flat


def differences_section(methods: Sequence[Method]) -> Html:
    """What each method was trained with, where not all were trained with the same."""
    return section("Recipes and versions", _options(methods), _versions(methods))


def _options(methods: Sequence[Method]) -> Html:
    known = [
        [flat(part.run.recipe) for part in method.parts if part.run.recipe is not None]
        for method in methods
    ]
    if not any(known):
        return Html("")
    rows: list[list[Child]] = []
    for option in describe_options():
        cells = [_listed(recipe[option.key] for recipe in recipes) for recipes in known]
        if len(set(cells)) > 1:
            codes = (tag("code", cell) for cell in cells)
            rows.append([option.key, *codes, option.description])
    if not rows:
        return paragraph("All runs have the same options.")
    head = ("option", *(method.name for method in methods), "meaning")
    grid = table(head, rows, caption="Options that differ")
    lead = paragraph("Options that are not the same for all.", class_="lead")
    return tag("div", lead, grid, class_="words")


def _versions(methods: Sequence[Method]) -> Html:
    tables = [run.notes.get("versions") for run in runs_of(methods)]
    found = [versions for versions in tables if isinstance(versions, dict)]
    names = dict.fromkeys(str(name) for versions in found for name in versions)
    if not names:
        return Html("")
    values = {name: _listed(versions.get(name) for versions in found) for name in names}
    several = [name for name, value in values.items() if "; " in value]
    remark = None
    if several:
        listed = ", ".join(f"{name} ({values[name]})" for name in several)
        remark = paragraph(f"Not all runs used the same programs: {listed}.", class_="remark")
    grid = table(("program", "version"), list(values.items()), caption="Versions")
    return join([remark, tag("div", fold("Versions of programs", grid), class_="words")])


def _listed(values: Iterable[Any]) -> str:
    """Values as YAML would show them, each once, in order of appearance."""
    return "; ".join(dict.fromkeys(plain(value) for value in values))

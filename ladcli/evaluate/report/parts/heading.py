"""The top of a page: which run this is, how it was made, under which options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ladcli.evaluate.measured import MeasuredRun
from ladcli.evaluate.report.html import Child, Html, fold, join, table, tag
from ladcli.evaluate.report.parts.costs import cost_facts
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.table import points
from ladcli.recipe.options import describe_options, flat
from ladcli.recipe.schema import Recipe
from ladcli.runs.names import ONLY_NETWORK

_SHORT = 12  # letters of a fingerprint


def heading(run: RunRecord) -> Html:
    """Title, facts and options of a run."""
    notes = run.notes
    facts: list[tuple[str, Child]] = [
        ("method", method_of(run)),
        ("status", str(notes.get("status", "unknown"))),
        ("AP", _reached(run.results)),
        *cost_facts(run),
        ("command", _command(notes)),
        ("started", _when(notes.get("started"))),
        ("finished", _finished(notes)),
        ("seed", str(notes.get("seed", "unknown"))),
        ("classes", _classes(notes.get("classes"))),
        ("fingerprints", _fingerprints(notes.get("fingerprints"))),
        ("left out", _skipped(notes.get("skipped_images"))),
    ]
    shown = ((name, value) for name, value in facts if value)
    pairs = join(join([tag("dt", name), tag("dd", value)]) for name, value in shown)
    return join(
        [
            tag("h1", run.name),
            tag("dl", pairs, class_="facts"),
            _options(run.recipe),
            _versions(notes.get("versions")),
        ]
    )


def _reached(results: Sequence[MeasuredRun]) -> str:
    """AP of every network on every set."""
    shown = []
    for result in results:
        if result.metrics is not None:
            who = "" if result.network == ONLY_NETWORK else f" of {result.network}"
            shown.append(f"{points(result.metrics.stats['AP'])}{who} on {result.split}")
    return ", ".join(shown)


def method_of(run: RunRecord) -> str:
    """The method that a run trains by, in words."""
    stage, recipe = run.notes.get("stage"), run.recipe
    if stage == "pretrain":
        return "PAA: the network prices its own candidates"
    if recipe is None:
        return f"lad {stage}" if stage else "unknown"
    if stage == "colad":
        soft = ", with soft labels" if recipe.colad.soft else ""
        return (
            "CoLAD: two networks, the switch lets the better one price the candidates "
            f"({recipe.colad.switch} per {recipe.colad.switch_scope}){soft}"
        )
    if stage == "distill":
        names = {
            "lad": "LAD: the teacher prices the candidates",
            "soft": "soft labels: the student prices, the teacher's outputs are targets",
            "solad": "SoLAD: the teacher prices the candidates, and its outputs are targets",
        }
        config = recipe.distill
        switch = f", {config.switch} switch per {config.switch_scope}"
        return names[config.mode] + (switch if config.switch != "off" else "")
    return f"lad {stage}" if stage else "unknown"


def _command(notes: Mapping[str, Any]) -> Html | None:
    """The command line as one would type it."""
    words = notes.get("command")
    if not isinstance(words, list) or not words:
        return None
    # However it was started, the program is called lad.
    typed = ["lad", *(shlex.quote(str(word)) for word in words[1:])]
    # Lines break between words, not at the hyphens of options.
    return tag("code", *(join([tag("span", word, class_="word"), " "]) for word in typed))


def _when(moment: Any) -> str:
    """A date and time in words; as it is where it is none."""
    parsed = _parsed(moment)
    return parsed.strftime("%Y-%m-%d %H:%M:%S %z").strip() if parsed else str(moment or "")


def _parsed(moment: Any) -> datetime | None:
    if not isinstance(moment, str):
        return None
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"):
        try:
            return datetime.strptime(moment, form)
        except ValueError:
            continue
    return None


def _finished(notes: Mapping[str, Any]) -> str:
    start, end = _parsed(notes.get("started")), _parsed(notes.get("finished"))
    shown = _when(notes.get("finished"))
    if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
        return shown
    minutes = round((end - start).total_seconds() / 60)
    return f"{shown}, {minutes // 60} h {minutes % 60:02d} min after the start"


def _classes(rows: Any) -> str:
    if not isinstance(rows, list) or not rows:
        return ""
    names = [str(row[1]) for row in rows if isinstance(row, list) and len(row) == 2]
    more = ", …" if len(names) > 12 else ""
    return f"{len(names)}: {', '.join(names[:12])}{more}"


def _fingerprints(values: Any) -> Html | None:
    if not isinstance(values, dict) or not values:
        return None
    pieces: list[Child] = []
    for name, value in values.items():
        short = tag("code", str(value)[:_SHORT], title=str(value))
        pieces += [", " if pieces else None, f"{name} ", short]
    return join(pieces)


def _skipped(paths: Any) -> str:
    if not isinstance(paths, list) or not paths:
        return ""
    more = ", …" if len(paths) > 5 else ""
    some = ", ".join(str(p) for p in paths[:5])
    return f"{len(paths)} image(s) that could not be read: {some}{more}"


def _options(recipe: Recipe | None) -> Html:
    """Options that were set, and on demand those at their defaults."""
    if recipe is None:
        return Html("")
    values = flat(recipe)
    options = [o for o in describe_options() if o.key in values]
    own = [o for o in options if values[o.key] != o.default]
    rest = [o for o in options if values[o.key] == o.default]
    head = ("option", "value", "default", "meaning")
    set_here = table(
        head,
        [
            (
                o.key,
                tag("code", plain(values[o.key])),
                tag("code", plain(o.default)),
                o.description,
            )
            for o in own
        ],
        caption="Options that are not at their defaults",
    )
    at_default = table(
        ("option", "value", "meaning"),
        [(o.key, tag("code", plain(o.default)), o.description) for o in rest],
        caption="Options at their defaults",
    )
    return tag(
        "div",
        tag("h2", "Options"),
        set_here if own else tag("p", "Every option is at its default."),
        fold(f"{len(rest)} options at their defaults", at_default),
        class_="words",
    )


def _versions(versions: Any) -> Html:
    if not isinstance(versions, dict) or not versions:
        return Html("")
    rows = [(str(name), str(value)) for name, value in versions.items()]
    content = table(("program", "version"), rows, caption="Versions")
    return tag("div", fold("Versions of programs", content), class_="words")


def plain(value: Any) -> str:
    """A value of a recipe as YAML would show it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(plain(v) for v in value)}]"
    return str(value)

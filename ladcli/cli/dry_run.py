"""How `lad run --dry-run` shows what would be done: plain lines, broken between words only."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ladcli.cli.console import PLAIN_WIDTH, counted
from ladcli.plain_text import one_line

if TYPE_CHECKING:
    from ladcli.recipe.pipeline import Pipeline
    from ladcli.stages.dry_run import Forecast

_DOES = {
    "synth": "draw the synthetic set",
    "pretrain": "train PAA",
    "cache-teacher": "cache what the teacher says",
    "distill": "train a student",
    "colad": "train two networks together",
}
_LABEL = 10  # columns of the word before a line's content


def forecast_lines(
    pipeline: Pipeline, name: str, out: Path, forecasts: Sequence[Forecast]
) -> list[str]:
    """All lines, as wide as the terminal."""
    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns
    common = _common([_options(f) for f in forecasts if f.does != "synth"])
    lines = _wrapped(
        f"{name}: {counted(len(forecasts), 'run')} into {out}, measured on "
        f"{' and '.join(pipeline.evaluate)}",
        width,
    )
    if pipeline.description:
        lines += _wrapped(pipeline.description, width)
    if common:
        lines += ["", *_wrapped(f"in all runs: {_settings(common)}", width, indent=2)]
    said: set[str] = set()  # of what is missing: many runs lack the same
    for number, forecast in enumerate(forecasts, start=1):
        head = f"[{number}/{len(forecasts)}]"
        lines += ["", *_run_lines(forecast, head, common, said, width)]
    return [*lines, "", *_wrapped(_closing(forecasts), width)]


def _run_lines(
    forecast: Forecast, number: str, common: dict[str, Any], said: set[str], width: int
) -> Iterator[str]:
    yield from _wrapped(
        f"{number} {forecast.name}: {_DOES[forecast.does]} ({forecast.does}), seed "
        f"{forecast.seed}; {forecast.state}",
        width,
        indent=2,
    )
    rows = [("folder", str(forecast.folder))]
    if forecast.images is not None or forecast.epochs is not None:
        rows.append(("work", _work(forecast)))
    if forecast.cache is not None:
        rows.append(("cache", forecast.cache))
    if forecast.teacher is not None:
        rows.append(("teacher", forecast.teacher))
    shared = {} if forecast.does == "synth" else common
    own = {k: v for k, v in _options(forecast).items() if k not in shared or shared[k] != v}
    if own:
        rows.append(("settings", _settings(own)))
    rows += [("missing", sentence) for sentence in forecast.missing if sentence not in said]
    said.update(forecast.missing)
    for label, content in rows:
        yield from _wrapped(f"  {label:<{_LABEL - 2}} {content}", width, indent=_LABEL + 1)


def _work(forecast: Forecast) -> str:
    parts = [] if forecast.images is None else [counted(forecast.images, "image")]
    if forecast.views is not None:
        parts.append(f"{counted(forecast.views, 'view')} of each")
    if forecast.batches is not None:
        what = f"{forecast.batches} batch{'' if forecast.batches == 1 else 'es'}"
        parts.append(what if forecast.epochs is None else f"{what} an epoch")
    if forecast.epochs is not None:
        steps = "" if forecast.steps is None else f"{counted(forecast.steps, 'step')} in "
        parts.append(f"{steps}{counted(forecast.epochs, 'epoch')}")
    return ", ".join(parts)


def _options(forecast: Forecast) -> dict[str, Any]:
    """The settings of a run, with its data first."""
    data = {} if forecast.data is None else {"data": forecast.data}
    return {**data, **forecast.settings}


def _common(settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all runs have alike, worth a line of its own only where there are several."""
    if len(settings) < 2:
        return {}
    first, *others = settings
    return {k: v for k, v in first.items() if all(k in o and o[k] == v for o in others)}


def _settings(settings: dict[str, Any]) -> str:
    return " ".join(f"{key}={_plain(value)}" for key, value in settings.items())


def _plain(value: Any) -> str:
    """A value as ``--set`` takes it, without blanks."""
    if isinstance(value, list):
        return f"[{','.join(_plain(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _closing(forecasts: Sequence[Forecast]) -> str:
    states = [f.state for f in forecasts]
    counts = [(states.count(s), s) for s in ("new", "to be resumed", "finished")]
    said = ", ".join(f"{n} {state}" for n, state in counts if n)
    if missing := len({sentence for f in forecasts for sentence in f.missing}):
        said += f"; {counted(missing, 'thing')} missing"
    return f"{said}; this was a dry run: nothing was written"


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of at most ``width`` columns where words allow it; no word is broken."""
    return textwrap.wrap(
        one_line(text),
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

"""The page of a comparison: several methods side by side, each of one run or of several seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.html import Child, Html, paragraph, remarks, section, table, tag
from ladcli.evaluate.report.page import document
from ladcli.evaluate.report.parts.assignment import assignment_comparison
from ladcli.evaluate.report.parts.changed import changed_section
from ladcli.evaluate.report.parts.costs import cost_section
from ladcli.evaluate.report.parts.differences import differences_section
from ladcli.evaluate.report.parts.heading import method_of
from ladcli.evaluate.report.parts.learning_compared import learning_comparison
from ladcli.evaluate.report.parts.scores import scores_section
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, runs_of
from ladcli.evaluate.same_truth import truth_difference

#: Bytes of all pictures of changed images.
_PHOTO_BYTES = 2_400_000


def comparison_page(
    methods: Sequence[MethodRecord], *, extra: Sequence[tuple[str, Html]] = ()
) -> str:
    """Methods side by side, as one HTML file.

    Args:
        methods: the first one is what the others are compared with.
        extra: further parts before the sets, a title and its content each.
    """
    runs = runs_of(methods)
    sets = dict.fromkeys(result.split for run in runs for result in run.results)
    names = ", ".join(method.name for method in methods)
    parts = [
        tag("h1", "Comparison"),
        paragraph(f"Differences are to the first: {methods[0].name}.", class_="lead"),
        _overview(methods),
        remarks(dict.fromkeys(line for run in runs for line in run.remarks)),
        *(section(title, content) for title, content in extra),
        cost_section(methods),
        *(_set_part(split, methods, _PHOTO_BYTES // len(sets)) for split in sets),
        assignment_comparison(methods),
        learning_comparison(methods),
        differences_section(methods),
    ]
    return document(f"Comparison of {names}", parts)


def _overview(methods: Sequence[MethodRecord]) -> Html:
    rows: list[list[Child]] = [
        [
            method.name,
            _each(method, method_of),
            _each(method, lambda run: run.name),
            _each(method, lambda run: str(run.notes.get("seed", "unknown"))),
            _each(method, lambda run: str(run.notes.get("status", "unknown"))),
        ]
        for method in methods
    ]
    grid = table(("name", "method", "runs", "seed", "status"), rows, caption="Methods")
    return tag("div", grid, class_="words")


def _each(method: MethodRecord, told: Callable[[RunRecord], str]) -> str:
    """What is told of the runs of a method, each thing once."""
    return ", ".join(dict.fromkeys(told(part.run) for part in method.parts))


def _set_part(split: str, methods: Sequence[MethodRecord], max_bytes: int) -> Html:
    """Everything about one set; without results of the first method there are no differences."""
    entries = [method.entry(split, place) for place, method in enumerate(methods)]
    known = [entry for entry in entries if entry is not None]
    missing = [m.name for m, entry in zip(methods, entries, strict=True) if entry is None]
    with_first = entries[0] is not None
    changed = changed_section(known, max_bytes=max_bytes) if with_first else Html("")
    lines = [
        *(f"{name}: was not evaluated on {split}." for name in missing),
        *(_other_truths(known) if with_first else [_no_differences(methods[0])]),
        *_remarks_of(known),
    ]
    return section(
        f"Results on {split}",
        remarks(dict.fromkeys(lines)),
        scores_section(known, differences=with_first),
        section("Images that changed most", changed, level=3),
    )


def _remarks_of(entries: Sequence[MeasuredMethod]) -> Iterator[str]:
    """Remarks about results, with the names of those concerned unless these are all."""
    concerned: dict[str, dict[str, None]] = {}
    for entry in entries:
        for line in (line for result in entry.runs for line in result.remarks):
            concerned.setdefault(line, {})[entry.name] = None
    for line, names in concerned.items():
        yield line if len(names) == len(entries) else f"{', '.join(names)}: {line}"


def _no_differences(first: MethodRecord) -> str:
    return f"Differences would be to {first.name}, so none are shown."


def _other_truths(entries: Sequence[MeasuredMethod]) -> Iterator[str]:
    """A sentence for each entry that was measured on other ground truth than the first."""
    first = entries[0].truth()
    for entry in entries[1:]:
        truth = entry.truth()
        if first is None or truth is None:
            continue
        difference = truth_difference(truth.annotations, first.annotations)
        if difference is not None:
            yield (
                f"{entry.name}: was measured on other ground truth than {entries[0].name} "
                f"({difference}), so their differences say nothing."
            )

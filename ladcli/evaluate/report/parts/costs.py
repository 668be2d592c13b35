"""What training cost, as a part of a page."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.evaluate.cost_table import cost_rows, cost_sentences
from ladcli.evaluate.method_cost import MethodCost, count, duration, parameters_words
from ladcli.evaluate.report.html import Html, paragraph, section, table
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord
from ladcli.training_cost import UNKNOWN, TrainingCost

_HEAD = ("method", "epochs", "images seen", "training time", "parameters", "trained parameters")
_READING = (
    "Images are those that training steps saw, repeats counted. The time is that of training "
    "alone, without evaluations and pauses, on whatever machine it ran; parameters are those at "
    "inference."
)


def cost_section(methods: Sequence[MethodRecord]) -> Html:
    """A row for every method and one for its teacher, means over the runs."""
    costs = [
        MethodCost(
            method.name,
            tuple(part.run.costs.get(part.network, UNKNOWN) for part in method.parts),
        )
        for method in methods
    ]
    if not any(cost.known for cost in costs):
        return Html("")
    rows = [row for cost in costs for row in cost_rows(cost)]
    first, *others = cost_sentences(costs)
    return section(
        "What training cost",
        paragraph(first),
        table(_HEAD, rows, caption="What training cost"),
        paragraph(" ".join([_READING, *others]), class_="lead"),
    )


def cost_facts(run: RunRecord) -> list[tuple[str, str]]:
    """What the top of a run's page says: names and values, of what is known."""
    if not run.costs:
        return []
    cost = next(iter(run.costs.values()))
    parameters = ", ".join(
        parameters_words(own.parameters) + (f" (network {network})" if len(run.costs) > 1 else "")
        for network, own in run.costs.items()
        if own.parameters is not None
    )
    if parameters and cost.trained is not None:
        parameters += f"; {parameters_words(cost.trained)} of them trained"
    facts = [("training", _work(cost)), ("parameters", parameters)]
    if cost.earlier:
        name = "teacher" if cost.networks == 1 else "initial networks"
        facts.append((f"{name}'s training" if name == "teacher" else name, _work(cost.before())))
    return facts


def _work(cost: TrainingCost) -> str:
    """Epochs, images and time in words; ``unknown`` where none is known."""
    parts = []
    if cost.epochs is not None:
        parts.append(f"{cost.epochs} epoch{'' if cost.epochs == 1 else 's'}")
    if cost.images is not None:
        by = " by each of two networks" if cost.networks > 1 else ""
        parts.append(f"{count(cost.images)} images seen{by}")
    if cost.seconds is not None:
        parts.append(duration(cost.seconds))
    return ", ".join(parts) or "unknown"

"""What methods cost, as a table for the terminal: a row for each, and one for its teacher."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ladcli.evaluate.method_cost import (
    Figures,
    MethodCost,
    duration,
    epochs_words,
    how_to_read,
    images_words,
    parameters_words,
    what_is_compared,
)

_METHOD, _TRAINED, _PARAMETERS = "method", "trained", "params"
_HEADS = ("epochs", "images", "time", _PARAMETERS, _TRAINED)
#: Columns that go first where there is no room, in this order.
_GIVEN_UP = (_TRAINED, _PARAMETERS)
#: Columns of the terminal that names have at least.
_NAME_WIDTH = 12
_GAP = 2


def cost_table(costs: Sequence[MethodCost], *, width: int) -> Table:
    """A row for every method, and below it one for the trainings that it builds on.

    Args:
        costs: in the order of the methods.
        width: columns of the terminal.  Where they are few, ``trained`` goes first, then
            ``params``; names wrap, and numbers are always shown whole.
    """
    rows = [row for cost in costs for row in cost_rows(cost)]
    sizes = {
        head: max(len(head), *(len(cells[number]) for _, *cells in rows))
        for number, head in enumerate(_HEADS)
    }
    shown = list(_HEADS)
    for head in _GIVEN_UP:
        if _NAME_WIDTH + sum(_GAP + sizes[name] for name in shown) > width:
            shown.remove(head)
    table = Table(
        title="what training cost",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column(_METHOD, min_width=min(_NAME_WIDTH, max(len(name) for name, *_ in rows)))
    for head in shown:
        table.add_column(head, justify="right", no_wrap=True, min_width=sizes[head])
    for name, *cells in rows:
        # Text, not str: a name such as "[red]" is no markup.
        values = dict(zip(_HEADS, cells, strict=True))
        table.add_row(Text(name), *(values[head] for head in shown))
    return table


def cost_rows(cost: MethodCost) -> list[tuple[str, str, str, str, str, str]]:
    """A name, epochs, images, time, parameters at inference and trained ones, as tables show them.

    The second row, where there is one, is of the trainings that the method builds on: at inference
    they add nothing.
    """
    own, before = cost.own, cost.before
    first = _row(cost.name, own, parameters_words(cost.parameters), cost.networks)
    if before is None:
        return [first]
    known = before.epochs is not None or before.images is not None
    name = f"+ {cost.earlier_name}" if known else f"+ {cost.earlier_name}: unknown"
    return [first, _row(name, before, "")]


def cost_sentences(costs: Sequence[MethodCost]) -> list[str]:
    """What is compared, and how to read the table."""
    return [what_is_compared(costs), *how_to_read(costs)]


def _row(
    name: str, figures: Figures, parameters: str, networks: int = 1
) -> tuple[str, str, str, str, str, str]:
    return (
        name,
        epochs_words(figures),
        images_words(figures, networks),
        duration(figures.seconds),
        parameters,
        parameters_words(figures.trained),
    )

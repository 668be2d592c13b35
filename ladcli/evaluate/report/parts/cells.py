"""Numbers of tables, with their spread over seeds and what they gained over the first row."""

from __future__ import annotations

from collections.abc import Callable

from ladcli.evaluate.report.html import Child, join, tag


def number_cell(
    value: float | None,
    shown: Callable[[float | None], str],
    *,
    base: float | None = None,
    spread: float | None = None,
) -> Child:
    """A number as ``shown``, its ``spread`` behind ±, and what it gained over ``base``."""
    if value is None:
        return shown(None)
    parts: list[Child] = [shown(value)]
    if spread is not None:
        parts.append(f" ±{shown(spread)}")
    if base is not None:
        difference = shown(abs(value - base))
        sign = "−" if value < base and float(difference) else "+"
        parts += [" ", tag("span", f"{sign}{difference}", class_="gain")]
    return join(parts)

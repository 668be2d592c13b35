"""The frame of a chart: two scales, grid lines, ticks and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ladcli.evaluate.report.charts.scale import Scale, tick_texts
from ladcli.evaluate.report.html import Html, join, tag

#: Width of most charts, units.
WIDTH = 360
#: Width of a letter, on average.
LETTER = 6.1


@dataclass(frozen=True)
class Frame:
    """The two scales of a chart, and what is drawn along them."""

    x: Scale
    y: Scale
    height: float
    width: float = WIDTH

    def horizontal_grid(self, ticks: Sequence[float]) -> Html:
        """A line and a number at each tick of y."""
        drawn = []
        for value, shown in zip(ticks, tick_texts(ticks), strict=True):
            y = self.y.place(value)
            drawn.append(rule(self.x.start, y, self.x.end, y))
            drawn.append(label(self.x.start - 5, y + 4, shown, "tick", "end"))
        return join(drawn)

    def vertical_grid(self, ticks: Sequence[float]) -> Html:
        """A line at each tick of x, a stronger one at zero."""
        places = [self.x.place(value) for value in ticks]
        return join(
            rule(x, self.y.end, x, self.y.start, zero=value == 0)
            for x, value in zip(places, ticks, strict=True)
        )

    def x_axis(self, ticks: Sequence[float], title: str) -> Html:
        """The axis below, with a number at each tick and what it means."""
        base = self.y.start
        drawn = [rule(self.x.start, base, self.x.end, base, zero=True)]
        for value, shown in zip(ticks, tick_texts(ticks), strict=True):
            x = self.x.place(value)
            drawn.append(rule(x, base, x, base + 4, zero=True))
            # The last number must not leave the picture.
            half = LETTER * len(shown) / 2
            inside = min(max(x, half), self.width - half)
            drawn.append(label(inside, base + 15, shown, "tick", "middle"))
        middle = (self.x.start + self.x.end) / 2
        drawn.append(label(middle, self.height - 5, title, "axis", "middle"))
        return join(drawn)


def label(x: float, y: float, content: str, class_: str, anchor: str | None = None) -> Html:
    """Text at a place, in units; ``anchor`` says which end stands there."""
    return tag("text", content, x=short(x), y=short(y), class_=class_, text_anchor=anchor)


def rule(x1: float, y1: float, x2: float, y2: float, *, zero: bool = False) -> Html:
    """A straight line, stronger where it is the axis."""
    class_ = "rule zero" if zero else "rule"
    return tag("line", x1=short(x1), y1=short(y1), x2=short(x2), y2=short(y2), class_=class_)


def short(value: float) -> str:
    """A coordinate to a tenth, as short as possible."""
    shown = f"{value:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown

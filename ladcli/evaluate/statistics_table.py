"""The numbers of a data set as tables for the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rich import box
from rich.table import Table
from rich.text import Text

from ladcli.data.statistics import (
    COUNTED_BOXES,
    SIZES,
    ClassCount,
    DataStatistics,
    SetStatistics,
    Spread,
)
from ladcli.evaluate.table import UNDEFINED

#: What stands where a class has no box in a set, and where the set does not even know it.
NO_BOX, NOT_KNOWN = "none", "not known"
#: Classes that the terminal lists; of more, this many of the most and of the least frequent.
_MOST_CLASSES, _ENDS = 100, 25
#: Names that a sentence lists.
_NAMED = 10
_SPREAD = ("q05", "median", "q95")


def overview_table(found: DataStatistics) -> Table:
    """A row for every number, a column for every set."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    for one in found.sets:
        table.add_column(Text(one.name), justify="right", no_wrap=True)
    for rows in overview_rows(found):
        for name, cells in rows:
            table.add_row(name, *cells)
        table.add_section()
    return table


#: A number's name, and a text for every set.
Row: TypeAlias = tuple[str, list[str]]


def overview_rows(found: DataStatistics) -> list[list[Row]]:
    """All numbers but those per class, in groups that belong together."""
    groups = [_count_rows(found.sets), _size_rows(found), _level_rows(found)]
    if any(one.looked_at for one in found.sets):
        groups.append(
            [
                ("images decoded", [_count(one.looked_at) for one in found.sets]),
                ("images that cannot be used", [_count(len(one.unreadable)) for one in found.sets]),
                ("brightness, at 5/50/95 %", [_spread(one.luma) for one in found.sets]),
            ]
        )
    return groups


def _count_rows(sets: Sequence[SetStatistics]) -> list[Row]:
    apart = {
        "crowd regions": [one.crowd for one in sets],
        "difficult boxes": [one.difficult for one in sets],
        "boxes left out": [one.left_out for one in sets],
    }
    per_image = [one.boxes_per_image for one in sets]
    return [
        ("images", [_count(one.images) for one in sets]),
        ("images without boxes", [_count(one.without_boxes) for one in sets]),
        ("boxes", [_count(one.boxes) for one in sets]),
        *((name, list(map(_count, counts))) for name, counts in apart.items() if any(counts)),
        ("boxes per image, mean", [_spread(one, ("mean",), 1) for one in per_image]),
        ("boxes per image, median/most", [_spread(one, ("median", "max")) for one in per_image]),
        (f"images above {COUNTED_BOXES} boxes", [_count(one.above_counted) for one in sets]),
    ]


def _size_rows(found: DataStatistics) -> list[Row]:
    sets, at = found.sets, f"at {found.short}x{found.long}"
    stored = [
        (f"{size}, stored", [_share(one.stored.counts[size], one.boxes) for one in sets])
        for size in SIZES
    ]
    there = [
        (f"{size}, {at}", [_share(one.at_input.counts[size], one.boxes) for one in sets])
        for size in SIZES
    ]
    return [
        ("image size, most common", list(map(_common_size, sets))),
        ("image sizes in all", [_count(one.distinct_sizes) for one in sets]),
        ("box side, px, at 5/50/95 %", [_spread(one.stored.sides) for one in sets]),
        *stored,
        (f"box side, px, {at}", [_spread(one.at_input.sides) for one in sets]),
        *there,
        ("width / height, at 5/50/95 %", [_spread(one.aspects, digits=2) for one in sets]),
    ]


def _level_rows(found: DataStatistics) -> list[Row]:
    return [
        *(
            (f"best anchor on {level}", [_share(one.levels[k], one.boxes) for one in found.sets])
            for k, level in enumerate(found.level_names)
        ),
        (
            "out of every anchor's reach",
            [_share(one.out_of_reach, one.boxes) for one in found.sets],
        ),
    ]


def class_table(found: DataStatistics) -> Table:
    """Boxes and images of every class in every set, the most frequent class first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("class", overflow="fold", min_width=8)
    for one in found.sets:
        for what in ("boxes", "images"):
            table.add_column(Text(f"{one.name}\n{what}"), justify="right", no_wrap=True)
    names = by_frequency(found)
    shown = names if len(names) <= _MOST_CLASSES else [*names[:_ENDS], *names[-_ENDS:]]
    for place, name in enumerate(shown):
        cells = [cell for one in found.sets for cell in class_cells(one.count(name))]
        gap = len(names) > len(shown) and place == _ENDS - 1
        # Text, not str: a name such as "[red]" is no markup.
        table.add_row(Text(name), *cells, end_section=gap)
    return table


def by_frequency(found: DataStatistics) -> list[str]:
    """The classes of all sets, that with the most boxes first."""
    total = {
        name: sum(count.boxes for one in found.sets if (count := one.count(name)) is not None)
        for name in found.class_names
    }
    return sorted(total, key=lambda name: -total[name])


def class_cells(count: ClassCount | None) -> tuple[str, str]:
    """Boxes and images of a class in a set; marked where it is lacking."""
    if count is None:
        return NOT_KNOWN, ""
    return (_count(count.boxes), _count(count.images)) if count.boxes else (NO_BOX, "")


def remarks(found: DataStatistics) -> list[str]:
    """What the tables show and nobody should miss, a sentence each."""
    told = []
    num_classes = len(found.class_names)
    if num_classes > _MOST_CLASSES:
        told.append(
            f"{num_classes:,} classes: shown are the {_ENDS} most and the {_ENDS} least frequent; "
            "--json and --html list all."
        )
    told += [
        f"{name}: no box of {_some(lacking)}, which another set has."
        for name, lacking in found.lacking().items()
    ]
    told += [
        f"{one.name}: {_plural(one.above_counted, 'image')} of more than {COUNTED_BOXES} boxes; "
        f"AP takes {COUNTED_BOXES} detections of an image, so it cannot reach 100 there."
        for one in found.sets
        if one.above_counted
    ]
    told += [
        f"{one.name}: {_plural(len(one.unreadable), 'image')} of the {one.looked_at:,} decoded "
        f"cannot be used: {_some_bad(one.unreadable)}"
        for one in found.sets
        if one.unreadable
    ]
    sampled = [one for one in found.sets if 0 < one.looked_at < one.images]
    if sampled:
        told.append(
            "Brightness (mean luma, 0 to 255) is that of a sample: "
            + ", ".join(f"{one.looked_at:,} of {one.images:,} in {one.name}" for one in sampled)
            + "."
        )
    return told


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _some_bad(bad: Sequence[tuple[str, str]]) -> str:
    shown = " | ".join(f"{path}: {reason}" for path, reason in bad[:3])
    return shown + (" | ..." if len(bad) > 3 else "")


def _plural(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def _count(number: int) -> str:
    return f"{number:,}"


def _share(number: int, total: int) -> str:
    """As a percentage with a decimal; few of many are never 0."""
    if not total:
        return UNDEFINED
    percent = 100 * number / total
    return "<0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def _spread(spread: Spread | None, keys: Sequence[str] = _SPREAD, digits: int = 0) -> str:
    if spread is None:
        return UNDEFINED
    values = spread.to_json()
    return "/".join(f"{values[key]:,.{digits}f}" for key in keys)


def _common_size(one: SetStatistics) -> str:
    if not one.image_sizes:
        return UNDEFINED
    width, height, images = one.image_sizes[0]
    percent = 100 * images / one.images
    return f"{width}x{height}, " + (f"{percent:.0f} %" if percent >= 1 else "<1 %")

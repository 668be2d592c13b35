"""The image files of a data set, looked at before the first step: headers, names, and the folder.

Pixels are not decoded, so a file that is cut off passes; decoding finds it later.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ladcli.data.bad_share import allowed_bad, refuse_too_many
from ladcli.data.findings import Findings
from ladcli.data.headers import (
    Header,
    describe_bad,
    look_at_all,
    read_header,
    remark_oddities,
)
from ladcli.data.image_folder import folders_near
from ladcli.data.index import CocoIndex
from ladcli.data.spelling import Spelling, differences
from ladcli.errors import UserError
from ladcli.recipe.flags import option_value

#: Missing images that are looked for elsewhere.
_SAMPLE = 24
_EXAMPLES = 3


def check_files(
    index: CocoIndex,
    *,
    skip_bad: bool,
    max_bad_share: float = 1.0,
    left_out: Collection[int] | None = None,
    flag: str = "--images",
) -> CocoIndex:
    """Open the header of every image: does it exist, can it be read, has it the stated size?

    Files whose names are spelled otherwise on disk are found, with a note.

    Args:
        skip_bad: leave bad images out, with a note, instead of stopping.
        max_bad_share: of the images that may be left out so; one always may.
        left_out: ids that a run left out when it was started.  What is bad besides stays: the run
            planned with it, and leaves it out when it comes.
        flag: that names the image folder.

    Returns:
        The index of the images to work with; `CocoIndex.left_out` lists the others.

    Raises:
        UserError: with the count and the first names; or no image is left.
    """
    if left_out is not None:
        known = np.isin(index.image_ids, np.fromiter(left_out, dtype=np.int64))
        index = replace(
            index.subset(np.flatnonzero(~known)), left_out=tuple(index.image_ids[known].tolist())
        )
    findings = Findings(index.annotations)
    index, looks = look_at_files(index, findings)
    if findings.found:
        index = replace(index, notes=(*index.notes, *findings.notes()))
    bad = [look.problem for look in looks if look.problem is not None]
    total = len(index) + len(index.left_out)
    num_bad = len(bad) + len(index.left_out)
    too_many = num_bad > allowed_bad(total, max_bad_share)
    num_missing = sum(look.fault == "image-missing" for look in looks)
    if 2 * num_missing > len(index) and (not skip_bad or too_many or num_missing == len(index)):
        raise UserError(_not_in_folder(index, looks, flag))
    where = f"{index.annotations}: "
    if bad and not skip_bad:
        skip = option_value("data.skip_bad_images", True)
        needs = f" and a higher data.max_bad_share ({max_bad_share:g})" if too_many else ""
        raise UserError(
            f"{where}{describe_bad(bad, total)}; mend them, or leave them out with {skip}{needs}"
        )
    if len(bad) == len(index):
        raise UserError(f"{where}{describe_bad(bad, total)}; check the image folder")
    if bad:
        refuse_too_many(
            [*bad, *("left out before" for _ in index.left_out)], total, max_bad_share, where=where
        )
        if left_out is None:
            rows = [row for row, look in enumerate(looks) if look.problem is None]
            gone = [row for row, look in enumerate(looks) if look.problem is not None]
            index = replace(index.subset(rows), left_out=tuple(index.image_ids[gone].tolist()))
        index = _noted(index, f"left out, {describe_bad(bad, total)}")
    return index


def look_at_files(
    index: CocoIndex, findings: Findings, seen: Callable[[int], None] | None = None
) -> tuple[CocoIndex, list[Header]]:
    """The headers of all files, and the index with the names that they have on disk.

    Args:
        findings: where what is odd about them goes.
        seen: is told how many were looked at.
    """
    looks = look_at_all(partial(_look, index), range(len(index)), seen)
    index, looks = _with_spelling(index, looks, findings)
    remark_oddities(findings, looks)
    return index, looks


def _look(index: CocoIndex, row: int) -> Header:
    height, width = (int(side) for side in index.hw[row])
    return read_header(index.path(row), (height, width))


def _with_spelling(
    index: CocoIndex, looks: list[Header], findings: Findings
) -> tuple[CocoIndex, list[Header]]:
    """The index with the names that missing files have on disk, and a new look at these."""
    rows = [row for row, look in enumerate(looks) if look.fault == "image-missing"]
    if not rows or not index.images_dir.is_dir():
        return index, looks
    spelling = Spelling(index.images_dir)
    taken = Counter(os.path.normpath(index.file_name(row)) for row in range(len(index)))
    matches = {row: spelling.matches(index.file_name(row)) for row in rows}
    # A file that two images would share is not what both mean.
    taken.update(found[0] for found in matches.values() if len(found) == 1)
    found = {row: m[0] for row, m in matches.items() if len(m) == 1 and taken[m[0]] == 1}
    looks = list(looks)
    if found:
        ids = {int(index.image_ids[row]): name for row, name in found.items()}
        index = replace(index, found_names={**index.found_names, **ids})
        for row in found:
            looks[row] = _look(index, row)
        _remark_spelling(index, found, findings)
    for row in [row for row in rows if row not in found][:_EXAMPLES]:
        hint = _hint(matches[row], spelling, index.file_name(row))
        if hint:
            looks[row] = replace(looks[row], problem=f"{index.path(row)}: no such file{hint}")
    return index, looks


def _hint(matches: list[str], spelling: Spelling, name: str) -> str:
    """What is there instead of an image, as the end of a sentence."""
    if len(matches) > 1:
        return f", and {' and '.join(map(repr, matches[:_EXAMPLES]))} may be meant; rename one"
    if matches:
        return f", and {matches[0]!r} may be meant, but another image has that file"
    close = spelling.hint(name)
    return f"; there is {close!r}" if close else ""


def _remark_spelling(index: CocoIndex, found: dict[int, str], findings: Findings) -> None:
    pairs = [(index.file_name(row), name) for row, name in found.items()]
    kinds = sorted({kind for pair in pairs for kind in differences(*pair)})
    some = [f"{name!r} is {there!r}" for name, there in pairs[:_EXAMPLES]]
    more = ", ..." if len(pairs) > _EXAMPLES else ""
    findings.add(
        "file-name-spelling",
        "note",
        len(pairs),
        f"{len(pairs)} image(s) are spelled otherwise on disk ({', '.join(kinds)}) and were found: "
        f"{', '.join(some)}{more}",
        examples=some,
    )


def _noted(index: CocoIndex, note: str) -> CocoIndex:
    return replace(index, notes=(*index.notes, f"{index.annotations}: {note}"))


def _not_in_folder(index: CocoIndex, looks: Sequence[Header], flag: str) -> str:
    """That most images are not in the image folder, and where they are."""
    folder = index.images_dir
    rows = [row for row, look in enumerate(looks) if look.fault == "image-missing"]
    names = [index.file_name(row) for row in rows[:_SAMPLE]]
    some = ", ".join(map(repr, names[:_EXAMPLES])) + (", ..." if len(rows) > _EXAMPLES else "")
    said = (
        f"{index.annotations}: {len(rows)} of {len(index)} images are not in the folder {folder} "
        f"({some})"
    )
    other = _folder_with(names, folder)
    if other is not None:
        return f"{said}, but in {other}; name it with {flag} {other}"
    tails = [name.rpartition("/")[2] for name in names]
    bare = _folder_with(tails, folder) if tails != names else None
    if bare is not None:
        return (
            f"{said}, but {bare} has them without the folders in file_name; write file_name "
            f"relative to it and name it with {flag} {bare}"
        )
    there = ", ".join(map(repr, Spelling(folder).some()))
    holds = f"it holds {there}" if there else "it is empty"
    return f"{said}, {holds}; name the folder that has them with {flag}"


def _folder_with(names: Sequence[str], folder: Path) -> Path | None:
    """A folder in or near ``folder`` that has most of the files ``names``."""
    for candidate in (folder, *folders_near(folder)):
        spelling = Spelling(candidate)
        there = 0
        for position, name in enumerate(names):
            there += (candidate / name).is_file() or spelling.find(name) is not None
            if not there and position == 2:
                break
        if 2 * there > len(names):
            return candidate
    return None

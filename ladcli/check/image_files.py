"""The image files of sets: their headers, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ladcli.check.checked_set import CheckedSet
from ladcli.check.decoding import decode_all
from ladcli.data.findings import EXAMPLES, Findings, some
from ladcli.data.headers import Fault, Header
from ladcli.data.image_check import look_at_files as look_at_index
from ladcli.engine.progress import progress

#: Endings of names by format, for those formats that are told apart by them.
_ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
}
#: Sides in pixels below which an image shows nothing.
_TINY = 8
#: Looking at fewer images takes no time worth a word.
_MANY = 2000

_FAULTS: dict[Fault, str] = {
    "image-missing": "are not in the image folder",
    "image-unreadable": "cannot be read",
    "image-size-differs": "have another size than the annotations say",
}


def look_at_files(checked: CheckedSet, *, quiet: bool = False) -> None:
    """Read the header of every image of a set, and keep it in ``headers``."""
    index, findings = checked.index, checked.findings
    if index is None or checked.images is None:
        return
    title = f"look at the images of {checked.name}"
    few = len(index) < _MANY
    with progress(title, len(index), unit="images", quiet=quiet or few) as reporter:
        reporter.update(0)
        index, checked.headers = look_at_index(index, findings, reporter.update)
        checked.index = index  # with the names that files have on disk
    for row, header in enumerate(checked.headers):
        if header.problem is not None:
            checked.unusable.add(int(index.image_ids[row]))
    for fault, words in _FAULTS.items():
        problems = [h.problem for h in checked.headers if h.fault == fault and h.problem]
        _report_bad(findings, fault, problems, len(index), words)
    _remark_names_and_sizes(findings, checked.headers)


def _report_bad(
    findings: Findings, kind: str, problems: Sequence[str], total: int, words: str
) -> None:
    if problems:
        more = " | ..." if len(problems) > EXAMPLES else ""
        findings.add(
            kind,
            "error",
            len(problems),
            f"{len(problems)} of {total} image files {words}: "
            f"{' | '.join(problems[:EXAMPLES])}{more}",
            examples=problems[:EXAMPLES],
        )


def _remark_names_and_sizes(findings: Findings, headers: Sequence[Header]) -> None:
    misnamed = [
        h.path
        for h in headers
        if h.format in _ENDINGS and Path(h.path).suffix.lower() not in _ENDINGS[h.format]
    ]
    if misnamed:
        names = [repr(Path(path).name) for path in misnamed[:EXAMPLES]]
        findings.add(
            "image-misnamed",
            "note",
            len(misnamed),
            f"{len(misnamed)} image(s) are of another format than their name says, and read by "
            f"their content: {some(names, len(misnamed))}",
            examples=misnamed[:EXAMPLES],
        )
    tiny = [h.path for h in headers if h.problem is None and min(h.hw) < _TINY]
    if tiny:
        names = [repr(Path(path).name) for path in tiny[:EXAMPLES]]
        findings.add(
            "image-tiny",
            "warning",
            len(tiny),
            f"{len(tiny)} image(s) have a side of less than {_TINY} pixels: "
            f"{some(names, len(tiny))}",
            examples=tiny[:EXAMPLES],
        )


def decode_files(sets: Sequence[CheckedSet], *, quiet: bool = False) -> list[dict[int, bytes]]:
    """Decode every image whose header is sound, and report what is damaged.

    Returns:
        For every set, digests of the pixels by row of its index.
    """
    wanted = [
        (place, row, header.path)
        for place, checked in enumerate(sets)
        for row, header in enumerate(checked.headers)
        if header.problem is None
    ]
    decoded = decode_all([path for _, _, path in wanted], "decode images", quiet=quiet)
    pixels: list[dict[int, bytes]] = [{} for _ in sets]
    problems: list[list[str]] = [[] for _ in sets]
    for (place, row, _), found in zip(wanted, decoded, strict=True):
        if found.problem is None:
            pixels[place][row] = found.digest
            continue
        problems[place].append(found.problem)
        index = sets[place].index
        assert index is not None  # it has headers
        sets[place].unusable.add(int(index.image_ids[row]))
    for checked, bad in zip(sets, problems, strict=True):
        total = len(checked.headers)
        _report_bad(checked.findings, "image-damaged", bad, total, "cannot be decoded")
    return pixels

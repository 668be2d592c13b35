"""The image files of a set: their headers, and all of their pixels in as many processes as cores."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ladcli.check.checked_set import CheckedSet
from ladcli.data.decode import decode_image
from ladcli.data.findings import EXAMPLES, Findings, some
from ladcli.data.headers import Fault, Header, look_at_all, read_header, remark_oddities
from ladcli.data.index import CocoIndex
from ladcli.engine.progress import progress
from ladcli.errors import BadImageError, RunError

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
#: Images that a process gets at a time.
_CHUNK = 8

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
    with progress(title, len(index), unit="images", quiet=quiet) as reporter:
        reporter.update(0)
        checked.headers = look_at_all(partial(_header, index), range(len(index)), reporter.update)
    for fault, words in _FAULTS.items():
        problems = [h.problem for h in checked.headers if h.fault == fault and h.problem]
        _report_bad(findings, fault, problems, len(index), words)
    remark_oddities(findings, checked.headers)
    _remark_names_and_sizes(findings, checked.headers)


def _header(index: CocoIndex, row: int) -> Header:
    height, width = (int(side) for side in index.hw[row])
    return read_header(index.path(row), (height, width))


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
        names = [Path(path).name for path in misnamed[:EXAMPLES]]
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
        names = [Path(path).name for path in tiny[:EXAMPLES]]
        findings.add(
            "image-tiny",
            "warning",
            len(tiny),
            f"{len(tiny)} image(s) have a side of less than {_TINY} pixels: "
            f"{some(names, len(tiny))}",
            examples=tiny[:EXAMPLES],
        )


@dataclass(frozen=True)
class Decoded:
    """What decoding one file gave."""

    problem: str | None  # why it cannot be decoded
    digest: bytes = b""  # of its pixels and their shape


def decode_files(checked: CheckedSet, *, quiet: bool = False) -> dict[int, bytes]:
    """Decode every image whose header is sound, and report what is damaged.

    Returns:
        Digests of the pixels by row of the index.
    """
    rows = [row for row, header in enumerate(checked.headers) if header.problem is None]
    paths = [checked.headers[row].path for row in rows]
    decoded = decode_all(paths, f"decode {checked.name}", quiet=quiet)
    problems = [found.problem for found in decoded if found.problem is not None]
    _report_bad(
        checked.findings, "image-damaged", problems, len(checked.headers), "cannot be decoded"
    )
    return {
        row: found.digest for row, found in zip(rows, decoded, strict=True) if found.problem is None
    }


def decode_all(paths: Sequence[str], title: str, *, quiet: bool = False) -> list[Decoded]:
    """Decode files at full size, in as many processes as there are cores.

    Raises:
        RunError: a process was ended from outside, as by a lack of memory.
    """
    found: list[Decoded] = []
    processes = min(num_cores(), -(-len(paths) // _CHUNK))
    with progress(title, len(paths), unit="images", quiet=quiet) as reporter:
        reporter.update(0)
        if processes < 2:
            for path in paths:
                found.append(decode_one(path))
                reporter.update(len(found))
            return found
        # Fresh processes: a copy of this one could inherit locks that its threads hold.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_signals)
        try:
            for one in pool.map(decode_one, paths, chunksize=_CHUNK):
                found.append(one)
                reporter.update(len(found))
        except BrokenProcessPool as error:
            raise RunError(
                f"{title}: a process that decodes images was ended from outside near "
                f"{paths[len(found)]}, perhaps for lack of memory"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all of the files
    return found


def decode_one(path: str) -> Decoded:
    """Decode a file at full size."""
    try:
        pixels = decode_image(Path(path))
    except BadImageError as error:
        return Decoded(str(error))
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.data)
    return Decoded(None, digest.digest())


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_signals() -> None:
    # The main process hears Ctrl-C too, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

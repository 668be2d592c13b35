"""What results may replace: files that this program wrote, and nothing else.

Every command asks here before it computes anything, and only `Layout.clear` removes what exists.
The rule: a file is replaced if its content says that this program wrote it; a folder loses the
entries that this program wrote, by name and content; a link is never followed into deletion; and no
input is an output.  Anything else is refused with one line.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ladcli.errors import UserError
from ladcli.files import require_writable, temporary_neighbor, writing_to
from ladcli.recognize import Recognizer

#: Inputs of a command: how messages call them, and where they lie.  None is not given.
Inputs = Mapping[str, "str | Path | None"]
NO_INPUTS: Inputs = MappingProxyType({})

#: What a write that was killed leaves beside the file that it was for.
_LEFT_BEHIND = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.part")


def require_replaceable(
    path: Path, ours: Recognizer, what: str, *, flag: str, inputs: Inputs = NO_INPUTS
) -> None:
    """Stop before work whose result must not take the name ``path``.

    Args:
        path: a file to be written, which may exist.
        ours: recognizes files of this kind that this program wrote.
        what: how messages call such a file, such as ``a page of this program``.
        flag: the option that names the file.
        inputs: what the command reads.

    Raises:
        UserError: the folder cannot be written to, or ``path`` is a folder, a link, an input, or a
            file that this program did not write.
    """
    require_writable(path.parent, named=path)
    refuse_inputs([path], inputs, flag=flag)
    if path.is_symlink():
        raise UserError(f"{path}: is a link, which is not replaced; name another file with {flag}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file with {flag}")
    if path.exists() and not ours(path):
        raise UserError(
            f"{path}: exists and is not {what}, so it is not replaced; move it away, or choose "
            f"another {flag}"
        )


def refuse_inputs(outputs: Iterable[Path], inputs: Inputs, *, flag: str) -> None:
    """Refuse outputs that are inputs, also where links or ``..`` lead to the same file.

    Raises:
        UserError: naming both.
    """
    read = {_identity(Path(path)): (name, path) for name, path in inputs.items() if path}
    for output in outputs:
        name, path = read.get(_identity(output), (None, None))
        if name is not None and output.exists():
            raise UserError(
                f"{output}: would be replaced, and is what {name} reads ({path}); choose another "
                f"{flag}"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other, whatever it is called; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True)
class Survey:
    """What lies in a folder, seen by a layout."""

    ours: list[Path]  # written by this program, in the order in which they may be removed
    folders: list[Path]  # of the layout, the deepest first
    in_the_way: list[Path]  # named like ours, but links, folders or of other content
    others: list[Path]  # anything else; folders as one entry

    @property
    def strangers(self) -> list[Path]:
        """Everything that this program did not write."""
        return sorted([*self.in_the_way, *self.others])


@dataclass(frozen=True)
class Layout:
    """What this program writes into a folder of some kind."""

    #: Recognizers by path inside the folder; ``*`` stands for anything but a slash.  What tells
    #: such a folder from others comes first: it is removed last, in case that is cut short.
    entries: Mapping[str, Recognizer]
    _patterns: list[tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patterns", [tuple(name.split("/")) for name in self.entries])

    def survey(self, folder: Path) -> Survey:
        """Sort out what lies in ``folder``; nothing where it is none.  Links are not followed."""
        found: list[tuple[int, Path]] = []
        survey = Survey([], [], [], [])
        if folder.is_dir():
            self._look(folder, (), found, survey)
        found.sort(key=lambda entry: (-entry[0], entry[1]))
        survey.ours.extend(path for _, path in found)
        return survey

    def require_clearable(self, folder: Path, *, flag: str, inputs: Inputs = NO_INPUTS) -> Survey:
        """Stop before work at whose end `clear` could not do its part.

        Raises:
            UserError: something that this program did not write has a name that it would give, or
                an input would go.
        """
        survey = self.survey(folder)
        if survey.in_the_way:
            first = survey.in_the_way[0]
            why = "is a link" if first.is_symlink() else "was not written by this program"
            raise UserError(
                f"{first}: {why}, so it is not replaced; move it away, or choose another {flag}"
            )
        refuse_inputs(survey.ours, inputs, flag=flag)
        return survey

    def clear(self, folder: Path) -> None:
        """Remove what this program wrote into ``folder``, and the folders that are empty then."""
        survey = self.survey(folder)
        for path in survey.ours:
            path.unlink(missing_ok=True)
        for path in survey.folders:
            with contextlib.suppress(OSError):  # holds what others wrote
                path.rmdir()

    def _look(
        self,
        folder: Path,
        above: tuple[str, ...],
        found: list[tuple[int, Path]],
        survey: Survey,
    ) -> None:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            path, parts = Path(entry.path), (*above, entry.name)
            number = self._number_of(parts)
            # A folder may be named like a file where files lie at several depths.
            is_way = entry.is_dir(follow_symlinks=False) and self._leads_on(parts)
            if number is not None and not is_way:
                ours = entry.is_file(follow_symlinks=False) and self._recognizer(number)(path)
                found.append((number, path)) if ours else survey.in_the_way.append(path)
            elif self._leads_on(parts):
                if entry.is_dir(follow_symlinks=False):
                    self._look(path, parts, found, survey)
                    survey.folders.append(path)
                elif entry.is_dir() or self._needs_folder(parts):
                    survey.in_the_way.append(path)
                else:
                    survey.others.append(path)
            elif self._was_left_behind(entry, above):
                found.append((len(self.entries), path))
            else:
                survey.others.append(path)

    def _recognizer(self, number: int) -> Recognizer:
        return list(self.entries.values())[number]

    def _number_of(self, parts: tuple[str, ...]) -> int | None:
        """The entry that a path is named like."""
        for number, pattern in enumerate(self._patterns):
            if len(pattern) == len(parts) and _fits(parts, pattern):
                return number
        return None

    def _leads_on(self, parts: tuple[str, ...]) -> bool:
        return any(len(p) > len(parts) and _fits(parts, p) for p in self._patterns)

    def _needs_folder(self, parts: tuple[str, ...]) -> bool:
        """Whether this very name is that of a folder of ours, rather than one that ``*`` takes."""
        return any(len(p) > len(parts) and p[: len(parts)] == parts for p in self._patterns)

    def _was_left_behind(self, entry: os.DirEntry[str], above: tuple[str, ...]) -> bool:
        match = _LEFT_BEHIND.fullmatch(entry.name)
        if match is None or not entry.is_file(follow_symlinks=False):
            return False
        return self._number_of((*above, match["name"])) is not None


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return all(fnmatch.fnmatchcase(a, b) for a, b in zip(parts, pattern, strict=False))


@contextlib.contextmanager
def replacing_folder(path: Path, layout: Layout) -> Iterator[Path]:
    """A new folder that takes the name ``path`` when the block ends well, complete or not at all.

    Args:
        path: does not exist, or holds nothing but what ``layout`` recognizes; see
            `require_whole_folder`, which belongs before the work.
        layout: what this program writes into such a folder.

    Raises:
        UserError: the folder cannot be written to; ``path`` is untouched.
    """
    with writing_to(path), temporary_neighbor(path) as temporary:
        temporary.mkdir(parents=True)
        yield temporary
        old = temporary.with_suffix(".old")
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        layout.clear(old)
        with contextlib.suppress(OSError):  # not there, or holds what came in the meantime
            old.rmdir()


def require_whole_folder(
    path: Path, layout: Layout, what: str, *, overwrite: bool, flag: str
) -> None:
    """Stop before work whose result must not take the name of the folder ``path``.

    Args:
        layout: what this program writes into such a folder.
        what: how messages call such a folder, such as ``a synthetic set``.
        overwrite: whether one that this program wrote may be replaced.
        flag: the option that names the folder.

    Raises:
        UserError: the place cannot be written to, or holds anything else.
    """
    if path.is_symlink():
        raise UserError(f"{path}: is a link, which is not replaced; choose another {flag}")
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; choose another {flag}")
    require_writable(path)
    survey = layout.survey(path)
    if survey.strangers:
        raise UserError(
            f"{path}: exists and is not empty: it holds {survey.strangers[0].relative_to(path)}, "
            f"which is not of {what}; move it away, or choose another {flag}"
        )
    if survey.ours and not overwrite:
        raise UserError(
            f"{path}: exists and is not empty: it holds {what}; replace it with --overwrite, or "
            f"choose another {flag}"
        )

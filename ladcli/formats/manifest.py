"""What an export wrote: label files look alike whoever wrote them, so a list tells ours."""

from __future__ import annotations

from pathlib import Path

from ladcli.data.headers import look_at_all
from ladcli.files import write_json
from ladcli.formats.writing import file_digest
from ladcli.outputs import Layout
from ladcli.recognize import export_files, is_export

NAME = "lad-export.json"


def write_manifest(folder: Path, format_name: str) -> None:
    """List every file of ``folder`` with its content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = look_at_all(file_digest, paths)
    files = {
        path.relative_to(folder).as_posix(): digest
        for path, digest in zip(paths, digests, strict=True)
    }
    write_json(folder / NAME, {"lad-export": format_name, "files": files})


def exported_layout(folder: Path) -> Layout:
    """What an export wrote into ``folder``: files of its list, with the content of then."""
    files = export_files(folder / NAME)

    def is_ours(path: Path) -> bool:
        for depth in range(1, len(path.parts) + 1):
            digest = files.get("/".join(path.parts[-depth:]))
            if digest is not None and file_digest(path) == digest:
                return True
        return False

    # By the first folder and the depth: a pattern for every file would be slow.
    patterns = {
        "/".join([parts[0], *["*"] * (len(parts) - 1)])
        for parts in (name.split("/") for name in files)
    }
    return Layout({NAME: is_export, **dict.fromkeys(sorted(patterns), is_ours)})

"""A damaged cache is refused in one line, whatever byte it is that changed; our bugs are not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ladcli.assign import paa_assigner
from ladcli.cache import batch_rows, reader
from ladcli.cache.format import POSITIVES, Damage
from ladcli.cache.reader import TeacherCache, damage_in_words
from ladcli.errors import UserError
from tests.cache.caches import WIDE, read_positives, teacher_of, view_batch, with_rows, write_cache
from tests.refusals import refusal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_cache(tmp_path / "cache.h5")


def outcomes(path: Path, places: list[int]) -> dict[str, int]:
    """What became of copies with one byte changed, by a process that may be stopped."""
    command = [sys.executable, "-m", "tests.cache.damaged", str(path), *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int] = json.loads(done.stdout)
    return found


def header_bytes(path: Path) -> range:
    """Where the header's data set lies in the file."""
    with h5py.File(path) as file:
        chunk = file["header"].id.get_chunk_info(0)
    return range(chunk.byte_offset, chunk.byte_offset + chunk.size)


def test_every_changed_byte_of_the_header_is_noticed(path: Path) -> None:
    places = list(header_bytes(path))
    assert len(places) > 100
    assert outcomes(path, places) == {"refused": len(places)}


def test_a_changed_byte_anywhere_is_noticed_or_harmless(path: Path) -> None:
    """HDF5 leaves gaps, in which nothing is stored."""
    places = random.Random(0).sample(range(path.stat().st_size), 300)
    found = outcomes(path, places)
    assert set(found) <= {"refused", "same"}
    assert found["refused"] > 50


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_a_header_that_was_cut_off_is_damage(path: Path, kept: int) -> None:
    with h5py.File(path, "r+") as file:
        content = file["header"][:kept]
        del file["header"]
        file["header"] = content
    assert "is damaged" in refusal_of(TeacherCache, path)


@pytest.mark.parametrize("content", [b"[]", b"7", b'"level"', b"\xff\xfe", b"[" * 100_000])
def test_a_header_of_something_else_is_damage(path: Path, content: bytes) -> None:
    with h5py.File(path, "r+") as file:
        del file["header"]
        file["header"] = np.frombuffer(content, dtype=np.uint8)
    assert "is damaged (its header is no" in refusal_of(TeacherCache, path)


@pytest.mark.parametrize(
    "change",
    [
        {"views": {"shorts": [96]}},
        {"views": {"shorts": ["96"], "view_ids": [0], "long": 128}},
        {"origin": {"data": []}},
        {"origin": {"teacher": {"architecture": 3}}},
        {"origin": {"data": {"boxes": "many"}}},
        {"classes": ["cup"]},
        {"classes": [[1, 2]]},
        {"level": "everything"},
    ],
    ids=str,
)
def test_notes_of_another_form_are_damage(path: Path, change: dict[str, object]) -> None:
    """They are read in messages, where they must not stumble."""
    with h5py.File(path, "r+") as file:
        header = {**json.loads(file["header"][:].tobytes()), **change}
        del file["header"]
        file["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    assert "is damaged" in refusal_of(TeacherCache, path)


OURS = [
    TypeError("a bug"),
    KeyError("a bug"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.OutOfMemoryError("out of memory"),
    MemoryError(),
    ValueError("a bug"),
    OSError("somebody else's"),
]


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_what_a_file_does_not_cause_goes_through(path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, damage_in_words(path):
        raise error
    assert caught.value is error
    found = r"is damaged \(odd\); build the cache again"
    with pytest.raises(UserError, match=found), damage_in_words(path):
        raise Damage("odd")


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_bugs_in_what_is_done_with_rows_go_through(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """In the checks of what was read, and in the tables' places."""

    def broken(*_: object, **__: object) -> None:
        raise error

    teacher = teacher_of(TeacherCache(path), paa_assigner())
    monkeypatch.setattr(batch_rows, "check_positives", broken)
    with pytest.raises(type(error)) as caught:
        with_rows(teacher, view_batch([(0, 0)], WIDE))
    assert caught.value is error
    monkeypatch.setattr(reader, "_read_places", broken)
    with pytest.raises(type(error)) as caught:
        TeacherCache(path)
    assert caught.value is error


def test_memory_that_does_not_suffice_to_read_is_no_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TeacherCache(path)

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(h5py.Dataset, "__getitem__", full)
    with pytest.raises(MemoryError):
        read_positives(cache)


@pytest.mark.parametrize("error", [OSError("Can't read data"), RuntimeError("x"), KeyError("y")])
def test_what_hdf5_raises_is_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    cache = TeacherCache(path)

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(h5py.Dataset, "__getitem__", failing)
    assert "is damaged" in refusal_of(cache.rows, POSITIVES, 0, 0, WIDE)

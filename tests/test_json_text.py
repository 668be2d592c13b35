"""JSON files and what can be wrong with them."""

from __future__ import annotations

import gc
import gzip
from pathlib import Path

import pytest

from ladcli import json_text
from ladcli.errors import UserError
from ladcli.json_text import read_json
from tests.refusals import refusal_of


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf8_with_or_without_a_mark(tmp_path: Path, mark: bytes) -> None:
    assert read_json(written(tmp_path, mark + '{"ä": [1, 2.5]}'.encode())) == {"ä": [1, 2.5]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b'{"a":\n 1,,}', "invalid JSON at line 2, column 4"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"9" * 10_000 + b"]", "too many digits"),
        ("{}".encode("utf-16"), "UTF-16, not UTF-8"),
        (b'{"a":\n"\xe4"}', "byte 0xe4 in line 2"),
    ],
)
def test_damage_is_one_sentence_with_the_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gc.isenabled()


def test_packed_with_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b'\xef\xbb\xbf{"a": NaN}')
    assert str(read_json(written(tmp_path, packed))) == "{'a': nan}"
    with pytest.raises(UserError, match="is packed with gzip and damaged"):
        read_json(written(tmp_path, packed[:-3]))


def test_trap_is_not_unfolded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ladcli.json_text._MAX_UNPACKED", 100)
    with pytest.raises(UserError, match="unfolds to more than"):
        read_json(written(tmp_path, gzip.compress(b" " * 101)))
    assert read_json(written(tmp_path, gzip.compress(b"[1]" + b" " * 97))) == [1]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(UserError, match="is a folder"):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"[NaN, -Infinity]", "[nan, -inf]"),
        (b"[9223372036854775807]", "[9223372036854775807]"),
        (b"[18446744073709551616]", "[1.8446744073709552e+19]"),  # beyond 64 bits
        (b"[1e999]", "[inf]"),
        (b'["\\ud800"]', "['\\ud800']"),
        (b'{"a": 1, "a": 2}', "{'a': 2}"),
        (b"[0.1, 1e-320, 5e22]", "[0.1, 1e-320, 5e+22]"),
    ],
)
def test_odd_values_are_read(tmp_path: Path, content: bytes, value: str) -> None:
    assert repr(read_json(written(tmp_path, content))) == value


def test_a_file_beyond_all_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + "1," * 1000 + "1]")
    monkeypatch.setattr(json_text, "_physical_memory", lambda: 5000)
    assert "segmentations" in refusal_of(read_json, path)
    monkeypatch.setattr(json_text, "_physical_memory", lambda: 50_000)
    assert len(read_json(path)) == 1001

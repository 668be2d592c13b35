"""Files that torch wrote are opened as data, or refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ladcli.detector.safe_load import load_tensors
from tests.detector.intruder import Intruder
from tests.refusals import refusal_of


def test_tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(3), "b": [1, "x", None]}, tmp_path / "a.pt")
    content = load_tensors(tmp_path / "a.pt", what="weights", remedy="mend it")
    assert content["a"].tolist() == [0, 1, 2]
    assert content["b"] == [1, "x", None]


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    torch.save({"model": Intruder(tmp_path / "ran")}, tmp_path / "a.pt")
    message = refusal_of(load_tensors, tmp_path / "a.pt", what="weights", remedy="use another file")
    assert message == (
        f"{tmp_path / 'a.pt'}: cannot be read as weights (it is damaged, or holds more than "
        "tensors and plain values); use another file"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})[:-3]])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    message = refusal_of(load_tensors, tmp_path / "a.pt", what="weights", remedy="mend it")
    assert message.startswith(f"{tmp_path / 'a.pt'}: cannot be read as weights")
    assert "weights_only" not in message

"""Files that torch wrote are opened as data, or refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ladcli.detector.safe_load import load_tensors
from ladcli.errors import UserError


def test_tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(3), "b": [1, "x", None]}, tmp_path / "a.pt")
    content = load_tensors(tmp_path / "a.pt", what="weights", remedy="mend it")
    assert content["a"].tolist() == [0, 1, 2]
    assert content["b"] == [1, "x", None]


class _Trap:
    """Unpickling this would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    torch.save({"model": _Trap(tmp_path / "trapped")}, tmp_path / "a.pt")
    with pytest.raises(UserError) as caught:
        load_tensors(tmp_path / "a.pt", what="weights", remedy="use another file")
    assert str(caught.value) == (
        f"{tmp_path / 'a.pt'}: cannot be read as weights (it is damaged, or holds more than "
        "tensors and plain values); use another file"
    )
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})[:-3]])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.pt: cannot be read as weights") as caught:
        load_tensors(tmp_path / "a.pt", what="weights", remedy="mend it")
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)

"""Fingerprints depend on content, and on nothing else."""

from __future__ import annotations

import pytest
import torch

from ladcli.fingerprint import fingerprint_plain
from ladcli.structures.fingerprint import fingerprint_tensors


def tensors() -> dict[str, torch.Tensor]:
    return {"b": torch.arange(6.0).view(2, 3), "a": torch.tensor(True)}


def test_tensors_are_hashed_with_the_plain_values() -> None:
    mine = fingerprint_tensors(tensors(), {"x": 1})
    assert len(mine) == 64
    assert fingerprint_tensors(tensors(), {"x": 1}) == mine
    assert fingerprint_tensors(tensors(), {"x": 2}) != mine
    assert fingerprint_tensors({}, {"x": 1}) != fingerprint_plain({"x": 2})


def test_the_order_of_names_and_the_layout_in_memory_do_not_matter() -> None:
    mine = fingerprint_tensors(tensors(), None)
    backwards = dict(reversed(tensors().items()))
    assert fingerprint_tensors(backwards, None) == mine
    column_first = {**tensors(), "b": tensors()["b"].T.contiguous().T}
    assert not column_first["b"].is_contiguous()
    assert fingerprint_tensors(column_first, None) == mine
    wider = torch.zeros(2, 5)
    wider[:, :3] = tensors()["b"]
    assert fingerprint_tensors({**tensors(), "b": wider[:, :3]}, None) == mine
    learning = {**tensors(), "b": tensors()["b"].requires_grad_()}
    assert fingerprint_tensors(learning, None) == mine


@pytest.mark.parametrize(
    "change",
    [
        {"b": torch.arange(6.0).view(3, 2)},
        {"b": torch.arange(6).view(2, 3)},
        {"b": torch.arange(6.0).view(2, 3).half()},
        {"b": torch.tensor([[0.0, 1, 2], [3, 4, 5.000001]])},
        {"a": torch.tensor(False)},
        {"c": torch.zeros(0)},
    ],
)
def test_shape_type_values_and_names_matter(change: dict[str, torch.Tensor]) -> None:
    assert fingerprint_tensors({**tensors(), **change}, None) != fingerprint_tensors(
        tensors(), None
    )


def test_equal_bytes_of_another_type_differ() -> None:
    zeros = torch.zeros(3)
    mine = fingerprint_tensors({"a": zeros}, None)
    assert fingerprint_tensors({"a": zeros.int()}, None) != mine


def test_a_renamed_tensor_is_another() -> None:
    renamed = {"b2": tensors()["b"], "a": tensors()["a"]}
    assert fingerprint_tensors(renamed, None) != fingerprint_tensors(tensors(), None)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int8, torch.float64, torch.bool])
def test_every_type_of_number_can_be_hashed(dtype: torch.dtype) -> None:
    one, other = torch.tensor([0, 1]).to(dtype), torch.tensor([1, 1]).to(dtype)
    assert fingerprint_tensors({"a": one}, 0) != fingerprint_tensors({"a": other}, 0)

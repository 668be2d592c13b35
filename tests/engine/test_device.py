"""Which device and precision a run gets."""

from __future__ import annotations

import pytest
import torch

from ladcli.engine.device import autocast, choose_device, gradient_scaler, peak_memory_mib
from tests.refusals import refusal_of

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Pretend that the machine has as many GPUs as the test says."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


def refusal(name: str) -> str:
    return refusal_of(choose_device, name)


@pytest.mark.parametrize(("gpus", "expected"), [(0, "cpu"), (2, "cuda")], indirect=["gpus"])
def test_auto_takes_a_gpu_where_there_is_one(gpus: int, expected: str) -> None:
    assert choose_device("auto") == torch.device(expected)
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_a_gpu_can_be_named(gpus: int) -> None:
    assert choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert "'cuda:2' does not exist (this machine has 2)" in refusal("cuda:2")


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_an_absent_gpu_is_refused(gpus: int, name: str) -> None:
    text = refusal(name)
    assert f"{name!r} does not exist (this machine has none)" in text
    assert "--device auto or cpu" in text


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:one", "cuda:-1", "meta", "mps", "CPU"])
def test_an_unknown_device_is_refused(name: str) -> None:
    assert f"{name!r} is unknown; choose auto, cpu, cuda or cuda:N" in refusal(name)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_networks_compute_in_the_asked_precision(precision: str, dtype: torch.dtype) -> None:
    a = torch.ones(2, 2)
    with autocast(precision, CPU):
        assert (a @ a).dtype is dtype
    assert (a @ a).dtype is torch.float32


def test_another_word_for_a_precision_is_refused() -> None:
    for of_precision in (autocast, gradient_scaler):
        with pytest.raises(ValueError, match="one of fp32, bf16, fp16, got 'bf-16'"):
            of_precision("bf-16", CPU)  # type: ignore[arg-type]


def test_only_half_precision_needs_its_gradients_scaled() -> None:
    loss = torch.ones((), requires_grad=True)
    assert gradient_scaler("fp16", CPU).scale(loss) > 1
    for precision in ("fp32", "bf16"):
        scaler = gradient_scaler(precision, CPU)
        assert not scaler.is_enabled()
        assert scaler.scale(loss) is loss


def test_memory_of_this_process_is_counted_in_mebibytes() -> None:
    """Torch alone takes some hundred."""
    assert 50 < peak_memory_mib(CPU) < 100_000

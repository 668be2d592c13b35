"""Weights from timm's hub: a clear line soon where it is out of reach, no wait where they lie."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn

from ladcli.detector import hub
from ladcli.detector.backbone import Backbone
from ladcli.detector.hub import hub_weights
from ladcli.detector.pretrained import load_backbone_weights
from tests.refusals import refusal_of

SMALL = "test_efficientnet"
REPOSITORY = "models--timm--test_efficientnet.r160_in1k"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


class Session:
    """The hub's HTTP session; every request is noted."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def head(self, address: str, *, timeout: float) -> Any:
        assert timeout <= hub.FIRST_ANSWER_S
        self.asked.append(address)
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            self.answer()
        return SimpleNamespace(status_code=self.answer)


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Any) -> Session:
    session = Session(answer)
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: session)
    return session


def offer(monkeypatch: pytest.MonkeyPatch, network: nn.Module) -> list[tuple[str, Any]]:
    """Timm downloads ``network``; returns what it was asked."""
    asked: list[tuple[str, Any]] = []

    def create_model(name: str, **options: Any) -> nn.Module:
        asked.append((name, options))
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s")
        return network

    monkeypatch.setattr(timm, "create_model", create_model)
    return asked


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OSError("no route\nto host"), "(OSError: no route to host)"),
        (503, "(ConnectionError: it answers with status 503)"),
        (429, "(ConnectionError: it answers with status 429)"),
    ],
)
def test_a_hub_out_of_reach_is_asked_once(
    answer: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = answer_with(monkeypatch, answer)
    asked = offer(monkeypatch, nn.Identity())
    text = refusal_of(hub_weights, SMALL)
    assert text.startswith(f"timm's hub gave no weights for {SMALL!r} {reason}")
    assert "give --weights a .safetensors or .pth file, or leave it out" in text
    assert session.asked == [
        "https://huggingface.co/timm/test_efficientnet.r160_in1k/resolve/main/model.safetensors"
    ]
    assert asked == []


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "FIRST_ANSWER_S", 0.05)
    answer_with(monkeypatch, lambda: time.sleep(1))
    started = time.monotonic()
    assert "no answer within" in refusal_of(hub_weights, SMALL)
    assert time.monotonic() - started < 0.9


def test_the_hub_has_no_more_than_ten_seconds_for_its_answer() -> None:
    assert hub.FIRST_ANSWER_S < 8  # the program itself starts in two


@pytest.mark.parametrize("status", [200, 302, 404])  # 404: timm looks for another file
def test_the_hub_gives_weights(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(1)
    theirs, backbone = timm.create_model(SMALL), Backbone(SMALL)
    answer_with(monkeypatch, status)
    asked = offer(monkeypatch, theirs)
    load_backbone_weights(backbone, "timm")
    assert asked == [(SMALL, {"pretrained": True, "pretrained_cfg_overlay": None})]
    assert torch.equal(backbone.net.conv_stem.weight, theirs.conv_stem.weight)
    assert caplog.records == []  # lines about attempts are kept back, and only meanwhile
    logging.getLogger("huggingface_hub").warning("heard again")
    assert len(caplog.records) == 1


def test_a_download_that_breaks_off_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, 200)

    def breaks_off(*_: Any, **__: Any) -> None:
        raise OSError("connection reset\nby peer")

    monkeypatch.setattr(timm, "create_model", breaks_off)
    assert "(OSError: connection reset by peer)" in refusal_of(hub_weights, SMALL)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_what_was_downloaded_before_needs_no_network(
    file: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = answer_with(monkeypatch, OSError("no network"))
    theirs = timm.create_model(SMALL).state_dict()
    folder = cache / REPOSITORY / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (cache / REPOSITORY / "refs").mkdir()
    (cache / REPOSITORY / "refs" / "main").write_text("abc")
    if file.endswith(".safetensors"):
        save_file(theirs, folder / file)
    else:
        torch.save(theirs, folder / file)
    found = hub_weights(SMALL)
    assert all(torch.equal(found[k], v) for k, v in theirs.items())
    assert session.asked == []


def test_a_network_without_weights_of_its_own_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    session = answer_with(monkeypatch, 200)
    text = refusal_of(hub_weights, "darknet17")
    assert "timm has no pretrained weights for 'darknet17'" in text
    assert session.asked == []

"""The trial of backbones tells what works, what is refused, and what fails."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import timm

from benchmarks import backbone_trial, backbones
from benchmarks.backbone_table import table, write_table
from benchmarks.backbone_trial import Trial, try_backbone
from ladcli.detector.model import Detector
from ladcli.errors import UserError

SMALL = "test_efficientnet"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["backbones", *arguments])
    with pytest.raises(SystemExit) as ended:
        backbones.main()
    return ended.value.code


def test_the_list_names_many_networks_of_timm_once() -> None:
    names = backbones.NAMES.read_text().split()
    assert len(names) == len(set(names)) >= 163
    assert [name for name in names if not timm.is_model(name)] == []


def test_pages_claim_what_the_table_shows() -> None:
    root = backbones.NAMES.parents[1]
    page = (root / "docs/backbones.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(shown) == sorted(backbones.NAMES.read_text().split())
    counts = re.search(
        r"(\d+) networks tried on .+: (\d+) work .+, (\d+) are refused, 0 fail", page
    )
    assert counts is not None
    tried, work, refused = counts.groups()
    claim = f"of [{tried} tried](docs/backbones.md) {work} work, and {refused} are refused"
    assert claim in (root / "README.md").read_text()


def test_a_sound_network_passes_every_check() -> None:
    trial = try_backbone(SMALL)
    assert trial == Trial(SMALL, None, trial.parameters, trial.strides)
    assert trial.parameters > 10_000
    assert len(trial.strides) == 3


def test_a_refused_network_brings_its_sentence() -> None:
    trial = try_backbone("test_vit")
    assert trial.refused is not None
    assert "has no features at stride 8" in trial.refused
    assert not trial.faults


def test_whatever_a_check_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def _worn_out(_: Detector) -> str | None:
        raise RuntimeError("no more")

    def _wrong(_: Detector) -> str | None:
        return "one cell too many"

    def _unwilling(_: Detector) -> str | None:
        raise UserError("set it to false")

    monkeypatch.setattr(backbone_trial, "CHECKS", (_worn_out, _wrong, _unwilling))
    trial = try_backbone(SMALL)
    assert trial.faults["worn out"].endswith("RuntimeError: no more")
    assert trial.faults["wrong"] == "one cell too many"
    assert trial.limits == {"unwilling": "set it to false"}


def test_a_process_that_dies_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "try_backbone", lambda _: os._exit(3))
    assert backbones.try_apart(SMALL)["faults"] == {"process": "the process ended with code 3"}


def test_results_are_kept_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []

    def try_apart(name: str) -> dict[str, Any]:
        tried.append(name)
        return Trial(name, refused="no" if name == "b" else None).to_plain()

    monkeypatch.setattr(backbones, "try_apart", try_apart)
    results = tmp_path / "results.jsonl"
    assert run(monkeypatch, "a", "b", "--results", str(results)) == 0
    assert run(monkeypatch, "b", "c", "--results", str(results)) == 0
    assert tried == ["a", "b", "c"]
    assert [json.loads(line)["name"] for line in results.read_text().splitlines()] == tried
    assert capsys.readouterr().out.endswith("2 tried: 1 work, 1 refused, 0 failing\n")


def test_a_failing_network_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Trial("a", faults={"odd canvas": "too large"}).to_plain()
    monkeypatch.setattr(backbones, "try_apart", lambda _: plain)
    assert run(monkeypatch, "a", "--results", str(tmp_path / "results.jsonl")) == 1


def test_the_table_takes_its_place_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    mark, end = "<!-- table: python -m benchmarks.backbones -->", "<!-- end of table -->"
    page.write_text(f"Before\n\n{mark}\nold\n{end}\n\nAfter\n")
    trials = [
        Trial("b", None, 1_230_000, ["8", "16", "32"], {"freezing": "set it to 0"}).to_plain(),
        Trial("a", refused="a | b").to_plain(),
        Trial("c", faults={"odd canvas": "too large"}).to_plain(),
    ]
    write_table(page, trials, "timm 1")
    text = page.read_text()
    assert text.startswith(f"Before\n\n{mark}\n3 networks tried on ")
    assert text.endswith(f"{end}\n\nAfter\n")
    assert "with timm 1: 1 work (1 of them with a limit that is told), 1 are refused" in text
    assert "| `b` | 1.23 M | 8, 16, 32 | freezing: set it to 0 |" in text
    assert "| `a` | a \\| b |" in text
    assert "| `c` | odd canvas: too large |" in text
    assert "| fails |" not in table(trials[:2], "timm 1")

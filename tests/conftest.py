"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from ladcli.assign import grouped_mixture, mixture
from ladcli.detector.anchors import anchor_grid
from tests import places

# The networks in tests are tiny: a second thread only waits for the first, and where cores are
# busy it waits long.  Programs that tests start inherit the variable.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture
def shared() -> Path:
    """Folder of developer material: tools, sample data and golden files."""
    return places.require(places.shared_dir())


@pytest.fixture
def golden() -> Path:
    """Folder of golden files."""
    return places.require(places.golden_dir())


@pytest.fixture
def hostsync(shared: Path) -> Iterator[ModuleType]:
    """The tool that finds host syncs without a GPU, by a device that is only pretended."""
    spec = importlib.util.spec_from_file_location("hostsync", shared / "tools" / "hostsync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their own module up by name.
    sys.modules.setdefault("hostsync", module)
    spec.loader.exec_module(module)
    yield module
    # Grids are remembered per device, and those of a pretended device must not outlive it.
    anchor_grid.cache_clear()


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off the CPU the mixtures make a fixed number of equal steps; tracing a few shows them all."""
    for engine in (mixture, grouped_mixture):
        monkeypatch.setattr(engine, "MAX_STEPS", 3)

"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

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
def hostsync(shared: Path) -> ModuleType:
    """The tool that finds host syncs without a GPU."""
    spec = importlib.util.spec_from_file_location("hostsync", shared / "tools" / "hostsync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their own module up by name.
    sys.modules.setdefault("hostsync", module)
    spec.loader.exec_module(module)
    return module

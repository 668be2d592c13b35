"""Fixtures of the golden tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import places
from tests.golden.scene import GoldenScene, load_scene, scene_file


@pytest.fixture
def path(request: pytest.FixtureRequest) -> Path:
    """The golden file that `for_each` gave this test."""
    if request.param is None:
        places.miss(f"no golden file of this kind in {places.golden_dir()}")
    return Path(request.param)


@pytest.fixture
def scene(path: Path) -> GoldenScene:
    """The inputs that belong to ``path``."""
    return load_scene(scene_file(path))

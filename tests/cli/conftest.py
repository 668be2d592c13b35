"""The fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invoke import write_tiny_recipe
from tests.stages.fixtures import cache, caches, data, duo, teacher, teacher_run  # noqa: F401


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe file with which a training takes about a second."""
    return write_tiny_recipe(tmp_path_factory.mktemp("recipe"))

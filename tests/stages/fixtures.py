"""Fixtures of the tests that run stages; each is made once and must not be written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.cache.format import LEVELS, Level
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import colad
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.tiny import draw, duo_recipe, tiny_recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 images to train on, 4 to validate, 4 to test; 3 classes."""
    return draw(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def teacher_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished PAA run of one epoch."""
    out = tmp_path_factory.mktemp("runs") / "teacher"
    pretrain(tiny_recipe(data), RunOptions(out, quiet=True))
    return out


@pytest.fixture(scope="session")
def teacher(teacher_run: Path) -> Path:
    """Checkpoint of a network that can teach."""
    return teacher_run / "checkpoints" / "model" / "last.pt"


@pytest.fixture(scope="session")
def caches(
    data: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Level, Path]:
    """What the teacher says about every view of the training images, by level."""
    folder = tmp_path_factory.mktemp("caches")
    for level in LEVELS:
        recipe = tiny_recipe(data, cache__level=level)
        cache_teacher(recipe, teacher, folder / f"{level}.h5", quiet=True)
    return {level: folder / f"{level}.h5" for level in LEVELS}


@pytest.fixture(scope="session")
def duo(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished CoLAD run of two epochs, of networks that differ in all that they may."""
    out = tmp_path_factory.mktemp("runs") / "duo"
    colad(duo_recipe(data), RunOptions(out, quiet=True))
    return out


@pytest.fixture(scope="session")
def cache(data: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the teacher says about every view of the training images."""
    out = tmp_path_factory.mktemp("cache") / "teacher.h5"
    cache_teacher(tiny_recipe(data), teacher, out, quiet=True)
    return out

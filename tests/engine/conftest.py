"""The fixtures of this folder."""

from __future__ import annotations

import pytest

from tests.engine.runs import Run


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody disturbed; only to be looked at."""
    return Run(tmp_path_factory.mktemp("whole")).train()

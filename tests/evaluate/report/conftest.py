"""The fixtures of this folder."""

from __future__ import annotations

from tests.stages.fixtures import data  # noqa: F401

"""The fixtures of this folder."""

from tests.stages.fixtures import cache, caches, data, teacher, teacher_run  # noqa: F401

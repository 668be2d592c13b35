"""The fixtures of this folder."""

from tests.stages.fixtures import cache, data, teacher, teacher_run  # noqa: F401

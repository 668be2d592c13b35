"""The annotations that the check is measured on are sound, and as many as asked for."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data_check import synthetic_annotations, timed_check


def test_a_small_set_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(synthetic_annotations(50, 300, 5, seed=1))
    seconds, busy, said = timed_check(path)
    assert seconds > 0
    assert busy > 0
    assert (said["errors"], said["warnings"]) == (0, 0)
    assert [said["sets"][0][key] for key in ("images", "boxes", "classes")] == [50, 300, 5]

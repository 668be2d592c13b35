from __future__ import annotations

import pytest

from ladcli.evaluate.report.reading.content import RunRecord


@pytest.mark.parametrize(
    ("network", "alone", "name"),
    [
        ("model", True, "this run"),
        ("model", False, "lad"),
        ("a", True, "network a"),
        ("b", False, "lad/b"),
    ],
)
def test_charts_name_a_run_only_beside_others(network: str, alone: bool, name: str) -> None:
    assert RunRecord("lad", {}, None, []).entry_name(network, alone=alone) == name

"""Fingerprints of plain values depend on content, and on nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ladcli.fingerprint import fingerprint_plain


def test_plain_values_by_hand() -> None:
    expected = hashlib.sha256(b'{"a":[1,null],"b":"\\u00fc"}').hexdigest()
    assert fingerprint_plain({"b": "ü", "a": [1, None]}) == expected


def test_the_order_of_keys_does_not_matter_and_that_of_items_does() -> None:
    assert fingerprint_plain({"a": 1, "b": 2}) == fingerprint_plain({"b": 2, "a": 1})
    assert fingerprint_plain([1, 2]) != fingerprint_plain([2, 1])
    assert fingerprint_plain((1, 2)) == fingerprint_plain([1, 2])


@pytest.mark.parametrize(
    ("a", "b"), [(1, "1"), (1, 1.5), (True, "true"), ([], {}), (None, "null"), ("a", "A")]
)
def test_values_of_other_types_differ(a: Any, b: Any) -> None:
    assert fingerprint_plain(a) != fingerprint_plain(b)

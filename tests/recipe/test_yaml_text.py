"""Strict YAML: plain data, no key twice, and the place of every error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.recipe.yaml_text import parse_yaml, read_yaml
from tests.refusals import refusal_of


def refused(text: str) -> str:
    return refusal_of(parse_yaml, text, "recipe r.yaml")


def test_plain_values() -> None:
    assert parse_yaml("a: 1\nb: [x, null]", "r") == {"a": 1, "b": ["x", None]}
    assert parse_yaml("", "r") is None


def test_a_key_that_stands_twice_is_refused_at_its_place() -> None:
    assert "in line 3, column 1: the key 'a' stands twice" in refused("a: 1\nb: 2\na: 3")
    assert "the key 'x' stands twice" in refused("s:\n  x: 1\n  x: 2")


def test_a_merge_may_be_overridden() -> None:
    text = "base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  x: 3"
    assert parse_yaml(text, "r")["own"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: !!python/object/apply:os.system ['true']",
        "a: 1\n---\nb: 2",
        "a: \x07",
        "{[a]: 1}",
    ],
)
def test_whatever_is_no_plain_document_is_refused(text: str) -> None:
    assert refused(text).startswith("recipe r.yaml: ")


def test_deep_nesting_is_refused() -> None:
    assert "nested too deep" in refused("[" * 5000 + "]" * 5000)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    with pytest.raises(UserError, match="no such file"):
        read_yaml(path, "recipe r")
    with pytest.raises(UserError, match="is a folder"):
        read_yaml(tmp_path, "recipe r")
    path.write_bytes(b"a: \xe4")
    with pytest.raises(UserError, match=r"not UTF-8 \(byte 4 is 0xe4\)"):
        read_yaml(path, "recipe r")
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(path, "recipe r") == {"a": 1}

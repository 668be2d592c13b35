"""Strict YAML: plain data, no key twice, and the place of every error."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.errors import UserError
from ladcli.recipe.yaml_text import as_number, as_text, parse_yaml, read_yaml, write_yaml
from tests.refusals import refusal_of


def refused(text: str) -> str:
    return refusal_of(parse_yaml, text, "recipe r.yaml")


def test_plain_values() -> None:
    assert parse_yaml("a: 1\nb: [x, null]", "r") == {"a": 1, "b": ["x", None]}
    assert parse_yaml("", "r") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("-08", -8), ("0o10", 8), ("0x1f", 31), ("+1", 1), ("-0", 0),
        ("1e-3", 0.001), ("1E5", 1e5), ("-.5", -0.5), ("1.", 1.0), (".5e+1", 5.0),
        (".inf", math.inf), ("-.INF", -math.inf), ("1e999", math.inf),
        ("true", True), ("False", False), ("TRUE", True), ("~", None), ("Null", None),
        ("!!str 12", "12"), ("!!int 0o7", 7), ("!!float 3", 3.0), ("!!bool true", True),
        ("'12'", "12"), ('"true"', "true"),
    ],
)  # fmt: skip
def test_scalars_of_the_core_schema(text: str, value: Any) -> None:
    read = as_number(parse_yaml(text, "r"))
    assert (read, type(read)) == (value, type(value))


def test_no_number() -> None:
    assert math.isnan(parse_yaml(".nan", "r"))


@pytest.mark.parametrize(
    "text",
    ["yes", "no", "on", "off", "Y", "n", "tRUE", "nULL", "1:30", "1:30.5", "1_000", "0b11", "0o8",
     "-0x1F", "+0o7", "2024-01-01", "2024-01-01 10:00:00", "=", "<<", "1e", ".", "-", "+.", "0x"],
)  # fmt: skip
def test_all_else_is_text(text: str) -> None:
    assert parse_yaml(f"- {text}" if text != "-" else "'-'", "r") in ([text], text)
    assert parse_yaml(f"a: {text}" if text != "-" else "a: '-'", "r") == {"a": text}


@pytest.mark.parametrize("text", ["08", "-09", "0o17", "1e5", "1.5E3", "-.5", "+.1"])
def test_number_that_was_text_in_yaml_1_1_can_still_be_had_as_text(text: str) -> None:
    assert yaml.safe_load(text) == text
    read = parse_yaml(text, "r")
    assert as_text(read) == text
    assert as_number([read]) == [read]
    assert type(as_number([read])[0]) in (int, float)
    assert not isinstance(read, str)


def test_what_is_written_reads_the_same_under_both_versions() -> None:
    draw = random.Random(0)
    letters = "0123456789eE+-.:_oxXtrueNOff~ <#=!&*'\"\n\t{},|>%@\x85\u2028é"
    texts = ["".join(draw.choices(letters, k=draw.randint(0, 5))) for _ in range(1500)]
    numbers = [draw.random() * 10 ** draw.randint(-20, 20) for _ in range(300)]
    content = {"texts": texts, "numbers": [*numbers, 0.0, -1, 10**12, 1e16], "plain": [True, None]}
    written = write_yaml(content)
    assert parse_yaml(written, "r") == content
    assert yaml.safe_load(written) == content


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
        "!!set {a, b}",
        "!!binary aGVsbG8=",
        "!!timestamp 2024-01-01",
        "!own 1",
        "!!int off",
        "!!bool yes",
        "!!map [a]",
        "!!map a",
        "!!seq {a: 1}",
        "!!str [a]",
        "!!float x",
        "!!null x",
        '"\\U00110000"',
        "9" * 5000,
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

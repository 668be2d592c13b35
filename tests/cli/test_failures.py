from __future__ import annotations

import io
import sys

import pytest
import typer
from typer.testing import CliRunner

from ladcli.cli.failures import friendly
from ladcli.errors import BadImageError, Interrupted, RunError, UserError


def outcome(error: BaseException, *arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()

    @app.command()
    @friendly
    def fail(debug: bool = False) -> None:
        print("before")
        raise error

    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("x.json: is empty; write it again"), 2, "x.json: is empty; write it again"),
        (BadImageError("a.jpg", "is empty"), 2, "a.jpg: is empty"),
        (RunError("the loss is nan"), 1, "the loss is nan"),
        (Interrupted("start anew"), 130, "interrupted; start anew"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("a\nb"), 1, "unexpected ZeroDivisionError: a b; --debug shows where"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_become_a_line_and_an_exit_code(error: BaseException, code: int, line: str) -> None:
    assert outcome(error) == (code, "before\n", f"lad: {line}\n")


def test_debug_shows_the_traceback_before_the_line() -> None:
    code, _, err = outcome(UserError("no"), "--debug")
    assert code == 2
    assert err.startswith("Traceback (most recent call last)")
    assert err.endswith("\nlad: no\n")


def test_long_texts_of_unexpected_errors_are_cut() -> None:
    _, _, err = outcome(ValueError("x" * 5000))
    assert len(err) < 400


def test_exit_codes_of_typer_itself_pass() -> None:
    assert outcome(typer.Exit(5))[0] == 5


def test_reader_that_went_away_is_a_failure_without_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @friendly
    def fail() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(typer.Exit) as left:
        fail()
    assert left.value.exit_code == 1
    assert sys.stderr.closed  # nothing more is said, not even by the interpreter

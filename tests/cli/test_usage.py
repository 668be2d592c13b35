from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import typer

from ladcli.cli.usage import Group, expanded, usage_message


def program() -> Any:
    """A program with commands, and a command that has some of its own."""
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False)
    inner = typer.Typer(cls=Group, no_args_is_help=True, help="More.")

    @app.command()
    def show(path: str, times: Annotated[int, typer.Option("--times")] = 1) -> None:
        print(path * times)

    @inner.command()
    def count(start: Annotated[int, typer.Option("--start", min=0)] = 0) -> None:
        raise typer.Exit(start)

    @inner.command()
    def stop() -> None:
        raise typer.Abort

    app.add_typer(inner, name="more")
    return typer.main.get_command(app)


def leave(*words: str) -> Any:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as caught:
        program().main(list(words))
    return caught.value.code


def test_words_reach_the_command_with_their_home_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert leave("show", "~/x", "--times=2") == 0
    assert capsys.readouterr().out == "/home/me/x/home/me/x\n"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("~/data", "/home/me/data"),
        ("--data=~/data", "--data=/home/me/data"),
        ("data~", "data~"),
        ("optim.lr=~", "optim.lr=~"),  # null, and no option's value
        ("--data", "--data"),
        ("", ""),
    ],
)
def test_a_tilde_is_expanded_where_a_path_begins(
    word: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded(word) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["show", "x", "--times", "two"],
            "lad: show: invalid value for '--times': is no whole number; lad show --help shows "
            "what there is\n",
        ),
        (
            ["more", "count", "--start", "-1"],
            "lad: more count: invalid value for '--start': must be at least 0; lad more count "
            "--help shows what there is\n",
        ),
        (["show"], "lad: show: missing argument 'PATH'; lad show --help shows what there is\n"),
    ],
)
def test_usage_errors_are_one_line_with_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(*words) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.lower()) == ("", message.lower())


def test_commands_end_with_their_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("more", "count", "--start", "3") == 3
    assert leave("more", "count") == 0
    assert leave("more", "stop") == 130
    assert capsys.readouterr().err == "lad: interrupted\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No such option: --bakbone Did you mean --backbone?", " (did you mean --backbone?)"),
        ("No such option: --x (Possible options: --a, --b)", " (did you mean --a, --b?)"),
        ("Invalid value: Input should be less than or equal to 9.", " must be at most 9"),
        ("Value error, is odd", "is odd"),
    ],
)
def test_words_of_the_library_become_ours(text: str, words: str) -> None:
    error = SimpleNamespace(format_message=lambda: text, ctx=None)
    assert words in usage_message(error)
    assert usage_message(error).endswith("; lad --help shows what there is")


def test_a_message_names_the_whole_command() -> None:
    lad = SimpleNamespace(info_name="lad", parent=None)
    data = SimpleNamespace(info_name="data", parent=lad)
    check = SimpleNamespace(info_name="check", parent=data)
    error = SimpleNamespace(format_message=lambda: "Missing\n  option.", ctx=check)
    assert usage_message(error) == (
        "data check: missing option; lad data check --help shows what there is"
    )

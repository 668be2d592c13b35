from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from ladcli.cli.help import Command, folded, unwrapped

EXAMPLE = "    lad pretrain --data coco --weights timm --schedule 1x --out runs/teacher"


def shown(columns: int) -> str:
    """`--help` of a command with one option of every kind that is treated here."""
    app = typer.Typer(add_completion=False)

    @app.command(cls=Command)
    def cook(
        dish: Annotated[str, typer.Argument(metavar="DISH", help="What to cook.")],
        spices: Annotated[list[str] | None, typer.Option("--spice", help="Of these.")] = None,
        fast: Annotated[bool, typer.Option("--fast", help="Now.")] = False,
        guests: Annotated[int, typer.Option("--guests", metavar="N", help="At table.")] = 2,
    ) -> None:
        """Cook a dish.

        Its words are wrapped where the source is wrapped,
        and nowhere else.

        Example:

            cook soup --spice pepper --spice salt
            --guests 4 --fast
        """

    result = CliRunner().invoke(
        app, ["--help"], env={"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    )
    assert result.exit_code == 0
    return result.output


def test_paragraphs_become_lines_and_indented_ones_commands() -> None:
    text = """First line,
        which goes on.

        Second
        paragraph.

            lad eval
            --json
        """
    assert (
        unwrapped(text) == "First line, which goes on.\n\nSecond paragraph.\n\n    lad eval --json"
    )


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (82, [EXAMPLE]),
        (60, [
            "    lad pretrain --data coco --weights timm \\",
            "        --schedule 1x --out runs/teacher",
        ]),
        (26, [
            "    lad pretrain \\",
            "        --data coco \\",
            "        --weights timm \\",
            "        --schedule 1x \\",
            "        --out \\",
            "        runs/teacher",
        ]),
    ],
)  # fmt: skip
def test_examples_are_folded_as_a_shell_takes_them(width: int, lines: list[str]) -> None:
    found = folded(f"A paragraph stays as long as it is.\n\n{EXAMPLE}", width).split("\n")
    assert found == ["A paragraph stays as long as it is.", "", *lines]
    assert " ".join(line.removesuffix("\\").strip() for line in lines) == EXAMPLE.strip()


def test_help_shows_no_type_of_a_flag_or_a_list_and_no_default_none() -> None:
    text = shown(100)
    assert "None" not in text
    assert "<bool>" not in text
    (fast,) = [line for line in text.splitlines() if "--fast" in line and "Now." in line]
    assert fast.replace("│", "").split() == ["--fast", "Now."]
    (guests,) = [line for line in text.splitlines() if "At table." in line]
    assert "[default: 2]" in guests


def test_help_is_wrapped_by_the_terminal_alone() -> None:
    assert "Its words are wrapped where the source is wrapped, and nowhere else." in shown(100)
    assert "cook soup --spice pepper --spice salt --guests 4 --fast" in shown(100)
    assert [line.strip() for line in shown(50).splitlines() if "cook soup" in line] == [
        "cook soup --spice pepper --spice salt \\"
    ]

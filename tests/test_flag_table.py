from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.flag_table import SCHEDULES, TABLE, Flag


def flag_of(name: str, command: str = "pretrain") -> Flag:
    """The one row of a flag of a command."""
    (row,) = [flag for flag in TABLE if flag.name == name and command in flag.commands]
    return row


@pytest.mark.parametrize(
    ("name", "keys", "metavar", "value", "end"),
    [
        ("--workers", ("data.workers",), "N", int, "in the main one. Default: 2."),
        ("--data", ("data.dir",), "DIR", Path, "docs/data.md shows the layouts."),
        ("--weights", ("model.weights",), "FILE", str, "nothing is frozen."),
        ("--skip-bad-images", ("data.skip_bad_images",), None, bool, "instead of stopping."),
        ("--size", ("data.short", "data.long"), "PX[xPX]", str, "(800). Default: 800x1333."),
        ("--preset", ("train.preset",), None, ("small",), "and 11/12 of them."),
        ("--lr", ("optim.lr",), "X", float, "0.01 for a batch of 16, for others in proportion."),
        ("--set", (), "KEY=VALUE", list[str], "docs/recipe.md lists them all."),
        (
            "--precision", ("train.precision",), "NAME", ("fp32", "bf16", "fp16"),
            "Precision of the network: fp32, bf16 or fp16. Default: fp32.",
        ),
        (
            "--schedule", ("schedule.epochs", "schedule.decay_epochs"), None, ("1x", "2x", "3x"),
            "Default: 1x.",
        ),
    ],
)  # fmt: skip
def test_rows_take_type_choices_and_default_from_the_schema(
    name: str, keys: tuple[str, ...], metavar: str | None, value: object, end: str
) -> None:
    row = flag_of(name)
    assert (row.keys, row.metavar, row.value) == (keys, metavar, value)
    assert row.help.endswith(end)
    assert "{" not in row.help


def test_each_network_of_colad_has_options_of_its_own() -> None:
    row = flag_of("--head-b", "colad")
    assert (row.key, row.panel, row.value) == ("net_b.head", "Network b", ("paa", "iop", "cop"))
    assert row.help == "paa, iop or cop. Default: model.head."
    assert flag_of("--weights-a", "colad").value is str
    assert flag_of("--init-a", "colad").value is Path


def test_one_flag_may_mean_two_options_in_two_commands() -> None:
    assert flag_of("--switch", "distill").value == ("off", "std-mean", "fisher")
    assert flag_of("--switch", "colad").value == ("std-mean", "fisher")


def test_a_command_has_a_flag_once() -> None:
    for command in {command for flag in TABLE for command in flag.commands}:
        names = [flag.name for flag in TABLE if command in flag.commands]
        assert len(set(names)) == len(names), command


def test_schedules_are_those_of_the_paper() -> None:
    assert SCHEDULES == {"1x": (12, (8, 11)), "2x": (24, (16, 22)), "3x": (36, (27, 33))}

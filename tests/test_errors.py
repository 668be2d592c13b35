"""Errors that a user sees as one line."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from ladcli.errors import BadImageError, Interrupted, RunError, UserError


def test_a_bad_image_names_its_file() -> None:
    error = BadImageError("images/a.jpg", "the file is empty")
    assert str(error) == "images/a.jpg: the file is empty"
    assert (error.path, error.reason) == ("images/a.jpg", "the file is empty")


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_a_bad_image_survives_the_way_out_of_a_worker(
    again: Callable[[Exception], BadImageError],
) -> None:
    error = again(BadImageError("images/a.jpg", "the file is empty"))
    assert type(error) is BadImageError
    assert str(error) == "images/a.jpg: the file is empty"
    assert (error.path, error.reason) == ("images/a.jpg", "the file is empty")


def test_an_interruption_says_how_to_go_on() -> None:
    assert str(Interrupted()) == "interrupted; the same command goes on where it stopped"
    error = Interrupted("use --resume")
    assert str(error) == "interrupted; use --resume"
    assert error.advice == "use --resume"


def test_exit_codes_can_be_told_apart_by_type() -> None:
    """2 for what the user can mend, a bad image among it; 1 and 130 are no user errors."""
    assert issubclass(BadImageError, UserError)
    assert not issubclass(RunError, UserError)
    assert not issubclass(Interrupted, UserError | RunError)

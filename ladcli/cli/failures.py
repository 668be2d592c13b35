"""How commands end: exit codes, and errors as one line instead of a traceback."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from ladcli.engine.interrupt import exit_code
from ladcli.errors import Interrupted, RunError, UserError
from ladcli.terminal import print_remark

FAILED, BAD_INPUT = 1, 2

Command = TypeVar("Command", bound=Callable[..., None])


def friendly(command: Command) -> Command:
    """Turn exceptions into one line and an exit code.

    0 done, 1 the work failed, 2 the user can mend it, 130 interrupted, 143 the same by SIGTERM
    (state saved where there is a state).  With ``--debug`` the traceback is shown as well.
    """

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except UserError as error:
            _leave(str(error), BAD_INPUT, kwargs)
        except RunError as error:
            _leave(str(error), FAILED, kwargs)
        except Interrupted as error:
            _leave(str(error), exit_code(), kwargs)
        except KeyboardInterrupt:
            _leave("interrupted", exit_code(), kwargs)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone
            raise typer.Exit(FAILED) from None
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            text = f"unexpected {type(error).__name__}: {reason}; --debug shows where"
            _leave(text, FAILED, kwargs)

    return wrapper  # type: ignore[return-value]


def _leave(text: str, code: int, options: dict[str, Any]) -> None:
    if options.get("debug"):
        traceback.print_exc()
    print_remark(f"lad: {text}")
    raise typer.Exit(code)

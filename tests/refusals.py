"""How bad input is refused everywhere: by one line that the user can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ladcli.errors import UserError


def refusal_of(action: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The line with which a call is refused."""
    with pytest.raises(UserError) as caught:
        action(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message

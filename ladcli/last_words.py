"""What is still done where the process is about to end suddenly, as at a second Ctrl-C.

Whoever has something to put in order enters it here; `ladcli.engine.interrupt` sees to it.  The
command line imports this first of all, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable

#: By whom they belong to; they must be quick.
last_words: dict[object, Callable[[], None]] = {}

"""Opens a cache again and again, one byte of it changed at a time, and tells what came of it.

A program of its own, because a library that runs in circles can only be stopped with its process:

    python -m tests.cache.damaged CACHE PLACE...
"""

from __future__ import annotations

import faulthandler
import json
import sys
from collections import Counter
from pathlib import Path

from ladcli.cache.reader import TeacherCache
from ladcli.errors import UserError
from tests.cache.caches import EXPECTED, read_positives

#: Seconds that opening and reading may take.
LIMIT = 30.0


def outcome(path: Path) -> str:
    """``same``, ``other``, ``refused``, or what went wrong otherwise."""
    try:
        cache = TeacherCache(path)
        found = read_positives(cache)
        cache.close()
    except UserError as error:
        one_line = str(error).startswith(str(path)) and "\n" not in str(error)
        return "refused" if one_line else f"not one line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "same" if found == EXPECTED else "other"


def main() -> None:
    """Damage a copy at each place, and print how often each outcome came."""
    cache, places = Path(sys.argv[1]), [int(place) for place in sys.argv[2:]]
    content, copy = cache.read_bytes(), cache.with_name("damaged.h5")
    counts: Counter[str] = Counter()
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0xFF
        copy.write_bytes(changed)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        counts[outcome(copy)] += 1
        faulthandler.cancel_dump_traceback_later()
    print(json.dumps(counts))


if __name__ == "__main__":
    main()

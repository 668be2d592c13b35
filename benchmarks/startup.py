"""How long `lad --help` takes, in fresh processes.

python -m benchmarks.startup
"""

from __future__ import annotations

import subprocess
import sys
import time


def main() -> None:
    """Print the best and the median of some runs."""
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        command = [sys.executable, "-m", "ladcli", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    print(f"lad --help: best {seconds[0]:.2f} s, median {seconds[4]:.2f} s (target: under 0.5 s)")


if __name__ == "__main__":
    main()

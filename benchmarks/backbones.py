"""Which of timm's networks work as backbones: a trial of many, and the table in docs/backbones.md.

    python -m benchmarks.backbones [NAME ...] [--results FILE] [--table docs/backbones.md]

Without names it tries those of backbones.txt, one or more of every family in timm that offers
feature maps.  Each runs in a process of its own with limits of time and memory.  Results are
appended to FILE as JSON lines, and what stands there is not tried again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import timm
import torch

from benchmarks.backbone_table import write_table
from benchmarks.backbone_trial import Trial, try_backbone

NAMES = Path(__file__).with_suffix(".txt")
LIMIT_S = 600.0
LIMIT_BYTES = 12 * 2**30  # of address space


def main() -> None:
    """Try what was not tried yet, then print and write the table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    results = _read(arguments.results)
    names = arguments.names or NAMES.read_text().split()
    for number, name in enumerate(names, 1):
        if name not in results:
            started = time.monotonic()
            results[name] = try_apart(name)
            with arguments.results.open("a") as file:
                file.write(json.dumps(results[name]) + "\n")
            seconds = time.monotonic() - started
            print(f"{number}/{len(names)} {name}: {_verdict(results[name])} ({seconds:.0f} s)")
            sys.stdout.flush()
    tried = [results[name] for name in names]
    if arguments.table is not None:
        write_table(arguments.table, tried, versions())
    failing = [trial["name"] for trial in tried if trial["faults"]]
    refused = sum(trial["refused"] is not None for trial in tried)
    flawless = len(tried) - refused - len(failing)
    print(f"{len(tried)} tried: {flawless} work, {refused} refused, {len(failing)} failing")
    for name in failing:
        print(f"  {name}: {results[name]['faults']}")
    sys.exit(1 if failing else 0)


def try_apart(name: str) -> dict[str, Any]:
    """`try_backbone` in a process of its own.  One that is killed or runs too long has failed."""
    context = multiprocessing.get_context("fork")  # shares the imports, which take seconds
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(name, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(LIMIT_S):
            plain: dict[str, Any] = receiver.recv()
            return plain
        fault = f"no end within {LIMIT_S:.0f} s"
    except EOFError:
        process.join()
        fault = f"the process ended with code {process.exitcode}"
    finally:
        process.kill()
        process.join()
    return Trial(name, faults={"process": fault}).to_plain()


def versions() -> str:
    """What the results depend on."""
    return f"timm {timm.__version__}, torch {torch.__version__}, Python {platform.python_version()}"


def _serve(name: str, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    sender.send(try_backbone(name).to_plain())


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["name"]: line for line in lines}


def _verdict(trial: dict[str, Any]) -> str:
    if trial["faults"]:
        return f"FAILS {trial['faults']}"
    if trial["refused"] is not None:
        return f"refused, {trial['refused']}"
    return f"works, but {trial['limits']}" if trial["limits"] else "works"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks of timm; by default those of the list")
    parser.add_argument("--results", type=Path, default=Path("backbones.jsonl"))
    parser.add_argument("--table", type=Path, help="Markdown page to write the table into")
    return parser.parse_args()


if __name__ == "__main__":
    main()

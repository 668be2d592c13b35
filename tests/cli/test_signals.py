"""Ctrl-C and SIGTERM in every phase, in processes of their own, as a shell sends them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.invoke import ROOT, heed_signals, lad, lad_process
from tests.stages.tiny import assert_same_weights

LAST = "checkpoints/model/last.pt"
DEADLINE = 300.0  # seconds; on a busy machine torch alone takes many to import
#: A signal that must end the process does it within a second on a machine that is not busy.
AT_ONCE = 5.0
SAVED = "lad: interrupted; the state is saved; the same command with --resume goes on"

#: `lad`, but the N-th call of a function stays in C, and no signal brings it back to Python.
BLOCKING = """
import ctypes, sys
from importlib import import_module
from ladcli.__main__ import main

module, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
del sys.argv[1:4]
owner = import_module(module)
original, calls = getattr(owner, name), []

def blocking(*args, **options):
    calls.append(1)
    if len(calls) == number:
        print("blocked", file=sys.stderr, flush=True)
        mutex = ctypes.create_string_buffer(128)
        for _ in range(2):  # the second waits for ever
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
    return original(*args, **options)

setattr(owner, name, blocking)
main()
"""


class Process:
    """`lad` in a process of its own; its standard error is read as it comes."""

    def __init__(
        self,
        *arguments: str | Path,
        block: tuple[str, int] | None = None,
        program: tuple[str, ...] = ("-m", "ladcli"),
    ) -> None:
        if block is not None:
            module, _, name = block[0].rpartition(".")
            program = ("-c", BLOCKING, module, name, str(block[1]))
        self.process = lad_process(*arguments, program=program)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text: str, seconds: float = DEADLINE) -> str:
        """The first line that holds ``text``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.lines:
                if text in line:
                    return line
            assert self._reader.is_alive(), self.lines
            time.sleep(0.01)
        raise AssertionError((text, self.lines))

    def send(self, number: int = signal.SIGINT) -> None:
        """To the whole group, as a terminal does: workers get it too."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = AT_ONCE) -> int:
        """The exit code; nothing of the process is left."""
        code = self.process.wait(timeout=seconds)
        self._reader.join(timeout=AT_ONCE)
        end = time.monotonic() + AT_ONCE
        while self._alive() and time.monotonic() < end:
            time.sleep(0.02)
        assert not self._alive()
        assert "Traceback" not in "\n".join(self.lines)
        return code

    def _alive(self) -> list[int]:
        """Processes of the group that still run."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found.append(int(entry.name))
        return found


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Whatever a test starts is ended with it."""
    started: list[Process] = []
    yield started
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.4, 1.5])
def test_while_libraries_are_imported_it_ends_with_a_line(
    processes: list[Process], tmp_path: Path, delay: float
) -> None:
    code = (
        "import sys; from ladcli.__main__ import main; import ladcli.engine.interrupt as i\n"
        "listen = i.listen\n"
        "def told(): listen(); print('listening', file=sys.stderr, flush=True)\n"
        "i.listen = told; main()"
    )
    arguments = ("pretrain", "--data", tmp_path, "--out", tmp_path / "run")
    process = Process(*arguments, program=("-c", code))
    processes.append(process)
    process.wait_for("listening")
    time.sleep(delay)
    process.send()
    # Where the machine is quick, the missing data were met before.
    assert process.end() in (130, 2)
    assert len(process.lines) == 2
    if process.process.returncode == 130:
        assert process.lines[-1] == "lad: interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "block"),
    [
        ("pretrain", "ladcli.stages.prepare.build_detector"),
        ("pretrain", "ladcli.stages.prepare.open_training_set"),
        ("pretrain", "ladcli.data.image_check.look_at_all"),
        ("pretrain", "ladcli.detector.backbone._create"),
        ("compare", "ladcli.evaluate.gains.paired_bootstrap"),
        ("compare", "ladcli.stages.report.write_text"),
        ("cache-teacher", "ladcli.cache.writer._store"),
    ],
)
def test_where_nothing_can_be_finished_the_first_signal_ends(
    processes: list[Process],
    tmp_path: Path,
    data: Path,
    tiny: Path,
    teacher_run: Path,
    command: str,
    block: str,
) -> None:
    arguments: tuple[str | Path, ...] = {  # type: ignore[assignment]
        "pretrain": ("--data", data, "--recipe", tiny, "--out", tmp_path / "run"),
        "cache-teacher": (
            *("--data", data, "--recipe", tiny, "--teacher", teacher_run / LAST),
            *("--out", tmp_path / "cache.h5"),
        ),
        "compare": (
            *(f"{n}={teacher_run}/eval/model/val/predictions.json" for n in "ab"),
            *("--annotations", data / "annotations/val.json"),
        ),
    }[command]
    if block.endswith("write_text"):
        arguments = (f"a={teacher_run}", f"b={teacher_run}", "--html", tmp_path / "page.html")
    process = Process(command, *arguments, block=(block, 1))
    processes.append(process)
    process.wait_for("blocked")
    process.send()
    assert process.end() == 130
    assert process.lines[-1] == "lad: interrupted"
    assert list(tmp_path.rglob("*.part")) == []  # nothing half-written


def training(data: Path, tiny: Path, out: Path, *more: str) -> tuple[str | Path, ...]:
    return (
        *("pretrain", "--data", data, "--recipe", tiny, "--workers", "1", "--out", out),
        *("--set", "schedule.epochs=10", "--set", "train.eval_every=0", *more),
    )


@pytest.mark.slow
def test_a_step_of_minutes_is_announced_and_ended_by_the_second(
    processes: list[Process], tmp_path: Path, data: Path, tiny: Path
) -> None:
    arguments = training(data, tiny, tmp_path / "run")
    process = Process(*arguments, block=("ladcli.engine.loop.lr_factor", 8))
    processes.append(process)
    process.wait_for("blocked")
    process.send()
    process.wait_for(
        "lad: stopping after this step; Ctrl-C again stops now and keeps the state of the last "
        "save (less than a minute ago)",
        AT_ONCE,
    )
    time.sleep(0.3)
    assert process.process.poll() is None
    process.send()
    assert process.end() == 130
    assert process.lines[-1] == (
        "lad: interrupted; keeps the state of the last save (less than a minute ago)"
    )
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"
    lad(*arguments, "--resume", "-q").done()
    lad(*training(data, tiny, tmp_path / "whole"), "-q").done()
    assert_same_weights(tmp_path / "whole" / LAST, tmp_path / "run" / LAST)


@pytest.mark.slow
def test_sigterm_saves_after_the_step_and_says_so_by_its_exit_code(
    processes: list[Process], tmp_path: Path, data: Path, tiny: Path
) -> None:
    process = Process(*training(data, tiny, tmp_path / "run", "--set", "schedule.epochs=500"))
    processes.append(process)
    metrics = tmp_path / "run/metrics.jsonl"
    end = time.monotonic() + DEADLINE
    while not metrics.exists() or metrics.read_text().count("\n") < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send(signal.SIGTERM)
    assert process.end(DEADLINE) == 143
    assert "a second signal stops now" in process.wait_for("stopping after")
    assert process.lines[-1] == SAVED
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("ladcli.engine.inference._Closing", "this epoch"),
        ("ladcli.engine.inference.postprocess", "this batch"),
    ],
)
def test_evaluations_answer_too(
    processes: list[Process], tmp_path: Path, data: Path, tiny: Path, block: str, words: str
) -> None:
    process = Process(
        *training(data, tiny, tmp_path / "run", "--set", "train.eval_every=1"), block=(block, 1)
    )
    processes.append(process)
    process.wait_for("blocked")
    process.send()
    assert words in process.wait_for("stopping after", AT_ONCE)
    time.sleep(0.3)
    process.send()
    assert process.end() == 130
    assert "the state of the last save" in process.lines[-1]


@pytest.mark.slow
def test_a_cache_keeps_its_parts(
    processes: list[Process], tmp_path: Path, data: Path, tiny: Path, teacher_run: Path
) -> None:
    process = Process(
        *("cache-teacher", "--data", data, "--recipe", tiny, "--teacher", teacher_run / LAST),
        *("--out", tmp_path / "cache.h5", "--workers", "1"),
        block=("ladcli.stages.cache_teacher.encode_opinion", 1),
    )
    processes.append(process)
    process.wait_for("blocked")
    process.send()
    process.wait_for("stopping after this batch", AT_ONCE)
    time.sleep(0.3)
    process.send()
    assert process.end() == 130
    assert process.lines[-1] == "lad: interrupted; keeps the parts of the cache that are written"


@pytest.mark.slow
def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    """As in a background job of a shell without job control."""
    program = (
        "import signal, os\n"
        "from ladcli.engine.interrupt import listen, stop_on_signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "listen()\n"
        "with stop_on_signal() as stop:\n"
        "    for _ in range(3): os.kill(os.getpid(), signal.SIGINT)\n"
        "print(bool(stop), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert (done.stdout, done.stderr) == ("False True\n", "")


@pytest.mark.slow
def test_a_terminal_is_left_with_its_cursor_and_whole_words(
    processes: list[Process], tmp_path: Path, data: Path, tiny: Path
) -> None:
    """The keys go through a terminal of 50 columns, which makes signals of them."""
    process_id, terminal = pty.fork()
    if process_id == 0:
        heed_signals()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        environment.pop("COLUMNS", None)
        arguments = [
            *("-c", BLOCKING, "ladcli.engine.loop", "lr_factor", "3"),
            *map(str, training(data, tiny, tmp_path / "run")),
        ]
        os.execvpe(sys.executable, [sys.executable, *arguments], environment)
    seen = bytearray()

    def read_until(text: bytes, seconds: float) -> None:
        end = time.monotonic() + seconds
        while text not in seen:
            assert time.monotonic() < end, bytes(seen)
            with contextlib.suppress(BlockingIOError):
                seen.extend(os.read(terminal, 4096))
            time.sleep(0.01)

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    os.set_blocking(terminal, False)
    try:
        read_until(b"blocked", DEADLINE)
        before = termios.tcgetattr(terminal)
        os.write(terminal, b"\x03")
        read_until(b"stopping after", AT_ONCE)
        time.sleep(0.3)
        os.write(terminal, b"\x03")
        read_until(b"interrupted", AT_ONCE)
        end = time.monotonic() + AT_ONCE
        status = 0
        while not status:
            assert time.monotonic() < end
            with contextlib.suppress(OSError):
                seen.extend(os.read(terminal, 4096))
            _, status = os.waitpid(process_id, os.WNOHANG)
            time.sleep(0.01)
        assert os.waitstatus_to_exitcode(status) == 130
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    assert termios.tcgetattr(terminal) == before
    os.close(terminal)
    text = seen.decode(errors="replace")
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is shown again
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text))
    assert max(map(len, lines)) <= 50
    assert "lad: stopping after this step; Ctrl-C again stops" in [line.strip() for line in lines]

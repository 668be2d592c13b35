"""The folder of one run: what lies where, and when it may be written to."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.files import require_writable, write_json, writing_to
from ladcli.last_words import last_words
from ladcli.outputs import NO_INPUTS, Inputs, Layout
from ladcli.recipe import Given, flat, save_recipe
from ladcli.recipe.flags import option_value, shown_value
from ladcli.recipe.options import FREE_KEYS, PLACE_KEYS
from ladcli.recipe.schema import Recipe
from ladcli.recognize import (
    is_checkpoint,
    is_event_log,
    is_log,
    is_metrics,
    is_notes,
    is_page,
    is_probe,
    is_recipe,
    is_results,
    is_stage_label,
)
from ladcli.runs import names
from ladcli.runs.evaluation_folder import EvaluationFolder

#: What a run may hold; `--overwrite` removes these and nothing else.
LAYOUT = Layout(
    {
        names.RECIPE: is_recipe,
        names.NOTES: is_notes,
        names.STAGE_LABEL: is_stage_label,
        names.LOG: is_log,
        names.REPORT: is_page,
        f"{names.CHECKPOINTS}/{names.STATE}": is_checkpoint,
        **{
            f"{names.CHECKPOINTS}/*/{names.checkpoint_file(name)}": is_checkpoint
            for name in (names.LAST, names.BEST, names.PREVIOUS_BEST)
        },
        f"{names.EVALUATIONS}/*/*/{names.PREDICTIONS}": is_results,
        f"{names.EVALUATIONS}/*/*/{names.METRICS}": is_metrics,
        f"{names.PROBES}/{names.probe_file('*')}": is_probe,
        f"{names.TENSORBOARD}/events.out.tfevents.*": is_event_log,
    }
)
#: Sets that come first where all that were evaluated are listed.
_FIRST_SETS = ("val", "test", "train")
#: Options that may change from now on, if what was done is the same under both (lengthening).
SCHEDULE_KEYS = ("schedule.epochs", "schedule.decay_epochs")
_PACKAGES = ("ladcli", "torch", "torchvision", "timm", "numpy", "pillow", "h5py")


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run, and the notes it keeps about itself in `run.json`."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / names.RECIPE

    @property
    def notes(self) -> Path:
        return self.root / names.NOTES

    @property
    def metrics(self) -> Path:
        return self.root / names.LOG

    @property
    def state(self) -> Path:
        return self.root / names.CHECKPOINTS / names.STATE

    @property
    def report(self) -> Path:
        """The page of this run alone."""
        return self.root / names.REPORT

    @property
    def tensorboard(self) -> Path:
        return self.root / names.TENSORBOARD

    def checkpoint(self, name: str, net: str = names.ONLY_NETWORK) -> Path:
        """``last`` or ``best`` of a network."""
        return self.root / names.CHECKPOINTS / net / names.checkpoint_file(name)

    def first_checkpoint(self) -> Path:
        """The last checkpoint of a network of the run; where there is none, how one is called."""
        any_network = self.checkpoint(names.LAST, "*").relative_to(self.root)
        found = sorted(self.root.glob(str(any_network)))
        return found[0] if found else self.checkpoint(names.LAST, "NETWORK")

    @staticmethod
    def around(checkpoint: Path) -> RunDirectory | None:
        """The run that ``checkpoints/NET/NAME.pt`` lies in, judged by its place alone."""
        folder = checkpoint.absolute().parent.parent
        return RunDirectory(folder.parent) if folder.name == names.CHECKPOINTS else None

    def evaluation(self, split: str, net: str = names.ONLY_NETWORK) -> EvaluationFolder:
        """Where the predictions and metrics on one set lie."""
        return EvaluationFolder(self.root / names.EVALUATIONS / net / split)

    def detected(self, net: str) -> list[EvaluationFolder]:
        """The evaluations of a network whose detections are there, by the name of the set."""
        found = (self.root / names.EVALUATIONS / net).glob(f"*/{names.PREDICTIONS}")
        return sorted(
            (EvaluationFolder(path.parent) for path in found), key=lambda one: one.set_name
        )

    def evaluated_networks(self) -> list[str]:
        """The networks that have a folder of results, by name."""
        found = (self.root / names.EVALUATIONS).glob("*")
        return sorted(path.name for path in found if path.is_dir())

    def evaluations(self) -> list[EvaluationFolder]:
        """Those that hold results, val and test first."""
        found = map(EvaluationFolder, (self.root / names.EVALUATIONS).glob("*/*"))
        order = {name: place for place, name in enumerate(_FIRST_SETS)}
        return sorted(
            (one for one in found if one.holds_results()),
            key=lambda one: (order.get(one.set_name, len(order)), one.set_name, one.network),
        )

    def probe(self, epoch: int) -> Path:
        """The probes that are taken after so many epochs."""
        return self.root / names.PROBES / names.probe_file(epoch)

    def probe_files(self) -> list[Path]:
        """Those that are there, by ascending epoch."""
        found = (self.root / names.PROBES).glob(names.probe_file("*"))
        return sorted(found, key=lambda path: (len(path.name), path.name))

    def read_notes(self) -> dict[str, Any]:
        """`run.json`, or nothing where there is none."""
        if not self.notes.exists():
            return {}
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.notes}: is damaged ({error}); move it away, or choose another --out"
            ) from error
        return notes if isinstance(notes, dict) else {}

    def update_notes(self, **values: Any) -> None:
        """Change some entries of `run.json`.

        While its status is running, a sudden end of the process is noted there too.
        """
        write_json(self.notes, {**self.read_notes(), **values})
        match values.get("status"):
            case None:
                pass
            case "running":
                last_words[self] = self._note_sudden_end
            case _:
                last_words.pop(self, None)

    def _note_sudden_end(self) -> None:
        write_json(self.notes, {**self.read_notes(), "status": "interrupted"})

    def holds_run(self) -> bool:
        """True where a run was started here before."""
        return self.notes.exists() or self.recipe.exists()

    def started_here(self) -> bool:
        """True where this program started a run; somebody else's recipe.yaml is none."""
        return is_notes(self.notes) or is_recipe(self.recipe)

    def check_free(self, *, resume: bool, overwrite: bool, inputs: Inputs = NO_INPUTS) -> None:
        """Refuse a folder that holds something this run must not touch.  Writes nothing.

        Args:
            inputs: what the run reads, by the names that messages give it.

        Raises:
            UserError: a run is there and neither flag is given, there is none to resume, the
                folder holds foreign files, or an input would be replaced.
        """
        if resume and overwrite:
            raise UserError("--resume and --overwrite exclude each other; choose one")
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"{self.root}: is a file; choose another --out")
        require_writable(self.root)
        if self.started_here():
            if not resume and not overwrite:
                status = self.read_notes().get("status", "unknown")
                raise UserError(
                    f"{self.root}: already holds a run ({status}); continue it with --resume, "
                    "replace it with --overwrite, or choose another --out"
                )
            if overwrite:
                self._check_clearable(inputs)
            return
        if resume:
            raise UserError(f"{self.root}: holds no run to resume; leave --resume out")
        # A write that was killed leaves a hidden part behind, which is nobody's.
        found = sorted(e.name for e in self._entries() if e.suffix != ".part")
        if found:
            raise UserError(
                f"{self.root}: holds other files ({found[0]}); choose an empty folder as --out"
            )

    def _entries(self) -> list[Path]:
        return list(self.root.iterdir()) if self.root.exists() else []

    def _check_clearable(self, inputs: Inputs) -> None:
        if self.root.is_symlink():
            raise UserError(
                f"{self.root}: is a link, and what it leads to is not replaced; name the folder "
                "itself with --out"
            )
        LAYOUT.require_clearable(self.root, flag="--out", inputs=inputs)

    def check_same_stage(self, stage: str) -> None:
        """Refuse to continue a run as something else.

        Raises:
            UserError: names the command that the run was started with.
        """
        started_as = self.read_notes().get("stage", stage)
        if started_as != stage:
            raise UserError(
                f"{self.root}: holds a run of lad {started_as}; resume it with that command, or "
                "choose another --out"
            )

    def check_same_recipe(self, recipe: Recipe, saved: Recipe) -> None:
        """Refuse to continue a run under other options; schedule and places are not looked at.

        Raises:
            UserError: names the first option that differs.
        """
        mine, theirs = flat(recipe), flat(saved)
        for key, value in mine.items():
            if key not in (*FREE_KEYS, *PLACE_KEYS, *SCHEDULE_KEYS) and theirs.get(key) != value:
                raise UserError(
                    f"{self.root}: was started with {option_value(key, theirs.get(key))}, not "
                    f"{shown_value(value)}; resume without changing it, or choose another --out"
                )

    def note_given(self, given: Mapping[str, Given], *, anew: bool) -> None:
        """Write down the options as they were asked for, beside `recipe.yaml` that resolves them.

        Args:
            given: by dotted key.
            anew: the run starts; else they are added to those that it was started with.
        """
        before = {} if anew else self.read_notes().get("asked", {})
        asked = {key: {"value": g.value, "source": g.source} for key, g in given.items()}
        self.update_notes(asked={**before, **asked})

    def create(self, recipe: Recipe, *, stage: str, overwrite: bool, resumed: bool) -> None:
        """Make the folder and write down what will run in it."""
        if overwrite:
            self._clear()
        with writing_to(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        notes = {
            "stage": stage,
            "status": "running",
            "command": sys.argv,
            "seed": recipe.train.seed,
            "versions": _versions(),
        }
        if resumed:
            # First the status: with a longer recipe a run must not pass for finished.
            before = {k: v for k, v in self.read_notes().items() if k != "finished"}
            write_json(self.notes, {**before, **notes})
            save_recipe(recipe, self.recipe)
        else:
            save_recipe(recipe, self.recipe)
            self.update_notes(**notes, started=time.strftime("%Y-%m-%dT%H:%M:%S%z"))

    def _clear(self) -> None:
        with writing_to(self.root):
            LAYOUT.clear(self.root)


def network_of(checkpoint: Path) -> str:
    """The network that ``checkpoints/NET/NAME.pt`` is of, judged by its place alone."""
    return checkpoint.absolute().parent.name


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found

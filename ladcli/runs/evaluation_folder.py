"""Where an evaluation leaves what a network found on a set, and how good it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ladcli.outputs import NO_INPUTS, Inputs, require_replaceable
from ladcli.recognize import is_metrics, is_results
from ladcli.runs.names import METRICS, PREDICTIONS


@dataclass(frozen=True)
class EvaluationFolder:
    """``eval/NETWORK/SET`` of a run, or the folder that `lad eval --out` named."""

    path: Path

    @property
    def predictions(self) -> Path:
        return self.path / PREDICTIONS

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    @property
    def network(self) -> str:
        """By the place in a run: model, a or b."""
        return self.path.parent.name

    @property
    def set_name(self) -> str:
        """By the place in a run: train, val, test, or the stem of an annotation file."""
        return self.path.name

    def beside(self, set_name: str) -> EvaluationFolder:
        """That of the same network on another set."""
        return EvaluationFolder(self.path.parent / set_name)

    def holds_results(self) -> bool:
        """Whether either file is there."""
        return self.metrics.is_file() or self.predictions.is_file()

    def check_free(self, inputs: Inputs = NO_INPUTS) -> None:
        """Refuse a folder in which results would replace anything but earlier ones.

        Args:
            inputs: what the command reads, by the names that messages give it.

        Raises:
            UserError: it cannot be written to, or a file in it has a name that results need.
        """
        for path, ours in ((self.predictions, is_results), (self.metrics, is_metrics)):
            what = "of an evaluation by this program"
            require_replaceable(path, ours, what, flag="--out", inputs=inputs)

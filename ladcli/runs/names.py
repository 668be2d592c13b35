"""What the files and folders of a run are called, each said once.

A run folder holds::

    recipe.yaml  run.json  metrics.jsonl  stage.json  report.html  tensorboard/
    checkpoints/state.pt  checkpoints/NETWORK/{last,best,previous_best}.pt
    eval/NETWORK/SET/{predictions,metrics}.json
    probes/epoch_NNN.npz

Where others are meant to find such a file, ask `RunDirectory` or `EvaluationFolder` for its path.
"""

from __future__ import annotations

#: The network of a run that trained one, and those of a run that trained two.
ONLY_NETWORK = "model"
PAIR = ("a", "b")

RECIPE, NOTES, LOG = "recipe.yaml", "run.json", "metrics.jsonl"
STAGE_LABEL = "stage.json"
REPORT = "report.html"

CHECKPOINTS, STATE = "checkpoints", "state.pt"
LAST, BEST, PREVIOUS_BEST = "last", "best", "previous_best"

EVALUATIONS = "eval"
PREDICTIONS, METRICS = "predictions.json", "metrics.json"

PROBES, TENSORBOARD = "probes", "tensorboard"


def checkpoint_file(name: str) -> str:
    """The file of a checkpoint: of ``last``, say."""
    return f"{name}.pt"


def probe_file(epoch: int | str) -> str:
    """The file of the probes that were taken after so many epochs; ``*`` fits all of them."""
    return f"epoch_{epoch}.npz" if isinstance(epoch, str) else f"epoch_{epoch:03d}.npz"

"""The options of the command line that set options of the recipe: one row for each.

Commands take their options from here (`ladcli.cli.options`), and messages the flag that sets a key
(`ladcli.recipe.flags`).  Plain data: importing it imports neither torch nor pydantic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.schema_facts import FACTS

#: Panels of `--help`.
DATA, MODEL, TRAINING, RUN = "Data", "Model", "Training", "Run"
TEACHER, SWITCH = "Teacher", "Switch"

#: What --schedule means: epochs, and the epochs after which the learning rate falls.
SCHEDULES: dict[str, tuple[int, tuple[int, ...]]] = {
    "1x": (12, (8, 11)),
    "2x": (24, (16, 22)),
    "3x": (36, (27, 33)),
}

# Commands that take the same options.
_PREDICT, _EVAL, _RUN = {"predict"}, {"eval"}, {"run"}
_CACHE, _DISTILL, _COLAD = {"cache-teacher"}, {"distill"}, {"colad"}
_ONE_NETWORK = {"pretrain", "distill"}
_TRAIN = _ONE_NETWORK | _COLAD
_RECIPE = _TRAIN | _CACHE
_TRAIN_ALL = _TRAIN | _RUN  # by itself, or as a stage
_STAGES = _RECIPE | _RUN


@dataclass(frozen=True, eq=False)
class Flag:
    """One option of the command line."""

    usage: str  # the flag with the name of its value: "--workers N"
    key: str  # option of the recipe that it sets, or two with a blank between, or none
    panel: str | None  # of `--help`
    commands: set[str]
    words: str  # of `--help`; {default} and {choices} stand for those of the schema
    takes: Any = None  # type or choices, where they are not those of the schema

    @property
    def name(self) -> str:
        """The flag as it is typed."""
        return self.usage.split()[0]

    @property
    def metavar(self) -> str | None:
        """What `--help` calls the value; None shows the choices, if any."""
        return self.usage.partition(" ")[2] or None

    @property
    def keys(self) -> tuple[str, ...]:
        """Dotted keys of the recipe that the flag sets."""
        return tuple(self.key.split())

    @property
    def value(self) -> Any:
        """Type of the value, or the words to choose from; bool for a flag without a value."""
        return self.takes or FACTS[self.key].takes

    @property
    def help(self) -> str:
        """The words, with default and choices."""
        if len(self.keys) != 1:
            return self.words
        takes, default = FACTS[self.key]
        choices = ", ".join(takes[:-1]) + f" or {takes[-1]}" if isinstance(takes, tuple) else ""
        return self.words.format(default=default, choices=choices)


def _of_network(network: str) -> Iterator[Flag]:
    """What one network of CoLAD may have of its own."""
    key, panel = f"net_{network}", f"Network {network}"
    for usage, words in (
        ("--backbone NAME", "timm model. Default: model.backbone."),
        ("--head NAME", "{choices}. Default: model.head."),
        ("--weights FILE", "Backbone weights, or 'timm'. Default: model.weights."),
        ("--init CKPT", "Trained checkpoint of the same architecture to start from."),
        ("--lr X", "Learning rate. Default: --lr."),
    ):
        flag, metavar = usage.split()
        takes = str if flag == "--weights" else None
        option = f"{key}.{flag.removeprefix('--')}"
        yield Flag(f"{flag}-{network} {metavar}", option, panel, _COLAD, words, takes)


#: What --preset sets, in words; a test holds it to `ladcli.recipe.presets`.
_PRESET = (
    "Values for what neither a recipe nor an option gives. small: for 50 to 2,000 images on one "
    "GPU or a CPU: short side 320, long side up to 512, tf_efficientnet_lite0 with 64 channels, "
    "batch 8, lr 0.02, 24 epochs (of fewer than 200 images up to 96), the rate falls after 2/3 "
    "and 11/12 of them."
)
_SIZE = f"{FACTS['data.short'].default[-1]}x{FACTS['data.long'].default}"

#: All of them, in the order of `--help`.  A name that may stand for no path (timm, package:NAME)
#: stays text, as it was typed.
# fmt: off
TABLE: tuple[Flag, ...] = (
    Flag("--level LEVEL", "cache.level", None, _CACHE,
         "assignments: positives, enough for --mode lad. costs: for --switch too. soft: for soft "
         "and solad. dense: all outputs in half precision, for small data. Default: {default}."),
    Flag("--mode NAME", "distill.mode", TEACHER, _DISTILL,
         "lad: the teacher assigns the labels. soft: its outputs are targets beside the student's "
         "own labels. solad: both."),
    Flag("--switch NAME", "distill.switch", TEACHER, _DISTILL,
         "Of teacher and student, let the one whose costs tell candidates apart more clearly "
         "assign the labels, by std-mean or fisher. Default: {default}, the teacher always does."),
    Flag("--switch-scope SCOPE", "distill.switch_scope", TEACHER, _DISTILL,
         "What one decision of the switch covers: level (of an object), object, image or batch. "
         "Default: {default}."),
    Flag("--teacher CKPT", "distill.teacher", TEACHER, _DISTILL,
         "Teacher checkpoint, run on every step. With --cache it is only compared."),
    Flag("--cache FILE", "distill.cache", TEACHER, _DISTILL,
         "Teacher cache from lad cache-teacher: no teacher runs in training."),
    *_of_network("a"),
    *_of_network("b"),
    Flag("--switch NAME", "colad.switch", SWITCH, _COLAD,
         "Criterion that decides whose costs assign the labels: {choices}. Default: {default}."),
    Flag("--switch-scope SCOPE", "colad.switch_scope", SWITCH, _COLAD,
         "What one decision covers: level (of an object), object, image or batch. "
         "Default: {default}."),
    Flag("--first-teacher NAME", "colad.first_teacher", SWITCH, _COLAD,
         "Who wins a tie: {choices}. auto: the trained network, of two such the one with the "
         "higher AP on the validation set, else the one with more parameters. Default: {default}."),
    Flag("--soft", "colad.soft", SWITCH, _COLAD, "Each network also learns the other's outputs."),
    Flag("--data DIR", "data.dir", DATA, _STAGES | _EVAL,
         "Folder of a data set: annotations/ and images/, COCO's own download, Roboflow's COCO "
         "export, or a folder per split. docs/data.md shows the layouts."),
    Flag("--train-json FILE", "data.train_json", DATA, _STAGES,
         "Training annotations, instead of DIR's own."),
    Flag("--val-json FILE", "data.val_json", DATA, _TRAIN_ALL,
         "Validation annotations, instead of DIR's own."),
    Flag("--test-json FILE", "data.test_json", DATA, _TRAIN_ALL,
         "Test annotations, instead of DIR's own."),
    Flag("--images DIR", "data.images", DATA, _STAGES | _EVAL,
         "Image folder, instead of DIR's own, of every split that names none."),
    Flag("--val-images DIR", "data.val_images", DATA, _TRAIN_ALL,
         "Image folder of the validation set, where it is another one."),
    Flag("--test-images DIR", "data.test_images", DATA, _TRAIN_ALL,
         "Image folder of the test set, where it is another one."),
    Flag("--skip-bad-images", "data.skip_bad_images", DATA, _STAGES | _EVAL,
         "Leave out images that cannot be read, and count them, instead of stopping."),
    Flag("--workers N", "data.workers", DATA, _STAGES | _EVAL | _PREDICT,
         "Loader processes; 0 loads in the main one. Default: {default}."),
    Flag("--size PX[xPX]", "data.short data.long", DATA, _RECIPE,
         "Image size: images are scaled until their short side has the first number of pixels, or "
         "their long side the second, whichever comes first. Alone, as in 480, the limit of the "
         f"long side is in proportion (800). Default: {_SIZE}.", str),
    Flag("--backbone NAME", "model.backbone", MODEL, _ONE_NETWORK,
         "Any timm model that offers features_only. Default: {default}."),
    Flag("--weights FILE", "model.weights", MODEL, _TRAIN_ALL,
         "Backbone weights: a .safetensors or .pth file in timm's names, 'package:NAME' for the "
         "file in an installed package, or 'timm' for its hub. Without, training starts from "
         "random weights and nothing is frozen.", str),
    Flag("--head NAME", "model.head", MODEL, _ONE_NETWORK,
         "paa: class logits. iop, cop: class probabilities with objectness of the anchor or of its "
         "neighborhood inside. Default: {default}."),
    Flag("--recipe FILE", "", TRAINING, _RECIPE,
         "Recipe (YAML). Precedence: defaults < preset < recipe < options < --set.", Path),
    Flag("--preset", "train.preset", TRAINING, _RECIPE, _PRESET),
    Flag("--schedule", "schedule.epochs schedule.decay_epochs", TRAINING, _TRAIN,
         "12, 24 or 36 epochs with the paper's learning rate falls. Default: 1x.",
         tuple(SCHEDULES)),
    Flag("--epochs N", "schedule.epochs", TRAINING, _TRAIN,
         "Passes over the training images, instead of --schedule. The learning rate falls after "
         "2/3 and 11/12 of them, unless the recipe or --set schedule.decay_epochs=[...] says "
         "when."),
    Flag("--batch-size N", "train.batch_size", TRAINING, _TRAIN,
         "Images per optimizer step. Default: {default}."),
    Flag("--lr X", "optim.lr", TRAINING, _TRAIN,
         "Learning rate after warm-up. Default: {default} for a batch of "
         f"{FACTS['train.batch_size'].default}, for others in proportion."),
    Flag("--precision NAME", "train.precision", TRAINING, _STAGES | _EVAL,
         "Precision of the network: {choices}. Default: {default}."),
    Flag("--precision NAME", "train.precision", RUN, _PREDICT,
         "Precision of the network: {choices}. Default: {default}."),
    Flag("--set KEY=VALUE", "", TRAINING, _STAGES,
         "Any option of the recipe, such as --set optim.lr=0.005; may be repeated. docs/recipe.md "
         "lists them all.", list[str]),
    Flag("--seed N", "train.seed", RUN, _TRAIN, "Seed of every random draw. Default: {default}."),
    Flag("--device NAME", "train.device", RUN, _STAGES | _EVAL | _PREDICT,
         "auto, cpu, cuda or cuda:N. Default: {default}."),
    Flag("--tensorboard", "train.tensorboard", RUN, _TRAIN,
         "Write the log for TensorBoard too, to tensorboard/ of the run "
         "(pip install tensorboard)."),
)
# fmt: on

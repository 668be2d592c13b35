"""Options that several commands share, with the help that explains them."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ladcli.errors import UserError

if TYPE_CHECKING:
    from ladcli.data.views import InferenceViews

DATA, MODEL, TRAINING, RUN = "Data", "Model", "Training", "Run"
VIEWS = "Views"


class Schedule(str, Enum):
    """Training lengths of the paper: 12, 24 and 36 epochs."""

    x1 = "1x"
    x2 = "2x"
    x3 = "3x"


class PresetName(str, Enum):
    """Presets: values for what is given nowhere else."""

    small = "small"


class Precision(str, Enum):
    """Precision of the network; costs, boxes and losses stay in fp32."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Head(str, Enum):
    """Heads: PAA's, or with objectness inside the class output."""

    paa = "paa"
    iop = "iop"
    cop = "cop"


class Criterion(str, Enum):
    """Criteria of the dynamic switch."""

    std_mean = "std-mean"
    fisher = "fisher"


class Scope(str, Enum):
    """What one decision of the switch covers."""

    level = "level"
    object = "object"
    image = "image"
    batch = "batch"


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of a data set: annotations/ and images/, COCO's own download, Roboflow's COCO "
        "export, or a folder per split. docs/data.md shows the layouts.",
        rich_help_panel=DATA,
    ),
]
TrainJson = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Training annotations, instead of DIR's own.", rich_help_panel=DATA
    ),
]
ValJson = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Validation annotations, instead of DIR's own.", rich_help_panel=DATA
    ),
]
TestJson = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Test annotations, instead of DIR's own.", rich_help_panel=DATA
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Image folder, instead of DIR's own, of every split that names none.",
        rich_help_panel=DATA,
    ),
]
ValImages = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Image folder of the validation set, where it is another one.",
        rich_help_panel=DATA,
    ),
]
TestImages = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Image folder of the test set, where it is another one.",
        rich_help_panel=DATA,
    ),
]
SkipBadImages = Annotated[
    bool,
    typer.Option(
        "--skip-bad-images",
        help="Leave out images that cannot be read, and count them, instead of stopping.",
        rich_help_panel=DATA,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Loader processes; 0 loads in the main one. Default: 2.",
        rich_help_panel=DATA,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Any timm model that offers features_only. Default: resnet50.",
        rich_help_panel=MODEL,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Backbone weights: a .safetensors or .pth file in timm's names, 'package:NAME' for "
        "the file in an installed package, or 'timm' for its hub. Without, training starts from "
        "random weights and nothing is frozen.",
        rich_help_panel=MODEL,
    ),
]
HeadOption = Annotated[
    Head | None,
    typer.Option(
        "--head",
        metavar="NAME",
        help="paa: class logits. iop, cop: class probabilities with objectness of the anchor or of "
        "its neighborhood inside. Default: paa.",
        rich_help_panel=MODEL,
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="Recipe (YAML). Precedence: defaults < preset < recipe < options < --set.",
        rich_help_panel=TRAINING,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any option of the recipe, such as --set optim.lr=0.005; may be repeated. "
        "docs/recipe.md lists them all.",
        rich_help_panel=TRAINING,
    ),
]
#: What --preset sets, in words; a test holds it to `ladcli.recipe.presets`.
PRESET_HELP = (
    "Values for what neither a recipe nor an option gives. small: for 50 to 2,000 images on one "
    "GPU or a CPU: short side 320, long side up to 512, tf_efficientnet_lite0 with 64 channels, "
    "batch 8, lr 0.02, 24 epochs (of fewer than 200 images up to 96), the rate falls after 2/3 "
    "and 11/12 of them."
)
PresetOption = Annotated[
    PresetName | None,
    typer.Option("--preset", help=PRESET_HELP, rich_help_panel=TRAINING),
]
ScheduleOption = Annotated[
    Schedule | None,
    typer.Option(
        "--schedule",
        help="12, 24 or 36 epochs with the paper's learning rate falls. Default: 1x.",
        rich_help_panel=TRAINING,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        metavar="N",
        help="Passes over the training images, instead of --schedule. The learning rate falls "
        "after 2/3 and 11/12 of them, unless the recipe or --set schedule.decay_epochs=[...] says "
        "when.",
        rich_help_panel=TRAINING,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="PX[xPX]",
        help="Image size: images are scaled until their short side has the first number of "
        "pixels, or their long side the second, whichever comes first. Alone, as in 480, the "
        "limit of the long side is in proportion (800). Default: 800x1333.",
        rich_help_panel=DATA,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Images per optimizer step. Default: 16.", rich_help_panel=TRAINING
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="X",
        help="Learning rate after warm-up. Default: 0.01 for a batch of 16, for others in "
        "proportion.",
        rich_help_panel=TRAINING,
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="Precision of the network: fp32, bf16 or fp16. Default: fp32.",
        rich_help_panel=TRAINING,
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write the log for TensorBoard too, to tensorboard/ of the run "
        "(pip install tensorboard).",
        rich_help_panel=RUN,
    ),
]
InferenceSets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="An inference option, such as --set inference.nms_iou=0.5; may be repeated. "
        "docs/recipe.md lists them. Default: what the network's own run used.",
        rich_help_panel=RUN,
    ),
]
Flip = Annotated[
    bool,
    typer.Option(
        "--flip",
        help="See every image mirrored as well, and merge the boxes. Takes twice the time.",
        rich_help_panel=VIEWS,
    ),
]
Scales = Annotated[
    str | None,
    typer.Option(
        "--scales",
        metavar="PX[,PX...]",
        help="See every image at these short sides, such as 480,640, and merge the boxes. "
        "Default: the one that the network was trained with.",
        rich_help_panel=VIEWS,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="Seed of every random draw. Default: 0.", rich_help_panel=RUN),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="auto, cpu, cuda or cuda:N. Default: auto.", rich_help_panel=RUN
    ),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder of the run.", rich_help_panel=RUN)
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out.", rich_help_panel=RUN),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace the run in --out. Other files in the folder stay.",
        rich_help_panel=RUN,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress display.", rich_help_panel=RUN)
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as one JSON object instead of a table.",
        rich_help_panel=RUN,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=RUN),
]


def inference_views(*, flip: bool, scales: str | None) -> InferenceViews:
    """What --flip and --scales ask for.

    Raises:
        UserError: the scales are no list of whole numbers, or out of range.
    """
    from ladcli.data.views import InferenceViews

    if scales is None:
        return InferenceViews((), flip)
    try:
        shorts = [int(part) for part in scales.split(",")]
    except ValueError:
        raise UserError(
            f"--scales {scales}: write short sides in pixels with commas between, such as 480,640"
        ) from None
    return InferenceViews(tuple(dict.fromkeys(shorts)), flip)


def check_inference_only(sets: list[str] | None, command: str) -> None:
    """Refuse overrides of what comes with the checkpoint.

    Raises:
        UserError: naming the first one.
    """
    for text in sets or []:
        if not text.strip().startswith("inference."):
            raise UserError(
                f"--set {text}: {command} changes inference options only; the network and its "
                "input size come with the checkpoint"
            )


def recipe_flags(
    *,
    data: Path | None = None,
    train_json: Path | None = None,
    val_json: Path | None = None,
    test_json: Path | None = None,
    images: Path | None = None,
    val_images: Path | None = None,
    test_images: Path | None = None,
    skip_bad_images: bool = False,
    workers: int | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    head: Head | None = None,
    preset: PresetName | None = None,
    schedule: Schedule | None = None,
    epochs: int | None = None,
    size: str | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    precision: Precision | None = None,
    seed: int | None = None,
    device: str | None = None,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Options of the command line by the recipe's dotted keys; None where not given."""
    from ladcli.recipe import SCHEDULES

    flags: dict[str, Any] = {
        "data.dir": _text(data),
        "data.train_json": _text(train_json),
        "data.val_json": _text(val_json),
        "data.test_json": _text(test_json),
        "data.images": _text(images),
        "data.val_images": _text(val_images),
        "data.test_images": _text(test_images),
        "data.skip_bad_images": skip_bad_images or None,
        "data.workers": workers,
        "model.backbone": backbone,
        "model.weights": weights,
        "model.head": head.value if head else None,
        "train.preset": preset.value if preset else None,
        "schedule.epochs": epochs,
        "train.batch_size": batch_size,
        "optim.lr": lr,
        "train.precision": precision.value if precision else None,
        "train.seed": seed,
        "train.device": device,
        "train.tensorboard": tensorboard or None,
    }
    if size is not None:
        flags["data.short"], flags["data.long"] = image_size(size)
    if schedule is not None:
        if epochs is not None:
            raise UserError("--schedule and --epochs both say how long to train; give one of them")
        length, decays = SCHEDULES[schedule.value]
        flags |= {"schedule.epochs": length, "schedule.decay_epochs": list(decays)}
    return flags


def image_size(text: str) -> tuple[list[int], int]:
    """``data.short`` and ``data.long`` of --size SHORT or SHORTxLONG.

    Raises:
        UserError: not of that form, or the long side is the shorter one.
    """
    from ladcli.recipe.schema import DataConfig

    match = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip(), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise UserError(
            f"--size {text}: write the short side in pixels, or short x long, such as 480 or "
            "480x640"
        )
    short = int(match[1])
    usual = DataConfig()
    long = int(match[2]) if match[2] else round(short * usual.long / usual.short[-1])
    if long < short:
        raise UserError(f"--size {text}: the short side comes first; write {long}x{short}")
    return [short], long


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def check_table_name(path: Path | None) -> None:
    """Refuse a name for --csv that may be that of another file: tables replace earlier tables.

    Raises:
        UserError: the name does not end in .csv, or is that of anything but such a table.
    """
    if path is None:
        return
    if path.suffix.lower() != ".csv" or path.is_dir():
        raise UserError(f"--csv {path}: is no name for a table; name a file that ends in .csv")
    from ladcli.outputs import require_replaceable
    from ladcli.recognize import is_table

    require_replaceable(path, is_table, "a table of this program", flag="--csv")

"""`lad pretrain`."""

from __future__ import annotations

from ladcli.cli import options as o
from ladcli.cli.failures import friendly


@friendly
def pretrain(
    out: o.Out,
    data: o.DataDir = None,
    train_json: o.TrainJson = None,
    val_json: o.ValJson = None,
    test_json: o.TestJson = None,
    images: o.Images = None,
    val_images: o.ValImages = None,
    test_images: o.TestImages = None,
    skip_bad_images: o.SkipBadImages = False,
    workers: o.Workers = None,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    head: o.HeadOption = None,
    recipe: o.RecipeFile = None,
    preset: o.PresetOption = None,
    schedule: o.ScheduleOption = None,
    epochs: o.Epochs = None,
    size: o.Size = None,
    batch_size: o.BatchSize = None,
    lr: o.LearningRate = None,
    precision: o.PrecisionOption = None,
    sets: o.Sets = None,
    seed: o.Seed = None,
    device: o.Device = None,
    tensorboard: o.TensorBoard = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Train a PAA detector: a baseline, or a teacher.

    The run folder gets the resolved recipe, metrics.jsonl, checkpoints/model/{last,best}.pt and the
    evaluation on the validation set.

    Example:

        lad pretrain --data coco --weights timm --schedule 1x --out runs/teacher
    """
    from ladcli.cli.training import train
    from ladcli.stages.pretrain import pretrain as run
    from ladcli.stages.training import RunOptions

    flags = o.recipe_flags(
        data=data,
        train_json=train_json,
        val_json=val_json,
        test_json=test_json,
        images=images,
        val_images=val_images,
        test_images=test_images,
        skip_bad_images=skip_bad_images,
        workers=workers,
        backbone=backbone,
        weights=weights,
        head=head,
        preset=preset,
        schedule=schedule,
        epochs=epochs,
        size=size,
        batch_size=batch_size,
        lr=lr,
        precision=precision,
        seed=seed,
        device=device,
        tensorboard=tensorboard,
    )
    options = RunOptions(out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe)
    train(run, recipe, flags, sets or [], options, as_json=as_json)

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ladcli.recipe import load_recipe
from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import assert_same_weights

BEST = "checkpoints/{}/best.pt"
LAST = "checkpoints/{}/last.pt"
#: As in `tests.stages.tiny.duo_recipe`.
DUO = ("--backbone-b", "test_resnet", "--head-b", "cop", "--lr-b", "0.02")


def test_options_make_the_recipe_and_both_networks_are_reported(
    data: Path, tiny: Path, duo: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    args = ("--data", data, "--recipe", tiny, "--out", run, "--set", "schedule.epochs=2")
    outcome = lad("colad", *args, *DUO, "--json", "--quiet")
    assert outcome.err == ""
    found = json.loads(outcome.done())
    assert set(found) == {"run", "steps", "skipped_images", "networks"}
    assert (found["run"], found["steps"], found["skipped_images"]) == (str(run), 4, 0)
    assert list(found["networks"]) == ["a", "b"]
    for name, network in found["networks"].items():
        assert network["checkpoint"] == str(run / BEST.format(name))
        stored = json.loads((duo / f"eval/{name}/val/metrics.json").read_text())
        assert network == {"checkpoint": network["checkpoint"], **stored}
        # The stage, called from Python with the same options, gives the same networks.
        assert_same_weights(duo / LAST.format(name), run / LAST.format(name))


def test_run_ends_with_a_table_and_a_place_for_each_network(duo: Path) -> None:
    shown = lad("colad", "--out", duo, "--resume", "-q").done().splitlines()
    places = [line for line in shown if line.startswith("4 steps")]
    assert places == [
        f"4 steps; network {name} in {duo}/checkpoints/{name}/best.pt" for name in ("a", "b")
    ]
    # A finished run shows the numbers that it ended with.
    assert [line.split()[0] for line in shown if line].count("class") == 2


def test_networks_are_measured_by_lad_eval_as_in_the_run(data: Path, duo: Path) -> None:
    for name in ("a", "b"):
        stored = json.loads((duo / f"eval/{name}/val/metrics.json").read_text())
        args = ("--data", data, "--workers", "0", "--json", "-q")
        outcome = lad("eval", "--checkpoint", duo / LAST.format(name), *args)
        assert json.loads(outcome.done()) == stored
        # Its results lie beside those of the run.
        outcome = lad("eval", "--checkpoint", duo / LAST.format(name), *args, "--split", "test")
        assert (duo / f"eval/{name}/test/metrics.json").is_file()


@pytest.mark.parametrize("name", ["a", "b"])
def test_networks_teach_in_lad_distill_and_lad_cache_teacher(
    data: Path, tiny: Path, duo: Path, tmp_path: Path, name: str
) -> None:
    network, cache = duo / BEST.format(name), tmp_path / "t.h5"
    common = ("--data", data, "--recipe", tiny, "-q", "--teacher", network)
    lad("distill", *common, "--out", tmp_path / "s", "--set", "train.eval_every=0").done()
    assert "level assignments" in lad("cache-teacher", *common, "--out", cache).done()


def test_every_option_reaches_the_recipe(
    data: Path, tiny: Path, teacher: Path, duo: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    lad(
        "colad", "--data", data, "--recipe", tiny, "--out", run, "-q",
        "--init-a", teacher, "--lr-a", "0.005", "--head-a", "paa",
        "--backbone-a", "mobilenetv3_small_050",
        "--init-b", duo / LAST.format("b"), *DUO,
        "--switch", "fisher", "--switch-scope", "image", "--first-teacher", "b", "--soft",
        "--set", "train.eval_every=0",
    ).done()  # fmt: skip
    recipe = load_recipe(run / "recipe.yaml")
    assert recipe.colad.model_dump() == {
        "switch": "fisher", "switch_scope": "image", "first_teacher": "b", "soft": True,
    }  # fmt: skip
    assert recipe.net_a.model_dump() == {
        "backbone": "mobilenetv3_small_050", "weights": None, "head": "paa", "iou_branch": None,
        "init": str(teacher), "lr": 0.005,
    }  # fmt: skip
    assert recipe.net_b.model_dump() == {
        "backbone": "test_resnet", "weights": None, "head": "cop", "iou_branch": None,
        "init": str(duo / LAST.format("b")), "lr": 0.02,
    }  # fmt: skip
    assert json.loads((run / "run.json").read_text())["first_teacher"] == "b"


def test_backbone_weights_of_each_network_are_named_apart(
    data: Path, tiny: Path, tmp_path: Path
) -> None:
    args = ("colad", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    for name in ("a", "b"):
        message = refused_untouched(tmp_path, *args, f"--weights-{name}", f"{name}.pth")
        assert message == (
            f"{name}.pth: no such weights file; give --weights-{name} (net_{name}.weights) a file "
            "that exists"
        )
        message = refused_untouched(tmp_path, *args, f"--weights-{name}", "package:no_such_one")
        assert message.endswith(f"or give --weights-{name} a .safetensors or .pth file")
    message = refused_untouched(tmp_path, *args, "--weights", "both.pth")
    assert message == (
        "both.pth: no such weights file; give --weights (model.weights) a file that exists"
    )


def test_weights_of_another_network_are_mended_where_one_of_two_is_chosen(
    data: Path, tiny: Path, tmp_path: Path
) -> None:
    save_file({"stem.weight": torch.zeros(1)}, tmp_path / "strange.safetensors")
    args = ("colad", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    for option in ("--weights-b", "--weights"):
        message = refused_untouched(tmp_path, *args, option, tmp_path / "strange.safetensors")
        network = "b" if option == "--weights-b" else "a"
        assert message.endswith(
            "name the network they were made for with "
            f"--backbone-{network} (net_{network}.backbone)"
        )


def test_one_checkpoint_for_both_is_refused(
    data: Path, tiny: Path, teacher: Path, tmp_path: Path
) -> None:
    args = ("colad", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    message = refused_untouched(tmp_path, *args, "--init-a", teacher, "--init-b", teacher)
    assert message == (
        f"{teacher}: both networks start from this checkpoint and would stay equal for ever; "
        "give --init-a and --init-b different files, or leave one out"
    )


def test_checkpoint_of_another_network_is_refused(
    data: Path, tiny: Path, teacher: Path, tmp_path: Path
) -> None:
    args = ("colad", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    message = refused_untouched(tmp_path, *args, *DUO, "--init-b", teacher)
    assert message.startswith(f"{teacher}: is another network than the recipe asks for (its back")
    assert message.endswith(
        "name the checkpoint's own backbone and head with --backbone-b and --head-b, and its "
        "model.* options"
    )


@pytest.mark.parametrize(
    "options",
    [("--switch", "off"), ("--switch-scope", "epoch"), ("--first-teacher", "c"), ("--head-a", "x")],
)
def test_choices_that_are_not_there_are_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    outcome = lad("colad", "--out", tmp_path / "run", *options)
    assert outcome.code == 2
    assert options[1] in outcome.err
    assert not list(tmp_path.iterdir())


def test_run_of_another_command_is_not_resumed(
    data: Path, tiny: Path, teacher_run: Path, duo: Path
) -> None:
    args = ("--data", data, "--recipe", tiny, "--resume")
    message = refused_untouched(teacher_run, "colad", *args, "--out", teacher_run)
    assert message.startswith(f"{teacher_run}: holds a run of lad pretrain")
    message = refused_untouched(duo, "pretrain", *args, "--out", duo)
    assert message.startswith(f"{duo}: holds a run of lad colad; resume it with that command")

"""Everything that users get wrong: exit code 2, one line that names it, and nothing half-written.

What one command alone can meet is tested beside that command.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import change_json, contents, copy_of, cut_pixels, draw

TRAIN = "annotations/train.json"


@pytest.fixture
def mine(data: Path, tmp_path: Path) -> Path:
    """A data set of one's own, to spoil."""
    return copy_of(data, tmp_path / "data")


@pytest.fixture
def run(tiny: Path, mine: Path, tmp_path: Path) -> Callable[..., str]:
    """The message of `lad pretrain` on the spoiled set, which must leave no trace."""

    def refused(*options: str | Path) -> str:
        args = ("pretrain", "--data", mine, "--recipe", tiny, "--out", tmp_path / "run")
        return refused_untouched(tmp_path, *args, *options)

    return refused


def write(path: Path, text: str) -> None:
    path.write_text(text)


def set_in_first(table: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content[table][0][key] = value

    return change


class TestAnnotations:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("[1, 2]", "must hold an object with images, annotations and categories, got [1, 2]"),
            ("{}", "the key 'images' is missing"),
            ("<html>", "invalid JSON at line 1, column 1"),
            ('{"images": [', "invalid JSON at line 1, column 13"),
            ("", "the file is empty"),
            ('[{"image_id": 1, "score": 0.5}]', "is a list of detections (a results file)"),
        ],
    )
    def test_json_that_is_not_coco(
        self, run: Callable[..., str], mine: Path, text: str, reason: str
    ) -> None:
        write(mine / TRAIN, text)
        message = run()
        assert message.startswith(f"{mine}/{TRAIN}: ")
        assert reason in message
        assert ";" in message  # the remedy

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                set_in_first("annotations", "image_id", 99999),
                "annotation 1 has image_id 99999, which is not in 'images'; correct or remove it",
            ),
            (
                set_in_first("annotations", "category_id", 99999),
                "annotation 1 has category_id 99999, which is not in 'categories'; "
                "correct or remove it",
            ),
            (lambda c: c["categories"].clear(), "'categories' is empty; list the classes"),
            (lambda c: c["images"].clear(), "'images' is empty"),
            (lambda c: c["annotations"].clear(), "nothing to train on, there are no boxes"),
            (lambda c: c.pop("annotations"), "the key 'annotations' is missing"),
            (set_in_first("images", "file_name", "../../secret.jpg"), "has file_name"),
        ],
        ids=["image", "category", "no category", "no image", "no box", "no key", "outside"],
    )
    def test_records_that_cannot_be_meant(
        self, run: Callable[..., str], mine: Path, change: Callable[..., None], reason: str
    ) -> None:
        change_json(mine / TRAIN, change)
        message = run()
        assert message.startswith(f"{mine}/{TRAIN}: ")
        assert reason in message

    def test_classes_of_the_validation_set(self, run: Callable[..., str], mine: Path) -> None:
        change_json(mine / "annotations/val.json", set_in_first("categories", "name", "blob"))
        message = run()
        assert message.startswith(f"{mine}/annotations/val.json: knows other classes than")
        assert "class 'disc' is missing" in message or "class 'blob' is missing" in message


class TestFolders:
    def test_missing_data_folder(self, run: Callable[..., str], tmp_path: Path) -> None:
        message = run("--data", tmp_path / "no where")
        assert message == f"{tmp_path}/no where: no such data folder; check --data"

    def test_no_data_at_all(self, tiny: Path, tmp_path: Path) -> None:
        args = ("pretrain", "--recipe", tiny, "--out", tmp_path / "run")
        message = refused_untouched(tmp_path, *args)
        assert message.startswith("no training data: name a folder with --data")

    def test_folder_of_another_layout(
        self, run: Callable[..., str], mine: Path, tmp_path: Path
    ) -> None:
        shutil.move(mine / "annotations", mine / "labels")
        below = mine / "labels"
        assert run() == f"{mine}: holds no data set itself, but {below} does; give --data {below}"

    def test_folder_without_images(self, run: Callable[..., str], mine: Path) -> None:
        shutil.rmtree(mine / "images")
        assert run() == (
            f"{mine}: has no folder images/; name the image folder with --images (those of "
            "train.json are wanted)"
        )

    def test_folder_without_a_training_set(self, run: Callable[..., str], mine: Path) -> None:
        (mine / TRAIN).unlink()
        message = run()
        assert message.startswith(f"{mine}: annotations/ needs train.json")
        assert "found: test.json, val.json" in message


class TestImages:
    """Bad headers are found before the first step."""

    def spoil_and_run(
        self, run: Callable[..., str], mine: Path, spoil: Callable[[Path], Any]
    ) -> str:
        image = mine / "images/train_00003.jpg"
        spoil(image)
        message = run()
        assert message.startswith(f"{mine}/{TRAIN}: 1 of 8 image files cannot be used: {image}: ")
        assert message.endswith("leave them out with --skip-bad-images (data.skip_bad_images)")
        return message.removeprefix(f"{mine}/{TRAIN}: 1 of 8 image files cannot be used: {image}: ")

    def test_missing(self, run: Callable[..., str], mine: Path) -> None:
        message = self.spoil_and_run(run, mine, lambda image: image.unlink())
        assert message.startswith("no such file; check the image folder and the file_name")

    def test_empty(self, run: Callable[..., str], mine: Path) -> None:
        message = self.spoil_and_run(run, mine, lambda image: image.write_bytes(b""))
        assert message.startswith("the file is empty")

    def test_web_page(self, run: Callable[..., str], mine: Path) -> None:
        message = self.spoil_and_run(run, mine, lambda image: image.write_text("<html>404"))
        assert message.startswith("is a web page, not an image")

    def test_other_size_than_the_annotations_say(self, run: Callable[..., str], mine: Path) -> None:
        message = self.spoil_and_run(
            run, mine, lambda image: Image.new("RGB", (64, 48)).save(image)
        )
        assert message.startswith("the file is 64x48, the annotations say 128x96")

    def test_pixels_that_fail_later_are_named_with_the_state_saved(
        self, data: Path, mine: Path, tiny: Path, tmp_path: Path
    ) -> None:
        image = mine / "images/train_00003.jpg"
        cut_pixels(image)
        args = ("pretrain", "--data", mine, "--recipe", tiny, "--out", tmp_path / "run", "-q")
        message = lad(*args).refused()
        assert message.startswith(f"{image}: cannot be decoded (")
        assert "the state is saved: mend the file and go on with --resume" in message
        assert message.endswith("leave such images out with --skip-bad-images")
        notes = json.loads((tmp_path / "run/run.json").read_text())
        assert notes["status"] == "interrupted"
        # Both remedies work.
        kept = copy_of(tmp_path / "run", tmp_path / "kept")
        skipping = lad(*args, "--resume", "--skip-bad-images")
        skipping.done()
        assert "note: 1 image(s) could not be read and were left out; see run.json" in skipping.err
        image.write_bytes((data / "images/train_00003.jpg").read_bytes())
        lad("pretrain", "--out", kept, "--resume", "-q").done()

    def test_pixels_that_fail_can_be_skipped_from_the_start(
        self, mine: Path, tiny: Path, tmp_path: Path
    ) -> None:
        cut_pixels(mine / "images/train_00003.jpg")
        outcome = lad(
            "pretrain", "--data", mine, "--recipe", tiny, "--out", tmp_path / "run", "--json",
            "--skip-bad-images", "--quiet",
        )  # fmt: skip
        assert json.loads(outcome.done())["skipped_images"] == 1
        (named,) = json.loads((tmp_path / "run/run.json").read_text())["skipped_images"]
        assert "train_00003.jpg" in named


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--set", "optmi.lr=1"), "--set: unknown key optmi.lr; did you mean optim.lr?"),
            (("--set", "lr"), "--set lr: must have the form KEY=VALUE"),
            (("--lr", "-1"), "--lr: optim.lr must be greater than 0, got -1.0"),
            (("--seed", "-1"), "--seed: train.seed must be at least 0, got -1"),
            (("--recipe", "none.yaml"), "recipe none.yaml: no such file; check the path"),
            (
                ("--backbone", "resnet59"),
                "--backbone (model.backbone): 'resnet59' is no model that timm knows",
            ),
            (
                ("--backbone", "vit_tiny_patch16_224"),
                "--backbone (model.backbone): 'vit_tiny_patch16_224' has no features at stride 8",
            ),
            (
                ("--weights", "none.pth"),
                "none.pth: no such weights file; give --weights (model.weights)",
            ),
            (("--device", "cuda:99"), "device 'cuda:99' does not exist"),
            (("--device", "gpu"), "device 'gpu' is unknown; choose auto, cpu, cuda or cuda:N"),
            (
                ("--resume", "--overwrite"),
                "--resume and --overwrite exclude each other; choose one",
            ),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
    )
    def test_options_that_cannot_be(
        self, run: Callable[..., str], options: tuple[str, ...], message: str
    ) -> None:
        assert run(*options).startswith(message)

    def test_unknown_key_of_a_recipe_file(self, run: Callable[..., str], tmp_path: Path) -> None:
        write(tmp_path / "r.yaml", "model: {backbonne: resnet18}")
        assert run("--recipe", tmp_path / "r.yaml") == (
            f"recipe {tmp_path}/r.yaml: unknown key model.backbonne; did you mean model.backbone?"
        )

    def test_weights_of_another_network(
        self, run: Callable[..., str], teacher: Path, tmp_path: Path
    ) -> None:
        torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "w.pth")
        message = run("--weights", tmp_path / "w.pth")
        assert message.startswith(f"{tmp_path}/w.pth: holds no ")
        assert "these are not weights of mobilenetv3_small_050" in message

    def test_weights_that_are_none(self, run: Callable[..., str], tmp_path: Path) -> None:
        write(tmp_path / "w.pth", "rubbish")
        assert run("--weights", tmp_path / "w.pth").startswith(f"{tmp_path}/w.pth: cannot be read")


class TestOutputFolder:
    def test_that_holds_a_run(self, data: Path, tiny: Path, teacher_run: Path) -> None:
        args = ("pretrain", "--data", data, "--recipe", tiny, "--out", teacher_run)
        message = refused_untouched(teacher_run, *args)
        assert message.startswith(f"{teacher_run}: already holds a run (finished); continue it")
        for remedy in ("--resume", "--overwrite", "another --out"):
            assert remedy in message

    @pytest.mark.parametrize("more", [(), ("--overwrite",)])
    def test_that_holds_other_files(
        self, run: Callable[..., str], tmp_path: Path, more: tuple[str, ...]
    ) -> None:
        (tmp_path / "run").mkdir()
        write(tmp_path / "run/thesis.tex", "years of work")
        message = run(*more)
        assert (
            message
            == f"{tmp_path}/run: holds other files (thesis.tex); choose an empty folder as --out"
        )

    def test_that_is_a_file(self, run: Callable[..., str], tmp_path: Path) -> None:
        write(tmp_path / "run", "a file")
        assert run() == f"{tmp_path}/run: is a file; choose another --out"

    @pytest.mark.parametrize("command", ["pretrain", "distill", "cache-teacher"])
    def test_that_cannot_be_made(
        self, command: str, data: Path, tiny: Path, teacher: Path, tmp_path: Path
    ) -> None:
        write(tmp_path / "file", "in the way")
        more = () if command == "pretrain" else ("--teacher", teacher)
        for place in (tmp_path / "file/x", Path("/proc/x")):
            args = (command, "--data", data, "--recipe", tiny, "--out", place, *more)
            message = refused_untouched(tmp_path, *args)
            assert message.startswith(f"{place}")
            assert "cannot be written (" in message


class TestFullDisk:
    """The system refuses to write any more, sooner or later."""

    @pytest.fixture
    def full_at(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Let the disk be full as soon as a file of this name has been written."""

        def fill(name: str) -> None:

            def refuse(path: Path) -> None:
                if name in str(path):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            monkeypatch.setattr("ladcli.files._flush_to_disk", refuse)

        return fill

    @pytest.mark.parametrize("name", ["recipe.yaml", "run.json", "state.pt", "last.pt"])
    def test_training_stops_without_half_a_file(
        self,
        data: Path,
        tiny: Path,
        tmp_path: Path,
        full_at: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        full_at(name)
        run = tmp_path / "run"
        message = lad("pretrain", "--data", data, "--recipe", tiny, "--out", run, "-q").refused()
        assert f"/{name}: cannot be written (No space left on device); free some space" in message
        assert not [file for file in contents(run) if file.endswith((".part", name))]
        monkeypatch.undo()
        if name != "recipe.yaml":  # where a run was begun, it goes on
            lad("pretrain", "--out", run, "--resume", "-q").done()

    def test_torch_hides_the_cause_and_it_is_found(
        self, data: Path, tiny: Path, tmp_path: Path
    ) -> None:
        """A limit on the size of files, so that it is torch that meets the refusal."""
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            outcome = lad(
                "pretrain", "--data", data, "--recipe", tiny, "--out", tmp_path / "run", "-q"
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "state.pt: cannot be written (File too large)" in outcome.refused()
        assert not [file for file in contents(tmp_path) if file.endswith(".part")]

    def test_cache_is_not_begun_or_goes_on(
        self,
        data: Path,
        tiny: Path,
        teacher: Path,
        tmp_path: Path,
        full_at: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        full_at("t.h5.")
        out = tmp_path / "t.h5"
        args = ("cache-teacher", "--teacher", teacher, "--data", data, "--recipe", tiny, "-q")
        message = lad(*args, "--out", out).refused()
        assert message.startswith(f"{out}")
        assert "cannot be written (No space left on device)" in message
        assert not out.exists()
        monkeypatch.undo()
        lad(*args, "--out", out).done()

    def test_evaluation_leaves_the_old_results(
        self, data: Path, teacher: Path, tmp_path: Path, full_at: Callable[[str], None]
    ) -> None:
        args = ("eval", "--checkpoint", teacher, "--data", data, "--workers", "0", "-q")
        lad(*args, "--out", tmp_path / "e").done()
        full_at("predictions.json")
        message = refused_untouched(tmp_path, *args, "--out", tmp_path / "e", "--split", "test")
        assert message.startswith(f"{tmp_path}/e/predictions.json: cannot be written (No space")


class TestTeachersAndCaches:
    @pytest.fixture
    def student(self, data: Path, tiny: Path, tmp_path: Path) -> Callable[..., str]:
        def refused(*options: str | Path) -> str:
            args = ("distill", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
            return refused_untouched(tmp_path, *args, *options)

        return refused

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (("--set", "assign.topk=5"), "other assignment options (--set assign.topk=9, here 5)"),
            (("--set", "data.short=64"), "another view set ("),
            (("--set", "data.flip=0"), "another view set ("),
        ],
    )
    def test_cache_made_under_other_options(
        self, student: Callable[..., str], cache: Path, options: tuple[str, ...], reason: str
    ) -> None:
        message = student("--cache", cache, *options)
        assert message.startswith(f"{cache}: was made for {reason}")
        assert message.endswith("build one that fits with lad cache-teacher")

    def test_cache_made_for_other_data(
        self, student: Callable[..., str], cache: Path, tmp_path: Path
    ) -> None:
        other = draw(tmp_path / "other", seed=1)
        message = student("--cache", cache, "--data", other)
        assert message.startswith(f"{cache}: was made for another data set (")

    def test_cache_made_with_another_teacher(
        self, student: Callable[..., str], cache: Path, data: Path, tiny: Path, tmp_path: Path
    ) -> None:
        lad("pretrain", "--data", data, "--recipe", tiny, "--out", tmp_path / "t", "--seed", "1")
        other = tmp_path / "t/checkpoints/model/last.pt"
        message = student("--cache", cache, "--teacher", other)
        assert message.startswith(f"{cache}: was made for another teacher network (")

    @pytest.mark.parametrize("damage", ["garbage", "half", "folder", "missing"])
    def test_cache_that_is_none(
        self, student: Callable[..., str], cache: Path, tmp_path: Path, damage: str
    ) -> None:
        file = tmp_path / "bad.h5"
        if damage == "garbage":
            file.write_bytes(bytes(range(256)) * 10)
        elif damage == "half":
            file.write_bytes(cache.read_bytes()[: cache.stat().st_size // 2])
        elif damage == "folder":
            file.mkdir()
        message = student("--cache", file)
        assert message.startswith(f"{file}: ")
        assert message.endswith("with lad cache-teacher")

    @pytest.mark.parametrize("damage", ["garbage", "half", "folder", "missing", "foreign"])
    def test_checkpoint_that_is_none(
        self, student: Callable[..., str], teacher: Path, tmp_path: Path, damage: str
    ) -> None:
        file = tmp_path / "bad.pt"
        if damage == "garbage":
            file.write_bytes(bytes(range(256)) * 10)
        elif damage == "half":
            file.write_bytes(teacher.read_bytes()[: teacher.stat().st_size // 2])
        elif damage == "folder":
            file.mkdir()
        elif damage == "foreign":
            torch.save({"weight": torch.zeros(2)}, file)
        assert student("--teacher", file).startswith(f"{file}: ")

    def test_checkpoint_of_other_classes(
        self, student: Callable[..., str], teacher: Path, tmp_path: Path, tiny: Path
    ) -> None:
        other = draw(tmp_path / "four", classes=4)
        message = student("--teacher", teacher, "--data", other)
        assert message.startswith(f"{teacher}: knows other classes than the training set")
        args = ("cache-teacher", "--teacher", teacher, "--data", other, "--recipe", tiny)
        message = refused_untouched(tmp_path, *args, "--out", tmp_path / "t.h5")
        assert "(3 classes against 4, which add '" in message
        args = ("eval", "--checkpoint", teacher, "--data", other, "--out", tmp_path / "e")
        message = refused_untouched(tmp_path, *args)
        assert (
            f"than the set {other}/annotations/val.json (3 classes against 4, which add '"
            in message
        )

    def test_checkpoint_whose_weights_are_of_another_architecture(
        self, student: Callable[..., str], teacher: Path, tmp_path: Path
    ) -> None:
        content = torch.load(teacher, weights_only=True)
        content["architecture"]["channels"] = 32
        torch.save(content, tmp_path / "bad.pt")
        message = student("--teacher", tmp_path / "bad.pt")
        assert message.startswith(
            f"{tmp_path}/bad.pt: its weights do not fit its own architecture ("
        )

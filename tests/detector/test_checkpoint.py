"""Checkpoints: what comes back, what is refused, and what a fingerprint sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from ladcli.classes import ClassTable
from ladcli.detector.checkpoint import (
    FORMAT,
    InputRule,
    load_checkpoint,
    read_plain_file,
    save_checkpoint,
    store_thresholds,
    teacher_fingerprint,
)
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.detector.model import Detector
from ladcli.errors import UserError
from tests.detector.intruder import Intruder
from tests.detector.tiny import ARCHITECTURE, CLASSES, tiny_batch, tiny_detector
from tests.refusals import refusal_of

RULE = InputRule(short=64, long=96)
TRAINING = {"epoch": 3, "recipe": {"train": {"seed": 0, "lr": None}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint of a small network."""
    save_checkpoint(tmp_path / "model" / "last.pt", tiny_detector(), RULE, TRAINING)
    return tmp_path / "model" / "last.pt"


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Read the plain content of a checkpoint, edit it, and write it back."""
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)


def refusal(path: Path) -> str:
    """The one line with which ``path`` is refused."""
    message = refusal_of(load_checkpoint, path)
    assert message.startswith(str(path))
    return message


def test_a_network_comes_back_with_everything_needed_to_use_it(path: Path) -> None:
    detector, images = tiny_detector().eval(), tiny_batch().images
    loaded = load_checkpoint(path)
    assert loaded.detector.architecture == ARCHITECTURE
    assert loaded.detector.classes == CLASSES
    assert loaded.input_rule == RULE
    assert loaded.training == TRAINING
    assert loaded.path == path
    assert not any(m.training for m in loaded.detector.modules())
    assert torch.equal(loaded.detector(images).cls.raw, detector(images).cls.raw)
    assert torch.equal(loaded.detector(images).box_deltas, detector(images).box_deltas)


def test_statistics_that_training_moved_come_back(tmp_path: Path) -> None:
    detector = tiny_detector().train()
    detector(tiny_batch().images)
    save_checkpoint(tmp_path / "a.pt", detector, RULE, {})
    theirs = load_checkpoint(tmp_path / "a.pt").detector.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in detector.state_dict().items())


def test_a_checkpoint_holds_tensors_and_plain_values_only(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    assert content["architecture"] == ARCHITECTURE.to_plain()
    assert content["classes"] == [[2, "cup"], [5, "plate"], [9, "spoon"]]
    assert content["input"] == {"short": 64, "long": 96}


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full_disk(_: Any, file: BinaryIO) -> None:
        file.write(b"half")
        try:
            raise OSError(28, "No space left on device")
        finally:  # as torch's writer does on its way out
            raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(UserError, match=rf"{path}: cannot be written \(No space left on device\)"):
        save_checkpoint(path, tiny_detector(1), RULE, {})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pt"]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "no such checkpoint" in refusal(tmp_path / "absent.pt")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"not a checkpoint\n" * 9])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert "cannot be read as a checkpoint of this program" in refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_file_that_was_cut_off_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "cannot be read" in refusal(path)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    content = {"format": FORMAT, "version": 1, "model": Intruder(tmp_path / "ran")}
    torch.save(content, tmp_path / "a.pt")
    assert "holds more than tensors and plain values" in refusal(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, {"format": "lad-state"}])
def test_files_of_other_programs_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert "is no checkpoint of this program" in refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("version", [2, 0, None])
def test_other_versions_are_refused(path: Path, version: int | None) -> None:
    change(path, lambda c: c.update(version=version))
    assert f"has version {version}, this program reads version 1" in refusal(path)


@pytest.mark.parametrize("key", ["architecture", "classes", "input", "model"])
def test_a_missing_part_is_named(path: Path, key: str) -> None:
    change(path, lambda c: c.pop(key))
    assert f"is damaged (KeyError: '{key}')" in refusal(path)


@pytest.mark.parametrize(
    "part",
    [
        {"architecture": "resnet18"},
        {"architecture": {**ARCHITECTURE.to_plain(), "depth": 3}},
        {"architecture": {**ARCHITECTURE.to_plain(), "norm_groups": 5}},
        {"architecture": {**ARCHITECTURE.to_plain(), "channels": -4, "norm_groups": 1}},
        {"architecture": {**ARCHITECTURE.to_plain(), "channels": "many"}},
        {"classes": [[1, "a", 2]]},
        {"classes": [["one", "a"]]},
        {"input": [64, 96]},
        {"input": {"short": "small", "long": 96}},
        {"model": [torch.zeros(3)]},
        {"training": 3},
    ],
)
def test_parts_that_make_no_sense_are_refused(path: Path, part: dict[str, Any]) -> None:
    change(path, lambda c: c.update(part))
    refusal(path)


def test_a_backbone_that_this_timm_lacks_is_named_with_the_file(path: Path) -> None:
    change(path, lambda c: c["architecture"].update(backbone="test_efficientnet9"))
    assert "cannot be built here ('test_efficientnet9' is no model" in refusal(path)


def test_a_checkpoint_without_notes_loads(path: Path) -> None:
    change(path, lambda c: c.pop("training"))
    assert load_checkpoint(path).training == {}


def test_weights_of_another_class_count_are_refused(path: Path) -> None:
    change(path, lambda c: c["classes"].pop())
    text = refusal(path)
    assert "head.cls_out.weight is [3, 16, 3, 3], needed is [2, 16, 3, 3]" in text


def test_weights_of_another_architecture_are_refused(path: Path) -> None:
    change(path, lambda c: c["architecture"].update(head_convs=2))
    assert "(no head.cls_tower.1.conv.weight)" in refusal(path)
    change(path, lambda c: c["architecture"].update(head_convs=0))
    assert "(unknown head." in refusal(path)


def test_a_value_in_place_of_a_tensor_is_refused(path: Path) -> None:
    change(path, lambda c: c["model"].update({"head.scales": [1.0] * 5}))
    assert "is damaged" in refusal(path)


def test_plain_files_are_called_what_the_caller_calls_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such training state"):
        read_plain_file(tmp_path / "a.pt", "x", (1,), what="training state")


THRESHOLDS = {"iou": 0.5, "per_class": {"cup": {"threshold": 0.6, "f1": None}}}


def bytes_of(path: Path) -> dict[str, bytes]:
    content = torch.load(path, weights_only=True)["model"]
    return {name: tensor.numpy().tobytes() for name, tensor in content.items()}


def test_thresholds_come_back_and_are_part_of_nothing_else(path: Path, tmp_path: Path) -> None:
    assert load_checkpoint(path).thresholds is None  # as in files of older programs
    other = tmp_path / "with.pt"
    save_checkpoint(other, tiny_detector(), RULE, TRAINING, thresholds=THRESHOLDS)
    loaded = load_checkpoint(other)
    assert loaded.thresholds == THRESHOLDS
    assert loaded.training == TRAINING
    assert teacher_fingerprint(loaded.detector) == teacher_fingerprint(tiny_detector())


def test_thresholds_are_stored_beside_the_same_tensors(path: Path) -> None:
    before, tensors = torch.load(path, weights_only=True), bytes_of(path)
    path.chmod(0o640)
    store_thresholds(path, load_checkpoint(path).detector, THRESHOLDS)
    after = torch.load(path, weights_only=True)
    assert bytes_of(path) == tensors
    assert after.pop("thresholds") == THRESHOLDS
    assert {**after, "model": 0} == {**before, "model": 0}
    assert after["model"].keys() == before["model"].keys()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pt"]
    written = path.stat().st_mtime_ns
    store_thresholds(path, load_checkpoint(path).detector, THRESHOLDS)
    assert path.stat().st_mtime_ns == written


def test_thresholds_go_into_the_file_that_a_link_names(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.pt").symlink_to(path)
    store_thresholds(tmp_path / "link.pt", tiny_detector(), THRESHOLDS)
    assert (tmp_path / "link.pt").is_symlink()
    assert load_checkpoint(path).thresholds == THRESHOLDS


def test_thresholds_of_another_network_are_refused(path: Path) -> None:
    before = path.read_bytes()
    message = refusal_of(store_thresholds, path, tiny_detector(1), THRESHOLDS)
    assert message == f"{path}: holds another network by now"
    assert path.read_bytes() == before


def test_a_checkpoint_that_is_replaced_meanwhile_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def replaced(content: Any, file: BinaryIO) -> None:
        save(content, file)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "save", save)
            save_checkpoint(path, tiny_detector(1), RULE, {})

    monkeypatch.setattr(torch, "save", replaced)
    message = refusal_of(store_thresholds, path, tiny_detector(), THRESHOLDS)
    assert message == f"{path}: holds another network by now"
    loaded = load_checkpoint(path)
    assert loaded.thresholds is None
    assert teacher_fingerprint(loaded.detector) == teacher_fingerprint(tiny_detector(1))
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pt"]


def test_a_checkpoint_that_is_marked_read_only_is_left_alone(path: Path) -> None:
    path.chmod(0o444)
    before = path.read_bytes()
    message = refusal_of(store_thresholds, path, tiny_detector(), THRESHOLDS)
    assert message == f"{path}: is marked read-only"
    assert path.read_bytes() == before


def test_thresholds_that_are_no_table_are_damage(path: Path) -> None:
    change(path, lambda content: content.update(thresholds=[0.5]))
    assert "is damaged (TypeError: its thresholds are no table)" in refusal(path)


def fingerprint(detector: Detector) -> str:
    found = teacher_fingerprint(detector)
    assert len(found) == 64
    assert int(found, 16) >= 0
    return found


def test_equal_networks_have_equal_fingerprints(path: Path) -> None:
    mine = fingerprint(tiny_detector())
    assert fingerprint(load_checkpoint(path).detector) == mine
    # How the network is used or laid out in memory makes no difference.
    other = tiny_detector().train().requires_grad_(False).to(memory_format=torch.channels_last)
    assert fingerprint(other) == mine
    other.backbone.net.bn1.num_batches_tracked += 1  # counts for training only
    assert fingerprint(other) == mine


def test_classes_are_known_by_name() -> None:
    renumbered = ClassTable((1, 2, 3), CLASSES.names)
    assert fingerprint(tiny_detector(classes=renumbered)) == fingerprint(tiny_detector())
    renamed = ClassTable(CLASSES.ids, ("cup", "plate", "fork"))
    assert fingerprint(tiny_detector(classes=renamed)) != fingerprint(tiny_detector())
    swapped = ClassTable(CLASSES.ids, ("plate", "cup", "spoon"))
    assert fingerprint(tiny_detector(classes=swapped)) != fingerprint(tiny_detector())


def test_every_tensor_that_inference_uses_changes_the_fingerprint() -> None:
    detector = tiny_detector()
    mine = fingerprint(detector)
    tensors = {k: v for k, v in detector.state_dict().items() if v.is_floating_point()}
    assert {"head.scales", "backbone.net.bn1.running_mean"} < set(tensors)
    for name, tensor in tensors.items():
        last = tensor.flatten()[-1].item()
        tensor.view(-1)[-1] = last + 1e-3
        assert fingerprint(detector) != mine, name
        tensor.view(-1)[-1] = last
    assert fingerprint(detector) == mine


@pytest.mark.parametrize("change", [{"pixel_mean": (0.5,) * 3}, {"pixel_std": (0.5,) * 3}])
def test_pixel_statistics_change_the_fingerprint(change: dict[str, Any]) -> None:
    detector = tiny_detector()
    mine = fingerprint(detector)
    detector.architecture = replace(ARCHITECTURE, **change)
    assert fingerprint(detector) != mine


def test_group_count_changes_the_fingerprint() -> None:
    """It changes no tensor, but what is computed."""
    mine, other = tiny_detector(), tiny_detector(norm_groups=8)
    assert all(torch.equal(v, mine.state_dict()[k]) for k, v in other.state_dict().items())
    assert fingerprint(other) != fingerprint(mine)


def test_a_checkpoint_of_the_program_before_anchors_had_options_is_read() -> None:
    """Its fingerprint is compared with that in caches of its time in tests/cache."""
    found = load_checkpoint(Path(__file__).parent / "files/before-anchor-options.pt")
    network = found.detector
    assert network.architecture.anchors == DEFAULT_LAYOUT
    assert not {"anchor_scale", "first_level"} & set(network.architecture.to_plain())
    assert network.classes.names == ("disc", "square", "triangle")
    with torch.no_grad():
        outputs = network(torch.zeros(1, 3, 96, 128))
    assert outputs.cls.raw.shape[1] == DEFAULT_LAYOUT.grid((96, 128)).num_anchors

"""Who teaches whom must have the same anchors, and is told what both have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ladcli.cache.differences import CacheUse, anchors_of, difference
from ladcli.cache.format import LEVELS, Level
from ladcli.cache.reader import TeacherCache, read_cache_info
from ladcli.detector.checkpoint import load_checkpoint
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from ladcli.stages.assigner import assigner_fingerprint, build_assigner
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import colad
from ladcli.stages.datasets import open_training_set
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.same_anchors import require_same_anchors, shared_anchors
from ladcli.stages.teachers import input_fingerprint
from ladcli.stages.training import RunOptions
from tests.cache.caches import edit_header
from tests.refusals import refusal_of
from tests.stages.tiny import contents, duo_recipe, tiny_recipe

FINE = {"model__anchor_scale": 4.0, "model__first_level": 2}
DEFAULT_WORDS = "model.anchor_scale 8, model.first_level 3"
FINE_WORDS = "model.anchor_scale 4, model.first_level 2"


@pytest.fixture(scope="module")
def fine_teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network with anchors of 4 strides from P2 on."""
    out = tmp_path_factory.mktemp("fine") / "teacher"
    pretrain(tiny_recipe(data, train__eval_every=0, **FINE), RunOptions(out, quiet=True))
    return out / "checkpoints/model/last.pt"


@pytest.fixture(scope="module")
def fine_caches(
    data: Path, fine_teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Level, Path]:
    folder = tmp_path_factory.mktemp("fine_caches")
    for level in LEVELS:
        recipe = tiny_recipe(data, cache__level=level)
        cache_teacher(recipe, fine_teacher, folder / f"{level}.h5", quiet=True)
    return {level: folder / f"{level}.h5" for level in LEVELS}


def refusal(stage: Any, out: Path, data: Path, recipe: Any = tiny_recipe, **options: Any) -> str:
    """The line with which a run is refused that has written nothing."""
    made = recipe(data, **{"train__eval_every": 0, **options})
    message = refusal_of(stage, made, RunOptions(out, quiet=True))
    assert not out.exists()
    return message


def test_both_are_named_and_the_remedy(tmp_path: Path) -> None:
    path, fine = Path("teacher.pt"), AnchorLayout(4.0, 2)
    require_same_anchors(path, fine, AnchorLayout(4.0, 2), whose="the student")
    assert refusal_of(require_same_anchors, path, fine, DEFAULT_LAYOUT, whose="the student") == (
        f"teacher.pt: has other anchors ({FINE_WORDS}) than the student ({DEFAULT_WORDS}), and "
        "networks teach anchor by anchor; give both the same, such as --set model.anchor_scale=4 "
        "--set model.first_level=2"
    )


def test_networks_of_a_run_share_theirs() -> None:
    assert shared_anchors({"model": AnchorLayout(3.0)}) == AnchorLayout(3.0)
    same = {"a": AnchorLayout(4.0, 2), "b": AnchorLayout(4.0, 2)}
    assert shared_anchors(same) == AnchorLayout(4.0, 2)
    message = refusal_of(shared_anchors, {"a": AnchorLayout(4.0, 2), "b": DEFAULT_LAYOUT})
    assert f"network a has other anchors ({FINE_WORDS}) than network b ({DEFAULT_WORDS})" in message


@pytest.mark.parametrize(
    "changes", [{"model__anchor_scale": 4.0}, {"model__first_level": 2}], ids=str
)
def test_an_online_teacher_with_other_anchors_is_refused(
    data: Path, teacher: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    message = refusal(distill, tmp_path / "run", data, distill__teacher=str(teacher), **changes)
    assert message.startswith(f"{teacher}: has other anchors ({DEFAULT_WORDS}) than the student (")


@pytest.mark.parametrize("level", LEVELS)
def test_a_cache_of_a_teacher_with_other_anchors_is_refused(
    data: Path,
    caches: dict[Level, Path],
    fine_caches: dict[Level, Path],
    tmp_path: Path,
    level: Level,
) -> None:
    mode = {"distill__mode": "soft"} if level == "soft" else {}
    for path, student, theirs, mine in (
        (caches[level], FINE, DEFAULT_WORDS, FINE_WORDS),
        (fine_caches[level], {}, FINE_WORDS, DEFAULT_WORDS),
    ):
        message = refusal(
            distill, tmp_path / "run", data, distill__cache=str(path), **mode, **student
        )
        assert message.startswith(f"{path}: has other anchors ({theirs}) than the student ({mine})")


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_cache_notes_of_its_anchors_is_not_trusted_alone(
    data: Path, fine_caches: dict[Level, Path], tmp_path: Path, level: Level
) -> None:
    """Fingerprints decide."""
    path = tmp_path / "cache.h5"
    path.write_bytes(fine_caches[level].read_bytes())
    edit_header(path, lambda header: header["origin"].pop("anchors"))
    assert anchors_of(read_cache_info(path)) == DEFAULT_LAYOUT
    message = refusal(distill, tmp_path / "run", data, distill__cache=str(path))
    assert f"{path}: was made for another view set" in message


@pytest.mark.parametrize("level", LEVELS)
def test_a_student_with_its_teachers_anchors_learns(
    data: Path, fine_teacher: Path, fine_caches: dict[Level, Path], tmp_path: Path, level: Level
) -> None:
    """The network of the checkpoint, and every level of its cache."""
    source = {"distill__cache": str(fine_caches[level]), "distill__teacher": str(fine_teacher)}
    mode = {"assignments": "lad", "costs": "lad", "soft": "solad", "dense": "solad"}[level]
    recipe = tiny_recipe(data, train__eval_every=0, distill__mode=mode, **source, **FINE)
    assert distill(recipe, RunOptions(tmp_path / "run", quiet=True)).steps == 2
    found = load_checkpoint(tmp_path / "run/checkpoints/model/last.pt").detector
    assert found.architecture.anchors == AnchorLayout(4.0, 2)


def test_colad_does_not_start_from_a_network_with_other_anchors(
    data: Path, fine_teacher: Path, teacher: Path, tmp_path: Path
) -> None:
    for key in ("net_a__init", "net_b__init"):
        message = refusal(colad, tmp_path / "run", data, **{key: str(fine_teacher)})
        assert message.startswith(
            f"{fine_teacher}: has other anchors ({FINE_WORDS}) than the network that the recipe "
            f"asks for ({DEFAULT_WORDS})"
        )
    message = refusal(colad, tmp_path / "run", data, net_a__init=str(teacher), **FINE)
    assert message.startswith(f"{teacher}: has other anchors ({DEFAULT_WORDS}) than")


def test_colad_learns_with_other_anchors(data: Path, fine_teacher: Path, tmp_path: Path) -> None:
    options = {"schedule__epochs": 1, "train__eval_every": 0, **FINE}
    recipe = tiny_recipe(data, net_a__init=str(fine_teacher), **options)
    assert colad(recipe, RunOptions(tmp_path / "run", quiet=True)).steps == 2
    recipe = duo_recipe(data, **options)
    assert colad(recipe, RunOptions(tmp_path / "duo", quiet=True)).steps == 2


def test_fingerprints_know_anchors_that_are_not_the_default() -> None:
    assigner, data = build_assigner(tiny_recipe().assign), DataConfig()
    layouts = [DEFAULT_LAYOUT, AnchorLayout(4.0), AnchorLayout(8.0, 2), AnchorLayout(4.0, 2)]
    assert len({assigner_fingerprint(assigner, layout) for layout in layouts}) == 4
    assert len({input_fingerprint(data, layout) for layout in layouts}) == 4


def test_a_cache_notes_its_anchors_and_a_difference_names_both(
    data: Path, cache: Path, fine_caches: dict[Level, Path]
) -> None:
    assert anchors_of(read_cache_info(cache)) == DEFAULT_LAYOUT
    fine = TeacherCache(fine_caches["assignments"])
    assert anchors_of(fine.info) == AnchorLayout(4.0, 2)
    recipe = tiny_recipe(data)
    index, assigner = open_training_set(recipe.data), build_assigner(recipe.assign)
    use = CacheUse(index, recipe.data, assigner, recipe.soft, DEFAULT_LAYOUT)
    words = "--set model.anchor_scale=4.0, here 8.0, --set model.first_level=2, here 3"
    for name in ("input", "assigner"):
        assert difference(fine, use, name) == words
        assert difference(fine, replace(use, anchors=AnchorLayout(4.0, 2)), name) is None


def test_keeping_a_cache_of_other_anchors_names_both(
    data: Path, teacher: Path, fine_caches: dict[Level, Path], tmp_path: Path
) -> None:
    """As a pipeline does."""
    path = fine_caches["assignments"]
    before = contents(path.parent)
    with pytest.raises(UserError, match="was made for another teacher network") as caught:
        cache_teacher(tiny_recipe(data), teacher, path, keep=True, quiet=True)
    assert "--set model.anchor_scale=4.0, here 8.0" in str(caught.value)
    assert contents(path.parent) == before

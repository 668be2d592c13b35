from __future__ import annotations

from pathlib import Path

from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.run_directory import RunDirectory, network_of
from tests.refusals import refusal_of


def test_paths_tell_network_and_set(tmp_path: Path) -> None:
    found = RunDirectory(tmp_path).evaluation("test", "b")
    assert (found.network, found.set_name) == ("b", "test")
    assert found.predictions == tmp_path / "eval/b/test/predictions.json"
    assert found.metrics == tmp_path / "eval/b/test/metrics.json"
    assert found.beside("val") == RunDirectory(tmp_path).evaluation("val", "b")


def test_either_file_is_a_result(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    assert not folder.holds_results()
    for path in (folder.metrics, folder.predictions):
        path.write_text("{}")
        assert folder.holds_results()
        path.unlink()


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.check_free()
    folder.metrics.write_text('{"mine": 1}')
    assert f"{folder.metrics}: exists and is not of an evaluation" in refusal_of(folder.check_free)


def test_results_are_listed_by_set(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for net, name in (("b", "val"), ("a", "val"), ("a", "test"), ("a", "holdout")):
        folder = run.evaluation(name, net)
        folder.path.mkdir(parents=True)
        folder.predictions.write_text("[]")
    (tmp_path / "eval/c/val").mkdir(parents=True)
    listed = [(one.set_name, one.network) for one in run.evaluations()]
    assert listed == [("val", "a"), ("val", "b"), ("test", "a"), ("holdout", "a")]
    assert run.evaluated_networks() == ["a", "b", "c"]
    assert [one.set_name for one in run.detected("a")] == ["holdout", "test", "val"]


def test_a_checkpoint_tells_its_run_by_its_place(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.first_checkpoint() == tmp_path / "checkpoints/NETWORK/last.pt"
    for net in ("b", "a"):
        path = run.checkpoint("last", net)
        path.parent.mkdir(parents=True)
        path.touch()
    assert run.first_checkpoint() == tmp_path / "checkpoints/a/last.pt"
    assert RunDirectory.around(run.first_checkpoint()) == run
    assert network_of(run.first_checkpoint()) == "a"
    assert RunDirectory.around(tmp_path / "a/last.pt") is None


def test_probes_are_listed_by_epoch(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.probe(7) == tmp_path / "probes/epoch_007.npz"
    paths = [run.probe(epoch) for epoch in (0, 2, 12, 1000)]
    paths[0].parent.mkdir()
    for path in reversed(paths):
        path.touch()
    assert run.probe_files() == paths

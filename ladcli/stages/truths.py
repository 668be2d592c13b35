"""Where the ground truth and the images of evaluated sets lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ladcli.data.folder import Split, SplitFiles, find_split
from ladcli.errors import UserError
from ladcli.evaluate.measured import Truth
from ladcli.evaluate.measurements import Measurements
from ladcli.recipe.schema import DataConfig, Recipe

#: Sets that a data folder names; any other is the stem of an annotation file.
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass
class Truths:
    """Finds ground truth, and reads each annotation file once."""

    data: Path | None  # instead of what recipes name
    annotations: Path | None = None  # the ground truth itself, of any set
    measurements: Measurements = field(default_factory=Measurements)

    def find(self, recipe: Recipe | None, name: str) -> tuple[Truth | None, str | None]:
        """The ground truth of a set, or why it was not found."""
        config = self._config(recipe)
        try:
            if self.annotations is not None:
                return self._truth(_files_around(self.annotations, config)), None
            if config is None:
                return None, "no data folder is known; name it with --data"
            files = _files_of(config, name)
            if files is None:
                return None, f"the data has no set of this name ({config.dir}); name it with --data"
            return self._truth(files), None
        except UserError as error:
            return None, str(error)

    def _truth(self, files: SplitFiles) -> Truth:
        return Truth(self.measurements.truth(files.annotations), files.images)

    def image_folders(self, recipe: Recipe | None) -> list[Path]:
        """Where images of any set may lie, the training set's folder first."""
        config = self._config(recipe)
        found: list[Path] = []
        for split in _SPLITS if config is not None else ():
            assert config is not None
            try:
                files = find_split(config, split)
            except UserError:
                continue
            if files is not None:
                found.append(files.images)
        return list(dict.fromkeys(found))

    def _config(self, recipe: Recipe | None) -> DataConfig | None:
        if self.data is not None:
            return DataConfig(dir=str(self.data))
        if recipe is None:
            return None
        data = recipe.data
        known = (data.dir, data.train_json, data.val_json, data.test_json)
        return recipe.data if any(known) else None


def _files_around(annotations: Path, config: DataConfig | None) -> SplitFiles:
    """Ground truth that was named, with the images of the data or, without, those beside it."""
    named = (config or DataConfig()).model_copy(update={"val_json": str(annotations)})
    try:
        found = find_split(named, "val")
    except UserError:  # no folder of images, which numbers do not need
        found = None
    return found or SplitFiles(annotations, annotations.parent.parent / "images")


def _files_of(config: DataConfig, name: str) -> SplitFiles | None:
    """The files of a set: a split, or an annotation file by its stem."""
    if name in _SPLITS:
        return find_split(config, next(split for split in _SPLITS if split == name))
    if config.dir is None:
        return None
    annotations = Path(config.dir) / "annotations" / f"{name}.json"
    if not annotations.is_file():
        return None
    return find_split(config.model_copy(update={"val_json": str(annotations)}), "val")

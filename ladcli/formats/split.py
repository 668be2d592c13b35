"""Which images are for training, validation and test.

A data set's own splits are kept.  Otherwise an image goes where a hash of its content says: the
same image always goes to the same split, whatever it is called, in whatever order images come and
whichever are added later; and so do two images of equal content.  Shares are therefore met only
about.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ladcli.data.layouts import SPLITS, Split
from ladcli.errors import UserError
from ladcli.formats.sound import AnnotatedImage
from ladcli.formats.tally import Tally


@dataclass(frozen=True)
class Shares:
    """How images are to be divided where the data set does not say."""

    val: float | None = None  # share of the images; None was not asked for
    test: float | None = None
    group_by: str | None = None  # pattern of names; what it captures stays together

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: naming the option.
        """
        for name, share in (("--val", self.val), ("--test", self.test)):
            if share is not None and not 0 <= share < 1:
                raise UserError(f"{name} must be a share of the images, 0 to 1, got {share:g}")
        if (self.val or 0) + (self.test or 0) >= 1:
            raise UserError("--val and --test leave no image for training; give smaller shares")
        if self.group_by is None:
            return
        if not self.val and not self.test:
            raise UserError("--group-by divides nothing without --val or --test; give one of them")
        try:
            re.compile(self.group_by)
        except re.error as error:
            raise UserError(
                f"--group-by {self.group_by!r}: is no regular expression ({error})"
            ) from error


def divided(
    images: Sequence[AnnotatedImage],
    digests: Sequence[str],
    names: Sequence[str],
    shares: Shares,
    tally: Tally,
) -> dict[Split, list[int]]:
    """Positions of the images of each split that has any.

    Args:
        digests: SHA-256 of each image file, hex.
        names: of each image, with the folders that the data set has it in.
    """
    own = [image.split for image in images]
    if any(own):
        _refuse_again(shares, {split for split in own if split})
        for image, split in zip(images, own, strict=True):
            if split is None:
                tally.note("image", "in none of the data set's own splits, used for training",
                              str(image.path))  # fmt: skip
    keys = [*digests]
    if shares.group_by is not None:
        keys = [
            _group(shares.group_by, name) or digest
            for name, digest in zip(names, digests, strict=True)
        ]
        _say_groups(keys, digests, names, shares.group_by, tally)
    rows: dict[Split, list[int]] = defaultdict(list)
    for row, split in enumerate(own):
        rows["train" if split is None else split].append(row)
    total = len(rows["train"])
    rows["train"], rows["val"], rows["test"] = _drawn(rows, keys, shares)
    _say_far_off(rows, total, shares, tally)
    return {split: rows[split] for split in SPLITS if rows[split]}


def _drawn(
    rows: Mapping[Split, list[int]], keys: Sequence[str], shares: Shares
) -> tuple[list[int], list[int], list[int]]:
    """What the shares take from the training images."""
    train: list[int] = []
    val, test = list(rows.get("val", ())), list(rows.get("test", ()))
    for row in rows.get("train", ()):
        place = int(hashlib.sha256(os.fsencode(keys[row])).hexdigest()[:16], 16) / 2**64
        # From both ends, so that the share of one does not move the other.
        if place < (shares.val or 0):
            val.append(row)
        elif place >= 1 - (shares.test or 0):
            test.append(row)
        else:
            train.append(row)
    return train, val, test


def _say_far_off(
    rows: Mapping[Split, Sequence[int]], total: int, shares: Shares, tally: Tally
) -> None:
    """Few images, or few groups, may be shared out far from what was asked for."""
    asked: tuple[tuple[Split, float | None], ...] = (("val", shares.val), ("test", shares.test))
    for split, share in asked:
        if not share:
            continue
        wanted = share * total
        if abs(len(rows[split]) - wanted) > wanted / 2:
            tally.note(
                "share",
                "far from what was asked for: where an image goes depends on its content alone, "
                "and evens out with more images",
                f"{split} {len(rows[split])} of {total}, not {wanted:.0f}",
            )


def _refuse_again(shares: Shares, own: set[Split]) -> None:
    for split, share in (("val", shares.val), ("test", shares.test)):
        if share and split in own:
            raise UserError(
                f"the data set has a split {split} of its own, which is kept; leave --{split} out"
            )


def _group(pattern: str, name: str) -> str | None:
    """What ``pattern`` captures of ``name``; None where it does not match."""
    match = re.search(pattern, name)
    if match is None:
        return None
    return "\0".join(("group", *(part or "" for part in match.groups() or (match[0],))))


def _say_groups(
    keys: Sequence[str],
    digests: Sequence[str],
    names: Sequence[str],
    pattern: str,
    tally: Tally,
) -> None:
    alone = [name for key, digest, name in zip(keys, digests, names, strict=True) if key == digest]
    if len(alone) == len(names):
        raise UserError(
            f"--group-by {pattern!r}: matches no name (the first is {names[0]!r}); correct it"
        )
    for name in alone:
        tally.note("image", "that --group-by does not match, divided by content", name)


def say_shared_content(
    rows: Mapping[Split, Sequence[int]],
    digests: Sequence[str],
    names: Sequence[str],
    tally: Tally,
) -> None:
    """Name images of equal content, and above all those in two splits."""
    place = {row: split for split, members in rows.items() for row in members}
    same: dict[str, list[int]] = defaultdict(list)
    for row in sorted(place):
        same[digests[row]].append(row)
    for twins in same.values():
        for row in twins[1:]:
            first = twins[0]
            where = f"{names[row]} is {names[first]}"
            if place[row] != place[first]:
                tally.note(
                    "image",
                    "with the content of an image in another split",
                    f"{where}; {place[row]} and {place[first]}",
                )
            else:
                tally.note("image", "with the content of another image", where)


def say_lacking(
    rows: Mapping[Split, Sequence[int]],
    images: Sequence[AnnotatedImage],
    classes: Sequence[str],
    tally: Tally,
) -> None:
    """Name the classes that a split lacks."""
    for split, members in rows.items():
        counts = Counter(box.class_name for row in members for box in images[row].boxes)
        for name in classes:
            if not counts[name]:
                tally.note("class", f"without a box in {split}", name)

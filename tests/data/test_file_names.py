"""Names that would lead out of the image folder."""

from __future__ import annotations

import pytest

from ladcli.data.file_names import unsafe_reason


@pytest.mark.parametrize(
    "name", ["a.jpg", "train/a.jpg", "a..b.jpg", "..a/b.jpg", "c d.jpg", "ä.png"]
)
def test_names_below_the_folder_may_be_opened(name: str) -> None:
    assert unsafe_reason(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0.jpg", "NUL"),
        ("http://host/a.jpg", "is a URL"),
        ("file:///etc/passwd", "is a URL"),
        ("C:/a.jpg", "is a Windows path"),
        ("train\\a.jpg", "is a Windows path"),
        ("/etc/passwd", "is an absolute path"),
        ("../a.jpg", "leaves the image folder"),
        ("train/../../a.jpg", "leaves the image folder"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, reason: str) -> None:
    assert reason in str(unsafe_reason(name))

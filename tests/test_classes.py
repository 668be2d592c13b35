"""The table of classes."""

from __future__ import annotations

import json

import pytest

from ladcli.classes import ClassTable

TABLE = ClassTable((1, 3, 90), ("cup", "plate", "spoon"))


def test_the_number_of_classes_is_its_length() -> None:
    assert len(TABLE) == 3
    assert len(ClassTable((), ())) == 0


def test_ids_and_names_stand_side_by_side() -> None:
    with pytest.raises(ValueError, match="2 class ids but 1 class names"):
        ClassTable((1, 2), ("cup",))


def test_a_table_survives_json() -> None:
    plain = TABLE.to_plain()
    assert plain == [[1, "cup"], [3, "plate"], [90, "spoon"]]
    assert ClassTable.from_plain(json.loads(json.dumps(plain))) == TABLE


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (TABLE, None),
        (ClassTable((5, 6, 7), TABLE.names), None),  # known by name, whatever the ids
        (ClassTable((1, 3), ("cup", "plate")), "3 classes against 2, which lack 'spoon'"),
        (
            ClassTable((1,), ("fork",)),
            "3 classes against 1, which lack 'cup', 'plate', 'spoon' and add 'fork'",
        ),
        (
            ClassTable((1, 2), ("cup", "a\tb")),
            "3 classes against 2, which lack 'plate', 'spoon' and add 'a\\tb'",
        ),
        (ClassTable((1, 3, 90), ("cup", "plate", "fork")), "class 'spoon' is missing"),
        (ClassTable((1, 3, 90), ("plate", "cup", "spoon")), "the same classes in another order"),
    ],
)
def test_differences_are_told_in_words(other: ClassTable, difference: str | None) -> None:
    assert TABLE.difference(other) == difference

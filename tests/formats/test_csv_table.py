from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.formats.class_names import given_classes
from ladcli.formats.csv_table import read_csv
from ladcli.formats.foreign import ForeignImage
from ladcli.formats.tally import Tally
from tests.formats.foreign_sets import picture, problem, problems, write

OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside\n"
)
TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def read(
    folder: Path, text: str, *, images: tuple[str, ...] = ("a.jpg",), **options: object
) -> tuple[list[ForeignImage], Tally]:
    for number, name in enumerate(images):
        picture(folder / name, seed=number)
    tally = Tally(folder)
    found = read_csv(write(folder / "boxes.csv", text), tally, **options)  # type: ignore[arg-type]
    return found.images, tally


def test_open_images(tmp_path: Path) -> None:
    (image,), tally = read(
        tmp_path,
        OPEN_IMAGES
        + "a,xclick,/m/01,1,0.25,0.75,0.1,0.5,1,-1,0,0,0\na,activemil,/m/02,1,0,1,0,1,0,0,1,1,-1\n",
    )
    assert image.in_shares
    cat, crowd = image.boxes
    assert (cat.class_name, cat.corners) == ("/m/01", (0.25, 0.1, 0.75, 0.5))
    assert (cat.crowd, cat.flags) == (False, {"occluded": 1})
    assert (crowd.crowd, crowd.flags) == (True, {"depiction": 1})
    assert not tally.lines()


def test_class_descriptions_beside_the_table_or_by_the_user(tmp_path: Path) -> None:
    descriptions = write(tmp_path / "class-descriptions-boxable.csv", '/m/01,"Cat, big"\n')
    row = "a,x,/m/01,1,0.25,0.75,0.1,0.5,0,0,0,0,0\n"
    (image,), _ = read(tmp_path, OPEN_IMAGES + row)
    assert image.boxes[0].class_name == "Cat, big"
    given = given_classes(str(descriptions))
    assert given is not None
    assert given.names == ("Cat, big",)
    assert given.by_id == {"/m/01": "Cat, big"}


def test_tensorflow(tmp_path: Path) -> None:
    (image,), tally = read(tmp_path, TENSORFLOW + "a.jpg,64,48,cat,3,4,10,20\n")
    assert (image.in_shares, image.stated_size) == (False, (64, 48))
    assert image.boxes[0].corners == (3, 4, 10, 20)
    assert not tally.lines()


@pytest.mark.parametrize(
    "text",
    [
        "ymax;xmax;class;ymin;xmin;filename\r\n20;10;cat;4;3;a.jpg\r\n",
        "\ufeffimage\tlabel\tx1\ty1\tx2\ty2\na.jpg\tcat\t3\t4\t10\t20\n",
        "image_path, class_name, X_Min, Y_Min, X_Max, Y_Max\nphotos/a.jpg, cat, 3, 4, 10, 20\n",
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "cat,3,4,7,16,a.jpg,64,48\n",
        '\n"filename","class","xmin","ymin","xmax","ymax"\n"a.jpg","cat","3","4","10","20"\n',
    ],
    ids=["order", "tabs", "names", "sizes", "quotes"],
)
def test_columns_are_found_by_name(tmp_path: Path, text: str) -> None:
    (image,), tally = read(tmp_path, text)
    assert image.boxes[0].class_name == "cat"
    assert image.boxes[0].corners == (3, 4, 10, 20)
    assert not tally.lines()


def test_unknown_columns_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, "file;kind;a;b;c;d\na.jpg;cat;1;2;3;4\n")
    assert "the columns of a box are not among file, kind, a, b, c, d; name them" in str(
        caught.value
    )


def test_numbers_of_the_other_kind_are_not_guessed(tmp_path: Path) -> None:
    text = TENSORFLOW + "a.jpg,64,48,cat,0.25,0.1,0.75,0.5\n"
    with pytest.raises(UserError, match="say --coordinates shares"):
        read(tmp_path, text)
    (image,), _ = read(tmp_path, text, coordinates="shares")
    assert image.in_shares
    text = OPEN_IMAGES + "a,x,cat,1,3,10,4,20,0,0,0,0,0\n"
    with pytest.raises(UserError, match="say --coordinates pixels"):
        read(tmp_path, text)
    (image,), _ = read(tmp_path, text, coordinates="pixels")
    assert not image.in_shares


def test_odd_rows_are_left_out(tmp_path: Path) -> None:
    rows = [
        "a.jpg,64,48,cat,3,4,10,20", "a.jpg,64,48,cat,3,4,10", "a.jpg,64,48,cat,3,4,x,20",
        "a.jpg,64,48,cat,3,,10,20", ",64,48,cat,3,4,10,20", "a.jpg,64,48,,3,4,10,20",
        "gone.jpg,64,48,cat,3,4,10,20", "a.jpg,64,48,cat,3,4,10,20",
    ]  # fmt: skip
    (image,), tally = read(tmp_path, TENSORFLOW + "\n".join(rows))
    assert len(image.boxes) == 2
    assert problems(tally) == {
        "row: left out: another number of columns than the first line": 1,
        "row: left out: a coordinate missing or no number": 2,
        "row: left out: no image named": 1,
        "row: left out: no class named": 1,
        "row: left out: image not found: no file of that name": 1,
    }


def test_a_row_without_a_box_is_a_negative(tmp_path: Path) -> None:
    text = "path,x1,y1,x2,y2,class\na.jpg,3,4,10,20,cat\nb.jpg,,,,,\n"
    images, tally = read(tmp_path, text, images=("a.jpg", "b.jpg"))
    assert [len(image.boxes) for image in images] == [1, 0]
    assert not tally.lines()


def test_images_that_no_row_names_are_said(tmp_path: Path) -> None:
    text = TENSORFLOW + "a.jpg,64,48,cat,3,4,10,20\n"
    images, tally = read(tmp_path, text, images=("a.jpg", "b.jpg"))
    assert len(images) == 1
    assert problem(tally) == "image: left out: named by no row"


def test_tables_of_a_folder_say_their_split(tmp_path: Path) -> None:
    for number, (folder, table) in enumerate(
        (("train", "_annotations.csv"), ("valid", "_annotations.csv"), (".", "test_labels.csv"))
    ):
        picture(tmp_path / folder / f"{number}.jpg", seed=number)
        write(tmp_path / folder / table, TENSORFLOW + f"{number}.jpg,64,48,cat,3,4,10,20\n")
    found = read_csv(tmp_path, Tally())
    assert {image.path.name: image.split for image in found.images} == {
        "0.jpg": "train", "1.jpg": "val", "2.jpg": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "lefts"),
    [
        (("a.jpg", "./a.jpg", "photos/x/a.jpg", "X\\A.JPG"), [1, 2, 3, 4]),
        (("y/a.jpg", "x/a.jpg", "z/a.jpg"), [2]),
    ],
)
def test_names_that_lead_to_one_image(
    tmp_path: Path, names: tuple[str, ...], lefts: list[int]
) -> None:
    rows = "".join(f"{name},64,48,cat,{n},4,20,20\n" for n, name in enumerate(names, start=1))
    (image,), _ = read(tmp_path, TENSORFLOW + rows, images=("x/a.jpg",))
    assert [box.corners[0] for box in image.boxes] == lefts


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2 is no row of a table"):
        read(tmp_path, TENSORFLOW + "x" * 200_000 + ",1,1,cat,1,1,2,2\n")

"""Pictures with boxes: colors, lines and names are where they should be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from ladcli.classes import ClassTable
from ladcli.evaluate import drawing as module
from ladcli.evaluate.drawing import (
    class_colors,
    draw_boxes,
    draw_detections,
    legible,
    line_width,
)
from ladcli.structures import Detections

RED, GREEN = (200, 0, 0), (0, 200, 0)
GRAY = (128, 128, 128)

#: What is left of linear RGB without one kind of cone, and of full severity (Machado et al. 2009).
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


def lab(colors: list[tuple[int, int, int]], seen: str) -> np.ndarray:
    """CIELAB coordinates [N, 3] of sRGB colors as someone with that kind of vision sees them."""
    srgb = np.array(colors) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.asarray(BLINDNESS[seen]).T).clip(0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ratio = linear @ np.array(to_xyz).T / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def picture(width: int = 200, height: int = 100) -> Image.Image:
    return Image.new("RGB", (width, height), GRAY)


def pixels(image: Image.Image, color: tuple[int, int, int] | None = None) -> np.ndarray:
    """Which pixels [H, W] have ``color``, or any other than the ground."""
    array = np.asarray(image)
    return (array == color).all(axis=2) if color else (array != GRAY).any(axis=2)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First and last column and row that a mask touches, as x1, y1, x2, y2."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


class TestColors:
    def test_a_classs_color_depends_on_its_position_alone(self) -> None:
        many = class_colors(80)
        assert len(many) == 80
        assert all(class_colors(n) == many[:n] for n in (0, 1, 5, 21, 22))

    def test_the_first_classes_differ(self) -> None:
        assert len(set(class_colors(21))) == 21
        assert class_colors(22)[21] == class_colors(1)[0]

    @pytest.mark.parametrize("seen", BLINDNESS)
    def test_seven_classes_are_told_apart_with_any_color_vision(self, seen: str) -> None:
        """A CIELAB distance of 2.3 is just noticeable; red and green are 5 apart to some eyes."""
        places = lab(class_colors(7), seen)
        assert min(np.linalg.norm(a - b) for a, b in combinations(places, 2)) > 10

    def test_text_has_contrast_on_every_color(self) -> None:
        for color in class_colors(21):
            light = sorted(0.05 + lab_luminance(c) for c in (color, module._on(color)))
            assert light[1] / light[0] > 4.5  # what the web guidelines ask of small text


def lab_luminance(color: tuple[int, int, int]) -> float:
    lightness = float(lab([color], "none")[0, 0])
    return ((lightness + 16) / 116) ** 3 if lightness > 8 else lightness / 903.3


class TestBoxes:
    def test_the_given_picture_stays_as_it_is(self) -> None:
        image = picture()
        drawn = draw_boxes(image, [(10, 10, 60, 60)], ["cup"], [RED])
        assert not pixels(image).any()
        assert drawn.size == image.size

    def test_lines_lie_on_the_border_of_the_box(self) -> None:
        drawn = draw_boxes(picture(), [(20.4, 30, 90, 80.6)], [""], [RED])
        red = pixels(drawn, RED)
        assert extent(red) == (20, 30, 90, 81)
        assert red[30, 20:91].all()
        assert red[81, 20:91].all()
        assert red[30:82, 20].all()
        assert red[30:82, 90].all()
        assert not red[40:70, 30:80].any()

    def test_lines_have_a_casing_that_shows_on_their_own_color(self) -> None:
        drawn = draw_boxes(Image.new("RGB", (200, 100), RED), [(20, 30, 90, 80)], [""], [RED])
        assert pixels(drawn, (255, 255, 255))[29, 19:92].all()
        drawn = draw_boxes(Image.new("RGB", (200, 100), GREEN), [(20, 30, 90, 80)], [""], [GREEN])
        assert pixels(drawn, (0, 0, 0))[29, 19:92].all()

    def test_what_sticks_out_is_drawn_at_the_border(self) -> None:
        drawn = draw_boxes(picture(), [(-50, -9, 400, 300)], [""], [RED])
        assert extent(pixels(drawn, RED)) == (0, 0, 199, 99)
        assert pixels(drawn, RED)[:, 199].all()
        away = draw_boxes(picture(), [(500, 500, 600, 600)], [""], [RED])
        assert extent(pixels(away, RED)) == (199, 99, 199, 99)

    def test_a_box_without_area_is_a_dot(self) -> None:
        drawn = draw_boxes(picture(), [(50, 50, 50, 50)], [""], [RED])
        assert extent(pixels(drawn, RED)) == (50, 50, 50, 50)

    def test_dashes_begin_and_end_in_the_corners(self) -> None:
        boxes = [(10, 10, 89, 89), (110, 10, 189, 89)]
        drawn = draw_boxes(picture(), boxes, ["", ""], [RED, GREEN], dashed=[True, False])
        red, green = pixels(drawn, RED), pixels(drawn, GREEN)
        assert green[10, 110:190].all()
        for y, x in ((10, 10), (10, 89), (89, 10), (89, 89)):
            assert red[y, x]
        share = red[10, 10:90].mean()
        assert 0.4 < share < 0.75
        assert not red[10, 10:90].all()
        both = draw_boxes(picture(), boxes, ["", ""], [RED, GREEN], dashed=True)
        assert not pixels(both, GREEN)[10, 110:190].all()

    def test_the_first_box_lies_on_top(self) -> None:
        drawn = draw_boxes(picture(), [(10, 10, 60, 60)] * 2, ["", ""], [RED, GREEN])
        assert pixels(drawn, RED).any()
        assert not pixels(drawn, GREEN).any()

    def test_lines_grow_with_the_picture(self) -> None:
        widths = [line_width(size) for size in ((1, 1), (640, 480), (480, 640), (4000, 3000))]
        assert widths == [1, 3, 3, 16]

    @pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK"])
    def test_any_picture_becomes_rgb(self, mode: str) -> None:
        drawn = draw_boxes(picture().convert(mode), [(10, 10, 60, 60)], ["cup"], [RED])
        assert drawn.mode == "RGB"
        assert pixels(drawn, RED).any()

    def test_lists_must_be_equally_long(self) -> None:
        with pytest.raises(ValueError):
            draw_boxes(picture(), [(10, 10, 60, 60)], ["cup", "plate"], [RED])

    def test_nothing_to_draw_is_a_copy(self) -> None:
        assert not pixels(draw_boxes(picture(), [], [], [])).any()


class TestTexts:
    def test_a_name_stands_above_its_box(self) -> None:
        drawn = draw_boxes(picture(), [(50, 40, 150, 90)], ["cup"], [RED])
        plate = pixels(drawn, RED)[:39]
        x1, y1, x2, y2 = extent(plate)
        assert x1 == 50
        assert y2 == 38
        assert 10 <= y2 - y1 <= 25
        assert 15 <= x2 - x1 <= 40
        letters = np.asarray(drawn)[y1 : y2 + 1, x1 : x2 + 1, 1]  # white on red, smoothed
        assert letters.max() > 180

    @pytest.mark.parametrize(
        "box", [(0, 0, 60, 60), (190, 0, 199, 30), (150, 90, 199, 99), (-40, -40, 5, 5)]
    )
    def test_names_stay_inside_the_picture(self, box: tuple[float, ...]) -> None:
        font = module._font((200, 100))
        width, height = module._plate_size("teaspoon", font)
        (place,) = module._places(["teaspoon"], font, [module._inside(box, (200, 100))], (200, 100))
        assert place is not None
        x1, y1, x2, y2 = place
        assert (x2 - x1 + 1, y2 - y1 + 1) == (width, height)
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= 199
        assert y2 <= 99
        drawn = pixels(draw_boxes(picture(), [box], ["teaspoon"], [RED]))
        assert drawn[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1].all()

    def test_names_keep_off_each_other(self) -> None:
        font, size = module._font((200, 100)), (200, 100)
        boxes = [(60.0, 40.0, 120.0, 80.0), (62.0, 41.0, 121.0, 82.0), (61.0, 39.0, 119.0, 79.0)]
        places = module._places(["cup 0.9", "cup 0.8", "plate"], font, boxes, size)
        for a, b in combinations(places, 2):
            assert a is not None
            assert b is not None
            assert module._overlap(a, b) == 0
        assert places[0] is not None
        assert places[0][0] == 60  # the first has its favorite place
        assert places[0][3] == 39

    def test_a_long_name_is_cut_to_the_picture(self) -> None:
        font = module._font((60, 480))
        short = module._fitting("a rather long name of a class 0.75", font, 60)
        assert short.endswith("…")
        assert short.startswith("a r")
        assert module._plate_size(short, font)[0] <= 60
        assert module._fitting("cup", font, 60) == "cup"

    @pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (9, 9)])
    def test_a_picture_without_room_has_no_names(self, size: tuple[int, int]) -> None:
        drawn = draw_boxes(picture(*size), [(0, 0, *size)], ["cup"], [RED])
        assert drawn.size == size
        assert pixels(drawn, RED).all() or min(size) > 1

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("traffic light", "traffic light"),
            ("Erythrozyt  groß\n", "Erythrozyt gro?"),
            ("cáfé", "cafe"),
            ("血小板", "???"),
            ("½ µm", "1?2 ?m"),
        ],
    )
    def test_what_the_font_lacks_is_replaced(self, text: str, shown: str) -> None:
        assert legible(text) == shown


class TestDetections:
    CLASSES = ClassTable((3, 7), ("cup", "血小板"))
    FOUND = Detections(
        torch.tensor([[10.0, 40, 60, 90], [80, 40, 120, 90], [140, 40, 190, 90]]),
        torch.tensor([0.9, 0.5, 0.2]),
        torch.tensor([0, 1, 0]),
    )

    def best(self, count: int) -> Detections:
        found = self.FOUND
        return Detections(found.boxes[:count], found.scores[:count], found.labels[:count])

    def test_detections_are_drawn_in_their_classs_color(self) -> None:
        drawn = draw_detections(picture(), self.best(2), self.CLASSES)
        first, second = class_colors(2)
        assert pixels(drawn, first)[:, 10:61].any()
        assert pixels(drawn, second)[:, 80:121].any()
        assert not pixels(drawn)[:, 140:].any()
        whole = draw_detections(picture(), self.FOUND, self.CLASSES)
        assert pixels(whole, first)[:, 140:].any()

    def test_names_and_scores_are_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        monkeypatch.setattr(module, "draw_boxes", lambda *given: seen.append(given[1:]))
        draw_detections(picture(), self.best(2), self.CLASSES)
        ((boxes, texts, colors),) = seen
        assert boxes == [[10, 40, 60, 90], [80, 40, 120, 90]]
        assert texts == ["cup 0.90", "class 7 0.50"]
        assert colors == class_colors(2)

"""Charts outside of a page: the same marks at a fixed width, in colours of their own, and as images."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

import cadran.charts
from cadran.charts import fixed, lineage, png, sparkline, strip, trend
from cadran.charts.fixed import PAINT, _paint
from cadran.charts.lineage import Node
from cadran.charts.scene import Scene
from test_charts import EN, reading

COURSE = [reading(month, 0.2 + 0.02 * month) for month in range(6)]


def test_every_class_that_a_drawing_gives_has_its_colours():
    folder = cadran.charts.__path__[0]
    found = set()
    for name in ("bridge", "curve", "drawing", "lineage"):
        source = (Path(folder) / f"{name}.py").read_text(encoding="utf-8")
        found |= {
            word
            for text in re.findall(r'"((?:[cbhwl]-[a-z]+(?:-[a-z])?)(?: [a-z]-[a-z]+(?:-[a-z])?)*)"', source)
            for word in text.split()
        }
    assert len(found) > 25
    assert found - set(PAINT) == set()


@pytest.mark.parametrize(
    "scene",
    [
        trend(COURSE, EN, "Win rate"),
        sparkline(COURSE),
        strip(COURSE[0]),
        lineage([[Node("a", "b", "me")], [Node("c", "d")]], "x"),
    ],
)
def test_the_svg_is_whole_by_itself_and_every_mark_is_painted(scene):
    svg = fixed(scene, 600)
    ET.fromstring(svg)  # noqa: S314 - our own drawing
    assert "class=" not in svg
    assert "var(" not in svg
    assert "%" not in re.sub(r">[^<]*<", "><", svg)


def test_a_place_is_its_share_of_the_width():
    scene = trend(COURSE, EN, "Win rate")
    narrow, wide = (re.findall(r'<circle cx="([^"]+)"', fixed(scene, width)) for width in (300, 600))
    assert [float(x) * 2 for x in narrow] == pytest.approx([float(x) for x in wide])


def test_a_class_without_a_colour_is_a_mistake_and_not_black():
    with pytest.raises(KeyError):
        _paint("c-nothing", Scene(1, (), ""))


def test_an_image_has_the_drawing_and_its_words_in_pixels():
    scene = trend(COURSE, EN, "Win rate")
    plain = Image.open(io.BytesIO(png(scene, 400, scale=1)))
    titled = Image.open(io.BytesIO(png(scene, 400, title="Win rate", scale=2)))
    assert plain.size == (400, round(scene.height + 10))
    assert titled.size == (800, round(2 * (scene.height + 36)))
    # the words of the title are dark pixels above the drawing
    head = titled.convert("L").crop((0, 0, 200, 40))
    assert head.getextrema()[0] < 80
    assert plain.convert("RGB").getpixel((399, 0)) == (255, 255, 255)

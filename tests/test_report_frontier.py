"""The picture of cost against accuracy: what is drawn, named, and where names end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jinja2 import Template

from routerctl.evaluation.worth.frontier import Frontier
from routerctl.review.report.frontier import drawn

NAMES = re.compile(r'<text class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">(.*?)</text>')


def made(**more: Any) -> Frontier:
    """Two constants, the line between them, and a table above it."""
    points = {"cheap": (0.001, 0.6), "dear": (0.01, 0.9)}
    found = Frontier(
        constants=points,
        line=tuple(points.values()),
        path=((0.01, 0.9), (0.004, 0.85), (0.001, 0.6)),
        table=(0.004, 0.85),
        today=None,
        over_line=0.15,
    )
    return replace(found, **more)


def test_constants_the_line_the_path_and_the_table_are_drawn() -> None:
    """Each has its mark or line, and the marks say their numbers."""
    picture = str(drawn(made(today=(0.01, 0.9))))
    ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert picture.count('<circle class="constant"') == 2
    assert picture.count("<polyline") == 2
    assert '<circle class="table"' in picture
    assert '<circle class="today"' in picture
    assert "always dear: 90.0% right at $10.00 per 1,000" in picture


def test_names_run_towards_the_middle() -> None:
    """A name on the right ends at its mark, so that none is cut off at the edge."""
    found = {name: (float(x), anchor) for x, _, anchor, name in NAMES.findall(str(drawn(made())))}
    assert found["always dear"][1] == "end"
    assert found["always cheap"][1] == found["the table"][1] == "start"
    assert found["always dear"][0] < 470


@pytest.mark.parametrize("name", ["<script>", 'a"b', "a\u202eb"])
def test_names_are_text(name: str) -> None:
    """A hostile name stays text in the picture."""
    points = {name: (0.001, 0.6), "dear": (0.01, 0.9)}
    picture = str(drawn(made(constants=points, line=tuple(points.values()))))
    ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert "<script" not in picture
    assert "\u202e" not in picture


def test_no_name_stands_on_the_axis() -> None:
    """The least accurate point lies on the line at the bottom; its name is lifted off it."""
    points = {"dear": (0.01, 0.9)}
    low = made(constants=points, line=((0.01, 0.9),), path=((0.01, 0.9),), table=(0.004, 0.6))
    heights = {name: float(y) for _, y, _, name in NAMES.findall(str(drawn(low)))}
    axis = float(re.findall(r'class="axis" d="M[\d.]+ [\d.]+V([\d.]+)H', str(drawn(low)))[0])
    assert heights["the table"] <= axis - 8


def test_the_caption_explains_only_what_is_drawn() -> None:
    """A run that stops early leaves one model with every case: no line of mixes, and no word of a dashed one."""
    page = (Path(__file__).parents[1] / "routerctl/review/report/worth.html.j2").read_text(encoding="utf-8")
    caption = page.split("<figure>{{ frontier }}</figure>")[1].split("</p>")[0]
    for length, dashed in ((1, False), (2, True)):
        frontier = made(line=((0.001, 0.6), (0.01, 0.9))[:length], path=((0.01, 0.9),) * length)
        said = Template(caption).render(worth={"frontier": frontier})
        assert ("dashed" in said, "solid" in said, "no random mix" in said) == (dashed, dashed, not dashed)

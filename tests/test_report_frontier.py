"""The picture of cost against accuracy: what is drawn, named, and where names end."""

import re
from xml.etree import ElementTree

import pytest

from routerctl.report.frontier import drawn
from routerctl.worth.frontier import Frontier

NAMES = re.compile(r'<text class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">(.*?)</text>')


def made(**more: object) -> Frontier:
    """Two constants, the line between them, and a table above it."""
    points = {"cheap": (0.001, 0.6), "dear": (0.01, 0.9)}
    return Frontier(
        **(
            {
                "constants": points,
                "line": tuple(points.values()),
                "path": ((0.01, 0.9), (0.004, 0.85), (0.001, 0.6)),
                "table": (0.004, 0.85),
                "today": None,
                "over_line": 0.15,
            }
            | more
        )
    )


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

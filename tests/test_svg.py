"""The parts of a picture: numbers in tenths, and text that stays text."""

from xml.etree import ElementTree

import pytest

from routerctl.svg import line, svg, text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [("<script>", "<script>"), ('a"b', 'a"b'), ("a\u202eb", "a⟨U+202E⟩b"), ("{0.real}", "{0.real}")],
)
def test_a_picture_is_well_formed_and_text_stays_text(hostile: str, shown: str) -> None:
    """Markup, quotes, format fields and reordering characters show as they are, in the title and in the picture."""
    drawn = svg("k", (560.0, 330.0), hostile, [text("name", (1.0, 2.04), hostile, "end")], hostile)
    picture = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert picture.get("viewBox") == "0 0 560.0 330.0"
    assert picture.findtext("title") == picture.findtext("text") == shown
    (drawn_text,) = picture.iter("text")
    assert drawn_text.attrib == {"class": "name", "x": "1.0", "y": "2.0", "text-anchor": "end"}


def test_a_line_runs_from_start_to_end() -> None:
    """Its ends are given as points; a picture without a description has none."""
    drawn = svg("k", (9.0, 9.0), "t", [line("axis", (0.0, 1.0), (2.0, 3.0))])
    assert '<line class="axis" x1="0.0" y1="1.0" x2="2.0" y2="3.0"/>' in drawn
    assert "<desc>" not in drawn

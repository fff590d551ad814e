"""Cells of a CSV file: none is a formula to a spreadsheet, whatever its language splits a line at."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.files.spreadsheet import guarded, guarded_json, unguarded

LEADS = "=+-@\uff1d\uff0b\uff0d\uff20"
BEFORE = ["", " ", "\t", "\r", ";", ",", "\t ", "x;", "x ; ", 'x;"', "x\n", "\u3000", "x|\u200b"]
TEXTS = st.text(alphabet=st.sampled_from("'\"=+-@;,|\t\r\n x1\u200b\uff1d"), max_size=12)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(
    "before", ["", " ", "\t", "\r", ";", ",", "\t ", "x;", "x ; ", 'x;"', "x\n", "\u3000", "x|\u200b"]
)
def test_no_cell_begins_a_formula(before: str, lead: str) -> None:
    """At the start, after blanks, and where a spreadsheet of another language would start a cell."""
    cell = guarded(f"{before}{lead}1+1")
    assert f"'{lead}1" in cell
    assert unguarded(cell) == f"{before}{lead}1+1"


@pytest.mark.parametrize("text", ["a=b", "well-known", "2+2", "a@b.example", "it's; fine", "x, y", "", "'quoted'"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Only a beginning counts."""
    assert guarded(text) == text


@given(text=TEXTS)
def test_a_cell_can_be_read_back(text: str) -> None:
    """Whatever stood there, and nothing in the cell begins a formula at any split."""
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not any(part.lstrip(' "\u200b').startswith(tuple(LEADS)) for part in re.split(r"[;,|\t\r\n]", cell))


@given(
    value=st.recursive(
        TEXTS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6
    )
)
def test_json_in_a_cell_stays_the_same_json(value: object) -> None:
    """Its texts are escaped, not changed: what reads the cell as JSON gets what was logged."""
    cell = guarded_json(value)
    assert json.loads(cell) == value
    assert not re.search(r'[;,]\s*"?[=+@]', cell)

"""Program code is told from what looks like it, on texts that were written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from routerctl.classify.rules import holds
from routerctl.classify.rules.code import has_code
from routerctl.types import Condition, Inquiry

TEXTS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "code_detection.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(
    ("held_out", "precision", "recall"),
    [(False, 0.95, 0.95), (True, 0.98, 0.90)],
    ids=["development", "held out"],
)
def test_precision_and_recall(held_out: bool, precision: float, recall: float) -> None:
    """Of what is called code so much is, and of the code so much is found; nobody tuned on what is held out."""
    texts = [text for text in TEXTS if text["held_out"] == held_out]
    found = [text["code"] for text in texts if holds(Condition(has_code=True), Inquiry(prompt=text["text"]))]
    assert sum(found) >= precision * len(found)
    assert sum(found) >= recall * sum(text["code"] for text in texts)


def test_the_texts_are_many() -> None:
    """A share of a few texts, or of texts of a few kinds, would say little."""
    for held_out in (False, True):
        kinds = {
            code: [one["kind"] for one in TEXTS if (one["code"], one["held_out"]) == (code, held_out)]
            for code in (True, False)
        }
        assert len(kinds[True]) >= 50
        assert len(kinds[False]) >= 75
        assert min(len(set(kinds[True])), len(set(kinds[False]))) >= 15


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```", True),
        ("Fix this: ```python\nx\n```", True),
        ("def f(x):\n    return x;", True),
        ("import os\nfrom sys import path", True),
        ("#include <stdio.h>\nint main() {\n}", True),
        ("let x = 1\nconst y = 2", True),
        ("fn main() {\n}", True),
        ("  if (a) {\n  }", True),
        ("a = 1;\r\nb = 2;\r\n", True),
        ("SELECT a FROM b\nSELECT c FROM d", True),
        ("def f(x):", True),
        ("Select the best offer from the list.\nThen reply.", False),
        ("If (and only if) you can, reply.\nFor (say) a week.", False),
        ("Let me know.\nConst is a word.", False),
        ("The class was full.\nclass dismissed", False),
        ("", False),
        ("}\n}", True),
        (";", False),
        ("a = 1; b = 2;", False),
        ("Please import my contacts\nand return the old ones", False),
    ],
)
def test_code_detection(text: str, expected: bool) -> None:
    """A fence, a sign or two hints are code; prose that borrows the words is not."""
    assert has_code(text.encode()) == expected

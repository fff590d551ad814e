import unicodedata

import pytest

from routerctl.rules import failing_condition, first_match, has_code, is_json
from routerctl.types import Rule


def rule(**conditions: object) -> Rule:
    """A rule with these conditions."""
    return Rule(name="r", task_class="c", **conditions)  # type: ignore[arg-type]  # a table of any of them


@pytest.mark.parametrize(
    ("given", "text", "problem"),
    [
        (rule(min_chars=3), "abc", None),
        (rule(min_chars=3), "ab", "is shorter than 3 characters"),
        (rule(min_chars=0), "", None),
        (rule(max_chars=3), "abc", None),
        (rule(max_chars=3), "abcd", "is longer than 3 characters"),
        (rule(max_chars=0), "a", "is longer than 0 characters"),
        (rule(max_chars=1), "\U0001f600", None),
        (rule(regex="b+"), "abba", None),
        (rule(regex="^b"), "abba", "does not match /^b/"),
        (rule(regex=""), "", None),
        (rule(keywords=("sum", "add")), "Please ADD these", None),
        (rule(keywords=("sum",)), "summer", "has none of the keywords"),
        (rule(is_json=True), "{}", None),
        (rule(is_json=True), "x", "is not JSON"),
        (rule(is_json=False), "[1]", "is JSON"),
        (rule(has_code=True), "x", "has no code"),
        (rule(has_code=False), "```\nx\n```", "has code"),
        (rule(min_chars=2, regex="z", keywords=("a",)), "a b", "does not match /z/"),
        (rule(min_chars=2, max_chars=3, regex="b", keywords=("a",)), "a b", None),
    ],
)
def test_conditions(given: Rule, text: str, problem: str | None) -> None:
    """Every condition must hold; the first that does not is named in words."""
    assert failing_condition(given, text) == problem
    assert (first_match([given], text) is given) == (problem is None)


def test_the_first_rule_that_holds_wins() -> None:
    """Rules are tried in their order; without a match there is none."""
    long, short, also = rule(min_chars=9), rule(max_chars=3), rule(max_chars=4)
    assert first_match([long, short, also], "abc") is short
    assert first_match([also, short], "abc") is also
    assert first_match([long], "abc") is None
    assert first_match([], "abc") is None


@pytest.mark.parametrize(
    ("keyword", "text", "holds"),
    [
        ("sum", "the sum.", True),
        ("sum", "(sum)", True),
        ("sum", "sum_of", False),
        ("sum", "sum2", False),
        ("sum", "lump-sum", True),
        ("c++", "in C++, please", True),
        ("c++", "c+++", True),
        (".net", "use .NET core", True),
        (".net", "use xnet", False),
        ("order number", "your ORDER NUMBER?", True),
        ("order number", "order  number", False),
        ("größe", "Welche GRÖSSE?", True),
        ("straße", "Hauptstrasse", False),
        ("straße", "die STRASSE hier", True),
        ("café", "un cafe\u0301 noir", True),
        ("cafe\u0301", "un Café", True),
        ("cafe", "un cafe\u0301 noir", False),
        ("été", "l'été", True),
        ("été", "répétés", False),
        ("счёт", "ваш Счёт!", True),
        ("счёт", "расчёт", False),
        ("λόγος", "ΛΌΓΟΣ", True),
        ("退款", "我要退款。", True),
        ("退款", "退货", False),
        ("ai", "使用AI模型", True),
        ("ai", "said", False),
        ("คืนเงิน", "ขอคืนเงินครับ", True),
        ("🙂", "ok🙂ok", False),
        ("🙂", "ok 🙂", True),
    ],
)
def test_keywords(keyword: str, text: str, holds: bool) -> None:
    """A keyword is a whole word in any case and either composition of accents; Han and Thai set no words apart."""
    assert (failing_condition(rule(keywords=(keyword,)), text) is None) == holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", True),
        (' \n{"a": [1, null]}\n', True),
        ("[]", True),
        ("[1, 2", False),
        ("{'a': 1}", False),
        ('{"a": 1} and more', False),
        ("5", False),
        ('"text"', False),
        ("null", False),
        ("", False),
        ("[" * 100_000, False),
        ("[" + "1" * 5000 + "]", False),
        ("Answer: {}", False),
    ],
)
def test_json_detection(text: str, expected: bool) -> None:
    """JSON is a whole object or list; hostile depth and length are no JSON, and no error."""
    assert is_json(text) == expected


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
        ("def f(x):", False),
        ("Select the best offer from the list.\nThen reply.", False),
        ("If (and only if) you can, reply.\nFor (say) a week.", False),
        ("Let me know.\nConst is a word.", False),
        ("The class was full.\nclass dismissed", False),
        ("", False),
        ("Please import my contacts\nand return the old ones", False),
    ],
)
def test_code_detection(text: str, expected: bool) -> None:
    """A fence or two lines that look like statements are code; prose that borrows the words is not."""
    assert has_code(text) == expected


@pytest.mark.parametrize("text", ["\n" * 200_000 + "x", " " * 200_000 + "x", "\t \n" * 70_000, ";" * 200_000 + "x"])
def test_detection_takes_linear_time(text: str) -> None:
    """A prompt of blanks is answered at once: in quadratic time it would meet the suite's time limit for one test."""
    assert not has_code(text)
    assert not is_json(text)


def test_normal_forms_agree() -> None:
    """The same words give the same class however their accents are composed."""
    text = "Où est l'été à Škoda?"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert failing_condition(rule(keywords=("škoda",)), unicodedata.normalize(form, text)) is None

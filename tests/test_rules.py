"""Rules that name a class by looking at a prompt: each condition, and no inquiry that makes one slow."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.classify.rules import failing_condition, first_match, holds, inquiry_text, rule_warnings
from routerctl.classify.rules.code import has_code
from routerctl.classify.rules.keywords import composed, folded, has_keyword
from routerctl.classify.rules.matching import TESTS
from routerctl.classify.rules.texts import count_words, is_json
from routerctl.classify.rules.wording import affirmed
from routerctl.errors import InputError
from routerctl.types import Condition, Inquiry, Json, Rule
from tests.inquiries import CONDITIONS, INQUIRIES


def rule(**when: Any) -> Rule:
    """A rule with this condition."""
    return Rule(name="r", task_class="c", when=Condition(**when))


def holds_of(condition: Condition, text: str) -> bool:
    """Whether a condition holds of a plain text."""
    return holds(condition, Inquiry(prompt=text))


@pytest.mark.parametrize(
    ("when", "inquiry", "problem"),
    [
        ({}, {"prompt": ""}, None),
        ({"min_chars": 3}, {"prompt": "abc"}, None),
        ({"min_chars": 3}, {"prompt": "ab"}, "is shorter than 3 characters"),
        ({"min_chars": 1}, {"prompt": ""}, "is shorter than 1 character"),
        ({"min_chars": 0}, {"prompt": ""}, None),
        ({"max_chars": 3}, {"prompt": "abc"}, None),
        ({"max_chars": 3}, {"prompt": "abcd"}, "is longer than 3 characters"),
        ({"max_chars": 0}, {"prompt": "a"}, "is longer than 0 characters"),
        ({"max_chars": 1}, {"prompt": "\U0001f600"}, None),
        ({"min_words": 2}, {"prompt": " two  words\n"}, None),
        ({"min_words": 3}, {"prompt": "two words"}, "has fewer than 3 words"),
        ({"max_words": 1}, {"prompt": "two words"}, "has more than 1 word"),
        ({"max_words": 0}, {"prompt": " "}, None),
        ({"regex": "b+"}, {"prompt": "abba"}, None),
        ({"regex": "^b"}, {"prompt": "abba"}, "does not match /^b/"),
        ({"regex": ""}, {"prompt": ""}, None),
        ({"regex": "(?i)größe"}, {"prompt": "GRÖSSE GRÖßE"}, None),
        ({"keywords": ("sum", "add")}, {"prompt": "Please ADD these"}, None),
        ({"keywords": ("sum",)}, {"prompt": "summer"}, "has none of the keywords"),
        ({"is_json": True}, {"prompt": "{}"}, None),
        ({"is_json": True}, {"prompt": "x"}, "is not JSON"),
        ({"is_json": False}, {"prompt": "[1]"}, "is JSON"),
        ({"has_code": True}, {"prompt": "x"}, "has no code"),
        ({"has_code": False}, {"prompt": "```\nx\n```"}, "has code"),
        ({"tenant": ("a", "b")}, {"prompt": "x", "tenant": "b"}, None),
        ({"tenant": ("a", "b", "c")}, {"prompt": "x", "tenant": "B"}, "does not come from tenant a, b or c"),
        ({"tenant": ("a",)}, {"prompt": "x"}, "does not come from tenant a"),
        ({"step": ("plan",)}, {"prompt": "x", "step": "plan"}, None),
        ({"step": ("plan",)}, {"prompt": "x", "step": "write"}, "is not of step plan"),
        ({"attachments": ("pdf", "image")}, {"prompt": "x", "attachments": ("audio", "image")}, None),
        (
            {"attachments": ("pdf",)},
            {"prompt": "x", "attachments": ("audio",)},
            "comes without an attachment of kind pdf",
        ),
        ({"has_attachment": True}, {"prompt": "x", "attachments": ("audio",)}, None),
        ({"has_attachment": True}, {"prompt": "x"}, "comes without an attachment"),
        ({"has_attachment": False}, {"prompt": "x", "attachments": ("audio",)}, "comes with an attachment"),
        ({"features": {"plan": "pro"}}, {"prompt": "x", "features": {"plan": "pro", "more": 1}}, None),
        (
            {"features": {"plan": ["pro", "team"], "beta": True}},
            {"prompt": "x", "features": {"plan": "free", "beta": True}},
            "does not come with plan = pro or team and beta = true",
        ),
        ({"min_chars": 2, "regex": "z", "keywords": ("a",)}, {"prompt": "a b"}, "does not match /z/"),
        ({"min_chars": 2, "max_chars": 3, "regex": "b", "keywords": ("a",)}, {"prompt": "a b"}, None),
        ({"all_of": (Condition(min_chars=1), Condition(max_chars=1))}, {"prompt": "a"}, None),
        (
            {"all_of": (Condition(min_chars=1), Condition(max_chars=1))},
            {"prompt": "ab"},
            "is longer than 1 character",
        ),
        ({"any_of": (Condition(min_chars=9), Condition(tenant=("a",)))}, {"prompt": "a", "tenant": "a"}, None),
        (
            {"any_of": (Condition(min_chars=9), Condition(tenant=("a",)))},
            {"prompt": "a"},
            "fits none of any_of (is shorter than 9 characters; does not come from tenant a)",
        ),
        ({"none_of": (Condition(min_chars=9), Condition(tenant=("a",)))}, {"prompt": "a"}, None),
        (
            {"none_of": (Condition(min_chars=9), Condition(tenant=("a",), max_words=1))},
            {"prompt": "a", "tenant": "a"},
            "fits one of none_of (comes from tenant a and has at most 1 word)",
        ),
        (
            {"any_of": (Condition(none_of=(Condition(is_json=True, keywords=("a", "b")),)),)},
            {"prompt": '["a"]'},
            "fits none of any_of (fits one of none_of (is JSON and has the keyword a or b))",
        ),
        (
            {"none_of": (Condition(any_of=(Condition(min_chars=1), Condition(min_words=1))),)},
            {"prompt": "x"},
            "fits one of none_of ((has at least 1 character or has at least 1 word))",
        ),
        (
            {"any_of": tuple(Condition(step=(step,)) for step in "abcdefg")},
            {"prompt": ""},
            f"fits none of any_of ({'; '.join(f'is not of step {step}' for step in 'abcde')}; 2 more)",
        ),
    ],
    ids=str,
)
def test_conditions(when: dict[str, Any], inquiry: dict[str, Any], problem: str | None) -> None:
    """Every condition must hold; the first that does not is named in words."""
    asked = Inquiry(**inquiry)
    assert failing_condition(rule(**when), asked) == problem
    assert holds(Condition(**when), asked) == (problem is None)
    assert (first_match([rule(**when)], asked) is not None) == (problem is None)


@pytest.mark.parametrize(
    ("wanted", "value", "found"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        (False, 0, False),
        (False, False, True),
        (0, None, False),
        (None, None, True),
        ("1", 1, False),
        ("", "", True),
        ([1, "x"], "x", True),
        ([1, "x"], True, False),
        ([], "x", False),
        ([], [], False),
        ([[1]], [1], True),
        ([[1]], [True], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1, "b": None}, {"b": None, "a": 1}, True),
        ({"a": None}, {}, False),
    ],
)
def test_features(wanted: Json, value: Json, found: bool) -> None:
    """A feature equals what the rule says, a list means any of it; true is no number, and a number no text."""
    condition = Condition(features={"f": wanted})
    assert holds(condition, Inquiry(prompt="x", features={"f": value})) == found
    assert not holds(condition, Inquiry(prompt="x", features={"other": value}))


def test_the_first_rule_that_holds_wins() -> None:
    """Rules are tried in their order; without a match there is none."""
    long, short, also = rule(min_chars=9), rule(max_chars=3), rule(max_chars=4)
    asked = Inquiry(prompt="abc")
    assert first_match([long, short, also], asked) is short
    assert first_match([also, short], asked) is also
    assert first_match([long], asked) is None
    assert first_match([], asked) is None


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a\nb", "a\nb"),
        ({"secret-name": "a", "n": 7}, "a\n7"),
        ({}, ""),
        ({"a": None, "b": [1]}, "None\n[1]"),
    ],
)
def test_rules_see_the_values_of_fields(prompt: Json, text: str) -> None:
    """What rules look at is the text, or the values of the fields one a line, never their names."""
    assert inquiry_text(prompt) == text
    assert holds(Condition(max_chars=len(text), min_chars=len(text)), Inquiry(prompt=prompt))


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
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
        ("order number", "order  number", True),
        ("new york", "in New\r\n\tYork", True),
        ("new  york", "in new york", True),
        ("new york", "newyork", False),
        ("new york", "renew york", False),
        (".py", "open main.py", True),
        (".py", "open main.pyc", False),
        ("%", "50%", True),
        ("€", "it costs 50€", True),
        ("$", "pay $50", True),
        ("@", "me@x.com", True),
        ("c++", "C++17", True),
        ("c#", "abc#", False),
        ("don't", "I don\u2019t", True),
        ("don\u2019t", "I don't", True),
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
        ("退款", "abc退款abc", True),
        ("退款", "退货", False),
        ("ai", "使用AI模型", True),
        ("ai", "said", False),
        ("คืนเงิน", "ขอคืนเงินครับ", True),
        ("🙂", "ok🙂ok", True),
        ("🙂", "ok 🙂", True),
    ],
)
def test_keywords(keyword: str, text: str, found: bool) -> None:
    """A keyword's letters end where words end, in any case, spacing and composition; Han and Thai set none apart."""
    assert holds_of(Condition(keywords=(keyword,)), text) == found
    assert rule_warnings([Rule(name="r", task_class="c", when=Condition(keywords=(keyword,)))]) == ()


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
        ("[NaN]", False),
        ("{}}", False),
    ],
)
def test_json_detection(text: str, expected: bool) -> None:
    """JSON is a whole object or list; hostile depth and length are no JSON, and no error."""
    assert is_json(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \t\n", 0),
        ("one", 1),
        (" one,two  three\nfour ", 3),
        ("das größte Haus", 3),
        ("ein\u00a0Haus", 2),
        ("请用五点总结", 6),
        ("用 GPT-5 总结", 4),
        ("契約書をまとめて", 8),
        ("สรุปสัญญา ห้าข้อ", 2),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    """Blanks set words apart; of Han and kana every character counts as one."""
    assert count_words(text) == words


def code(text: str) -> bool:
    """Whether there is code in a text."""
    return has_code(text.encode())


HOSTILE: dict[str, tuple[Callable[[int], str], Callable[[str], object]]] = {
    "blank lines": (lambda n: "\n" * n + "x", code),
    "blanks": (lambda n: "\n" + " " * n + "x", code),
    "blanks and lines": (lambda n: "\t \n" * n + "x", code),
    "semicolons": (lambda n: "\n" + ";" * n + "x", code),
    "semicolons and blanks": (lambda n: "\n" + "; " * n + "x", code),
    "brackets": (lambda n: "\nif (" + ")" * n, code),
    "froms": (lambda n: "\nSELECT " + "FRO " * n, code),
    "a long name": (lambda n: "\ndef " + "a" * n, code),
    "operators": (lambda n: "a == " * n, code),
    "conditions": (lambda n: "if (" * n, code),
    "loops": (lambda n: "[x for y in " * n, code),
    "open brackets": (lambda n: "[" * n, is_json),
    "blanks before JSON": (lambda n: " " * n + "{", is_json),
    "marks out of order": (lambda n: "e" + "\u0301\u0316" * n, folded),
    "marks that compose": (lambda n: "e\u0301" * n, folded),
    "sharp s": (lambda n: "ß" * n, folded),
    "half a keyword": (lambda n: "a " * n, lambda text: has_keyword(text, "a a a b")),
    "a keyword within words": (lambda n: "xsum" * n, lambda text: has_keyword(text, "sum")),
    "Han and blanks": (lambda n: "中 " * n, count_words),
    "nested repetition": (lambda n: "a" * n + "!", lambda text: holds_of(Condition(regex="(a+)+$"), text)),
    "many ways": (lambda n: "x" * n, lambda text: holds_of(Condition(regex="(x+x+)+y"), text)),
    "half a pair": (lambda n: "\ud800" * n, lambda text: holds_of(Condition(regex="y"), text)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name: str) -> None:
    """Four times the text takes some four times the work, where quadratic work would be sixteen times as much."""
    make, ask = HOSTILE[name]
    size = 2_000
    while size < 1_000_000 and _work(ask, make(size)) < 0.002:  # less could not be told from the noise
        size *= 2
    once, often = _work(ask, make(size)), _work(ask, make(4 * size))
    assert often < 10 * max(once, 0.001)


def _work(ask: Callable[[str], object], text: str) -> float:
    """The least processor time of three askings, in seconds."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        ask(text)
        taken.append(time.process_time() - started)
    return min(taken)


def test_normal_forms_agree() -> None:
    """The same words give the same class however their accents are composed."""
    text = "Où est l'été à Škoda?"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert holds_of(Condition(keywords=("škoda",)), unicodedata.normalize(form, text))


def test_combining_marks_are_no_letters() -> None:
    """What parts long rows of marks relies on it, in every Unicode version that Python brings along."""
    marks = [chr(code) for code in range(0x110000) if unicodedata.combining(chr(code))]
    assert len(marks) > 800
    assert not [mark for mark in marks if mark.isalnum() or mark == "_"]


def test_a_refused_pattern_is_one_clear_error() -> None:
    """A table that was written by hand may hold a pattern that RE2 refuses: the error says so, in RE2's words."""
    with pytest.raises(InputError, match=r"^not a regular expression of RE2: invalid perl operator: \(\?=$"):
        holds_of(Condition(regex="(?=a)"), "a")


def test_every_field_is_tested_and_worded() -> None:
    """A field that is added to Condition without a test of it would hold of everything."""
    values: dict[str, Any] = {
        **dict.fromkeys(("min_chars", "max_chars", "min_words", "max_words"), 7),
        **dict.fromkeys(("is_json", "has_code", "has_attachment"), True),
        **dict.fromkeys(("keywords", "language", "tenant", "step", "attachments"), ("de",)),
        **dict.fromkeys(("all_of", "any_of", "none_of"), (Condition(min_chars=1),)),
        "regex": "x",
        "features": {"a": 1},
    }
    assert set(TESTS) == set(Condition.__slots__) == set(values)
    for name, value in values.items():
        assert affirmed(Condition(**{name: value})) != "is anything"


@given(condition=CONDITIONS, inquiry=INQUIRIES)
@settings(max_examples=300)
def test_the_reason_and_the_answer_agree(condition: Condition, inquiry: Inquiry) -> None:
    """There is a reason why not exactly where the condition does not hold, and it is one line."""
    reason = failing_condition(Rule(name="r", task_class="c", when=condition), inquiry)
    assert (reason is None) == holds(condition, inquiry)
    assert reason is None or (reason.strip() == reason != "" and "\n" not in reason)


@given(condition=CONDITIONS, other=CONDITIONS, inquiry=INQUIRIES)
@settings(max_examples=200)
def test_the_nestings_are_and_or_not(condition: Condition, other: Condition, inquiry: Inquiry) -> None:
    """all_of, any_of and none_of mean what their names say."""
    both = [holds(condition, inquiry), holds(other, inquiry)]
    assert holds(Condition(all_of=(condition, other)), inquiry) == all(both)
    assert holds(Condition(any_of=(condition, other)), inquiry) == any(both)
    assert holds(Condition(none_of=(condition, other)), inquiry) == (not any(both))


@given(text=st.text(), keyword=st.text(min_size=1))
def test_a_keyword_between_blanks_is_found(text: str, keyword: str) -> None:
    """Whatever stands around it, with blanks between: a keyword is found, in capitals as well."""
    assert holds_of(Condition(keywords=(keyword,)), f"{text} {keyword} {text}")


@given(text=st.text(st.characters(codec="utf-8")))
def test_composing_in_pieces_changes_nothing(text: str) -> None:
    """Texts without absurd rows of marks are composed as the standard says."""
    assert composed(text) == unicodedata.normalize("NFC", text)

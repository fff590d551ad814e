r"""Patterns mean the same in every script: `\b`, `\w`, `\d` and POSIX classes beside other letters than ASCII."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest

from routerctl.classify.rules import holds, rule_warnings
from routerctl.classify.rules.patterns import MARK
from routerctl.classify.rules.regex import refusal
from routerctl.errors import InputError
from routerctl.types import Condition, Inquiry, Rule


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text."""
    return holds(Condition(regex=pattern), Inquiry(prompt=text))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"(?i)\bпривет\b", "скажи ПРИВЕТ всем", True),
        (r"\bпривет\b", "приветы", False),
        (r"\bпривет\b", "привет", True),
        (r"\bfoo\b", "éfoo", False),
        (r"\bfoo\b", "é foo", True),
        (r"\bfoo\b", "foo_é", False),
        (r"\b(?:straße|weg)\b", "die straße, bitte", True),
        (r"\bstraße\b", "hauptstraße", False),
        (r"(\bété\b)\s+(\bici\b)", "l'été\u00a0ici", True),
        (r"foo\b.bar", "é foo bar", True),
        (r"foo\bbar", "é foobar", False),
        (r"foo\b,\bx", "é foo,x", True),
        (r"foo\b,\bx", "é foo, x", False),
        (r"\b$", "été", True),
        (r"\b$", "été!", False),
        (r"^\b", "été", True),
        (r"(?m)^\bd\w+\b$", "été\ndû\nx", True),
        (r"\b\d{3}\b", "№ 123 é", True),
        (r"\b退款\b", "我要退款。", True),
        (r"\bคืนเงิน\b", "ขอคืนเงินครับ", True),
        (r"\bकाम\b", "कामी", False),
        (r"\bकाम\b", "मेरा काम है", True),
        (r"\bсчёт\b", unicodedata.normalize("NFD", "ваш счёт готов"), True),
        (unicodedata.normalize("NFD", r"\bété\b"), "un été", True),
        (r"^\w+$", "naïveté", True),
        (r"^\w+$", "हिन्दी", True),
        (r"^\W+$", "«…»", True),
        (r"\W", "привет", False),
        (r"\d{3}", "١٢٣", True),
        (r"^\D+$", "١٢٣", False),
        (r"a\sb", "a\u00a0b", True),
        (r"^\S+$", "a\u3000b", False),
        (r"[[:alpha:]]{5}", "größe", True),
        (r"[[:^alpha:]]", "größe", False),
        (r"[[:upper:]][[:lower:]]+[[:punct:]]", "Ёлка…", True),
        (r"^[\w.-]+@", "jürgen@x.de", True),
        (r"^[^\W\d_]+$", "größe", True),
        (r"^[^\W\d_]+$", "größe1", False),
        (r"^[^\W_]+$", "größe1", True),
        (r"^[\W\d]+$", "«1»", True),
        (r"^[\S\s]+$", "é\n é", True),
        (r"^[^\S\n]+$", "\u00a0\t", True),
        (r"[\P{L}x]", "привет", False),
        (r"[^\PL]", "привет", True),
        (r"^\p{^Greek}$", "я", True),
        (r"\Q[é]\b\E", r"x [é]\b", True),
        (r"\bé[^x]z\b", "éyz", True),
        (r"(?s)\bé.z\b", "é\nz", True),
        (r"\bé.z\b", "é\nz", False),
        (r"(?s:\bé.)z\b", "é\nz", True),
        (r"\bé[^x]\b", "é", False),
        (r"\bé[\x{80}-\x{10FFFF}]", "é ", False),
        (r"(?P<word>\bété\b)", "été", True),
        (r"\bа\x{431}\b", "аб", True),
        (r"\b(?:\bété\b)\b", "été", True),
        (r"\Bté", "été", None),
        (r"x\B", "éxy", True),
    ],
)
def test_patterns_of_all_scripts(pattern: str, text: str, found: bool | None) -> None:
    """A boundary, a class or its denial knows letters, digits and blanks of all scripts; None: it is refused."""
    if found is None:
        assert refusal(pattern)
        with pytest.raises(InputError, match="than those of ASCII"):
            matches(pattern, text)
    else:
        assert (matches(pattern, text), refusal(pattern)) == (found, None)


@pytest.mark.parametrize("pattern", [r"\Bété", r"[^\Wé]", r"(?i)[^\W\s]ы"])
def test_what_cannot_be_told_is_refused(pattern: str) -> None:
    """A pattern with other letters that RE2 cannot be told of is an error of `check`, with its reason."""
    (warning,) = rule_warnings([Rule(name="r", task_class="c", when=Condition(regex=pattern))])
    assert warning.startswith("rules.r: can never be tried: ")
    assert "of other letters than those of ASCII" in warning


@pytest.mark.parametrize("pattern", [r"x\B", r"[^\Wx]", r"\b(?:\b(?:\b\b))x"])
def test_what_knows_only_ascii_is_warned_of(pattern: str) -> None:
    """A pattern of ASCII that cannot be told of other letters means what it did, and `check` says so."""
    (warning,) = rule_warnings([Rule(name="r", task_class="c", when=Condition(all_of=(Condition(regex=pattern),)))])
    assert warning == f"rules.r: /{pattern}/ knows no letters but those of ASCII"


PIECES = r"\b~\b~\b~\w~\W~\d~\s~.~п~я~é~a~b~1~_~[^п]~[а-я]~[^\W\d_]~[\w-]~[^\s]~[\Wé]~(?:п|a\b)~(?:\b|a)~(\w)~п?~\w+~ "
LETTERS = ["п", "я", "é", "a", "b", "1", "_", " ", ",", "-", "\n", "Z", "٣"]


@pytest.mark.parametrize("seed", range(6))
def test_python_says_the_same(seed: int) -> None:
    """Python's own engine, which knows Unicode but not linear time, finds the same patterns in the same texts."""
    drawn = random.Random(seed)  # noqa: S311 - a seeded test
    for _ in range(120):
        middle = "".join(drawn.choice(PIECES.split("~")) for _ in range(drawn.randrange(1, 6)))
        pattern = f"{drawn.choice(['', '^', '(?s)', '(?i)'])}{middle}{drawn.choice(['', chr(92) + 'z'])}"
        if re.search(r"(?:[^bwWa\]]*\\b){4}", pattern):
            continue  # more about one place than is told
        wanted = re.compile(pattern.replace(r"\z", r"\Z"))
        for _ in range(12):
            text = "".join(drawn.choice(LETTERS) for _ in range(drawn.randrange(8)))
            assert matches(pattern, text) == (wanted.search(text) is not None), ascii((pattern, text))


def test_a_mark_in_the_text_is_no_boundary() -> None:
    """The noncharacter that marks a boundary makes none where a prompt has it itself."""
    assert not matches(r"\bé", f"x{MARK}é".replace(MARK, "") + MARK)
    assert matches(r"é\b", f"é{MARK}")
    assert not matches(r"^é\b\b$", f"é{MARK}{MARK}{MARK}")

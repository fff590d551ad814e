"""The scorers that compute in our own process, and the registry."""

from __future__ import annotations

import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.scorers import IMPORTED, Scorer, Unscorable, extract, get_scorer, lexicon, score_reply, scorer_names
from routerctl.scorers.base import MAX_CHARS, as_fraction, normalised
from routerctl.scorers.json_reply import read_json
from routerctl.scorers.number import canonical, find_number
from routerctl.scorers.text import token_f1
from routerctl.types import Score, ScorerSpec

PURE = ("choice", "contains", "exact", "json_fields", "json_schema", "number", "similarity", "token_f1")
PARAMS: dict[str, dict[str, Any]] = {
    "choice": {"choices": ["positive", "negative", "neutral"]},
    "json_fields": {"fields": {"a": "exact", "b": {"number": 0.01}}},
    "json_schema": {"schema": {"type": "object", "required": ["a"]}},
}
EXPECTED = {"choice": "positive", "json_fields": {"a": "x", "b": 2}, "json_schema": None, "number": 3}


def spec(name: str, **params: object) -> ScorerSpec:
    """Name a scorer with its parameters."""
    return ScorerSpec(name=name, params=params)


def check(name: str, params: dict[str, object], expected: object = None) -> None:
    """Check parameters and an expected value."""
    get_scorer(name).check(params, expected)


# --- the registry -----------------------------------------------------------------------------------------------------


def test_every_built_in_scorer_loads_under_its_own_name() -> None:
    """Each name in the registry leads to a scorer that calls itself so."""
    names = scorer_names()
    assert {"exact", "contains", "regex", "number", "choice", "json_fields", "json_schema"} <= set(names)
    assert {"token_f1", "similarity", "sql", "python"} <= set(names)
    assert [get_scorer(name).name for name in names] == list(names)


def test_scores_that_came_along_leave_the_text_as_the_answer() -> None:
    """Votes are counted on whole replies where the form that was asked for is not known; no eval set may ask for it."""
    assert extract(ScorerSpec(name=IMPORTED), " yes\n") == "yes"
    assert extract(ScorerSpec(name=IMPORTED), " ") is None
    with pytest.raises(InputError, match="no scorer 'imported'"):
        get_scorer(IMPORTED)


def test_an_unknown_scorer_names_the_nearest() -> None:
    """A typing error is answered with the right name."""
    with pytest.raises(InputError, match="no scorer 'nummber'; did you mean 'number'"):
        get_scorer("nummber")


def test_importing_the_package_loads_no_scorer() -> None:
    """The heavy libraries are loaded by the scorers that need them, when they are asked for."""
    root = Path(__file__).parents[1]
    code = (
        "import sys, routerctl.scorers; print([m for m in ('jsonschema', 'rapidfuzz', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PLUG_IN = """
from routerctl.scorers import Scorer

def extract(text, params):
    if text == "bad": raise KeyError("x")
    return 7 if text == "seven" else text or None

def score(extracted, expected, params):
    if extracted == "boom": raise ZeroDivisionError("oh")
    return float(extracted), "e" * 1000

SHOUT = Scorer(name="shout", extract=extract, score=score, check=lambda params, expected: None)
WRONG = 3
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with scorers, as pip would lay it out."""
    (tmp_path / "shouting.py").write_text(PLUG_IN)
    info = tmp_path / "shouting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    points = "shout = shouting:SHOUT\nwrong = shouting:WRONG\ngone = nowhere:X\nexact = shouting:SHOUT\n"
    (info / "entry_points.txt").write_text(f"[routerctl.scorers]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    get_scorer.cache_clear()


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_scores_and_is_clipped() -> None:
    """A third party's scorer is found by its entry point; values end at 0 and 1, explanations at 500 characters."""
    assert "shout" in scorer_names()
    assert score_reply(spec("shout"), "0.5", None).value == 0.5
    assert score_reply(spec("shout"), "7", None).value == 1.0
    assert score_reply(spec("shout"), "-7", None).value == 0.0
    assert len(score_reply(spec("shout"), "1", None).explanation) == 500


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize("reply", ["nan", "boom", "bad", "seven", "word"])
def test_a_failing_plug_in_is_unscorable(reply: str) -> None:
    """What a plug-in does wrong is neither a right nor a wrong answer."""
    with pytest.raises(Unscorable, match="scorer shout"):
        score_reply(spec("shout"), reply, None)


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(("name", "said"), [("wrong", "is a int, not a Scorer"), ("gone", "cannot be loaded")])
def test_a_broken_plug_in_is_said(name: str, said: str) -> None:
    """A plug-in that cannot be loaded is the user's to mend, and named."""
    with pytest.raises(InputError, match=said):
        get_scorer(name)


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_cannot_replace_a_built_in() -> None:
    """Installing a package never changes what `exact` means."""
    assert score_reply(spec("exact"), "0.5", "0.5").value == 1.0


# --- what holds for all -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PURE)
def test_an_empty_reply_has_no_answer(name: str) -> None:
    """Nothing found scores 0 and says so."""
    made = score_reply(spec(name, **PARAMS.get(name, {})), " \n", EXPECTED.get(name, "x"))
    assert made == Score(value=0.0, extracted=None, explanation="no answer found")


@pytest.mark.parametrize("name", PURE)
def test_a_huge_reply_has_no_answer(name: str) -> None:
    """Beyond the cap nothing is read."""
    made = score_reply(spec(name, **PARAMS.get(name, {})), "3" * (MAX_CHARS + 1), EXPECTED.get(name, "x"))
    assert (made.value, made.explanation) == (0.0, "no answer found: more than 100,000 characters")


WHY = [
    ("choice", PARAMS["choice"], "positive or negative", "mentions both positive and"),
    ("choice", PARAMS["choice"], "I can't say whether it is positive.", "does not answer"),
    ("choice", PARAMS["choice"], "It isn't positive.", "only denies or asks about positive"),
    ("choice", PARAMS["choice"], "\\boxed{5}", "none of the labels"),
    ("choice", PARAMS["choice"], "Answer: positive. No, that's wrong.", "takes that back"),
    ("number", {}, "The answer is 12:30.", "12:30 is more than one number in one"),
    ("number", {}, "5 to 7", "5 to 7 is more than one number"),
    ("number", {}, "more than 5", "5 is a bound or an operand"),
    ("number", {}, "It is not 5.", "only denies or asks about numbers"),
    ("number", {}, "\\boxed{4", "ends inside its marked answer"),
    ("json_fields", PARAMS["json_fields"], '[{"a": 1}]', "a list where an object is expected"),
    ("json_fields", PARAMS["json_fields"], '{"a": 1} {"a": 2}', "it gives 2 that differ"),
    ("json_fields", PARAMS["json_fields"], 'Wrong: {"a": 1}', "what it shows, it calls wrong"),
]


@pytest.mark.parametrize(("name", "params", "reply", "said"), WHY)
def test_a_reply_without_a_plain_answer_says_why(name: str, params: dict[str, Any], reply: str, said: str) -> None:
    """Whoever reads a 0 in the report learns whether nothing was there, or two things were."""
    made = score_reply(spec(name, **params), reply, EXPECTED[name])
    assert (made.value, made.extracted) == (0, None)
    assert made.explanation.startswith("no answer found: ")
    assert said in made.explanation
    assert extract(spec(name, **params), reply) is None


def test_thinking_does_not_count_towards_the_cap() -> None:
    """A model that thinks at length and answers in a word has answered."""
    assert extract(spec("number"), f"<think>{'3' * MAX_CHARS}</think>7") == "7"


def test_no_word_of_the_lexicon_is_there_twice() -> None:
    """A list with a word twice is one that nobody read."""
    lists = {name: value for name, value in vars(lexicon).items() if name.isupper() and isinstance(value, str)}
    for name, value in lists.items():
        words = [word.strip() for word in value.replace("\n", " ").split(",") if word.strip()] if "," in value else []
        assert len(words) == len(set(words)), (name, sorted(word for word in words if words.count(word) > 1))


HOSTILE = [
    "[" * 99_999, '{"a":' * 19_000, '{"a":[1,' * 12_000, "{" * 99_999, '{"' * 49_000, "1," * 49_000, "answer " * 14_000,
    "1" * 99_999, "answer: 1e999999999", "1e999", "NaN", "-Infinity", "\x00" * 1000, "\ud800 3 \udfff",
    "\u0130\u0131" * 999,
    "-$" * 49_000, "1/" * 49_000, "3/0", "```\n" * 24_000, "`" * 99_999, "\u202e3", "a" * 99_999,
    '{"a": 1e999, "b": NaN}',
    '{"a": ' + "9" * 5000 + "}", " " * 99_999, "(A)" * 33_000, "answer is " * 9_900, "not A or B " * 9_000,
    "\\boxed{" * 14_000, "<think>" * 14_000, "12:30 " * 9_000, "I can't " * 12_000, "~~" * 49_000,
    "3" + " " * 99_000 + "4",
    '{"a": 1} ' * 11_000, "\\frac{1}{2}" * 9_000, "yes-" * 24_000, "<script>", "\x1b[2J", "\uff19" * 50,
]  # fmt: skip


@pytest.mark.parametrize("name", PURE)
@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_replies_are_scored(name: str, reply: str) -> None:
    """Whatever a model writes, a score comes back, the same each time, with bounded processor time."""
    started = time.process_time()
    asked = spec(name, **PARAMS.get(name, {}))
    made = score_reply(asked, reply, EXPECTED.get(name, "x"))
    assert 0 <= made.value <= 1
    assert made == score_reply(asked, reply, EXPECTED.get(name, "x"))
    assert time.process_time() - started < 20  # a guard against the quadratic (minutes), no measurement


@given(text=st.text(max_size=200), name=st.sampled_from(PURE))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_score(text: str, name: str) -> None:
    """No text makes a scorer fail, and extraction alone finds what scoring reports."""
    asked = spec(name, **PARAMS.get(name, {}))
    made = score_reply(asked, text, EXPECTED.get(name, "x"))
    assert 0 <= made.value <= 1
    assert made.extracted == extract(asked, text)


@pytest.mark.parametrize(
    ("name", "params", "expected", "said"),
    [
        ("exact", {"case_sensitve": True}, None, "unknown parameter 'case_sensitve'; did you mean 'case_sensitive'"),
        ("exact", {"case_sensitive": "yes"}, None, "case_sensitive: expected true or false"),
        ("exact", {}, 3, "expected a text or a list of texts, got 3"),
        ("exact", {}, [], "expected a text"),
        ("exact", {}, " ", "an expected text is empty"),
        ("contains", {"mode": "some"}, None, "mode: expected any or all"),
        ("contains", {}, [1], "expected a text"),
        ("token_f1", {"x": 1}, None, "unknown parameter 'x'; this scorer takes none"),
        ("similarity", {"metric": "ratios"}, None, "did you mean 'ratio'"),
        ("number", {"tolerence": 1}, None, "did you mean 'tolerance'"),
        ("number", {"tolerance": -1}, None, "tolerance: expected a number from 0"),
        ("number", {"relative": True}, None, "relative: expected a number from 0"),
        ("number", {}, "3", "expected a finite number, got '3'"),
        ("number", {}, float("inf"), "expected a finite number"),
        ("number", {}, True, "expected a finite number"),
        ("choice", {}, None, "choices: expected a list"),
        ("choice", {"choices": ["a"]}, None, "at least two"),
        ("choice", {"choices": [True, False]}, None, "quote them"),
        ("choice", {"choices": ["Yes", "yes."]}, None, "differ only in case"),
        ("choice", {"choices": ["yes", "no"]}, "yess", "not one of the choices; did you mean 'yes'"),
        ("json_fields", {}, None, "fields: expected a mapping"),
        ("json_fields", {"fields": {"a": "exacts"}}, None, "fields.a: expected exact"),
        ("json_fields", {"fields": {"a": {"number": -1}}}, None, "a: expected a number from 0"),
        ("json_fields", {"fields": {"a": "exact"}}, {"b": 1}, "expected an object with the fields a"),
        ("json_fields", {"fields": {"a": {"number": 0}}}, {"a": "1"}, "a: expected a number or null"),
        ("json_fields", {"fields": {"a": {"choice": ["x"]}}}, {"a": "y"}, "a: y is not one of the choices"),
        ("json_schema", {}, None, "schema: expected a JSON Schema"),
        ("json_schema", {"schema": {"type": "objekt"}}, None, "schema: .*type"),
        ("regex", {"pattern": "("}, None, "not a regular expression"),
        ("regex", {}, "[", "not a regular expression"),
        ("regex", {}, 3, "expected a pattern as text"),
        ("python", {"cpu_s": 0}, None, "cpu_s: expected a number above 0"),
        ("python", {"cpu_s": 1.5}, None, "cpu_s: expected a whole number"),
        ("python", {}, "def f(:", "the tests: invalid syntax"),
        ("sql", {}, None, "setup: expected the name"),
        ("sql", {"setup": "/nowhere.sql"}, None, "setup: /nowhere.sql"),
    ],
)
def test_wrong_parameters_are_said_in_one_line(
    name: str, params: dict[str, object], expected: object, said: str
) -> None:
    """Each mistake of the eval set's author is a ValueError that says what was expected."""
    with pytest.raises(ValueError, match=said) as caught:
        check(name, params, expected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PURE)
def test_right_parameters_pass(name: str) -> None:
    """What the tables here use is accepted."""
    check(name, PARAMS.get(name, {}), EXPECTED.get(name, "x"))


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected", "params", "value"),
    [
        ("  Paris. ", "paris", {}, 1),
        ("New\n  York", "new york!", {}, 1),
        ("Paris, France", "Paris", {}, 0),
        ("Cafe\u0301", "café", {}, 1),
        ("STRASSE", "straße", {}, 1),
        ("paris", "Paris", {"case_sensitive": True}, 0),
        ("b", ["a", "b"], {}, 1),
        ("?", "?", {}, 1),
        ("?", "!", {}, 0),
        ("3.0", "3", {}, 0),
    ],
)
def test_exact(reply: str, expected: object, params: dict[str, object], value: float) -> None:
    """Case, accents' spelling, spaces and final punctuation do not count; everything else does."""
    assert score_reply(spec("exact", **params), reply, expected).value == value


@given(st.text(max_size=50))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """The canonical text is canonical."""
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("expected", "params", "value"),
    [
        ("blue", {}, 1),
        (["green", "blue"], {}, 1),
        (["green", "blue"], {"mode": "all"}, 0),
        (["sky", "blue"], {"mode": "all"}, 1),
        ("Sky", {"case_sensitive": True}, 0),
        ("is  Blue.", {}, 1),
    ],
)
def test_contains(expected: object, params: dict[str, object], value: float) -> None:
    """One of the texts is enough, or all are needed."""
    assert score_reply(spec("contains", **params), "The sky\nis blue today", expected).value == value


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("The cat!", "cat", 1.0),
        ("a black cat", "the cat", 2 / 3),
        ("dog", "cat", 0.0),
        ("cat cat", "cat", 2 / 3),
        ("the", "an", 1.0),
        ("the", "cat", 0.0),
    ],
)
def test_token_f1(answer: str, reference: str, value: float) -> None:
    """SQuAD's measure, with its rule for texts without tokens."""
    assert token_f1(answer, reference) == pytest.approx(value)
    assert token_f1(reference, answer) == pytest.approx(value)


@pytest.mark.parametrize(
    ("metric", "value"),
    [("ratio", 0.8), ("levenshtein", 0.8), ("token_sort_ratio", 0.8), ("token_set_ratio", 0.8)],
)
def test_similarity(metric: str, value: float) -> None:
    """One of five letters differs, whatever the metric; the best of several references counts."""
    assert score_reply(spec("similarity", metric=metric), "Kreis", ["kreil", "x"]).value == pytest.approx(value)


def test_similarity_ignores_the_order_of_words_where_asked() -> None:
    """The metric is what its name says."""
    assert score_reply(spec("similarity", metric="token_sort_ratio"), "b a", "a b").value == 1.0
    assert score_reply(spec("similarity"), "b a", "a b").value < 1.0


# --- number -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", "42"),
        ("It costs $1,234.50.", "1234.5"),
        ("-5", "-5"),
        ("\u22125 degrees", "-5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("€ 7", "7"),
        ("25%", "25"),
        (".5", "0.5"),
        ("1.5e3", "1500"),
        ("1e-3", "0.001"),
        ("first 3, then 4", "4"),
        ("10-20", None),
        ("covid-19", None),
        ("(3)-5", None),
        ("H2O", None),
        ("v1.5", None),
        ("1,234,567", "1234567"),
        ("1\u202f234", "1234"),
        ("[1,2,3]", None),
        ("3/4", "0.75"),
        ("-1/3", "-1/3"),
        ("3/0", None),
        ("due 3/4/2025", None),
        ("**42**", "42"),
        ("\\boxed{42}", "42"),
        ("5kg", "5"),
        ("The answer is 42, since 7 + 35 is 42 as of 2020", "42"),
        ("Answer: 3 + 4 = 7", "7"),
        ("Answer: $12 (of 50)", "12"),
        ("The answer follows.\n3 + 4 = 7", "7"),
        ("Answer: 1\nNo, the answer is 2. Done in 3 steps", "2"),
        ("#### 18", "18"),
        ("the answer is x = -4", "-4"),
        ("none", None),
        ("1e999", None),
        ("1e99999999999999999999", None),
        ("٣", "3"),
    ],
)
def test_number_is_found(text: str, value: str | None) -> None:
    """The number a reader would take for the answer, written one way only."""
    assert extract(spec("number"), text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1.234,5", "1234.5"), ("3,14", "3.14"), ("1.000 €", "1000"), ("-0,5", "-0.5")]
)
def test_number_with_decimal_comma(text: str, value: str) -> None:
    """Where the eval set says so, the comma is the decimal sign."""
    assert extract(spec("number", decimal_comma=True), text) == value


@pytest.mark.parametrize(
    ("reply", "expected", "params", "value"),
    [
        ("0.3", 0.1 + 0.2, {}, 0),
        ("0.3", 0.3, {}, 1),
        ("0.3", Decimal("0.3"), {}, 1),
        ("3.0", 3, {}, 1),
        ("10.01", 10, {"tolerance": Decimal("0.01")}, 1),
        ("10.02", 10, {"tolerance": 0.01}, 0),
        ("1010", 1000, {"relative": 0.01}, 1),
        ("1011", 1000, {"relative": 0.01}, 0),
        ("-990", -1000, {"relative": 0.01}, 1),
        ("9007199254740993", 9007199254740992, {}, 0),
    ],
)
def test_number_is_compared_exactly(reply: str, expected: object, params: dict[str, object], value: float) -> None:
    """Tolerances are met to the last digit: no float rounding decides a case."""
    assert score_reply(spec("number", **params), reply, expected).value == value


@given(st.fractions(max_denominator=10**6))
def test_canonical_numbers_read_back(value: Fraction) -> None:
    """What is kept beside a score is the number itself."""
    assert Fraction(canonical(value)) == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_written_numbers_are_found(units: int, places: int) -> None:
    """A number with thousands commas is read as what it is."""
    value = Decimal(units).scaleb(-places)
    assert find_number(f"so it is {value:,f} in all") == Fraction(value)


@pytest.mark.parametrize("value", [None, "3", True, float("nan"), Decimal("sNaN"), Decimal("1e999999"), [3]])
def test_what_is_no_number(value: object) -> None:
    """Only finite numbers of a sane size become fractions."""
    assert as_fraction(value) is None


# --- choice -----------------------------------------------------------------------------------------------------------

FEELINGS = ["positive", "negative", "neutral"]
LETTERS = ["A", "B", "C", "I"]


@pytest.mark.parametrize(
    ("text", "choices", "label"),
    [
        ("positive", FEELINGS, "positive"),
        (" **Positive**.\n", FEELINGS, "positive"),
        ('"NEGATIVE"', FEELINGS, "negative"),
        ("Positive\n\nThe writer isn't negative about it.", FEELINGS, "positive"),
        ("The feeling is neutral here", FEELINGS, "neutral"),
        ("It could be positive or negative", FEELINGS, None),
        ("positive\nnegative", FEELINGS, None),
        ("Some say negative. The answer is positive. Not neutral.", FEELINGS, "positive"),
        ("Answer: positive or negative", FEELINGS, None),
        ("Answer:\n\nneutral, I think", FEELINGS, "neutral"),
        ("answer: positive\nanswer: it is negative", FEELINGS, "negative"),
        ("positively great", FEELINGS, None),
        ("", FEELINGS, None),
        ("non-toxic", ["toxic", "safe"], None),
        ("very good indeed", ["good", "very good"], "very good"),
        ("not_spam it is", ["spam", "not_spam"], "not_spam"),
        ("CAFE\u0301 it is", ["café", "bar"], "café"),
        ("(B)", LETTERS, "B"),
        ("b", LETTERS, "B"),
        ("B) Because A dog barks", LETTERS, "B"),
        ("The answer is B, a mammal.", LETTERS, "B"),
        ("A dog is what I see", LETTERS, None),
        ("I pick (C) over (A)", LETTERS, "C"),
        ("I pick (C) or (A)", LETTERS, None),
        ("I'd say the answer is (C)", LETTERS, "C"),
        ("The answer: I'm not sure", LETTERS, None),
        ("C++ is it", ["C", "C++"], "C++"),
        ("**C#**", ["C", "C#"], "C#"),
        ("**-1**", ["-1", "0", "1"], "-1"),
        ("- 1", ["-1", "0", "1"], "1"),
        ("I rate it 4", ["1", "2", "3", "4"], "4"),
        ("I rate it 3 or 4", ["1", "2", "3", "4"], None),
        ("- positive\n- negative", FEELINGS, None),
        ("- positive\n- negative\n\nMy answer is negative.", FEELINGS, "negative"),
        ("positive\nMy answer is positive, for nothing negative is said.", FEELINGS, "positive"),
        ("positive\nAnswer: negative", FEELINGS, None),
        ("C++", ["C++", "Rust"], "C++"),
    ],
)
def test_choice(text: str, choices: list[str], label: str | None) -> None:
    """The label a reader would see chosen; None where one could quarrel."""
    assert extract(spec("choice", choices=choices), text) == label


@given(st.sampled_from(FEELINGS), st.sampled_from(["{}", "{}.", "Answer: {}", "It is {}!", "**{}**", "- {}"]))
def test_one_label_is_always_found(label: str, frame: str) -> None:
    """A reply that mentions one label chooses it, in any case."""
    assert extract(spec("choice", choices=FEELINGS), frame.format(label.upper())) == label


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here:\n```\n{"a": 1}\n```\nDone {x}.', {"a": 1}),
        ('Sure! {"a": {"b": 2}} hope it helps', {"a": {"b": 2}}),
        ('first {"a": 1} then finally {"a": 2}', {"a": 2}),
        ('{"a": 2} {"a": 2}', {"a": 2}),
        ('```json\n{"a": 1', None),
        ("{'a': 1}", None),
        ('{"a": NaN}', None),
        ('{"a": 1e999}', None),
        ("see [1]", None),
        ('{"a":' * 70 + "1" + "}" * 70, None),
        ('{"a": ' + "9" * 5000 + "}", None),
    ],
)
def test_json_is_found(text: str, value: object) -> None:
    """Bare, fenced or in prose; strict in what JSON is."""
    assert read_json(text, kinds=(dict,)) == value


FIELDS = {"fields": {"name": "exact", "amount": {"number": 0.005}, "kind": {"choice": ["new", "used"]}}}
RIGHT = {"name": "Ines Duarte", "amount": 1207.5, "kind": "new"}


@pytest.mark.parametrize(
    ("reply", "share", "said"),
    [
        ('{"name": "ines duarte.", "amount": 1207.50, "kind": "NEW", "extra": 1}', 3, "every field is right"),
        ('{"name": "Ines", "amount": 1207.505, "kind": "new"}', 2, 'wrong name: "Ines"'),
        ('{"amount": "1207.5", "kind": null}', 0, 'wrong name: missing; amount: "1207.5"; kind: null'),
        ('{"name": "Ines Duarte", "amount": 1207.506, "kind": true}', 1, "wrong amount: 1207.506; kind: true"),
    ],
)
def test_json_fields(reply: str, share: int, said: str) -> None:
    """Fields are right or wrong by their own rule, types included."""
    made = score_reply(spec("json_fields", **FIELDS), reply, RIGHT)
    assert made.value == pytest.approx(share / 3)
    assert made.explanation == said


def test_all_fields_right_is_exactly_one() -> None:
    """A case that needs score 1.0 to pass gets no rounding error in its way."""
    fields = {str(number): "exact" for number in range(7)}
    reply = "{" + ", ".join(f'"{name}": 1' for name in fields) + "}"
    assert score_reply(spec("json_fields", fields=fields), reply, dict.fromkeys(fields, 1)).value == 1.0


@pytest.mark.parametrize(
    ("reply", "expected", "value"),
    [
        ('{"a": null}', None, 1), ('{"a": 0}', None, 0), ('{"a": 3.0}', 3, 1), ('{"a": "3"}', 3, 0),
        ('{"a": true}', 1, 0), ('{"a": true}', True, 1), ('{"a": [1, {"b": "X"}]}', [1, {"b": "x"}], 1),
        ('{"a": [2, 1]}', [1, 2], 0), ('{"a": 0.1}', Decimal("0.1"), 1),
    ],
)  # fmt: skip
def test_json_values_keep_their_types(reply: str, expected: object, value: float) -> None:
    """Null, booleans, numbers, texts and lists are not taken for each other."""
    assert score_reply(spec("json_fields", fields={"a": "exact"}), reply, {"a": expected}).value == value


def test_votes_see_only_the_named_fields() -> None:
    """Two replies that agree on what counts are one vote."""
    asked = spec("json_fields", fields={"a": "exact"})
    assert extract(asked, '{"note": 1, "a": 2}') == extract(asked, 'Well: {"a": 2}') == '{"a": 2}'


@pytest.mark.parametrize(
    ("reply", "expected", "value", "said"),
    [
        ('{"a": 1}', None, 1, "valid"),
        ('{"a": 1}', {"a": 1.0}, 1, "valid"),
        ('{"a": 1}', {"a": 2}, 0, "valid, but not"),
        ('{"a": "1"}', None, 0, "$.a: '1' is not of type 'integer'"),
        ("{}", None, 0, "$: 'a' is a required property"),
        ('{"a": 3}', None, 0, "$.a: 3 is greater than the maximum of 2.5"),
    ],
)
def test_json_schema(reply: str, expected: object, value: float, said: str) -> None:
    """Valid is right; where a value is expected, it must be that value too."""
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer", "maximum": Decimal("2.5")}},
    }
    made = score_reply(spec("json_schema", schema=schema), reply, expected)
    assert made.value == value
    assert made.explanation.startswith(said)


def test_a_schema_elsewhere_is_not_fetched() -> None:
    """A reference over the network is no way to score a reply."""
    with pytest.raises(Unscorable, match="Unresolvable"):
        score_reply(spec("json_schema", schema={"$ref": "http://127.0.0.1:9/x"}), "{}", None)


def test_a_scorer_is_data() -> None:
    """A scorer of one's own is a few functions; no class to inherit from."""
    made = Scorer(name="x", extract=lambda text, _: text, score=lambda *_: (1.0, ""), check=lambda *_: None)
    assert made.reads == ()

"""Rules that can never hold, are never reached or add nothing are told, and only those."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routerctl.classify.rules import first_match, holds, rule_warnings
from routerctl.classify.rules.keywords import folded, has_keyword, least_length
from routerctl.types import Condition, Inquiry, Rule
from tests.inquiries import CONDITIONS, INQUIRIES

NEVER, SHADOWED = ": can never hold", ": is never reached"


def rules(*conditions: dict[str, Any]) -> list[Rule]:
    """Rules a, b, c, ... with these conditions."""
    return [
        Rule(name=chr(ord("a") + place), task_class="c", when=Condition(**when))
        for place, when in enumerate(conditions)
    ]


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"min_chars": 9, "max_chars": 5}, "no prompt has at least 9 characters and has at most 5 characters"),
        ({"min_words": 9, "max_words": 5}, "no prompt has at least 9 words and has at most 5 words"),
        ({"min_words": 9, "max_chars": 5}, "no prompt has at most 5 characters and has at least 9 words"),
        ({"is_json": True, "max_chars": 1}, "no prompt has at most 1 character and is JSON"),
        ({"has_code": True, "max_chars": 2}, "no prompt has at most 2 characters and has code"),
        ({"language": ("de",), "max_chars": 0}, "no prompt has at most 0 characters and is in language de"),
        (
            {"keywords": ("longer",), "max_chars": 5},
            "no prompt has at most 5 characters and has the keyword longer",
        ),
        ({"keywords": ("word",), "max_words": 0}, "no prompt has at most 0 words and has the keyword word"),
        (
            {"all_of": (Condition(tenant=("a",)), Condition(tenant=("b", "c")))},
            "no prompt comes from tenant a and comes from tenant b or c",
        ),
        (
            {"all_of": (Condition(features={"x": 1}), Condition(features={"x": [True, "1"]}))},
            "no prompt comes with x = 1 and comes with x = true or 1",
        ),
        (
            {"any_of": (Condition(min_chars=2, max_chars=1), Condition(is_json=True, max_chars=0))},
            "no prompt (has at least 2 characters and has at most 1 character or has at most 0 characters and is JSON)",
        ),
        (
            {"min_chars": 3, "none_of": (Condition(min_chars=2),)},
            "no prompt has at least 3 characters and fits none of (has at least 2 characters)",
        ),
        (
            {"keywords": ("order number",), "none_of": (Condition(keywords=("Number",)),)},
            "no prompt has the keyword order number and fits none of (has the keyword Number)",
        ),
        (
            {"attachments": ("pdf",), "has_attachment": False},
            "no prompt comes without an attachment and comes with an attachment of kind pdf",
        ),
        ({"regex": "x", "none_of": (Condition(regex="x"),)}, "no prompt matches /x/ and fits none of (matches /x/)"),
        ({"none_of": (Condition(),)}, "no prompt fits none of (is anything)"),
        ({"features": {"x": []}}, "no prompt comes with x = nothing"),
        (
            {
                "min_chars": 3,
                "any_of": (Condition(tenant=("a",)), Condition(max_chars=2)),
                "none_of": (Condition(tenant=("a",)),),
            },
            "its conditions contradict each other",
        ),
    ],
    ids=str,
)
def test_what_can_never_hold(when: dict[str, Any], why: str) -> None:
    """A rule whose parts exclude each other is named, with the parts."""
    assert rule_warnings(rules(when)) == (f"rules.a: can never hold: {why}",)


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ([{"min_chars": 5}, {"min_chars": 9}], "rule a before it holds whenever it does"),
        ([{"max_words": 9}, {"max_chars": 9}], "rule a before it holds whenever it does"),
        ([{"min_chars": 2}, {"is_json": True}], "rule a before it holds whenever it does"),
        ([{"min_chars": 5}, {"min_chars": 5}], "rule a before it has the same condition"),
        ([{}, {"is_json": True}], "rule a before it holds for every prompt"),
        ([{"min_chars": 0}, {"is_json": True}], "rule a before it holds for every prompt"),
        ([{"keywords": ("sum", "add")}, {"keywords": ("SUM",), "tenant": ("x",)}], "rule a before it holds whenever"),
        ([{"keywords": ("order",)}, {"keywords": ("order number",)}], "rule a before it holds whenever it does"),
        ([{"tenant": ("a", "b")}, {"tenant": ("b",), "step": ("s",)}], "rule a before it holds whenever it does"),
        ([{"regex": "x+"}, {"regex": "x+", "has_code": True}], "rule a before it holds whenever it does"),
        ([{"has_attachment": True}, {"attachments": ("pdf",)}], "rule a before it holds whenever it does"),
        ([{"features": {"x": [1, 2]}}, {"features": {"x": 1.0, "y": 1}}], "rule a before it holds whenever it does"),
        (
            [{"any_of": (Condition(is_json=True), Condition(has_code=True))}, {"has_code": True}],
            "rule a before it holds whenever it does",
        ),
        (
            [{"none_of": (Condition(tenant=("a",)),)}, {"tenant": ("b",)}],
            "rule a before it holds whenever it does",
        ),
    ],
    ids=str,
)
def test_what_is_never_reached(conditions: list[dict[str, Any]], why: str) -> None:
    """A rule is never reached where an earlier one holds whenever it does."""
    found = rule_warnings(rules(*conditions))
    assert [one.partition(why)[0] for one in found] == [f"rules.{chr(96 + len(conditions))}: is never reached: "]


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [{}],
        [{"is_json": True}, {}],
        [{"min_chars": 9}, {"min_chars": 5}],
        [{"min_chars": 9}, {"max_chars": 7}, {"regex": "x"}, {"regex": "x+"}],
        [{"keywords": ("order number",)}, {"keywords": ("order",)}],
        [{"keywords": ("sum",)}, {"keywords": ("sums",)}],
        [{"keywords": ("ffi",), "max_chars": 1}],
        [{"keywords": ("strasse",), "max_chars": 6}],
        [{"features": {"x": 1}}, {"features": {"x": True}}, {"features": {"x": "1"}}],
        [{"tenant": ("a",)}, {"none_of": (Condition(tenant=("a",)),)}],
        [{"tenant": ("a",)}, {"step": ("a",)}],
        [{"language": ("zh",), "max_chars": 1}],
        [{"attachments": ("pdf",)}, {"has_attachment": True}],
        [{"all_of": (Condition(attachments=("pdf",)), Condition(attachments=("image",)))}],
    ],
    ids=str,
)
def test_what_is_well(conditions: list[dict[str, Any]]) -> None:
    """Rules that each have their prompts are not warned of."""
    assert rule_warnings(rules(*conditions)) == ()


def test_a_rule_that_never_holds_shadows_nothing() -> None:
    """What can never hold is named alone."""
    (only,) = rule_warnings(rules({"min_chars": 9, "max_chars": 5}, {"min_chars": 9}))
    assert only.startswith("rules.a: can never hold")


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ({"keywords": ("Straße", "STRASSE")}, "keywords has 'strasse' twice"),
        ({"none_of": (Condition(tenant=("a", "a", "a")),)}, "tenant has 'a' 3 times"),
        (
            {"max_chars": 2, "any_of": (Condition(has_code=True), Condition(step=("s",)))},
            "any_of.0 can never hold here",
        ),
        (
            {"any_of": (Condition(min_chars=5), Condition(tenant=("a",)), Condition(min_chars=7))},
            "any_of.2 adds nothing: any_of.0 holds whenever it does",
        ),
        ({"regex": "(?=a)"}, "can never be tried: not a regular expression of RE2: invalid perl operator: (?="),
        (
            {"any_of": (Condition(regex="("),)},
            "can never be tried: not a regular expression of RE2: missing ): (",
        ),
    ],
)
def test_what_is_said_in_vain(when: dict[str, Any], found: str) -> None:
    """Repetitions, idle alternatives and refused patterns are named."""
    assert rule_warnings(rules(when)) == (f"rules.a: {found}",)


def test_many_tangled_rules_end() -> None:
    """Many alternatives, and alternatives within alternatives, are compared without trying all combinations."""
    tangled = [
        {"any_of": tuple(Condition(regex=f"{place}{other}", min_words=place) for other in "abcdef")}
        for place in range(12)
    ]
    deep = [Condition(regex="x"), Condition(regex="y")]
    for _ in range(14):
        deep = [Condition(any_of=(one, Condition(step=("s",))), tenant=("t",)) for one in deep]
    assert rule_warnings(rules(*tangled, *({"all_of": (one,)} for one in deep))) == ()


def test_long_lists_of_keywords_are_compared() -> None:
    """A rule of a thousand keywords that stand behind it in another is told; one of a thousand others is not."""
    many, others = (tuple(f"{name}{place}" for place in range(1000)) for name in ("x", "y"))
    found = rule_warnings(rules({"keywords": many}, {"keywords": others}, {"keywords": many[::-1][1:]}))
    assert found == ("rules.c: is never reached: rule a before it holds whenever it does",)


@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=4), inquiries=st.lists(INQUIRIES, min_size=1, max_size=8))
@settings(max_examples=600, deadline=None)
@example(conditions=[Condition(has_code=True, max_chars=3)], inquiries=[Inquiry(prompt="}\n}")])
@example(conditions=[Condition(is_json=True, max_words=1, max_chars=2)], inquiries=[Inquiry(prompt="[]")])
@example(conditions=[Condition(keywords=("office",), max_chars=4)], inquiries=[Inquiry(prompt="oﬃce")])
@example(
    conditions=[Condition(keywords=("order number",)), Condition(keywords=("order",))],
    inquiries=[Inquiry(prompt="my order")],
)
def test_no_warning_is_false(conditions: list[Condition], inquiries: list[Inquiry]) -> None:
    """What is said never to hold, never to be reached or to add nothing is contradicted by no inquiry."""
    given_rules = [Rule(name=str(place), task_class="c", when=one) for place, one in enumerate(conditions)]
    for warning in rule_warnings(given_rules):
        rule = given_rules[int(warning.split(":")[0].removeprefix("rules."))]
        place = int(warning.split("any_of.")[1].split()[0]) if ": any_of." in warning else None
        for inquiry in inquiries:
            if NEVER in warning:
                assert not holds(rule.when, inquiry), warning
            elif SHADOWED in warning:
                assert first_match(given_rules, inquiry) is not rule, warning
                earlier = given_rules[int(warning.split(": rule ")[1].split()[0])]
                always = "holds for every prompt" in warning
                assert holds(earlier.when, inquiry) or not (always or holds(rule.when, inquiry)), warning
            elif place is not None and holds(rule.when, inquiry):
                rest = [one for at, one in enumerate(rule.when.any_of) if at != place]
                assert any(holds(one, inquiry) for one in rest), warning


@given(condition=CONDITIONS, other=CONDITIONS)
@settings(max_examples=400, deadline=None)
def test_what_follows_by_form_is_seen(condition: Condition, other: Condition) -> None:
    """A condition and its opposite never hold together, and behind a condition one that says more is never reached."""
    opposite, more = {"all_of": (condition,), "none_of": (condition,)}, {"all_of": (condition, other)}
    assert NEVER in rule_warnings(rules(opposite))[0]
    last = rule_warnings(rules({"all_of": (condition,)}, more))[-1]
    assert last.startswith(("rules.b" + NEVER, "rules.b" + SHADOWED))


@given(text=st.text(st.sampled_from("sStTfFiIlLßﬃﬄﬁﬂﬅﬆﬀKeé\u0301ΐᾷ")), start=st.integers(0, 9), end=st.integers(0, 9))
@settings(max_examples=400)
def test_no_keyword_needs_more_characters_than_it_does(text: str, start: int, end: int) -> None:
    """A text that holds a keyword has at least the length that is claimed."""
    keyword = folded(text)[start:end]
    if has_keyword(folded(text), keyword):
        assert len(text) >= least_length(folded(keyword))

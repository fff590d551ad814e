"""Confidence signals: what each says of a reply, in any language, and that no reply breaks one."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.scorers import IMPORTED, MAX_CHARS
from routerctl.strategies.confidence import (
    SIGNALS,
    Delivered,
    delivered_of_answer,
    delivered_of_result,
    first_below,
    form_below,
    recorded_values,
    signal_values,
)
from routerctl.strategies.confidence.phrases import phrases
from routerctl.types import Answer, Reply, ReplySpec, Result, ScorerSpec, Status, StopReason, Usage

TEXT = ScorerSpec(name="exact")
FREE = ReplySpec()
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def delivered(text: str, **more: Any) -> Delivered:
    """A reply to a class of free text, unless told otherwise."""
    given: dict[str, Any] = {"stop_reason": StopReason.END, "reply": FREE, "scorer": TEXT}
    return Delivered(text=text, **(given | more))


def value(signal: str, seen: Delivered) -> float | None:
    """One signal's value."""
    return SIGNALS[signal].measure(seen)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 0.0),
        (" \n\t", 0.0),
        ("...", 0.25),
        ("7", 0.5),
        ("- 7.", 0.5),
        ("はい", 0.5 + 1 / 22),
        ("ok, go", 0.5 + 2 / 22),
        ("a " * 1024, 0.5 + 10 / 22),
        ("a " * 2048, 1.0),
        ("a" * MAX_CHARS, 1.0),
        ("a" * (MAX_CHARS + 1), 0.0),
    ],
)
def test_length(text: str, found: float) -> None:
    """Nothing, no word at all, ever more, or more than any scorer reads; a short answer may well be one."""
    assert value("length", delivered(text)) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "found"), [("B", 1.0), ("**bad**", 1.0), ("C", 0.5), ("", 0.0), ("good or bad", None)]
)
def test_a_choice_is_not_too_short(text: str, found: float | None) -> None:
    """Who is to choose among words says one of them; what chooses none is as long as it is."""
    choices = ("good", "bad", "A", "B")
    scorer = ScorerSpec(name="choice", params={"choices": list(choices)})
    for seen in (delivered(text, reply=ReplySpec(choices=choices)), delivered(text, scorer=scorer)):
        measured = value("length", seen)
        assert measured == found if found is not None else 0.5 < (measured or 0) < 1


@given(text=st.text(), more=st.text())
def test_who_says_more_is_not_shorter(text: str, more: str) -> None:
    """Of free text the signal never falls as it grows."""
    assert (value("length", delivered(text)) or 0) <= (value("length", delivered(text + more)) or 0)


@pytest.mark.parametrize(
    ("stop", "found"),
    [
        (StopReason.END, 1.0),
        (StopReason.MAX_TOKENS, 0.0),
        (StopReason.CONTEXT_FULL, 0.0),
        (StopReason.REFUSAL, 1.0),
        (None, None),
    ],
)
def test_complete(stop: StopReason | None, found: float | None) -> None:
    """Cut off by its own limit or by a full context; where nobody says, it cannot be told."""
    assert value("complete", delivered("x", stop_reason=stop)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is 7.", 1.0),
        ("I'm not sure.", 0.0),
        ("I\u2019M NOT SURE!", 0.0),
        ("Perhaps. It is 7. It is. It really is.", 0.75),
        ("It is 7. It is. It is. But I don't know.", 0.5),  # who admits not to know is not sure of the rest
        ("Ich bin mir nicht sicher.", 0.0),
        ("Das weiß ich nicht", 0.0),
        ("Es sind vielleicht 7. Ja.", 0.5),
        ("Je ne sais pas.", 0.0),
        ("C'est peut-être 7. Oui.", 0.5),
        ("No estoy seguro.", 0.0),
        ("Creo que son 7. Sí.", 0.5),
        ("Forse sette.", 0.0),
        ("Talvez sete.", 0.0),
        ("Misschien zeven.", 0.0),
        ("The mayberry bush", 1.0),  # whole words only
        ("3.5 and 4.5", 1.0),
        ("", None),
        ("?!", None),
    ],
)
def test_hedging(text: str, found: float | None) -> None:
    """The share of sentences without a word of doubt."""
    assert value("hedging", delivered(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is 7.", 1.0),
        ("I'm sorry, but I can't help with that.", 0.0),
        ("I cannot assist with this request.", 0.0),
        ("As an AI language model, I have no view.", 0.0),
        ("Dabei kann ich Ihnen nicht helfen. Leider kann ich nicht mehr sagen.", 0.0),
        ("Je suis désolé, mais je ne peux pas répondre.", 0.0),
        ("Lo siento, pero no puedo ayudar con eso.", 0.0),
        ("Mi dispiace, ma non posso aiutarti.", 0.0),
        ("Desculpe, mas não posso ajudar.", 0.0),
        ("Het spijt me, maar ik kan dat niet.", 0.0),
        ("7. That is it. He said: I cannot help with that.", 1.0),  # not how it begins
        ("", None),
    ],
)
def test_refusal(text: str, found: float | None) -> None:
    """A refusal comes first, in words that are known."""
    assert value("refusal", delivered(text)) == found


def test_a_refusal_that_the_provider_names_needs_no_words() -> None:
    """The stop reason is enough, even without a text."""
    assert value("refusal", delivered("", stop_reason=StopReason.REFUSAL)) == 0.0


@pytest.mark.parametrize(
    ("text", "reply", "scorer", "found"),
    [
        ("anything", FREE, TEXT, None),
        ("anything", FREE, ScorerSpec(name="judge", params={}), None),
        ("It is 7", FREE, ScorerSpec(name="number"), 1.0),
        ("no idea", FREE, ScorerSpec(name="number"), 0.0),
        ("good", ReplySpec(choices=("good", "bad")), TEXT, 1.0),
        ("good or bad", ReplySpec(choices=("good", "bad")), TEXT, 0.0),
        ('{"n": 1}', ReplySpec(json_schema=SCHEMA), TEXT, 1.0),
        ('{"n": "one"}', ReplySpec(json_schema=SCHEMA), TEXT, 0.0),
        ('{"n": ', ReplySpec(json_schema=SCHEMA), TEXT, 0.0),
        ('{"n": 1}', FREE, ScorerSpec(name="json_schema", params={"schema": SCHEMA}), 1.0),
        ("[]", FREE, ScorerSpec(name="json_schema", params={"schema": SCHEMA}), 0.0),
        ("{}", FREE, ScorerSpec(name="json_schema", params={"schema": {"$ref": "http://nowhere.invalid/x"}}), None),
    ],
)
def test_schema(text: str, reply: ReplySpec, scorer: ScorerSpec, found: float | None) -> None:
    """The shape that was asked for; where none was, or it cannot be checked, there is nothing to tell."""
    assert value("schema", delivered(text, reply=reply, scorer=scorer)) == found


@pytest.mark.parametrize(
    ("signal", "field", "given", "found"),
    [
        ("logprob", "mean_logprob", None, None),
        ("logprob", "mean_logprob", 0.0, 1.0),
        ("logprob", "mean_logprob", math.log(0.25), 0.25),
        ("logprob", "mean_logprob", -math.inf, 0.0),
        ("logprob", "mean_logprob", math.nan, None),
        ("logprob", "mean_logprob", 3.0, 1.0),
        ("agreement", "agreement", 0.6, 0.6),
        ("agreement", "agreement", None, None),
        ("judge", "judge_score", 0.75, 0.75),
        ("judge", "judge_score", None, None),
    ],
)
def test_numbers_that_others_measured(signal: str, field: str, given: float | None, found: float | None) -> None:
    """They are taken as they are, kept in [0, 1]; what is not given has no value."""
    seen = value(signal, delivered("x", **{field: given}))
    assert seen == (None if found is None else pytest.approx(found))


TEXTS = st.one_of(
    st.text(),
    st.text(st.characters(codec=None)),  # lone surrogates too
    st.lists(st.sampled_from(["maybe ", "I can't help with ", "{", "[", '"n": 1', "}", ".", "\n", "'", "ß", "7"])).map(
        "".join
    ),
)
NUMBERS = st.none() | st.floats()
SCORERS = st.sampled_from(
    [TEXT, ScorerSpec(name="number"), ScorerSpec(name="json_schema", params={"schema": SCHEMA}), ScorerSpec(name="sql")]
)
REPLIES = st.sampled_from([FREE, ReplySpec(choices=("good", "bad", "A")), ReplySpec(json_schema=SCHEMA)])


@settings(deadline=None)
@given(
    text=TEXTS,
    stop=st.none() | st.sampled_from(StopReason),
    reply=REPLIES,
    scorer=SCORERS,
    numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS),
)
def test_every_value_is_a_share(
    text: str,
    stop: StopReason | None,
    reply: ReplySpec,
    scorer: ScorerSpec,
    numbers: tuple[float | None, float | None, float | None],
) -> None:
    """Whatever was delivered, no signal raises, and each gives a number in [0, 1] or none."""
    mean, agreed, judged = numbers
    seen = delivered(
        text, stop_reason=stop, reply=reply, scorer=scorer, mean_logprob=mean, agreement=agreed, judge_score=judged
    )
    assert all(0 <= found <= 1 for found in signal_values(seen, SIGNALS).values())


@pytest.mark.parametrize(
    "unit", ["maybe. ", "i think i ", "'" * 50 + " ", "\n", "{", '{"a":', "i can't ", "\U0001d422 ß ǆ "]
)
def test_long_replies_are_read_to_their_end(unit: str) -> None:
    """The longest reply of the worst kind gives values: no search backtracks into the time limit."""
    seen = delivered((unit * MAX_CHARS)[:MAX_CHARS], reply=ReplySpec(json_schema=SCHEMA))
    assert {"length", "complete", "schema"} <= signal_values(seen, SIGNALS).keys()


def test_values_come_in_the_order_asked_and_only_where_told() -> None:
    """What cannot be told is left out."""
    assert list(signal_values(delivered("7"), {"refusal": 0.5, "logprob": 0.5, "length": 0.5})) == ["refusal", "length"]


def test_an_unknown_signal_is_named_with_the_nearest() -> None:
    """A table of another version may name one: it is not passed over in silence."""
    with pytest.raises(InputError, match="did you mean 'hedging'"):
        signal_values(delivered("7"), {"hedgin": 0.5})


@pytest.mark.parametrize(
    ("values", "below", "found"),
    [
        ({"complete": 0.0}, {"complete": 0.5}, "complete"),
        ({"complete": 1.0}, {"complete": 1.0}, None),
        ({}, {"logprob": 0.9}, None),  # what cannot be told never escalates
        ({"hedging": 0.4, "length": 0.0}, {"length": 0.5, "hedging": 0.5}, "length"),
        ({"agreement": 3 / 5}, {"agreement": 0.6}, None),
        ({"agreement": 0.1 + 0.2 + 0.3 - 1e-15}, {"agreement": 0.6}, None),
        ({"hedging": 0.0}, {}, None),
    ],
)
def test_the_first_signal_below_its_threshold(
    values: dict[str, float], below: dict[str, float], found: str | None
) -> None:
    """In the order of the thresholds; a value at its threshold is served."""
    assert first_below(values, below) == found


@given(
    values=st.dictionaries(st.sampled_from(list(SIGNALS)), st.floats(0, 1)),
    below=st.dictionaries(st.sampled_from(list(SIGNALS)), st.floats(0, 1)),
    less=st.floats(0, 1),
)
def test_lower_thresholds_serve_more(values: dict[str, float], below: dict[str, float], less: float) -> None:
    """What is served is served with every lower threshold."""
    if first_below(values, below) is None:
        assert first_below(values, {name: least * less for name, least in below.items()}) is None


@pytest.mark.parametrize(("mean", "count"), [(-0.5, 1), (-0.5, 3)])
def test_a_recorded_answer_has_the_values_that_it_had_when_served(mean: float, count: int) -> None:
    """A threshold found on a run's records means the same to the request line."""
    reply = Reply(
        text="Perhaps 7.",
        stop_reason=StopReason.END,
        served_model="m",
        usage=Usage(),
        latency_s=1.0,
        mean_logprob=mean,
    )
    answer = Answer(
        text=reply.text, replies=(reply,) * count, stop_reason=reply.stop_reason, latency_s=1.0, agreement=0.6
    )
    recorded = replace(RESULT, reply=reply.text, agreement=0.6, mean_logprob=mean if count == 1 else None)
    served = signal_values(delivered_of_answer(answer, FREE, TEXT), SIGNALS)
    assert signal_values(delivered_of_result(recorded, FREE, TEXT), SIGNALS) == served


def test_nothing_is_known_of_an_answer_that_is_not_there() -> None:
    """A call that failed has no values, nor an imported outcome without a reply; what is there has its form's."""
    imported = ScorerSpec(name=IMPORTED, params={})
    assert recorded_values(replace(RESULT, status=Status.FAILED), FREE, TEXT, SIGNALS) == {}
    assert recorded_values(replace(RESULT, reply=""), FREE, imported, SIGNALS) == {}
    known = recorded_values(RESULT, FREE, imported, SIGNALS)
    assert form_below(known) == {"length": 0.5, "complete": 0.5, "refusal": 0.5}
    assert first_below(recorded_values(replace(RESULT, reply=""), FREE, TEXT, SIGNALS), form_below(known)) == "length"


def test_a_recorded_judgement_is_a_signal_only_without_a_reference_answer() -> None:
    """When serving there is none, and with one a judge says something else."""
    judge = ScorerSpec(name="judge", params={})
    judged = replace(RESULT, score=0.75, expected=None)
    assert delivered_of_result(judged, FREE, judge).judge_score == 0.75
    assert delivered_of_result(replace(judged, expected="7"), FREE, judge).judge_score is None
    assert delivered_of_result(judged, FREE, TEXT).judge_score is None
    assert delivered_of_result(replace(judged, status=Status.UNSCORED), FREE, judge).judge_score is None


def test_no_phrase_is_of_two_kinds() -> None:
    """Doubt is told from admission, and both from refusal; and no list is empty."""
    kinds = [set(phrases("admission")), set(phrases("hedge")), set(phrases("refusal"))]
    assert all(len(kind) > 50 for kind in kinds)
    assert sum(len(kind) for kind in kinds) == len(set.union(*kinds))
    assert all(one == f" {one.strip()} " and one.strip() for kind in kinds for one in kind)


RESULT = Result(
    task_class="sums",
    candidate="small",
    case_id="case-1",
    index=0,
    input="1+6",
    expected="7",
    status=Status.SCORED,
    passed=True,
    score=1.0,
    extracted="7",
    explanation="",
    reply="7",
    stop_reason=StopReason.END,
    served_model="m",
    calls=1,
    input_tokens=1,
    output_tokens=1,
    cost_usd=Decimal("0.001"),
    latency_s=1.0,
    cached=False,
)

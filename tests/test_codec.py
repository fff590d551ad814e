"""Our nouns as YAML and JSON: what is written reads back as it was, and what is wrong is named where it stands."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError, nearest
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document
from routerctl.files.yaml import dump_yaml, parse_json_lines, parse_yaml
from routerctl.table import with_digest
from routerctl.types import (
    Candidate,
    ClassHeader,
    Condition,
    Decision,
    Evidence,
    Example,
    Hop,
    Judgement,
    Level,
    Price,
    PromptSpec,
    ProviderSpec,
    Reply,
    ReplySpec,
    Result,
    Route,
    Rule,
    RunHeader,
    Sampling,
    ScorerSpec,
    Status,
    StopReason,
    Strategy,
    Table,
    Usage,
    Verdict,
    WhenUnproven,
)

# --- any value of the nouns -------------------------------------------------------------------------------------------

NAMES = st.text(string.ascii_lowercase + "-_ .é#:", min_size=1, max_size=6)
# Without U+0085: test_table.py says what becomes of it.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), max_size=12) | st.sampled_from(
    ["no", "1e-3", "null", "a: b", "- x", "a\n b\n", "\ufeff", "\r\n", "'\"", "\U0001f600"]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MONEY = st.decimals(0, 10**6, places=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(["type", "a b", "1", "null", "ü"]), JSON, max_size=3)


SAMPLINGS = st.builds(
    Sampling, temperature=st.none() | FLOATS, top_p=st.none() | FLOATS, seed=st.none() | st.integers()
)
CANDIDATES = st.builds(
    Candidate,
    name=NAMES,
    provider=NAMES,
    model=TEXTS,
    effort=st.none() | st.sampled_from(["low", "max"]),
    strategy=st.builds(Strategy, name=st.sampled_from(["single_shot", "reflexion"]), samples=st.integers(1, 9)),
    region=st.none() | TEXTS,
    sampling=SAMPLINGS,
    max_tokens=st.none() | st.integers(1, 10**6),
)
PROVIDERS = st.builds(
    ProviderSpec,
    name=NAMES,
    kind=TEXTS,
    base_url=st.none() | TEXTS,
    api_key_env=st.none() | TEXTS,
    region=st.none() | TEXTS,
    concurrency=st.integers(1, 99),
    timeout_s=FLOATS,
    max_attempts=st.integers(1, 9),
    usd_per_hour=st.none() | MONEY,
    options=OBJECTS,
)
PRICES = st.builds(
    Price,
    date=TEXTS,
    source=TEXTS,
    input_mtok_usd=st.none() | MONEY,
    output_mtok_usd=st.none() | MONEY,
    cache_read_mtok_usd=st.none() | MONEY,
    cache_write_mtok_usd=st.none() | MONEY,
    usd_per_hour=st.none() | MONEY,
)
PROMPTS = st.builds(
    PromptSpec,
    system=TEXTS,
    template=TEXTS,
    examples=st.lists(st.builds(Example, input=JSON, reply=TEXTS), max_size=2).map(tuple),
)
REPLY_SPECS = st.builds(
    ReplySpec,
    max_tokens=st.integers(1, 9999),
    choices=st.lists(TEXTS, max_size=3).map(tuple),
    json_schema=st.none() | OBJECTS,
)
SCORERS = st.builds(ScorerSpec, name=NAMES, params=OBJECTS)
JUDGEMENTS = st.builds(
    Judgement,
    verdict=st.sampled_from(Verdict),
    cases=st.integers(0, 999),
    passes=st.integers(0, 999),
    n=st.integers(0, 999),
    bar=FLOATS,
    alpha=FLOATS,
    interval=st.tuples(FLOATS, FLOATS),
    good_enough=st.none() | FLOATS,
    least_cases=st.none() | st.integers(),
    needed_cases=st.none() | st.integers(),
    stopped_at=st.none() | st.integers(0, 999),
    risk=st.none() | FLOATS,
    margin=FLOATS,
)
EVIDENCE = st.builds(
    Evidence,
    candidate=NAMES,
    judgement=JUDGEMENTS,
    failed=st.integers(),
    unscored=st.integers(),
    refused=st.integers(),
    truncated=st.integers(),
    served_models=st.lists(TEXTS, max_size=2).map(tuple),
    cost_per_case_usd=st.none() | MONEY,
    cost_per_accepted_usd=st.none() | MONEY,
    latency_p50_s=st.none() | FLOATS,
    latency_p95_s=st.none() | FLOATS,
)
ROUTES = st.builds(
    Route,
    task_class=NAMES,
    description=TEXTS,
    bar=FLOATS,
    chosen=NAMES,
    level=st.sampled_from(get_args(Level)),
    when_unproven=st.sampled_from(get_args(WhenUnproven)),
    rungs=st.lists(NAMES, max_size=2).map(tuple),
    evidence=st.lists(EVIDENCE, max_size=2).map(tuple),
    run_id=TEXTS,
    eval_set_digest=TEXTS,
    prompt=PROMPTS,
    reply=REPLY_SPECS,
    scorer=SCORERS,
)
RULES = st.builds(
    Rule,
    name=NAMES,
    task_class=NAMES,
    when=st.builds(
        Condition,
        min_chars=st.none() | st.integers(),
        max_chars=st.none() | st.integers(),
        regex=st.none() | TEXTS,
        keywords=st.lists(TEXTS, max_size=2).map(tuple),
        is_json=st.none() | st.booleans(),
        has_code=st.none() | st.booleans(),
        features=st.dictionaries(NAMES, st.none() | st.booleans() | TEXTS, max_size=2),
        any_of=st.lists(st.builds(Condition, tenant=st.lists(NAMES, max_size=2).map(tuple)), max_size=2).map(tuple),
    ),
)
CLASSES = st.builds(
    ClassHeader,
    task_class=NAMES,
    description=TEXTS,
    digest=TEXTS,
    bar=FLOATS,
    pass_at=FLOATS,
    n=st.integers(),
    prompt=PROMPTS,
    reply=REPLY_SPECS,
    scorer=SCORERS,
)


def keyed(items: st.SearchStrategy[Any], field: str = "name") -> st.SearchStrategy[Mapping[str, Any]]:
    """Any mapping whose keys are a field of its values, as all mappings of our files are."""
    return st.lists(items, max_size=2).map(lambda found: {getattr(item, field): item for item in found})


SETTINGS = {
    "mode": st.sampled_from(["proven", "margin", "point"]),
    "risk": FLOATS,
    "margin": FLOATS,
    "seed": st.integers(),
    "ladder_name": NAMES,
    "ladder": st.lists(NAMES, max_size=3).map(tuple),
    "providers": keyed(PROVIDERS),
    "candidates": keyed(CANDIDATES),
    "prices": st.dictionaries(NAMES, PRICES, max_size=2),
}
TABLES = st.builds(
    Table,
    table_version=st.integers(0, 999),
    digest=TEXTS,
    rules=st.lists(RULES, max_size=2).map(tuple),
    default_class=st.none() | NAMES,
    routes=keyed(ROUTES, "task_class"),
    **SETTINGS,
)
HEADERS = st.builds(
    RunHeader,
    run_id=TEXTS,
    created_at=TEXTS,
    finished=st.booleans(),
    full=st.booleans(),
    classes=keyed(CLASSES, "task_class"),
    software=st.dictionaries(NAMES, TEXTS, max_size=2),
    **SETTINGS,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates too: models send them
RESULTS = st.builds(
    Result,
    task_class=NAMES,
    candidate=NAMES,
    case_id=TEXTS,
    index=st.integers(0, 999),
    input=JSON,
    expected=JSON,
    status=st.sampled_from(Status),
    passed=st.booleans(),
    score=st.none() | FLOATS,
    extracted=st.none() | ANY_TEXT.filter(lambda text: not paired(text)),
    explanation=TEXTS,
    reply=ANY_TEXT.filter(lambda text: not paired(text)),
    stop_reason=st.none() | st.sampled_from(StopReason),
    served_model=st.none() | TEXTS,
    calls=st.integers(0, 9),
    input_tokens=st.integers(0, 9),
    output_tokens=st.integers(0, 9),
    cost_usd=MONEY,
    latency_s=st.none() | FLOATS,
    cached=st.booleans(),
    paid_calls=st.none() | st.integers(0, 9),
    paid_usd=st.none() | MONEY,
    judge_paid_usd=st.none() | MONEY,
    error=TEXTS,
)
HOPS = st.builds(
    Hop,
    candidate=NAMES,
    served_model=st.none() | TEXTS,
    outcome=TEXTS,
    cost_usd=MONEY,
    latency_s=st.none() | FLOATS,
    attempts=st.integers(1, 9),
    detail=TEXTS,
)
DECISIONS = st.builds(
    Decision,
    task_class=NAMES,
    decided_by=TEXTS,
    rungs=st.lists(NAMES, max_size=3).map(tuple),
    hops=st.lists(HOPS, max_size=2).map(tuple),
    table_version=st.integers(),
    table_digest=TEXTS,
)
REPLIES = st.builds(
    Reply,
    text=ANY_TEXT.filter(lambda text: not paired(text)),
    stop_reason=st.sampled_from(StopReason),
    served_model=TEXTS,
    usage=st.builds(Usage, input_tokens=st.integers(), output_tokens=st.integers(), cache_read_tokens=st.integers()),
    latency_s=FLOATS,
    cost_usd=MONEY,
    attempts=st.integers(1, 9),
    mean_logprob=st.none() | FLOATS,
    detail=TEXTS,
)


def paired(text: str) -> bool:
    """Tell whether two halves stand side by side, which JSON cannot tell from the whole character."""
    return any("\ud800" <= one <= "\udbff" and "\udc00" <= two <= "\udfff" for one, two in itertools.pairwise(text))


@settings(max_examples=60, deadline=None)
@given(table=TABLES)
def test_a_table_survives_yaml(table: Table) -> None:
    """Whatever a table holds, its YAML reads back as the same table and writes the same bytes again."""
    text = dump_yaml(encode(table))
    back = decode(Table, parse_yaml(text, "routes.yaml"))
    assert back == table
    assert dump_yaml(encode(back)) == text
    assert with_digest(back).digest == with_digest(table).digest


@settings(max_examples=60)
@given(header=HEADERS, keep_defaults=st.booleans())
def test_a_header_survives_json(header: RunHeader, keep_defaults: bool) -> None:
    """A run's header reads back from JSON as it was, with its defaults written out or left out."""
    text = json_text(encode(header, keep_defaults=keep_defaults), indent=1)
    assert decode(RunHeader, Document(file="run.json", value=json.loads(text), lines={})) == header


@settings(max_examples=100)
@given(item=RESULTS | DECISIONS | REPLIES)
def test_lines_survive_json(item: Any) -> None:
    """A result, a decision or a reply is one line of UTF-8, whatever a model sent, and reads back as it was."""
    text = json_text(encode(item))
    assert "\n" not in text
    [document] = parse_json_lines(text.encode().decode() + "\n", "results.jsonl")
    assert decode(type(item), document) == item


# --- what is refused --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    size: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    title: str
    ratio: float
    price: Decimal = Decimal(0)
    flag: bool = False
    verdict: Verdict | None = None
    parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    pair: tuple[float, float] = (0.0, 1.0)
    words: str | tuple[str, ...] = ()
    free: Any = None
    scorer: ScorerSpec | None = None


GOOD = "title: x\nratio: 0.5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- x", "f:1: expected a mapping, got a list"),
        ("", "f:1: expected a mapping, got nothing"),
        ("title: x", "f:1: 'ratio' is missing"),
        ("title: x\nrato: 0.5", "f:2: rato: unknown key; did you mean 'ratio'?"),
        (
            GOOD + "zzz: 1",
            (
                "f:3: zzz: unknown key; "
                "expected one of: flag, free, pair, parts, price, ratio, scorer, title, verdict, words"
            ),
        ),
        ("title: 5\nratio: 1", "f:1: title: expected a text (quote it), got 5"),
        ("title:\nratio: 1", "f:1: title: expected a text (quote it), got nothing"),
        ("title: true\nratio: 1", "f:1: title: expected a text (quote it), got True"),
        ("title: x\nratio: half", "f:2: ratio: expected a number, got 'half'"),
        ("title: x\nratio: true", "f:2: ratio: expected a number, got True"),
        ("title: x\nratio: 1e999", "f:2: ratio: expected a finite number"),
        ("title: x\nratio: " + "9" * 399, "f:2: ratio: expected a finite number"),
        ("title: x\nratio: .inf", "f:2: ratio: expected a number, got '.inf'"),
        (GOOD + "price: cheap", "f:3: price: expected a number, got 'cheap'"),
        (GOOD + "price: 'NaN'", "f:3: price: expected a number, got 'NaN'"),
        (GOOD + "price: 'Infinity'", "f:3: price: expected a number, got 'Infinity'"),
        (GOOD + "flag: yes", "f:3: flag: expected true or false, got 'yes'"),
        (GOOD + "verdict: provn", "f:3: verdict: 'provn' is not known here; did you mean 'proven'?"),
        (
            GOOD + "verdict: [proven]",
            "f:3: verdict: a list is not known here; did you mean 'proven'?",
        ),
        (GOOD + "parts: [a]", "f:3: parts: expected a mapping, got a list"),
        (GOOD + "parts:\n  a: 5", "f:4: parts.a: expected a mapping, got 5"),
        (GOOD + "parts:\n  a:\n    sise: 2", "f:5: parts.a.sise: unknown key; did you mean 'size'?"),
        (GOOD + "parts:\n  a:\n    size: 2.5", "f:5: parts.a.size: expected a whole number, got 2.5"),
        (GOOD + "parts:\n  a: {name: b}", "f:4: parts.a.name: leave it out: the key 'a' says it"),
        (GOOD + "pair: [1]", "f:3: pair: expected 2 values, got 1"),
        (GOOD + "pair: 1", "f:3: pair: expected a list, got 1"),
        (GOOD + "words: {a: b}", "f:3: words: expected a text or a list, got a mapping"),
        (GOOD + "words:", "f:3: words: expected a text or a list, got nothing"),
        (GOOD + "words: [a, 1]", "f:3: words.1: expected a text (quote it), got 1"),
        (GOOD + "free: {a: [1e999]}", "f:3: free.a.0: expected a finite number"),
        (GOOD + "scorer: {params: 1}", "f:3: scorer: 'name' is missing"),
        ("title: " + "x" * 99 + "\nratio: " + "x" * 99, "f:2: ratio: expected a number, got '" + "x" * 40 + "…'"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    """Each wrong value gives one line with file, line, path, what was expected and the nearest right name."""
    with pytest.raises(InputError) as caught:
        decode(Whole, parse_yaml(text, "f"))
    assert str(caught.value) == message


def test_a_mapping_names_its_entries() -> None:
    """An entry of a mapping takes its name from its key, and is written without it."""
    whole = decode(Whole, parse_yaml(GOOD + "parts: {a: {size: 2}, b: {}}", "f"))
    assert whole.parts == {"a": Part(name="a", size=2), "b": Part(name="b")}
    assert encode(whole)["parts"] == {"a": {"size": 2}, "b": {}}


def test_defaults_are_left_out_unless_kept() -> None:
    """A field at its default is not written, so that a later field changes no file; a header writes them all."""
    part = Part(name="a")
    assert encode(part) == {"name": "a"}
    assert encode(part, keep_defaults=True) == {"name": "a", "size": 1}


def test_scorer_parameters_stand_beside_its_name() -> None:
    """All keys that are no field of a scorer are its parameters, free in shape, with fractions as floats."""
    whole = decode(Whole, parse_yaml(GOOD + "scorer: {name: number, rel: 0.5, deep: {a: [1e-3]}}", "f"))
    assert whole.scorer == ScorerSpec(name="number", params={"rel": 0.5, "deep": {"a": [0.001]}})
    assert encode(whole.scorer) == {"name": "number", "rel": 0.5, "deep": {"a": [0.001]}}


def test_money_is_exact() -> None:
    """A price keeps every digit from YAML and from JSON text; binary fractions never touch it."""
    assert decode(Whole, parse_yaml(GOOD + "price: 0.10", "f")).price.as_tuple() == Decimal("0.10").as_tuple()
    [line] = parse_json_lines('{"title": "x", "ratio": 1, "price": "0.1000000000000000055511151231257827"}', "f")
    assert decode(Whole, line).price == Decimal("0.1000000000000000055511151231257827")
    assert json_text({"usd": Decimal("1E-7")}) == '{"usd": "0.0000001"}'


def test_json_text_always_becomes_utf8() -> None:
    """Half of a surrogate pair is written as its escape; other characters stay readable."""
    text = json_text({"reply": 'é\ud83d"\\'})
    assert text == '{"reply": "é\\ud83d\\"\\\\"}'
    assert json.loads(text.encode()) == {"reply": 'é\ud83d"\\'}


def test_json_text_refuses_what_has_no_place() -> None:
    """A value of no file's type is an error of the program, not a silent text."""
    with pytest.raises(TypeError, match="set cannot be written to a file"):
        json_text({"a": {1}})


@pytest.mark.parametrize(
    ("word", "words", "end"),
    [
        ("hiaku", ["haiku", "opus"], "; did you mean 'haiku'?"),
        ("zzz", ["b", "a"], "; expected one of: a, b"),
        ("zzz", [], ""),
    ],
)
def test_nearest(word: str, words: list[str], end: str) -> None:
    """The nearest right name is offered, all where none is near, nothing where there is none."""
    assert nearest(word, words) == end


def test_floats_keep_their_value() -> None:
    """The least and the largest float come through a file unchanged."""
    for number in (5e-324, math.nextafter(1.0, 2.0), 1.7976931348623157e308):
        [line] = parse_json_lines(json_text({"title": "x", "ratio": number}), "f")
        assert decode(Whole, line).ratio == number

"""A prompt and a table: which class, which rung, what is served, and what is written down of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl import errors
from routerctl.classify.classifier import Classified
from routerctl.classify.decide import decide
from routerctl.classify.rules import inquiry_text
from routerctl.providers.base import Again
from routerctl.providers.fake import reply_of
from routerctl.routing.context import Context
from routerctl.routing.explain import explain, pinned
from routerctl.routing.route import AllRungsFailed, Routed, route
from routerctl.table import load_table
from routerctl.types import (
    Candidate,
    Classifier,
    Condition,
    Example,
    Hop,
    Inquiry,
    Json,
    PromptSpec,
    Reply,
    Request,
    Rule,
    Sampling,
    Strategy,
    Table,
)

RUNGS = ("small", "large")
TODAY = date(2026, 11, 24)


async def _route(table: Table, wire: Wire, prompt: Json) -> Routed:
    return await route(table, Context(call=wire.call), Inquiry(prompt=prompt))


class Wire:
    """Answers by model id from a list of turns, the last of which stays; keeps what it was asked."""

    def __init__(self, turns: Mapping[str, Sequence[str | errors.RouterctlError]]) -> None:
        self._turns = {model: list(said) for model, said in turns.items()}
        self.asked: list[tuple[str, Request]] = []
        self.served_as: str | None = None

    async def call(self, provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        """Give the next turn."""
        self.asked.append((provider, request))
        turns = self._turns[request.model]
        turn = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(turn, errors.RouterctlError):
            raise turn
        reply = reply_of(turn, request, latency_s=0.5)
        return replace(reply, cost_usd=Decimal("0.001"), served_model=self.served_as or request.model, attempts=2)


@pytest.fixture
def table(built: Path) -> Table:
    """Two classes, `sums` by a rule and `talk` by default, each with both rungs."""
    made = load_table(built / "routes.yaml")
    sums = replace(made.routes["sums"], rungs=RUNGS, chosen="small")
    return replace(
        made,
        routes={"sums": sums, "talk": replace(sums, task_class="talk", level="best available")},
        default_class="talk",
    )


def _with(table: Table, task_class: str = "talk", **changes: Any) -> Table:
    changed = replace(table.routes[task_class], **changes)
    return replace(table, routes={**table.routes, task_class: changed})


# --- which class ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [
        ("What is 1+1?", None, ("sums", "rule plus")),
        ("hello", None, ("talk", "default")),
        ("What is 1+1?", "talk", ("talk", "caller")),  # who says the class is believed
        ({"question": "1+1", "tone": "dry"}, None, ("sums", "rule plus")),
        ({"left": "1", "right": "+1"}, None, ("talk", "default")),  # a match does not reach over two fields
        ("", None, ("talk", "default")),
    ],
)
def test_the_class_is_named_by_caller_rule_or_default(
    value: Json, given: str | None, expected: tuple[str, str], table: Table
) -> None:
    """The three sources of a task class, in this order."""
    decision = decide(table, Inquiry(prompt=value, task_class=given))
    assert (decision.task_class, decision.decided_by) == expected
    assert (decision.rungs, decision.hops) == (RUNGS, ())
    assert (decision.table_version, decision.table_digest) == (table.table_version, table.digest)


def test_the_first_rule_that_holds_decides(table: Table) -> None:
    """Rules are tried in the order of the table."""
    early, asked = Rule(name="all", task_class="talk", when=Condition(min_chars=0)), Inquiry(prompt="1+1")
    assert decide(replace(table, rules=(early, *table.rules)), asked).decided_by == "rule all"
    assert decide(replace(table, rules=(*table.rules, early)), asked).decided_by == "rule plus"


def test_no_class_is_an_error_that_says_what_to_do(table: Table) -> None:
    """An unknown class names the nearest; no class at all names the option."""
    with pytest.raises(errors.InputError, match="no task class 'sumz'; did you mean 'sums'"):
        decide(table, Inquiry(prompt="x", task_class="sumz"))
    with pytest.raises(errors.InputError, match="name the class with --class"):
        decide(replace(table, default_class=None), Inquiry(prompt="hello"))


def test_the_text_of_an_input() -> None:
    """Rules see the texts of a structured input, one a line, never the names of its fields."""
    assert inquiry_text("a\nb") == "a\nb"
    assert inquiry_text({"secret-name": "a", "n": 7}) == "a\n7"


# --- explaining -------------------------------------------------------------------------------------------------------


def test_explaining_says_each_rule_and_each_rung(table: Table) -> None:
    """Rules up to the first that holds, then the class, then the rungs with their evidence."""
    table = replace(
        table, rules=(Rule(name="long", task_class="talk", when=Condition(min_chars=99)), *table.rules, *table.rules)
    )
    asked = Inquiry(prompt="1+1")
    lines = explain(table, asked, decide(table, asked), TODAY)
    assert lines[0].startswith("rule long: no, the prompt ")
    assert lines[0].endswith("shorter than 99 characters")
    assert lines[1:3] == ["rule plus: yes", "class: sums (by rule plus)"]
    assert [context.partition(":")[0] for context in lines[3:]] == ["rung 1", "rung 2"]
    assert "below: " in lines[3]
    assert "proven: " in lines[4]


def test_a_caller_s_class_is_explained_without_rules(table: Table) -> None:
    """No rule was asked, so none is listed."""
    asked = Inquiry(prompt="1+1", task_class="talk")
    assert explain(table, asked, decide(table, asked), TODAY)[0] == "class: talk (by caller)"


class Guessing:
    """A classifier that says the same of every text."""

    def __init__(self, known: float, **shares: float) -> None:
        best = max(shares, key=shares.__getitem__)
        self._said = Classified(
            task_class=best if known >= 0.987 else None, probabilities=shares, known=known, least_known=0.987
        )

    def classify(self, text: str, priors: Mapping[str, float]) -> Classified:
        """Say it."""
        return self._said


@pytest.mark.parametrize(
    ("classifier", "line"),
    [
        (
            Guessing(0.71, sums=0.01, talk=0.99),
            "classifier: unknown (0.710 sure of a class, at least 0.987 is needed; likeliest talk, sums)",
        ),
        (
            Guessing(0.98699, sums=0.01, talk=0.99),
            "classifier: unknown (0.98699 sure of a class, at least 0.98700 is needed; likeliest talk, sums)",
        ),
        (
            Guessing(0.999, sums=0.25, talk=0.75),
            "classifier: known (0.999 sure of a class, at least 0.987 is needed; talk 75%, sums 25%)",
        ),
        (
            Guessing(0.999, sums=0.25, gone=0.75),
            (
                "classifier: gone, which is not a class of this table "
                "(0.999 sure of a class, at least 0.987 is needed; gone 75%, sums 25%)"
            ),
        ),
    ],
)
def test_the_classifier_s_word_is_explained_by_what_decided(classifier: Guessing, line: str, table: Table) -> None:
    """How sure it was and had to be, told apart; shares of the classes are no reason to be unknown."""
    table = replace(table, classifier=Classifier(file="classifier.json"))
    asked = Inquiry(prompt="hello")
    assert explain(table, asked, decide(table, asked, classifier), TODAY)[1] == line


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (Candidate(name="a", provider="p", model="m-1"), "m-1"),
        (Candidate(name="a", provider="p", model="m-1", effort="high"), "m-1, high"),
        (
            Candidate(name="a", provider="p", model="m", strategy=Strategy(name="self_consistency", samples=5)),
            "m, self_consistency x5",
        ),
    ],
)
def test_pins_in_words(candidate: Candidate, words: str) -> None:
    """Model, effort and strategy: what would make it another candidate."""
    assert pinned(candidate) == words


# --- serving ----------------------------------------------------------------------------------------------------------


async def test_the_first_rung_serves(table: Table) -> None:
    """One call, to the first rung's provider and model; the hop has its cost, seconds and attempts."""
    wire = Wire({"model-small": ["hi"], "model-large": ["no"]})
    routed = await _route(table, wire, "hello")
    assert routed.answer.text == "hi"
    assert routed.alarms == ()
    assert routed.decision.hops == (
        Hop(
            candidate="small",
            served_model="model-small",
            outcome="served",
            cost_usd=Decimal("0.001"),
            latency_s=0.5,
            attempts=2,
            provider="fake",
            model="model-small",
        ),
    )
    assert [(provider, request.model) for provider, request in wire.asked] == [("fake", "model-small")]


FALLING = [
    errors.KeyMissing,
    errors.KeyRefused,
    errors.BillingProblem,
    errors.ModelNotFound,
    errors.WrongAddress,
    errors.BadRequest,
    errors.RateLimited,
    errors.Overloaded,
    errors.ServerFault,
    errors.TimedOut,
    errors.ConnectionFailed,
    errors.BrokenReply,
    errors.Busy,
]


@pytest.mark.parametrize("error", FALLING)
async def test_any_failure_of_a_provider_falls_to_the_next_rung(
    error: type[errors.ProviderError], table: Table
) -> None:
    """The failed rung stays in the decision, by its error's name and words."""
    wire = Wire({"model-small": [error("went wrong", provider="fake")], "model-large": ["hi"]})
    routed = await _route(table, wire, "hello")
    failed, served = routed.decision.hops
    assert (failed.candidate, failed.outcome, failed.detail) == ("small", error.__name__, "fake: went wrong")
    assert (failed.served_model, failed.latency_s, failed.cost_usd) == (None, None, Decimal(0))
    assert (served.candidate, served.outcome, routed.answer.text) == ("large", "served", "hi")


def test_every_kind_of_provider_error_was_tried() -> None:
    """A new kind of error has to be put into the list above."""
    assert set(FALLING) == set(errors.ProviderError.__subclasses__())


@pytest.mark.parametrize("error", [errors.InputError("bad"), errors.BudgetSpent("spent"), errors.GateError("no")])
async def test_what_is_not_the_provider_s_fault_does_not_fall(error: errors.RouterctlError, table: Table) -> None:
    """Our own mistake or an empty purse is not tried again elsewhere."""
    wire = Wire({"model-small": [error], "model-large": ["hi"]})
    with pytest.raises(type(error)):
        await _route(table, wire, "hello")
    assert len(wire.asked) == 1


async def test_every_rung_failing_names_each(table: Table) -> None:
    """The error holds the decision with all hops, for the log."""
    wire = Wire({"model-small": [errors.TimedOut("slow")], "model-large": [errors.Overloaded("full")]})
    with pytest.raises(AllRungsFailed, match="every rung of talk failed: small: slow; large: full") as caught:
        await _route(table, wire, "hello")
    assert caught.value.exit_code == 4
    assert [hop.outcome for hop in caught.value.decision.hops] == ["TimedOut", "Overloaded"]


async def test_a_refusal_is_an_answer(table: Table) -> None:
    """A model that declines in words has answered: no other is asked, and it is told."""
    wire = Wire({"model-small": ["I cannot help with that."], "model-large": ["hi"]})
    routed = await _route(table, wire, "hello")
    assert (routed.text, routed.refused, routed.unfinished) == ("I cannot help with that.", True, "")


async def test_a_served_model_that_is_not_the_pin_is_an_alarm(table: Table) -> None:
    """Each of them once, in words; the hop has what was served."""
    wire = Wire({"model-small": ["hi"]})
    wire.served_as = "model-other"
    routed = await _route(table, wire, "hello")
    assert routed.alarms == ("small is pinned to model-small, but the provider says it served model-other",)
    assert routed.decision.hops[0].served_model == "model-other"


async def test_what_was_measured_is_what_is_served(table: Table) -> None:
    """The request holds the class's prompt, reply shape and limit, and the candidate's effort and sampling."""
    spec = PromptSpec(system="Be short.", template="Q: {{ q }}", examples=(Example(input={"q": "a"}, reply="A"),))
    small = replace(table.candidates["small"], effort="low", sampling=Sampling(seed=7), max_tokens=33)
    table = replace(_with(table, prompt=spec), candidates={**table.candidates, "small": small})
    wire = Wire({"model-small": ["hi"]})
    await _route(table, wire, {"q": "why?"})
    ((_, request),) = wire.asked
    assert request.prompt.system == "Be short."
    assert [turn.content for turn in request.prompt.messages] == ["Q: a", "A", "Q: why?"]
    assert (request.effort, request.sampling, request.reply.max_tokens) == ("low", Sampling(seed=7), 33)


async def test_a_template_that_does_not_fit_asks_nobody(table: Table) -> None:
    """A text where the class wants fields is the user's mistake."""
    table = _with(table, prompt=PromptSpec(template="{{ input.question }}"))
    wire = Wire({"model-small": ["hi"]})
    with pytest.raises(errors.InputError, match="the prompt template does not fit the input"):
        await _route(table, wire, "hello")
    assert wire.asked == []


async def test_a_strategy_that_fails_half_way_keeps_its_cost_in_the_books(table: Table) -> None:
    """Two samples were paid for before the third failed: the hop says so."""
    strategy = Strategy(name="reflexion")
    small = replace(table.candidates["small"], strategy=strategy)
    table = replace(table, candidates={**table.candidates, "small": small})
    broke = errors.ServerFault("broke")
    broke.attempts = 3
    wire = Wire({"model-small": ["draft", "one mistake", broke], "model-large": ["hi"]})
    routed = await _route(table, wire, "hello")
    failed = routed.decision.hops[0]
    assert (failed.outcome, failed.cost_usd, failed.attempts) == ("ServerFault", Decimal("0.002"), 2 + 2 + 3)


async def test_a_strategy_serves_with_all_its_calls_counted(table: Table) -> None:
    """self_consistency: the vote is what is served, and every sample is in cost and attempts."""
    small = replace(table.candidates["small"], strategy=Strategy(name="self_consistency", samples=3))
    table = replace(table, candidates={**table.candidates, "small": small})
    wire = Wire({"model-small": ["8", "9", "9"]})
    routed = await _route(table, wire, "1+8")
    (hop,) = routed.decision.hops
    assert routed.answer.text == "9"
    assert (hop.cost_usd, hop.attempts) == (Decimal("0.003"), 6)

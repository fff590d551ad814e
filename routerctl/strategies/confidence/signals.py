"""What was delivered -> a number in [0, 1] per signal, 1 = confident, or None where it cannot be told.

Each signal is one small function and one line in `SIGNALS`. All take time linear in the text, whatever a model sends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from routerctl.errors import InputError, nearest
from routerctl.scorers import IMPORTED, MAX_CHARS, Unscorable, extract, score_reply
from routerctl.strategies.confidence.delivered import Delivered, delivered_of_answer, delivered_of_result
from routerctl.strategies.confidence.phrases import holding, opening, sentences
from routerctl.types import Answer, ReplySpec, Result, Route, ScorerSpec, Status, StopReason

_TOLERANCE = 1e-9  # 3 of 5 samples meet a threshold of 0.6, whatever floats make of it
_CUT_OFF = (StopReason.MAX_TOKENS, StopReason.CONTEXT_FULL)
_AMPLE = 2048  # letters and digits; more make no answer likelier to be whole
_DOUBLINGS = 2 * math.log2(_AMPLE)  # each doubling counts the same: 5 or 10 letters matter, 1,005 or 1,010 do not
# Their extraction is the text itself: that it is there says nothing of its shape. A judge extracts nothing.
_SHAPELESS = frozenset({IMPORTED, "contains", "exact", "judge", "similarity", "token_f1"})
YES = 0.5  # the threshold of a signal that is 0 or 1
_FORM = ("length", "complete", "refusal", "schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One way to tell how far an answer may be trusted."""

    measure: Callable[[Delivered], float | None]  # in [0, 1], 1 = confident; None: cannot be told
    description: str
    graded: bool = False  # takes more values than 0 and 1, so that its threshold is worth finding


def length(delivered: Delivered) -> float | None:
    """How much was said: 1/2 + log2(n) / 22 for n letters and digits, so 0.5 for one, 0.7 for 21, 1 from 2,048 on.

    0 where nothing was said or more than any scorer reads, 0.25 where neither letter nor digit was; 1 where the reply
    is one of the choices it was to choose from, which no reply could say at greater length. How short is too short for
    a class, its threshold says: calibration finds it on what the class's own replies are like.
    """
    text = delivered.text
    if not text.strip() or len(text) > MAX_CHARS:
        return 0.0
    if _chosen(delivered):
        return 1.0
    said = sum(1 for _ in islice(filter(str.isalnum, text), _AMPLE))
    return 0.5 + math.log2(said) / _DOUBLINGS if said else 0.25


def _chosen(delivered: Delivered) -> bool:
    scorer = _asked_form(delivered)
    return scorer.name == "choice" and extract(scorer, delivered.text) is not None


def _asked_form(delivered: Delivered) -> ScorerSpec:
    """Give the scorer that knows the form that was asked for: a choice among the reply's, else the class's own."""
    choices = delivered.reply.choices
    return ScorerSpec(name="choice", params={"choices": choices}) if choices else delivered.scorer


def complete(delivered: Delivered) -> float | None:
    """0 where the reply was cut off, by its own limit or by a full context, else 1."""
    if delivered.stop_reason is None:
        return None
    return 0.0 if delivered.stop_reason in _CUT_OFF else 1.0


def hedging(delivered: Delivered) -> float | None:
    """The share of sentences without a word of doubt; at most 0.5 where one of them admits not to know."""
    said = sentences(delivered.text)
    if not said:
        return None
    admitted = holding(said, "admission")
    doubted = sum(admits or hedges for admits, hedges in zip(admitted, holding(said, "hedge"), strict=True))
    return min(1 - doubted / len(said), 0.5 if any(admitted) else 1.0)


def refusal(delivered: Delivered) -> float | None:
    """0 where the provider says that the model refused, or the reply begins by refusing, else 1."""
    if delivered.stop_reason is StopReason.REFUSAL:
        return 0.0
    said = opening(delivered.text)
    if not said:
        return None
    return 0.0 if any(holding(said, "refusal")) else 1.0


def schema(delivered: Delivered) -> float | None:
    """1 where the reply has the shape that was asked for (a choice, a JSON schema, the scorer's form), else 0."""
    reply, scorer = delivered.reply, delivered.scorer
    try:
        if reply.json_schema is not None:
            return _valid(delivered.text, ScorerSpec(name="json_schema", params={"schema": reply.json_schema}))
        if scorer.name == "json_schema":
            return _valid(delivered.text, scorer)
        scorer = _asked_form(delivered)
        return None if scorer.name in _SHAPELESS else float(extract(scorer, delivered.text) is not None)
    except Unscorable:
        return None


def _valid(text: str, spec: ScorerSpec) -> float:
    return score_reply(spec, text, None).value


def logprob(delivered: Delivered) -> float | None:
    """The geometric mean of the probabilities of the reply's tokens."""
    mean = delivered.mean_logprob
    return None if mean is None or math.isnan(mean) else math.exp(min(mean, 0.0))


def agreement(delivered: Delivered) -> float | None:
    """The share of samples that agree with the answer delivered."""
    return _share(delivered.agreement)


def judge(delivered: Delivered) -> float | None:
    """What the class's judge says of the answer, without a reference answer."""
    return _share(delivered.judge_score)


def _share(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else min(1.0, max(0.0, value))


SIGNALS: Mapping[str, Signal] = {
    "length": Signal(measure=length, description="how much was said, and not without end", graded=True),
    "complete": Signal(measure=complete, description="the reply was not cut off"),
    "refusal": Signal(measure=refusal, description="the model did not refuse"),
    "schema": Signal(measure=schema, description="the reply has the shape that was asked for"),
    "hedging": Signal(measure=hedging, description="sentences without a word of doubt", graded=True),
    "logprob": Signal(measure=logprob, description="mean probability of the reply's tokens", graded=True),
    "agreement": Signal(measure=agreement, description="samples that agree with the answer", graded=True),
    "judge": Signal(measure=judge, description="what the class's judge says of it", graded=True),
}


def is_cut_off(answer: Answer, route: Route) -> bool:
    """Tell whether an answer was cut off before what was asked for stood in it.

    A label, or a value that is whole, has been given whatever would have come after it.
    """
    return answer.stop_reason in _CUT_OFF and schema(delivered_of_answer(answer, route.reply, route.scorer)) != 1.0


def is_refusal(answer: Answer) -> bool:
    """Tell whether the provider says that the model refused, or the answer begins by refusing."""
    return refusal(delivered_of_answer(answer, ReplySpec(), ScorerSpec(name=IMPORTED))) == 0.0


def signal_values(delivered: Delivered, below_or_names: Iterable[str]) -> dict[str, float]:
    """Measure the signals of these names, in their order; those that cannot be told are left out.

    Raises: InputError for a name that is no signal, or a scorer that is not installed.
    """
    values = {name: signal_named(name).measure(delivered) for name in below_or_names}
    return {name: value for name, value in values.items() if value is not None}


def recorded_values(result: Result, reply: ReplySpec, scorer: ScorerSpec, names: Iterable[str]) -> dict[str, float]:
    """Measure the same of a recorded answer; of one that failed, or that an import did not keep, nothing is known."""
    if result.status is Status.FAILED or (scorer.name == IMPORTED and not result.reply):
        return {}
    return signal_values(delivered_of_result(result, reply, scorer), names)


def form_below(known: Collection[str]) -> dict[str, float]:
    """Give the thresholds that stop what is wrong with a reply at first sight, of the signals that are known."""
    return {name: YES for name in _FORM if name in known}


def signal_named(name: str) -> Signal:
    """Find a signal.

    Raises: InputError with the nearest right name.
    """
    if name not in SIGNALS:
        raise InputError(f"no signal {name!r}{nearest(name, SIGNALS)}")
    return SIGNALS[name]


def first_below(values: Mapping[str, float], below: Mapping[str, float]) -> str | None:
    """Name the first signal of `below` whose value is less than its threshold; one without a value never is."""
    return next((name for name, least in below.items() if values.get(name, 1.0) < least - _TOLERANCE), None)

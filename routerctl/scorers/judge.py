"""The parameters of a judge -> what is asked of it: which candidate judges, by which rubric, on which scale.

It is registered as a scorer so that eval sets with a judge are checked like any other. It cannot score: that takes a
model, which `routerctl.strategies.judge` asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routerctl.errors import InputError, nearest
from routerctl.scorers.base import Params, Scorer, normalised, only
from routerctl.types import Json

# What a judge may say on each scale, worst first; the values of these are spread evenly over [0, 1].
SCALES: Mapping[str, tuple[str | int, ...]] = {"pass_fail": ("fail", "pass"), "1-5": (1, 2, 3, 4, 5)}
_EXAMPLE_KEYS = ("input", "expected", "reply", "score", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExample:
    """A reply with the verdict that it should get."""

    input: Json
    reply: str
    score: str | int  # one of the scale's
    expected: Json = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """What is asked of a judge."""

    candidate: str  # who judges: a name of routerctl.yaml's candidates
    rubric: str
    scale: str = "pass_fail"
    examples: tuple[JudgedExample, ...] = ()


def judge_spec(params: Params) -> JudgeSpec:
    """Read a judge's parameters.

    Raises: ValueError naming the first that is wrong and what was expected.
    """
    only(params, "candidate", "rubric", "scale", "examples")
    scale = params.get("scale", "pass_fail")
    if not isinstance(scale, str) or scale not in SCALES:
        raise ValueError(f"scale: {scale!r} is not known{nearest(str(scale), SCALES)}")
    examples = params.get("examples", ())
    if not isinstance(examples, list | tuple):
        raise ValueError("examples: expected a list")  # noqa: TRY004 - what `check` promises
    return JudgeSpec(
        candidate=_text(params, "candidate", "the name of the candidate in routerctl.yaml that judges"),
        rubric=_text(params, "rubric", "a text that says when a reply passes"),
        scale=scale,
        examples=tuple(_example(item, place, SCALES[scale]) for place, item in enumerate(examples)),
    )


def _text(params: Params, name: str, meaning: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: expected {meaning}")
    if re.search("[\ud800-\udfff]", value):
        raise ValueError(f"{name}: contains half of a surrogate pair, which is not text")
    return value.strip()


def _example(item: Json, place: int, scale: Sequence[str | int]) -> JudgedExample:
    where = f"examples.{place}"
    if not isinstance(item, dict):
        raise ValueError(f"{where}: expected a mapping with input, reply and score")  # noqa: TRY004 - as above
    for name in item:
        if name not in _EXAMPLE_KEYS:
            raise ValueError(f"{where}: unknown key {name!r}{nearest(str(name), _EXAMPLE_KEYS)}")
    for name in ("input", "reply", "score"):
        if name not in item:
            raise ValueError(f"{where}: {name!r} is missing")
    reply, reason = item["reply"], item.get("reason", "")
    if not isinstance(reply, str) or not isinstance(reason, str):
        raise ValueError(f"{where}: reply and reason are texts (quote them)")  # noqa: TRY004 - as above
    return JudgedExample(
        input=item["input"],
        expected=item.get("expected"),
        reply=reply,
        score=on_scale(item["score"], scale, where),
        reason=reason,
    )


def on_scale(value: Json, scale: Sequence[str | int], where: str) -> str | int:
    """Give the value as the scale has it: of the same kind too, so that neither true nor 1.0 is a 1.

    Raises: ValueError naming what the scale has.
    """
    for step in scale:
        if type(value) is type(step) and value == step:
            return step
    raise ValueError(f"{where}: expected a score of {', '.join(map(str, scale))}, got {value!r}")


def _check(params: Params, expected: Json) -> None:
    """Any expected value will do: it is shown to the judge as a reference, and null means that there is none."""
    del expected
    judge_spec(params)


def _extract(text: str, params: Params) -> str | None:
    """Self-consistency votes on the whole reply: what the answer in it is, only the judge could tell."""
    del params
    return normalised(text) or None


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    del extracted, expected
    raise InputError(f"scorer judge asks the model of {params.get('candidate')!r}: it cannot score without a call")


JUDGE = Scorer(name="judge", extract=_extract, score=_score, check=_check)

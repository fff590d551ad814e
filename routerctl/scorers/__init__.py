"""A scorer's name -> the scorer; a reply and what was expected -> a `Score`.

A scorer is a few small functions and one line in the registry below; third parties add theirs, a `Scorer`, under the
entry point group `routerctl.scorers`. It knows nothing of candidates, providers or bars; importing it loads no scorer.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from routerctl.errors import InputError, nearest
from routerctl.redaction import redacted
from routerctl.scorers.base import MAX_CHARS, NoAnswer, Params, Scorer, Unscorable, shown
from routerctl.scorers.reply import answering
from routerctl.types import Json, Score, ScorerSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


ENTRY_POINT_GROUP = "routerctl.scorers"
IMPORTED = "imported"  # of scores that came with imported replies: no eval set names it, and nothing here computes them
_EXPLANATION_CHARS = 500
_BUILT_IN = {
    "choice": "choice:CHOICE",
    "contains": "text:CONTAINS",
    "exact": "text:EXACT",
    "json_fields": "json_fields:JSON_FIELDS",
    "json_schema": "json_schema:JSON_SCHEMA",
    "judge": "judge:JUDGE",
    "number": "number:NUMBER",
    "python": "python_code:PYTHON",
    "regex": "text:REGEX",
    "similarity": "text:SIMILARITY",
    "sql": "sql:SQL",
    "token_f1": "text:TOKEN_F1",
}


def scorer_names() -> tuple[str, ...]:
    """Name every scorer there is, built in or installed, in alphabetical order."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in _plug_ins())}))


@lru_cache(maxsize=64)
def get_scorer(name: str) -> Scorer:
    """Load the scorer of this name; a built-in one cannot be replaced by a plug-in.

    Raises: InputError for an unknown name (with the nearest right one) or a plug-in that cannot be loaded.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        found: Scorer = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return found
    points = [point for point in _plug_ins() if point.name == name]
    if not points:
        raise InputError(f"no scorer {name!r}{nearest(name, scorer_names())}")
    if len({point.value for point in points}) > 1:
        raise InputError(f"scorer {name!r} is offered by {' and '.join(sorted(point.value for point in points))}")
    return _load(points[0])


def extract(spec: ScorerSpec, text: str) -> str | None:
    """Find the answer in a reply as canonical text, or None, without looking at what is expected.

    Raises: Unscorable where the scorer fails; InputError for an unknown scorer.
    """
    try:
        return _answer(spec, text)
    except NoAnswer:
        return None


def _answer(spec: ScorerSpec, text: str) -> str | None:
    text = answering(text)
    if len(text) > MAX_CHARS:
        raise NoAnswer(f"more than {MAX_CHARS:,} characters")
    if spec.name == IMPORTED:  # nobody knows which form was asked for: the text itself is the answer
        return text.strip() or None
    scorer = get_scorer(spec.name)
    with _as_unscorable(spec):
        found = scorer.extract(text, spec.params)
    if found is not None and not isinstance(found, str):
        raise Unscorable(f"scorer {spec.name}: extract gave {type(found).__name__}, not text")
    return found


def score_reply(spec: ScorerSpec, text: str, expected: Json) -> Score:
    """Score one reply; a reply without an answer scores 0. It blocks while it computes (sql and python: seconds).

    Raises: Unscorable where the scorer cannot decide; InputError for an unknown scorer, and for a judge: that takes a
    call (`routerctl.strategies.judge`), and to count each case as unscored would hide that none was made.
    """
    if spec.name == "judge":
        raise InputError("scorer judge asks a model: it cannot score a reply by itself")
    try:
        found = _answer(spec, text)
    except NoAnswer as why:
        return Score(value=0.0, extracted=None, explanation=shown(f"no answer found: {why}", _EXPLANATION_CHARS))
    if found is None:
        return Score(value=0.0, extracted=None, explanation="no answer found")
    with _as_unscorable(spec):
        value, explanation = get_scorer(spec.name).score(found, expected, spec.params)
        value = float(value)
    if math.isnan(value):
        raise Unscorable(f"scorer {spec.name}: gave NaN")
    said = shown(redacted(str(explanation)), _EXPLANATION_CHARS)  # a plug-in's may be of anything
    return Score(value=min(1.0, max(0.0, value)), extracted=found, explanation=said)


@contextmanager
def _as_unscorable(spec: ScorerSpec) -> Iterator[None]:
    try:
        yield
    except (Unscorable, NoAnswer):
        raise
    except Exception as error:  # third-party code: its fault must not stop a paid run
        raise Unscorable(f"scorer {spec.name}: {type(error).__name__}: {error}") from error


def _plug_ins() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # 20 ms that a rule-decided route need not spend

    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _load(point: EntryPoint) -> Scorer:
    try:
        found = point.load()
    except Exception as error:  # a broken package may raise anything while it is imported
        raise InputError(f"scorer {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(found, Scorer):
        raise InputError(f"scorer {point.name!r} ({point.value}) is a {type(found).__name__}, not a Scorer")
    return found

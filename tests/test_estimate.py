"""What a run is likely to take, and what it takes at most, against what it does take on projects of many shapes."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from routerctl.errors import KeyRefused
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.estimate import Estimate, total
from routerctl.evaluation.run.session import EvalOptions, Planned, estimate_run, plan_run, run_eval
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, Turn, reply_of
from routerctl.routing.decision_log.usage import logged_usage
from routerctl.types import Request, Usage
from tests.conftest import Project
from tests.test_evaluate import Seen

pytestmark = pytest.mark.usefixtures("in_process")

NOW = datetime(2026, 11, 30, tzinfo=UTC)
_TICKS = itertools.count()
RIGHT = {"model-small": 0.55, "model-mid": 0.92, "model-large": 0.98}
MOST = 1024


def _clock() -> datetime:
    """Every look at this clock is a second later."""
    return NOW + timedelta(seconds=next(_TICKS))


class World:
    """Models whose replies differ from run to run, some cases being harder than others for all of them."""

    def __init__(self, output: Callable[[random.Random], int], latency_s: float = 0.0) -> None:
        """`output`: draws the tokens of a reply."""
        self._output, self._latency_s = output, latency_s

    def script(self, day: int) -> Callable[[Request], Turn]:
        """The replies of one day."""

        def reply(request: Request) -> Turn:
            text = request.prompt.messages[0].content
            drawn = random.Random(f"{request.model}/{text}/{request.sample}/{request.epoch}/{day}")  # noqa: S311
            return self._reply(request, text, drawn)

        return reply

    def _reply(self, request: Request, text: str, drawn: random.Random) -> Turn:
        if request.model == "model-judge":
            said = '{"reason": "so", "score": "' + ("fail" if "wrong" in text else "pass") + '"}'
            return self._written(request, said, drawn)
        number = int(text.rpartition("+")[2])
        hard = random.Random(text).random()  # noqa: S311
        right = hard < RIGHT[request.model] - 0.03 or (hard < RIGHT[request.model] + 0.03 and drawn.random() < 0.5)
        return self._written(request, str(number + 1) if right else "wrong", drawn)

    def _written(self, request: Request, text: str, drawn: random.Random) -> Turn:
        read = sum(len(turn.content) for turn in request.prompt.messages) // 4
        usage = Usage(input_tokens=read, output_tokens=min(self._output(drawn), request.reply.max_tokens))
        latency_s = self._latency_s * drawn.uniform(0.5, 1.5)
        return replace(reply_of(text, request, latency_s=latency_s), usage=usage)


def _few(drawn: random.Random) -> int:
    return drawn.randint(1, 4)


def _many(drawn: random.Random) -> int:
    return int(drawn.lognormvariate(5.3, 0.6))


def _ladder(project: Project, **more: dict[str, Any]) -> None:
    """Three rungs at 1 : 5 : 20, with changes to a candidate by name."""
    project.config["candidates"] = {
        name: {"provider": "fake", "model": f"model-{name}"} | more.get(name, {})
        for name in dict.fromkeys(["small", "mid", "large", *more])
    }
    project.config["prices"] = [
        {"provider": "fake", "model": f"model-{name}", "date": "2026-11-01", "source": "test"}
        | {"input_mtok_usd": price, "output_mtok_usd": 5 * price}
        for name, price in (("small", 1), ("mid", 5), ("large", 20), ("judge", 5))
    ]
    project.config["ladders"]["main"] = ["small", "mid", "large"]
    project.save()


def choices(project: Project) -> World:
    """Two classes of short choices."""
    _ladder(project)
    for name, count in (("sums", 60), ("more", 120)):
        project.eval_set(name, count, reply={"choices": ["1", "wrong"], "max_tokens": MOST})
    return World(_few)


def long_text(project: Project) -> World:
    """Hundreds of tokens a reply, of thousands that are allowed."""
    _ladder(project)
    project.eval_set("sums", 80, reply={"max_tokens": 8 * MOST})
    return World(_many)


def judged(project: Project) -> World:
    """A judge scores, at a price of its own."""
    _ladder(project, judge={})
    project.eval_set("sums", 60, scorer={"name": "judge", "candidate": "judge", "rubric": "Is the sum right?"})
    return World(_many)


def strategies(project: Project) -> World:
    """A vote of five, and a cascade above it."""
    _ladder(
        project,
        small={"strategy": {"name": "self_consistency", "samples": 5}},
        mid={"escalation": {"to": "large", "below": {"length": 0.52}}},
    )
    project.eval_set("sums", 60, reply={"max_tokens": MOST})
    return World(_many)


def self_hosted(project: Project) -> World:
    """Time is the price."""
    _ladder(project)
    project.config["providers"]["fake"] |= {"usd_per_hour": 2.5, "timeout_s": 30}
    project.config["prices"] = []
    project.save()
    project.eval_set("sums", 100, epochs=2)
    return World(_many, latency_s=1.5)


def relative(project: Project) -> World:
    """The bar is a model, which is asked everything first."""
    _ladder(project)
    project.eval_set("sums", 80, bar={"within": 0.05, "of": "large"}, reply={"max_tokens": MOST})
    return World(_many)


SHAPES = [choices, long_text, judged, strategies, self_hosted, relative]


def _plan(project: Project, **options: Any) -> Planned:
    return plan_run(project.root, EvalOptions(logged=logged_usage(project.root), **options), _clock)


def _run(planned: Planned, world: World, day: int, calls: int | None = None) -> Spending:
    """Run what was planned; `calls`: after so many the key is refused."""
    script, made = world.script(day), itertools.count()

    def reply(request: Request) -> Turn:
        return KeyRefused("revoked") if calls is not None and next(made) >= calls else script(request)

    async def at_once(_seconds: float) -> None:
        """No time passes."""

    outside = Outside(env={}, sleep=at_once)
    far = FakeProvider(planned.header.providers["fake"], outside, reply)
    spending = Spending()

    async def run() -> None:
        with suppress(KeyRefused):
            await run_eval(planned, Seen(), outside, spending=spending, now=_clock, ready={"fake": far})

    asyncio.run(run())
    return spending


def _bounds(estimates: list[Estimate]) -> tuple[Decimal, Decimal]:
    return total(one.likely for one in estimates).usd, total(one.at_most for one in estimates).usd


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_run_once_is_estimated_within_a_factor_of_two(
    shape: Callable[[Project], World], project: Project
) -> None:
    """Replies vary from day to day; the real cost lies near what is likely, and never above the most, even at first."""
    world = shape(project)
    planned = _plan(project, use_cache=False)
    _, most = _bounds(estimate_run(planned, _clock))
    assert 0 < _run(planned, world, 0).spent_usd <= most
    for day in (1, 2, 3):
        planned = _plan(project, use_cache=False)
        estimates = estimate_run(planned, _clock)
        assert {one.basis for one in estimates if one.chance > 0.2} <= {"class", "others"}
        likely, most = _bounds(estimates)
        spent = _run(planned, world, day).spent_usd
        assert likely / 2 <= spent <= 2 * likely, (day, likely, spent)
        assert spent <= most


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_that_was_cut_off_is_estimated_by_what_is_left(
    shape: Callable[[Project], World], project: Project
) -> None:
    """A third of the calls was paid for when it ended: what is in the cache costs nothing in either figure."""
    world = shape(project)
    first = _run(_plan(project, use_cache=False), world, 0)
    whole = first.spent_usd
    _run(_plan(project), world, 0, calls=first.paid_calls // 3)
    planned = _plan(project)
    likely, most = _bounds(estimate_run(planned, _clock))
    spent = _run(planned, world, 0).spent_usd
    assert 0 < spent < whole
    assert likely / 2 <= spent <= 2 * likely
    assert spent <= most
    left = estimate_run(_plan(project), _clock)
    assert total(one.likely for one in left).usd == 0


def test_a_candidate_that_was_not_measured_is_told_by_its_likes(project: Project) -> None:
    """By its replies on other classes, then by other candidates' on this class, then by what a reply may be."""
    world = long_text(project)
    _run(_plan(project, candidates=("small",)), world, 0)
    project.eval_set("more", 40, reply={"max_tokens": 8 * MOST})
    told = {(one.task_class, one.candidate): one for one in estimate_run(_plan(project), _clock)}
    assert {key: one.basis for key, one in told.items()} == {
        ("more", "small"): "candidate",
        ("more", "mid"): "reply",
        ("more", "large"): "reply",
        ("sums", "small"): "class",
        ("sums", "mid"): "others",
        ("sums", "large"): "others",
    }
    a_reply = [told[key].likely.output_tokens / told[key].likely.calls for key in [("more", "small"), ("sums", "mid")]]
    assert all(150 < tokens < 350 for tokens in a_reply)
    assert told["more", "mid"].likely.output_tokens / told["more", "mid"].likely.calls == pytest.approx(
        2 * MOST, rel=0.01
    )


def test_a_changed_price_is_told_at_once(project: Project) -> None:
    """What was measured are tokens: at twice the price the same run is likely to cost twice as much."""
    world = long_text(project)
    _run(_plan(project, candidates=("small",)), world, 0)
    before = estimate_run(_plan(project, candidates=("small",), use_cache=False), _clock)[0].likely.usd
    for price in project.config["prices"]:
        price |= {name: 2 * price[name] for name in ("input_mtok_usd", "output_mtok_usd")}
    project.save()
    after = estimate_run(_plan(project, candidates=("small",), use_cache=False), _clock)[0].likely.usd
    assert float(after / before) == pytest.approx(2, rel=1e-6)


def test_a_verdict_that_is_not_in_the_cache_is_estimated(project: Project) -> None:
    """A new rubric judges kept replies anew: they cost nothing, the judge's calls do."""
    world = judged(project)
    _run(_plan(project, full=True, candidates=("mid",)), world, 0)
    assert _bounds(estimate_run(_plan(project, full=True, candidates=("mid",)), _clock)) == (Decimal(0), Decimal(0))
    project.eval_set("sums", 60, scorer={"name": "judge", "candidate": "judge", "rubric": "Is it right, really?"})
    planned = _plan(project, full=True, candidates=("mid",))
    likely, most = _bounds(estimate_run(planned, _clock))
    spent = _run(planned, world, 0).spent_usd
    assert likely / 2 <= spent <= 2 * likely
    assert spent <= most

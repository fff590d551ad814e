"""What `routerctl route` does once its options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from routerctl.cli.output.terminal import say
from routerctl.cli.stdin import where
from routerctl.errors import InputError, RouterctlError
from routerctl.files.codec import encode, json_default
from routerctl.types import Decision, Hop, Inquiry, Json, Route
from routerctl.words import clean, plain, seconds

if TYPE_CHECKING:
    from routerctl.routing.batch import Numbered
    from routerctl.routing.route import Routed
    from routerctl.routing.router import Router


def explain_all(router: Router, inquiries: Iterator[Numbered], *, as_json: bool) -> None:
    """Print what would be decided for each inquiry and why.

    Raises: InputError naming the line.
    """
    for line, one in inquiries:
        try:
            told = router.explain_inquiry(one)
        except InputError as error:
            raise InputError(f"{where(line, one)}{error}") from None
        if as_json:
            _print(json.dumps({**_decision_json(one, told.decision), "reasons": told.reasons}))
        else:
            _print("\n".join(clean(line) for line in told.reasons))


def route_all(router: Router, inquiries: Iterator[Numbered], *, as_json: bool, one_line: bool) -> None:
    """Route each inquiry and print its answer as soon as those before it are printed.

    Raises: InputError; an error of the gravest kind after the last one, where one or more could not be served.
    """
    import asyncio

    from routerctl.routing.batch import serve_all

    def served(one: Inquiry, routed: Routed) -> None:
        say(_reason(routed))
        if as_json:
            _print(json.dumps(_routed_json(one, routed), default=json_default))
        else:
            _print(_for_stdout(routed.text, one_line=one_line))

    def failed(line: int | None, one: Inquiry, error: RouterctlError) -> None:
        say(f"routerctl: {where(line, one)}{error}")

    async def serve() -> None:
        async with router:
            await serve_all(router, inquiries, served, failed)

    asyncio.run(serve())


def _for_stdout(text: str, *, one_line: bool) -> str:
    """Give the answer as it is; on a terminal without escape sequences, in line modes as one line."""
    if one_line:
        text = " ".join(text.split())
    if sys.stdout.isatty():
        text = "\n".join(clean(line) for line in text.split("\n"))
    return text


def _print(text: str) -> None:
    """Write UTF-8, whatever the locale says; half of a surrogate pair, which a reply may hold, becomes a `?`."""
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.flush()  # a closed pipe must stop the next prompt, not only the last


_WORDS = ("not confident", "skipped", "cancelled", "over budget")  # outcomes that are not failures


def _reason(routed: Routed) -> str:
    decision = routed.decision
    served = next(hop for hop in decision.hops if hop.outcome == "served")
    before = "".join(
        f", after {hop.candidate} {_fate(hop)}" for hop in decision.hops if hop is not served and hop.why != "classify"
    )
    shown = _shown(routed.table.routes[decision.task_class], served.candidate)
    unproven = f", {shown} for this class" if shown else ""
    latency = "" if served.latency_s is None else f", {plain(seconds(served.latency_s))}"
    alarm = "".join(f" ALARM: {words}" for words in routed.alarms)
    return (
        f"{decision.task_class} (by {decision.decided_by}) -> {served.candidate}{before}{unproven}"
        f"{latency}, ${routed.cost_usd:.6f}.{alarm}"
    )


def _shown(route: Route, name: str) -> str:
    """How well the one that served is shown where proof is missing: the class's level, of another rung its verdict."""
    one = next((each for each in route.evidence if each.candidate == name), None)
    if name == route.chosen and one is not None:
        return "" if route.settled else route.level
    if one is None:
        return "not run"
    return "" if one.judgement.verdict.settled else one.judgement.verdict.value


def _fate(hop: Hop) -> str:
    return f"was {hop.outcome}" if hop.outcome in _WORDS else f"failed ({hop.outcome})"


def _decision_json(one: Inquiry, decision: Decision) -> dict[str, Json]:
    named = (("id", one.id), ("tenant", one.tenant), ("step", one.step))
    given = {key: value for key, value in named if value is not None}
    shown = {key: value for key, value in encode(decision, keep_defaults=True).items() if key != "id"}
    return {**given, **shown}


def _routed_json(one: Inquiry, routed: Routed) -> dict[str, Json]:
    answer = routed.answer
    return {
        **_decision_json(one, routed.decision),
        "decision": routed.decision.id,
        "answer": answer.text,
        "stop_reason": answer.stop_reason.value,
        "candidate": routed.decision.candidate,
        "cost_usd": routed.cost_usd,
        "latency_s": answer.latency_s,
        "alarms": list(routed.alarms),
    }

"""What `routerctl route` does once its options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from routerctl.cli.output.terminal import say
from routerctl.cli.stdin import placed
from routerctl.errors import InputError, RouterctlError
from routerctl.files.codec import encode, json_default
from routerctl.types import Decision, Hop, Inquiry, Json, Route, StopReason
from routerctl.words import clean, perhaps_words, plain, seconds

if TYPE_CHECKING:
    from routerctl.routing.lines import Line
    from routerctl.routing.route import Routed
    from routerctl.routing.router import Explanation, Router


def explain_all(router: Router, lines: Iterator[Line], *, as_json: bool) -> None:
    """Print what would be decided for each prompt and why; a line that is no prompt is said, and keeps its place.

    Raises: InputError, after the last one, where a line was no prompt.
    """
    failed, asked = 0, 0
    for line in lines:
        asked += line.inquiry is not None or line.problem is not None
        try:
            told = _explained(router, line)
        except InputError as error:
            if line.number is None:
                raise
            failed += 1
            say(f"routerctl: {placed(line, error)}")
            _print(_failed_json(line, error) if as_json else "")
            continue
        if told is None or line.inquiry is None:
            _print("")
        elif as_json:
            _print(json.dumps({**_decision_json(line.inquiry, told.decision), "reasons": told.reasons}))
        else:
            _print("\n".join(clean(reason) for reason in told.reasons))
    if failed:
        raise InputError("" if asked == 1 else f"{failed} of {asked} prompts could not be explained")


def _explained(router: Router, line: Line) -> Explanation | None:
    if line.problem:
        raise line.problem
    return router.explain_inquiry(line.inquiry) if line.inquiry else None


def route_all(router: Router, lines: Iterator[Line], *, as_json: bool) -> None:
    """Route the prompt of each line and print its answer as soon as those before it are printed.

    Every line of the input has one line of output; all of the input as one prompt has its answer, or none.
    Raises: InputError; an error of the gravest kind after the last one, where one or more could not be served.
    """
    import asyncio

    from routerctl.routing.batch import serve_all

    def ended(line: Line, routed: Routed | None, error: RouterctlError | None) -> None:
        if error:
            say(f"routerctl: {placed(line, error)}")
            if line.number is not None:
                _print(_failed_json(line, error) if as_json else "")
        elif routed is None or line.inquiry is None:
            _print("")
        else:
            say(_reason(routed))
            as_text = _for_stdout(routed.text, one_line=line.number is not None)
            _print(json.dumps(_routed_json(line.inquiry, routed), default=json_default) if as_json else as_text)

    async def serve() -> None:
        async with router:
            await serve_all(router, lines, ended)

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
        f", after {hop.candidate} at {hop.provider} {_fate(hop)}"
        for hop in decision.hops
        if hop is not served and hop.why != "classify"
    )
    shown = _shown(routed.table.routes[decision.task_class], served.candidate)
    unproven = f", {shown} for this class" if shown else ""
    latency = "" if decision.total_s is None else f", {plain(seconds(decision.total_s))}"
    refused = ", which refused" if routed.refused else _odd_end(routed)
    alarm = "".join(f" ALARM: {words}" for words in routed.alarms)
    return (
        f"{decision.task_class} (by {decision.decided_by}) -> {served.candidate}{refused}{before}{unproven}"
        f"{latency}, ${routed.cost_usd:.6f}{perhaps_words(routed.perhaps_usd)}.{alarm}"
    )


def _odd_end(routed: Routed) -> str:
    """Name an end of the reply that nobody here knows: whether it is whole cannot be told."""
    if routed.answer.stop_reason not in (StopReason.OTHER, StopReason.TOOL_USE):
        return ""
    said = next((reply.detail for reply in routed.answer.replies if reply.detail), routed.answer.stop_reason.value)
    return f", which ended with {said}"


def _shown(route: Route, name: str) -> str:
    """How well the one that served is shown where proof is missing: the class's level, of another rung its verdict."""
    one = next((each for each in route.evidence if each.candidate == name), None)
    if name == route.chosen and one is not None:
        return "" if route.settled else route.level
    if one is None:
        return "not run"
    return "" if one.judgement.verdict.settled else one.judgement.verdict.value


def _fate(hop: Hop) -> str:
    if hop.outcome == "no answer":
        return "gave no answer"
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
        "unfinished": routed.unfinished,
        "refused": routed.refused,
        "cost_usd": routed.cost_usd,
        "perhaps_usd": routed.perhaps_usd,
        "latency_s": answer.latency_s,
        "alarms": list(routed.alarms),
    }


def _failed_json(line: Line, error: RouterctlError) -> str:
    """Give the object of a prompt that was not served: which line, why, and what was tried."""
    decision = error.decision
    said = line.problem.problem if line.problem else str(error)  # its place has a key of its own
    tried = {} if decision is None or line.inquiry is None else _decision_json(line.inquiry, decision)
    named = {} if line.id is None else {"id": line.id}
    told = (
        {"decision": decision.id, "cost_usd": decision.cost_usd, "perhaps_usd": decision.perhaps_usd}
        if decision
        else {}
    )
    return json.dumps(
        {**tried, **named, "line": line.number, **told, "error": said, "exit_code": error.exit_code},
        default=json_default,
    )

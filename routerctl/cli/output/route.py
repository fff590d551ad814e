"""What `routerctl route` does once its options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from routerctl.classify.decide import decide
from routerctl.cli.output.terminal import clean, say
from routerctl.cli.stdin import where
from routerctl.errors import InputError
from routerctl.files.codec import encode, json_default
from routerctl.routing.explain import explain
from routerctl.table import load_table
from routerctl.types import Decision, Hop, Inquiry, Json, Route, Table

if TYPE_CHECKING:
    from routerctl.classify.decide import Guesser
    from routerctl.cli.stdin import Numbered
    from routerctl.routing.route import Routed


def guesser_of(table: Table, folder: Path) -> Guesser | None:
    """Load the trained classifier that a table names, from the table's folder.

    Raises: InputError where it is missing or another one than the table is pinned to.
    """
    named = table.classifier
    if named is None or named.file is None:
        return None
    from routerctl.classify.classifier import load_classifier  # only where there is one

    return load_classifier(folder / named.file, named.digest)


def explain_all(path: Path, inquiries: Iterator[Numbered], *, as_json: bool) -> None:
    """Print what would be decided for each inquiry and why.

    Raises: InputError naming the line.
    """
    project, root, today = load_table(path), path.parent, datetime.now(UTC).date()
    tables: dict[str | None, tuple[Table, Guesser | None]] = {}
    for line, one in inquiries:
        tenant = project.routing.tenants.get(one.tenant or "")
        tier = tenant.tier if tenant else None
        if tier not in tables:
            served_by = load_table(root / project.routing.tiers[tier].table) if tier else project
            tables[tier] = served_by, guesser_of(served_by, root)
        table, guesser = tables[tier]
        try:
            decision = decide(table, one, guesser)
        except InputError as error:
            raise InputError(f"{where(line, one)}{error}") from None
        reasons = explain(table, one, decision, today)
        if as_json:
            _print(json.dumps({**_decision_json(one, decision), "reasons": reasons}))
        else:
            _print("\n".join(clean(line) for line in reasons))


def route_all(path: Path, inquiries: Iterator[Numbered], *, as_json: bool, one_line: bool) -> None:
    """Route each inquiry and print its answer as soon as those before it are printed.

    Raises: InputError; an error of the gravest kind after the last one, where one or more could not be served.
    """
    from routerctl.routing.batch import serve

    table = load_table(path)

    def show(one: Inquiry, routed: Routed) -> None:
        say(_reason(table, routed))
        if as_json:
            _print(json.dumps(_routed_json(one, routed), default=json_default))
        else:
            _print(_for_stdout(routed.answer.text, one_line=one_line))

    serve(table, inquiries, show, folder=path.resolve().parent)


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


def _reason(table: Table, routed: Routed) -> str:
    decision = routed.decision
    served = next(hop for hop in decision.hops if hop.outcome == "served")
    before = "".join(
        f", after {hop.candidate} {_fate(hop)}" for hop in decision.hops if hop is not served and hop.why != "classify"
    )
    shown = _shown(table.routes[decision.task_class], served.candidate)
    unproven = f", {shown} for this class" if shown else ""
    latency = "" if served.latency_s is None else f", {served.latency_s:.2f} s"
    alarm = "".join(f" ALARM: {words}" for words in routed.alarms)
    return (
        f"{decision.task_class} (by {decision.decided_by}) -> {served.candidate}{before}{unproven}"
        f"{latency}, ${cost_of(decision):.6f}.{alarm}"
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


def cost_of(decision: Decision) -> Decimal:
    """Add up what an inquiry cost, hops that gave nothing included."""
    return sum((hop.cost_usd for hop in decision.hops), Decimal(0))


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
        "candidate": next(hop.candidate for hop in routed.decision.hops if hop.outcome == "served"),
        "cost_usd": cost_of(routed.decision),
        "latency_s": answer.latency_s,
        "alarms": list(routed.alarms),
    }

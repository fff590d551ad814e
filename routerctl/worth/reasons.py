"""Turns a table's figures into the answer to "is routing worth it?": reasons against first, then what it saves.

Each reason comes with its numbers, all measured. Place: the folder's last file; the report and the terminal print it.
It speaks of money and of verdicts that others reached; it judges no candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from routerctl.types import Evidence, Route, Table
from routerctl.words import count, percent, plural, usd
from routerctl.worth.figures import (
    THOUSAND,
    Constant,
    Figures,
    Volumes,
    Weighting,
    chosen_evidence,
    constants,
    evidence_for,
    priced,
    table_figures,
    weighting,
)
from routerctl.worth.standings import Standing, standings

Kind = Literal[
    "one class",
    "one choice",
    "one model",
    "wrong answers",
    "volume",
    "eval cost",
    "quality critical",
    "not told apart",
]
Answer = Literal["worth it", "not worth it", "cannot be told"]
Number = Decimal | float | str

LITTLE_USD = Decimal(1)  # a month: a saving below this is not worth a thought


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why routing, or saving on one class, may not be worth it."""

    kind: Kind
    text: str
    numbers: Mapping[str, Number]
    decides: bool  # True: by itself enough for "not worth it"
    task_class: str | None = None  # None: it speaks of the whole table


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the table is worth against one model for all."""

    answer: Answer
    text: str  # why, in a sentence
    reasons: tuple[Reason, ...]
    weighting: Weighting
    figures: Figures | None  # the table's own; None: no choice has a measured cost
    constants: tuple[Constant, ...]  # the best first
    standings: tuple[Standing, ...]  # the best first, by verdicts alone; empty where a choice has a measured cost
    against: Constant | None  # the cheapest that is as good as the table on every class


def weigh(table: Table, spend_usd: Decimal | None = None, volumes: Volumes | None = None) -> Worth:
    """Say whether the table is worth it; `spend_usd`: the eval's own cost, `volumes`: measured requests per month."""
    of = weighting(table, volumes)
    ranked = constants(table, of)
    reasons = when_not_to_bother(table, spend_usd, volumes)
    stand = () if ranked else tuple(standings(table))
    answer, text = _answer(table, ranked, stand, reasons, spend_usd)
    return Worth(
        answer=answer,
        text=text,
        reasons=tuple(reasons),
        weighting=of,
        figures=table_figures(table, of),
        constants=tuple(ranked),
        standings=stand,
        against=_against(ranked),
    )


def when_not_to_bother(table: Table, spend_usd: Decimal | None = None, volumes: Volumes | None = None) -> list[Reason]:
    """List the reasons not to route, the deciding ones first."""
    of = weighting(table, volumes)
    ranked = constants(table, of)
    against = _against(ranked)
    found = [
        *_one_class(table),
        *_one_choice(table),
        *_one_model(table, against),
        *_too_little(table, of, against, spend_usd),
        *_quality(table),
        *_not_told_apart(table, ranked),
    ]
    if not any(one.kind == "volume" for one in found):  # where all classes together save little, each of them does
        found += _small_classes(table, of, against)
    return sorted(found, key=lambda one: not one.decides)


def _against(ranked: Sequence[Constant]) -> Constant | None:
    """The constant to compare with: as good as the table on every priced class, and the one it saves least against."""
    able = [one for one in ranked if one.everywhere and not one.worse]
    return min(able, key=lambda one: one.saved_in_all_usd, default=None)


# --- reasons that need no money ---------------------------------------------------------------------------------------


def _one_class(table: Table) -> Iterator[Reason]:
    if len(table.routes) == 1:
        (route,) = table.routes.values()
        text = f"There is one task class, so {route.chosen} serves every request: a table has nothing to route."
        yield Reason(kind="one class", text=text, numbers={"classes": 1}, decides=True)


def _one_choice(table: Table) -> Iterator[Reason]:
    chosen = {route.chosen for route in table.routes.values()}
    if len(table.routes) > 1 and len(chosen) == 1:
        (name,) = chosen
        text = f"Every class chose {name}: one model for all is the same, and routing saves nothing here."
        yield Reason(kind="one choice", text=text, numbers={"classes": len(table.routes)}, decides=True)


def _quality(table: Table) -> Iterator[Reason]:
    critical = [route for route in table.routes.values() if route.stakes.quality_critical]
    for route in critical:
        text, numbers = _strongest(route, table)
        decides = len(critical) == len(table.routes)
        yield Reason(kind="quality critical", text=text, numbers=numbers, decides=decides, task_class=route.task_class)


def _strongest(route: Route, table: Table) -> tuple[str, dict[str, Number]]:
    head = f"{route.task_class} is quality critical: do not save on it."
    passing = [one for one in route.evidence if one.judgement.verdict.passes]
    not_run = [name for name in table.ladder if evidence_for(route, name) is None]
    rest = f" {', '.join(not_run)} {'was' if len(not_run) == 1 else 'were'} not run on it." if not_run else ""
    if not passing:
        return f"{head} Nothing has passed its bar yet.{rest}", {}
    best = max(passing, key=lambda one: (one.judgement.score or 0.0, table.ladder.index(one.candidate)))
    numbers: dict[str, Number] = {"strongest": best.candidate, "score": best.judgement.score or 0.0}
    verdict = f"of those that passed, the strongest is {best.candidate} ({_scored(best)})"
    if best.candidate == route.chosen:
        return f"{head} The table serves it by {route.chosen}; {verdict}.{rest}", numbers
    chosen = evidence_for(route, route.chosen)
    serves = f"{route.chosen} ({_scored(chosen)})" if chosen else route.chosen
    return f"{head} The table serves it by {serves}; {verdict}: use that.{rest}", numbers


def _scored(one: Evidence) -> str:
    cost = "" if one.cost_per_case_usd is None else f", {usd(one.cost_per_case_usd * THOUSAND)} per 1,000"
    return f"score {percent(one.judgement.score or 0.0)}{cost}"


# --- reasons of money -------------------------------------------------------------------------------------------------


def _one_model(table: Table, against: Constant | None) -> Iterator[Reason]:
    if against is None or _uniform(table):
        return
    head = f"Always {against.candidate} passes every class that the table passes"
    if against.saved_usd <= 0:
        text = f"{head} and costs no more: {_both(against)} per 1,000 requests."
        yield Reason(kind="one model", text=text, numbers=_prices(against), decides=against.saved_in_all_usd <= 0)
    elif against.saved_in_all_usd <= 0:
        text = (
            f"{head}. It costs {_both(against)} per 1,000 requests, but delivers {_fewer(against)}: with what these "
            f"cost, the table is {usd(-against.saved_in_all_usd * THOUSAND)} dearer."
        )
        yield Reason(kind="wrong answers", text=text, numbers=_prices(against), decides=True)


def _fewer(against: Constant) -> str:
    """How many wrong answers in 1,000 the constant delivers less than the table."""
    return plural(round(_wrong_more(against) or 0), "wrong answer fewer", "wrong answers fewer")


def _wrong_more(against: Constant) -> float | None:
    """How many wrong answers in 1,000 the table delivers more than the constant; None where they were not counted."""
    ours, theirs = against.table.wrong_per_thousand, against.figures.wrong_per_thousand
    return None if ours is None or theirs is None else ours - theirs


def _not_told_apart(table: Table, ranked: Sequence[Constant]) -> Iterator[Reason]:
    """A cheaper constant that these cases cannot tell from the choices, though it has not passed every bar."""
    alike = [one for one in ranked if one.everywhere and not one.apart and one.worse and one.saved_usd <= 0]
    if not alike or _uniform(table):
        return
    one = min(alike, key=lambda each: each.figures.cost_usd)
    text = (
        f"These cases do not tell always {one.candidate} from the table's choices: on every class each score lies "
        f"within the other's interval, at {_both(one)} per 1,000 requests. It has not passed the bar of "
        f"{', '.join(one.worse)}; more cases would settle it."
    )
    yield Reason(kind="not told apart", text=text, numbers=_prices(one), decides=False)


def _too_little(table: Table, of: Weighting, against: Constant | None, spend_usd: Decimal | None) -> Iterator[Reason]:
    """A saving per month that is next to nothing, or less than a monthly eval would cost."""
    if against is None or against.saved_in_all_usd <= 0 or not of.by_volume or _uniform(table):
        return
    requests = Decimal(repr(float(against.figures.requests_per_month or 0.0)))
    saved = against.saved_in_all_usd * requests
    numbers: dict[str, Number] = {"saved_usd_per_month": saved, "requests_per_month": float(requests)}
    head = (
        f"At {count(round(requests))} requests a month the table saves {usd(saved)} a month against always "
        f"{against.candidate}"
    )
    if saved < LITTLE_USD:
        yield Reason(kind="volume", text=f"{head}: less than {usd(LITTLE_USD)}.", numbers=numbers, decides=True)
    elif spend_usd is not None and saved < spend_usd:
        needed = _break_even(spend_usd, against.saved_in_all_usd)
        text = (
            f"{head}, less than the evaluation costs ({usd(spend_usd)}): run once a month, it pays from "
            f"{plural(needed, 'request')} a month."
        )
        yield Reason(kind="eval cost", text=text, numbers=numbers | {"break_even_requests": needed}, decides=True)


def _small_classes(table: Table, of: Weighting, against: Constant | None) -> Iterator[Reason]:
    """Classes whose own saving is next to nothing, against the constant or else the top rung where it was run."""
    small = [(name, saved) for name, saved in _class_savings(table, of, against) if 0 <= saved < LITTLE_USD]
    if not small:
        return
    said = ", ".join(f"{name} {usd(saved)} ({count(round(of.requests[name]))} requests)" for name, saved in small)
    saves = plural(len(small), f"of {len(table.routes)} classes saves", f"of {len(table.routes)} classes save")
    text = f"{saves} less than {usd(LITTLE_USD)} a month: "
    yield Reason(kind="volume", text=f"{text}{said}.", numbers=dict(small), decides=False)


def _class_savings(table: Table, of: Weighting, against: Constant | None) -> Iterator[tuple[str, Decimal]]:
    other = against.candidate if against else table.ladder[-1]
    for route in priced(table):
        theirs, ours = evidence_for(route, other), chosen_evidence(route)
        if route.task_class not in of.requests or theirs is None or ours is None or other == route.chosen:
            continue
        if theirs.cost_per_case_usd is not None and ours.cost_per_case_usd is not None:
            saved = theirs.cost_per_case_usd - ours.cost_per_case_usd
            yield route.task_class, saved * Decimal(repr(float(of.requests[route.task_class])))


def _uniform(table: Table) -> bool:
    """Whether one candidate serves every class, which another reason already says."""
    return len({route.chosen for route in table.routes.values()}) == 1


def _break_even(spend_usd: Decimal, saved_usd: Decimal) -> int:
    return int((spend_usd / saved_usd).to_integral_value(ROUND_CEILING))


def _both(one: Constant) -> str:
    return f"{usd(one.figures.cost_usd * THOUSAND)} against {usd(one.table.cost_usd * THOUSAND)}"


def _prices(one: Constant) -> dict[str, Number]:
    return {
        "candidate": one.candidate,
        "constant_usd": one.figures.cost_usd * THOUSAND,
        "table_usd": one.table.cost_usd * THOUSAND,
    }


# --- the answer -------------------------------------------------------------------------------------------------------


def _answer(
    table: Table,
    ranked: Sequence[Constant],
    stand: Sequence[Standing],
    reasons: Sequence[Reason],
    spend_usd: Decimal | None,
) -> tuple[Answer, str]:
    against = _against(ranked)
    deciding = next((one for one in reasons if one.decides), None)
    if deciding:
        return "not worth it", deciding.text
    if not ranked:
        return _by_verdicts(table, stand)
    if against:
        return "worth it", _saves(against, spend_usd)
    ruled_out = {one.candidate for one in ranked if one.worse}
    open_names = [name for name in table.ladder if name not in ruled_out]
    if not open_names:
        return "worth it", _passes_more(ranked[0])
    return "cannot be told", _open(open_names, ranked)


def _by_verdicts(table: Table, stand: Sequence[Standing]) -> tuple[Answer, str]:
    """What can be said where nobody knows a cost."""
    unknown = "No choice has a measured cost"
    if not stand:
        return "cannot be told", f"{unknown}."
    ruled_out = {one.candidate for one in stand if one.worse}
    if ruled_out.issuperset(table.ladder):
        return "worth it", f"{_passes_more(stand[0])} {unknown}, so what it saves is not known."
    best = next((one for one in stand if not one.worse), None)
    if best is None:
        names = ", ".join(name for name in table.ladder if name not in ruled_out)
        return "cannot be told", f"{unknown}, and {names} could serve every class, but was not run."
    if best.everywhere:
        return "cannot be told", (
            f"{unknown}, and always {best.candidate} is as good as the table on every class: only costs would tell "
            "whether the table saves anything."
        )
    return "cannot be told", (
        f"{unknown}, and no class shows always {best.candidate} to be worse than the table, but it was run on "
        f"{best.covered} of {best.of} classes only."
    )


def _saves(against: Constant, spend_usd: Decimal | None) -> str:
    saved = against.saved_in_all_usd
    counted = ", its wrong answers counted" if saved != against.saved_usd else ""
    text = (
        f"Against always {against.candidate}, which passes every class that the table passes, the table saves "
        f"{usd(saved * THOUSAND)} per 1,000 requests{counted}{_at_the_price_of(against)}"
    )
    if spend_usd is None:
        return f"{text}."
    needed = plural(_break_even(spend_usd, saved), "request")
    return f"{text}; the evaluation, {usd(spend_usd)} without its cache, is paid back after {needed}."


def _at_the_price_of(against: Constant) -> str:
    more = round(_wrong_more(against) or 0)
    if not more:
        return ""
    return f" and delivers {plural(abs(more), 'wrong answer')} {'more' if more > 0 else 'fewer'} in them"


def _passes_more(best: Constant | Standing) -> str:
    where = "" if best.everywhere else f" of the {best.covered} it was run on"
    return (
        f"No single candidate does what the table does: always {best.candidate}, the best of them, passes "
        f"{best.passes}{where or f' of {best.of}'} classes, the table {best.table_passes}; it is worse on "
        f"{', '.join(best.worse)}."
    )


def _open(names: Sequence[str], ranked: Sequence[Constant]) -> str:
    """Name what was not run everywhere and could still do for all, with the best of it on the classes it was run on."""
    best = next((one for one in ranked if one.candidate in names), None)
    if best is None:
        return (
            f"{', '.join(names)} could serve every class, but {'was' if len(names) == 1 else 'were'} not run; "
            "`routerctl eval --full` would measure it."
        )
    return (
        f"No class shows always {best.candidate} to be worse than the table, but it was run on {best.covered} of "
        f"{best.of} classes only; `routerctl eval --full` would measure the rest."
    )

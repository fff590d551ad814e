"""Turns what answers cost, and what the evaluation took, into the report's sentences about money.

Plain text, not yet escaped. Says nothing of a figure that was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from routerctl.evaluation.worth import THOUSAND, Constant, Figures, Weighting, Worth, weighed_by
from routerctl.review.report.answers import RuleReplay, Spend
from routerctl.types import RunHeader, Table
from routerctl.words import count, percent, plural, usd

# --- the table --------------------------------------------------------------------------------------------------------


def cost(table: Table, worth: Worth) -> str:
    """Give what the table costs and gets wrong, and the best single candidate on the classes it was run on."""
    ours = worth.figures
    if ours is None:
        return "What the table costs is not known: no choice has a measured cost."
    left_out = [name for name in table.routes if name not in ours.classes]
    over = "the classes"
    if left_out:
        over = f"the {plural(len(ours.classes), 'class', 'classes')} measured ({', '.join(left_out)} left out)"
    spread = "spread as the classes are asked" if worth.weighting.by_volume else "spread as the cases are"
    head = f"1,000 requests {spread} over {over} cost {usd(ours.cost_usd * THOUSAND)} with this table{_wrong(ours)}."
    compares = worth.constants and len(table.routes) > 1  # of one class the choice is the constant
    return f"{head} {best_constant(worth.constants)}" if compares else head


def _wrong(figures: Figures) -> str:
    wrong = figures.wrong_per_thousand
    return "" if wrong is None else f" ({plural(round(wrong), 'wrong answer')} delivered)"


def best_constant(constants: Sequence[Constant]) -> str:
    """Compare the most accurate single candidate, the first, with the table on the classes where it was measured."""
    best = constants[0]
    who = f"The most accurate single candidate{among(constants)}"
    theirs, ours = best.figures, best.table
    passes = f"passes {best.passes} of {best.covered}"
    if theirs is None or ours is None:
        return f"{who} is {best.candidate}, which {passes}; its costs are not known."
    price = f"{usd(theirs.cost_usd * THOUSAND)}{_wrong(theirs)}"
    if best.covered == best.of:
        return f"{who}, {best.candidate}, would cost {price} and {passes}."
    return (
        f"{who}, {best.candidate}, was run on {best.covered} of {best.of} classes; there "
        f"it costs {price} and {passes} (the table on these {best.covered}: {usd(ours.cost_usd * THOUSAND)})."
    )


def among(constants: Sequence[Constant]) -> str:
    """Say of which candidates the first is the most accurate, where some were run on fewer classes than it."""
    best = constants[0]
    if all(one.covered == best.covered for one in constants):
        return ""
    return f" of those run on {'every class' if best.covered == best.of else 'most classes'}"


def weighed(of: Weighting) -> str:
    """Say how the classes weigh in a figure of several."""
    by = f"The classes weigh by {weighed_by(of)}"
    if not of.by_volume:
        given = f" {plural(len(of.requests), 'class has', 'classes have')} a known volume." if of.requests else ""
        return f"{by}: not every class says how often it is asked.{given}"
    if not of.measured:
        return f"{by}, as the eval sets state them."
    stated = ", ".join(name for name in of.requests if name not in of.measured)
    return f"{by}{f'; the eval sets state those of {stated}' if stated else ''}."


# --- what the evaluation took -----------------------------------------------------------------------------------------


def imported_words(spend: Spend) -> str:
    """Say of imported answers how many there are, and what they cost whoever had them made, where that is known."""
    cost_usd = spend.paid_usd + spend.cached_usd
    worth = f" When they were made they cost {usd(cost_usd)}, as far as that is known." if cost_usd else ""
    return f"{plural(spend.results, 'answer was', 'answers were')} imported; no call was made for them.{worth}"


def taken(spend: Spend, headers: Sequence[RunHeader]) -> str:
    """Say what was asked for, of how much, and what it cost; `headers`: of the runs that asked."""
    share = f" ({percent(spend.results / spend.grid)})" if spend.grid else ""
    asked = f"{count(spend.results)} of the {count(spend.grid)} answers of the full grid{share}"
    runs = "these runs" if len(headers) > 1 else "this run"
    judging = f", {usd(spend.judge_usd)} of both for judging" if spend.judge_calls else ""
    judged = spend.judge_calls and f", and judged in {_both(spend.judge_calls_made, spend.judge_calls)}"
    perhaps_usd = sum((one.perhaps_usd for one in headers), Decimal(0))
    perhaps = f" Attempts without a reply may be billed too: {usd(perhaps_usd)} at most." if perhaps_usd else ""
    return (
        f"{asked} were asked for, in {_both(spend.calls, spend.calls + spend.cached_calls)}{judged or ''}. "
        f"Paid in {runs}: {usd(spend.paid_usd)}; the cached calls had cost {usd(spend.cached_usd)} when they were "
        f"made{judging}.{perhaps} {_beyond(spend)}"
    )


def _both(made: int, calls: int) -> str:
    return f"{plural(made, 'call')} and {plural(calls - made, 'cached call')}"


def _beyond(spend: Spend) -> str:
    if not spend.beyond:
        return "No answer came after its test had stopped."
    answers = plural(spend.beyond, "answer")
    return f"{answers} worth {usd(spend.beyond_usd)} came after the tests had ended; scores and costs count them."


def grid_calls(table: Table, spend: Spend) -> str:
    """Say how many calls the whole grid would have been, where that is known without making them."""
    used = [table.candidates[name] for name in table.ladder if name in table.candidates]
    if len(used) < len(table.ladder) or any(one.strategy.name != "single_shot" for one in used):
        return "How many calls the whole grid would have been is not known: a vote takes as many as it needs."
    made = spend.calls + spend.cached_calls
    return (
        f"At one call an answer, the whole grid would have been {plural(spend.grid, 'call')}; {count(made)} were made."
    )


def replayed(replays: Sequence[RuleReplay]) -> str:
    """Set the calls of a full grid beside those that the stopping rule would have made, and the choices of both."""
    grid, needed = (sum(getattr(one, name) for one in replays) for name in ("grid_calls", "needed_calls"))
    grid_usd = sum((one.grid_usd for one in replays), Decimal(0))
    needed_usd = sum((one.needed_usd for one in replays), Decimal(0))
    other = [f"{one.task_class} ({one.pick} instead of {one.chosen})" for one in replays if one.pick != one.chosen]
    same = f"the same candidate for {len(replays) - len(other)} of {plural(len(replays), 'class', 'classes')}"
    share = f" ({percent(needed / grid)})" if grid else ""
    return (
        f"The whole grid took {plural(grid, 'call')} worth {usd(grid_usd)}. Climbing the ladder and stopping each test "
        f"as soon as it is decided would have taken {count(needed)}{share}, worth {usd(needed_usd)}, what is asked in "
        f"advance not counted, and would have picked {same}{'; other: ' + ', '.join(other) if other else ''}."
    )

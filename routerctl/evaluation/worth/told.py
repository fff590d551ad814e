"""Turns a comparison with one candidate for all into the numbers that are shown everywhere, and into their words.

Terminal, JSON, report and diff take money and risk from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.evaluation.worth.against import Constant
from routerctl.evaluation.worth.figures import THOUSAND, Weighting, exact
from routerctl.evaluation.worth.gaps import Gap
from routerctl.words import percent, plural, usd, usd_between

_TIMES = 2.0  # from so many times as much on, times are plainer than hundreds of percents


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a table does beside one candidate for all, in money and wrong answers."""

    candidate: str
    today: bool  # it serves now
    saved_usd: Decimal | None  # by the table, in all; negative: it costs more; None: not known
    saved_interval_usd: tuple[Decimal, Decimal] | None  # 95 %
    cost_usd: Decimal | None  # of the table's calls, for as many requests; None: not known
    per: str  # what that is counted in: "a month" or "per 1,000 requests"
    counted: bool  # the price of wrong answers is in it
    cost_share: float | None  # of the table's calls in the candidate's, wrong answers apart; None: not known
    more_wrong: float  # in 1,000 requests: not passed, for whatever reason
    more_wrong_interval: tuple[float, float]  # 95 %
    measured: bool  # False: no case of a class that another candidate serves was run with both
    estimated_on: str  # in words, the classes without a case in common, where it is estimated; "" = none


def told(one: Constant, of: Weighting, *, today: bool = False) -> Told:
    """Give the numbers: a month's where every class has a volume, else those of 1,000 requests."""
    scale, per = _unit(of)
    wrong, saved = (-one.right).times(THOUSAND), one.saved_in_all
    return Told(
        candidate=one.candidate,
        today=today,
        saved_usd=exact(saved.mean) * scale if one.priced else None,
        saved_interval_usd=(exact(saved.low) * scale, exact(saved.high) * scale) if one.priced else None,
        cost_usd=exact(one.cost_usd) * scale if one.cost_usd is not None else None,
        per=per,
        counted=one.priced and saved.mean != one.saved.mean,
        cost_share=one.cost_share,
        more_wrong=wrong.mean,
        more_wrong_interval=(wrong.low, wrong.high),
        measured=one.cases > 0 or not one.gaps,
        estimated_on=_estimated_on(one),
    )


def _estimated_on(one: Constant) -> str:
    if not one.gaps:
        return ""
    theirs = {gap.candidate for gap in one.gaps} == {one.candidate}
    where = "it was not run" if theirs else "not both were run"
    return f"on the {len(one.gaps)} of {one.of} classes where {where}"


def _unit(of: Weighting) -> tuple[Decimal, str]:
    """The number of requests that money is given for, and its words."""
    if not of.by_volume:
        return Decimal(THOUSAND), "per 1,000 requests"
    return exact(sum(of.requests.values())), "a month"


def told_words(found: Told) -> str:
    """Say it: "Against always top, the table saves $4.50 ($4.20 to $4.80) per 1,000 requests, at ..."."""
    where = f", estimated {found.estimated_on}" if found.estimated_on else ""
    return f"Against {_who(found)}{where}, the table {beside_words(found)}"


def _who(found: Told) -> str:
    return f"today's {found.candidate}" if found.today else f"always {found.candidate}"


def beside_words(found: Told) -> str:
    """Say what the table does beside a candidate, without naming the two."""
    if not found.measured:
        return f"{_money(found)}how many answers are wrong was not measured on the same cases"
    return f"{_money(found)}{wrong_words(found.more_wrong, found.more_wrong_interval)}"


def _money(found: Told) -> str:
    if found.saved_usd is None:
        return "has " if found.measured else ""
    saves, more = ("saves", "") if found.saved_usd >= 0 else ("costs", " more")
    counted = ", its wrong answers counted" if found.counted else ""
    return f"{saves} {saved_words(found)}{more}{_between(found)} {found.per}{counted}{_share(found)}; "


def saved_words(found: Told) -> str:
    """Give the money between the two, without its sign: as what both cost is shown, where that is exact."""
    saved_usd = found.saved_usd or Decimal(0)
    if found.estimated_on:
        return f"about {usd(abs(saved_usd))}"
    if found.cost_usd is None or found.counted or _between(found):
        return usd(abs(saved_usd))
    return usd_between(found.cost_usd, found.cost_usd + saved_usd)


def _between(found: Told) -> str:
    """Give the interval of the money, as more and less where it has 0 in it; nothing where it shows as one amount."""
    low, high = found.saved_interval_usd or (Decimal(0), Decimal(0))
    if usd(low) == usd(high):
        return ""
    near, far = sorted((abs(low), abs(high)))
    if low < 0 < high:
        ends = (f"{usd(high)} less", f"{usd(-low)} more")
        return f" ({' to '.join(ends if (found.saved_usd or 0) < 0 else reversed(ends))})"
    return f" ({usd(near)} to {usd(far)})"


def _share(found: Told) -> str:
    """What share of the candidate's cost the table's calls are; said apart where other costs are counted too."""
    if found.cost_share is None:
        return ""
    share = f"{percent(found.cost_share)} of" if found.cost_share <= _TIMES else f"{found.cost_share:.1f} times"
    return f" (its calls alone: {share} those of {_who(found)})" if found.counted else f", at {share} its cost"


def wrong_words(more_wrong: float, interval: tuple[float, float]) -> str:
    """Say how many more answers are wrong, with the interval: "1.2 more wrong in 1,000 (2 fewer to 5 more)"."""
    if interval == (0.0, 0.0):
        return "the same answers"
    return f"{_more(more_wrong)} wrong in 1,000 ({_range(*interval)})"


def _range(low: float, high: float) -> str:
    """Both ends with one word where they lie on one side: `33 to 113 more`, `2 fewer to 5 more`."""
    if low >= 0 or high <= 0:
        near, far = sorted((low, high), key=abs)
        return f"{_amount(near)} to {_more(far)}"
    return f"{_more(low)} to {_more(high)}"


def _more(number: float) -> str:
    amount = _amount(number)
    return "as many" if amount == "0" else f"{amount} {'more' if number > 0 else 'fewer'}"


def _amount(number: float) -> str:
    return f"{abs(number):.1f}".removesuffix(".0") if abs(number) < 10 else f"{abs(number):.0f}"


def weighed_by(of: Weighting) -> str:
    """Say by what classes weigh in a figure of several."""
    if not of.by_volume:
        return "their cases"
    return f"their requests a month{', as the decision log counts them' if of.measured else ''}"


def constant_words(one: Constant, of: Weighting) -> str:
    """Compare the table with one candidate for all, and say in how many classes that is at its bar."""
    return f"{told_words(told(one, of))}. {one.candidate} is at its bar in {one.passes} of {one.covered} classes."


def procedure_words(one: Constant, of: Weighting, *, today: bool = False) -> str:
    """Say how the table's rule does on cases that it did not choose on; "" where that is not known."""
    if one.procedure is None:
        return ""
    right, saved = one.procedure.right, one.procedure.saved
    tested = replace(one, right=right, saved=saved, saved_in_all=saved, cost_usd=None, gaps=())
    found = replace(told(tested, of, today=today), counted=told(one, of).counted)
    return (
        "Choosing on four fifths of the cases and looking at the rest, five times over: against "
        f"{_who(found)}, such a table {beside_words(found)}. This is an estimate of how the choice is made, not a "
        "proof of this table."
    )


def settling(open_: Sequence[Constant]) -> tuple[Gap, ...]:
    """Give the two cells whose measurement would settle most: the ones with most requests among those not run."""
    gaps = {(gap.task_class, gap.candidate): gap for one in open_ for gap in one.gaps}
    return tuple(sorted(gaps.values(), key=lambda gap: -gap.share)[:2])


def gap_words(gaps: Sequence[Gap]) -> str:
    """Name cells that were not run and their price; "" without one."""
    if not gaps:
        return ""
    said = " and ".join(f"{gap.candidate} on {gap.task_class} ({_priced(gap)})" for gap in gaps)
    return f"Running {said} would tell most."


def _priced(gap: Gap) -> str:
    cases = plural(gap.cases, "case")
    return cases if gap.price_usd is None else f"{cases}, about {usd(gap.price_usd)}"

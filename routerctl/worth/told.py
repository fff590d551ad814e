"""Turns a comparison with one candidate for all into the numbers that are told everywhere, and into their words.

Terminal, JSON, report and diff take money and risk from here. Place: the folder's eighth file, above `against`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.words import percent, plural, usd, usd_between
from routerctl.worth.against import Constant
from routerctl.worth.figures import THOUSAND, Weighting, exact
from routerctl.worth.gaps import Gap

_TIMES = 2.0  # from so many times as much on, times are plainer than hundreds of percents


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a table does beside one candidate for all, in money and wrong answers."""

    candidate: str
    today: bool  # it serves now
    saved_usd: Decimal | None  # by the table, in all; negative: it costs more; None: not known
    cost_usd: Decimal | None  # of the table's calls, for as many requests; None: not known
    per: str  # what that is counted in: "a month" or "per 1,000 requests"
    counted: bool  # the price of wrong answers is in it
    cost_share: float | None  # of the table's calls in the candidate's; None: not known
    more_wrong: float  # in 1,000 requests: not passed, for whatever reason
    more_wrong_interval: tuple[float, float]  # 95 %
    measured: bool  # False: no case of a class that another candidate serves was run with both
    classes: tuple[int, int]  # compared on common cases, and of the table


def told(one: Constant, of: Weighting, *, today: bool = False) -> Told:
    """Give the numbers: a month's where every class has a volume, else those of 1,000 requests."""
    month = sum(of.requests.values()) if of.by_volume else None
    scale = exact(THOUSAND if month is None else month)
    wrong = (-one.right).times(THOUSAND)
    return Told(
        candidate=one.candidate,
        today=today,
        saved_usd=exact(one.saved_in_all.mean) * scale if one.priced else None,
        cost_usd=exact(one.cost_usd) * scale if one.cost_usd is not None else None,
        per="per 1,000 requests" if month is None else "a month",
        counted=one.priced and one.saved_in_all.mean != one.saved.mean,
        cost_share=one.cost_share,
        more_wrong=wrong.mean,
        more_wrong_interval=(wrong.low, wrong.high),
        measured=one.cases > 0 or not one.gaps,
        classes=(one.of - len(one.gaps), one.of),
    )


def told_words(found: Told) -> str:
    """Say it: "Against always top, the table saves $4.50 per 1,000 requests, at 45.0% of its cost; ..."."""
    who = f"today's {found.candidate}" if found.today else f"always {found.candidate}"
    return f"Against {who}{_where(found)}, the table {beside_words(found)}"


def _where(found: Told) -> str:
    """On how many classes the two were compared, where that is not all."""
    compared, of = found.classes
    if compared == of or not compared:
        return ""
    return f" (on the {compared} of {of} classes where both were run)"


def beside_words(found: Told) -> str:
    """Say what the table does beside a candidate, without naming the two."""
    if not found.measured:
        return f"{_money(found, ' about')}how many answers are wrong was not measured on the same cases"
    return f"{_money(found)}{wrong_words(found.more_wrong, found.more_wrong_interval)}"


def _money(found: Told, about: str = "") -> str:
    if found.saved_usd is None:
        return "has " if found.measured else ""
    saves, more = ("saves", "") if found.saved_usd >= 0 else ("costs", " more")
    counted = ", its wrong answers counted" if found.counted else ""
    share = "" if found.cost_share is None else f", at {_share(found.cost_share)} its cost"
    return f"{saves}{about} {saved_words(found)}{more} {found.per}{counted}{share}; "


def saved_words(found: Told) -> str:
    """Give the money between the two, without its sign: as what both cost is shown, where it is that of calls alone."""
    saved_usd = found.saved_usd or Decimal(0)
    if found.cost_usd is None or found.counted:
        return usd(abs(saved_usd))
    return usd_between(found.cost_usd, found.cost_usd + saved_usd)


def _share(share: float) -> str:
    return f"{percent(share)} of" if share <= _TIMES else f"{share:.1f} times"


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


def procedure_words(one: Constant) -> str:
    """Say how the table's rule does on cases that it did not choose on; "" where that is not known."""
    if one.procedure is None:
        return ""
    wrong = (-one.procedure.right).times(THOUSAND)
    saved = one.procedure.saved
    money = ""
    if saved.mean == saved.mean:
        per = exact(saved.mean) * THOUSAND
        money = f"{'saves' if per >= 0 else 'costs'} {usd(abs(per))}{'' if per >= 0 else ' more'} per 1,000 requests; "
    risk = wrong_words(wrong.mean, (wrong.low, wrong.high))
    return (
        "Choosing on four fifths of the cases and looking at the rest, five times over: against always "
        f"{one.candidate}, such a table {money or 'has '}{risk}. This is an estimate of how the choice is made, not a "
        "proof of this table."
    )


def settling(open_: Sequence[Constant]) -> tuple[Gap, ...]:
    """Give the two cells whose measurement would settle most: those that weigh most among what was not run."""
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

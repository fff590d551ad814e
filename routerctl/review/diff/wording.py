"""The differences of two tables -> sentences a reviewer understands without knowing the file.

Every name that comes from a table goes through `name`, so that the same sentence can stand on a terminal and, quoted,
in Markdown; the other words are the program's own.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from routerctl.evaluation.worth import THOUSAND, chosen_evidence, weighed_by
from routerctl.review.diff.compare import Change, TableChanges
from routerctl.review.diff.money import Bill
from routerctl.review.diff.values import usd_words, verdict_words
from routerctl.types import Evidence, Route
from routerctl.words import percent, plural, usd

Name = Callable[[str], str]
_IN_HEADLINE = ("other candidate", "other verdict")


def headline(change: Change, name: Name = str) -> str:
    """Say of one class what became of it: choice, verdict, money, score, and what else was decided otherwise."""
    head = f"{name(change.task_class)}: "
    if change.after is None or change.before is None:
        one = change.after or change.before
        assert one is not None  # noqa: S101 - a class of neither table is no change
        return head + ("new class: " if change.after else "removed: was ") + _alone(one, name)
    before, after = change.before, change.after
    old, new = chosen_evidence(before), chosen_evidence(after)
    choice = f"{name(before.chosen)} -> {name(after.chosen)}" if before.chosen != after.chosen else name(after.chosen)
    said = [
        f"{choice}, {moved(verdict_words(before, old), verdict_words(after, new))}",
        _money(old, new),
        _score(old, new),
        ", ".join(words for words in change.what if words not in _IN_HEADLINE),
    ]
    return head + "; ".join(part for part in said if part)


def _alone(route: Route, name: Name) -> str:
    one = chosen_evidence(route)
    said = [f"{name(route.chosen)}, {verdict_words(route, one)}", _money(one, one), _score(one, one)]
    return "; ".join(part for part in said if part)


def moved(before: str, after: str) -> str:
    """Name a thing that stayed once, one that moved with both its places."""
    return after if before == after else f"{before} -> {after}"


def _money(old: Evidence | None, new: Evidence | None) -> str:
    costs = [None if one is None else one.cost_per_case_usd for one in (old, new)]
    if costs == [None, None]:
        return ""
    if None not in costs:
        said = moved(*(usd_words(cost, THOUSAND) for cost in costs))
        return f"{said} per 1,000 requests{_bracketed(share_words(*costs))}"
    return moved(
        *("not measured" if cost is None else f"{usd_words(cost, THOUSAND)} per 1,000 requests" for cost in costs)
    )


def _score(old: Evidence | None, new: Evidence | None) -> str:
    scores = [None if one is None else one.judgement.score for one in (old, new)]
    if scores == [None, None]:
        return ""
    return "score " + moved(*("unknown" if score is None else percent(score) for score in scores))


def _bracketed(words: str) -> str:
    return f" ({words})" if words else ""


def share_words(before: Decimal | None, after: Decimal | None) -> str:
    """Say how much more or less: `-91.1%`, from double on `2.3 times as much`; "" where that cannot be said."""
    if not before or after is None or before == after:
        return ""
    ratio = after / before
    if ratio >= 2:
        return f"{ratio:.1f} times as much"
    return f"{'+' if ratio > 1 else chr(0x2212)}{percent(abs(float(ratio - 1)))}"


def counts_words(found: TableChanges) -> str:
    """Count the classes that differ and those that choose otherwise."""
    if not found.differs:
        return "the tables are the same"
    differing = [one for one in found.classes if one.what]
    choosing, levels = ([one for one in differing if getattr(one, name)] for name in ("chooses", "levels"))
    again = [one for one in found.classes if not one.what and one.differences]
    classes = plural(len(found.classes), "class", "classes")
    said = [
        f"{len(differing)} of {classes} {'differs' if len(differing) == 1 else 'differ'}",
        f"{len(choosing)} with another choice" if choosing else "no choice differs",
        f"{len(levels)} with the same choice on another level" if levels else "",
        f"{len(again)} measured again" if again else "",
    ]
    return "; ".join(part for part in said if part)


def bill_words(found: Bill | None, name: Name = str) -> str:
    """Say what 1,000 requests cost under both tables, spread how and over which classes, with the wrong answers.

    Then the month's sum.
    """
    if found is None:
        return "What the tables cost cannot be compared: no class has a measured cost in both"
    volume = found.requests_per_month
    over = plural(len(found.classes), "class", "classes")
    weighs = f", weighed by {weighed_by(found.of)}" if len(found.classes) > 1 else ""
    left = f" ({', '.join(name(one) for one in found.left_out)} left out)" if found.left_out else ""
    both = [found.before_usd, found.after_usd]
    costs = moved(*(usd_words(cost, THOUSAND) for cost in both)) + _bracketed(share_words(*both))
    said = f"1,000 requests over {over}{left}{weighs}: {costs}{_wrong(found)}"
    if volume is None:
        return said
    months = moved(*(usd(cost * Decimal(repr(volume))) for cost in both))
    return f"{said}; a month of {volume:,.0f} requests: {months}"


def _wrong(found: Bill) -> str:
    if found.wrong is None:
        return ""
    return f", wrong in 1,000: {moved(*('1,000' if wrong >= 999.5 else f'{wrong:.3g}' for wrong in found.wrong))}"

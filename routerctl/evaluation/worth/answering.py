"""Turns what was found for and against a table into the answer and its sentences.

First the answer and why; then the table beside today's model and the best constant; then what would settle it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from routerctl.evaluation.worth.against import Constant
from routerctl.evaluation.worth.figures import Weighting, exact
from routerctl.evaluation.worth.told import constant_words, gap_words, settling, told, told_words
from routerctl.types import Table
from routerctl.words import plural, usd

Kind = Literal["one class", "one choice", "dominated", "volume", "eval cost", "quality critical"]
Answer = Literal["worth it", "dominated", "not worth it", "not settled"]
Number = Decimal | float | str

NO_TABLE = ("one class", "one choice")  # where there is nothing to compare: one candidate serves all as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why routing, or saving on one class, may not be worth it."""

    kind: Kind
    text: str
    numbers: Mapping[str, Number]
    decides: bool  # True: by itself enough against the table
    task_class: str | None = None  # None: it speaks of the whole table


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What reasons and the answer are found in."""

    table: Table
    of: Weighting
    ranked: tuple[Constant, ...]
    against: Constant | None
    today: Constant | None
    spend_usd: Decimal | None

    @property
    def open(self) -> list[Constant]:
        """The constants that may do as well as the table."""
        return [one for one in self.ranked if not one.ruled_out and not one.same]

    @property
    def rival(self) -> Constant | None:
        """The cheapest of these; where no cost is known the most accurate."""
        return min(
            self.open,
            key=lambda each: (not each.priced, each.saved_in_all.mean if each.priced else each.right.mean),
            default=None,
        )

    @property
    def unpriced(self) -> bool:
        """Whether money cannot be compared, as the cost of the table, or of what it is compared with, is not known."""
        return self.against is not None and not self.against.priced


def answer_of(scene: Scene, deciding: Reason | None) -> tuple[Answer, str, str]:
    """Give the answer, the advice and why."""
    if deciding:
        answer: Answer = "dominated" if deciding.kind == "dominated" else "not worth it"
        return answer, _advice(scene, deciding), deciding.text
    if scene.against is None:
        return "not settled", "", "There are no results here to compare the table on."
    if scene.unpriced:
        return "not settled", "", _no_money(scene.against, scene)
    if scene.rival:
        return "not settled", "", _open(scene.rival)
    return "worth it", "the table", _brings(scene.against, scene)


def _advice(scene: Scene, deciding: Reason) -> str:
    if deciding.kind == "dominated":
        return f"always {deciding.numbers['candidate']}"
    if deciding.kind in NO_TABLE:
        return f"always {next(iter(scene.table.routes.values())).chosen}"
    return f"always {scene.against.candidate}" if scene.against and deciding.kind in ("volume", "eval cost") else ""


def _brings(against: Constant, scene: Scene) -> str:
    """What the table brings, and after how many requests the evaluation is paid back."""
    said, spend_usd = [f"{told_words(told(against, scene.of, today=against is scene.today))}."], scene.spend_usd
    if spend_usd is not None and against.priced and against.saved_in_all.mean > 0:
        needed = plural(break_even(spend_usd, exact(against.saved_in_all.mean)), "request")
        said.append(f"The evaluation, {usd(spend_usd)} without its cache, is paid back after {needed}.")
    return " ".join([*said, *([gap_words(settling([against]))] if against.gaps else [])])


def _no_money(against: Constant, scene: Scene) -> str:
    known = any(one.priced for one in scene.ranked)
    whose, flag = (f"{against.candidate} costs", "") if known else ("models cost", " (`import --cost MODEL=USD`)")
    return f"What {whose} is not known, so nobody can say whether the table pays{flag}."


def _open(rival: Constant) -> str:
    """Say how a candidate may do as well as the table."""
    if rival.behind:
        return f"On cases that the table was not chosen on, always {rival.candidate} may do as well."
    if rival.priced and rival.saved_in_all.mean < 0:
        return f"Always {rival.candidate} costs less than the table, and is not shown to be worse."
    dearer = ", nor to be dearer" if rival.priced else ""
    return f"Always {rival.candidate} is not shown to be worse than the table{dearer}."


def beside_others(scene: Scene, answer: Answer, deciding: Reason | None) -> tuple[str, ...]:
    """Compare the table with today's model, then with the best constant, as far as the answer has not done it."""
    today = scene.today if scene.today and not scene.today.same else None
    told_of = {scene.against.candidate} if answer == "worth it" and scene.against else set[Number]()
    said = []
    if today and today.candidate not in told_of:
        said.append(f"{told_words(told(today, scene.of, today=True))}.")
        told_of.add(today.candidate)
    if deciding is None or deciding.kind not in ("dominated", *NO_TABLE):
        best = scene.rival or next((one for one in scene.ranked if not one.same), None)
        said += [constant_words(best, scene.of)] if best and best.candidate not in told_of else []
    return tuple(said)


def break_even(spend_usd: Decimal, saved_usd: Decimal) -> int:
    """Give the requests after which what was spent is saved."""
    return int((spend_usd / saved_usd).to_integral_value(ROUND_CEILING))

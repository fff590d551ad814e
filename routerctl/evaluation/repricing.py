"""A run and the present prices -> the run as if its calls had been made at these: what they cost is policy.

Only prices that routerctl.yaml states are taken: what the packaged list says of another day changes nothing. A run
keeps what each case cost and the sums of its tokens, not which of them were cached nor what each attempt took. So a
cost is counted anew only where it follows exactly from what was kept, and refused elsewhere. What was paid stays as it
was. Build, check and replay see the same costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from routerctl.costs import NOT_KNOWN, Pricer, goes_by_call, pricer_of, rates, rise
from routerctl.errors import InputError
from routerctl.evaluation.project import PROJECT_FILE, Project
from routerctl.evaluation.run.header import pinned_candidate, prices_of
from routerctl.types import Candidate, Price, Result, Run, RunHeader, Status, Table, Usage, evidence_part


def at_present_prices(run: Run, project: Project | None) -> Run:
    """Count a run's costs at the prices that a project states now; None: there is none, and all stays.

    Raises: InputError where a cost does not follow, or a candidate pins nothing or has no price.
    """
    if project is None:
        return run
    return _repriced(run, restated(project, run.header.candidates, run.header.prices))


def at_prices_of(run: Run, table: Table) -> Run:
    """Count a run's costs at the prices that a table has of the same candidates.

    Raises: InputError where a cost does not follow.
    """
    made = run.header
    same = (name for name, one in made.candidates.items() if _is_candidate(table.candidates.get(name), one))
    both = {name: table.prices[name] for name in same if name in table.prices and name in made.prices}
    return _repriced(run, {name: now for name, now in both.items() if is_restated(made.prices[name], now)})


def restated(project: Project, candidates: Mapping[str, Candidate], prices: Mapping[str, Price]) -> dict[str, Price]:
    """Give the prices that have changed, of the candidates that are still the same; a list's own changes do not count.

    Raises: InputError for a candidate that pins nothing or has no price.
    """
    found = {}
    for name, one in candidates.items():
        was = prices.get(name)
        if was is not None and is_same(project, name, one):
            now = prices_of(project, {name: evidence_part(one)}, date.fromisoformat(was.date))[name]
            if is_restated(was, now):
                found[name] = now
    return found


def is_same(project: Project, name: str, candidate: Candidate) -> bool:
    """Tell whether routerctl.yaml means the same by a candidate's name, policy apart.

    Raises: InputError for a candidate that pins nothing.
    """
    return name in project.candidates and _is_candidate(pinned_candidate(project, name), candidate)


def is_restated(was: Price, now: Price) -> bool:
    """Tell whether a price differs because the user says so, not because a list is of another day.

    A cost that is not known, of imported replies, stays so.
    """
    sources = (now.source, was.source)
    return now != was and NOT_KNOWN not in sources and any(one.startswith(PROJECT_FILE) for one in sources)


def _is_candidate(one: Candidate | None, other: Candidate) -> bool:
    return one is not None and evidence_part(one) == evidence_part(other)


def _repriced(run: Run, prices: Mapping[str, Price]) -> Run:
    """Count costs anew at `prices`, by candidate; costs that came with imported outcomes stay.

    Raises: InputError.
    """
    if not prices:
        return run
    moves = {name: _move(run.header, name, price) for name, price in prices.items()}
    if run.header.imported:
        moves = {name: one for name, one in moves.items() if _explains(one, run, name)}
    results = tuple(_counted(one, moves, run.header.run_id) for one in run.results)
    return Run(header=replace(run.header, prices={**run.header.prices, **prices}), results=results)


def _explains(move: _Move, run: Run, candidate: str) -> bool:
    """Tell whether imported costs were counted with the price that a candidate had."""
    answered = [one for one in run.results if one.candidate == candidate and one.status is not Status.FAILED]
    return all(move.explains(one) and move.tells(one) for one in answered)


def _counted(result: Result, moves: Mapping[str, _Move], run_id: str) -> Result:
    asked = [moves.get(name) for name in (result.candidate, result.served_by) if name]
    if not any(asked):
        return result
    cost_usd = _cost(result, asked)
    if cost_usd is None and result.status is Status.FAILED:  # no answer, and no record of each attempt's cost
        return result
    if cost_usd is None:
        who = " or ".join(repr(name) for name in (result.candidate, result.served_by) if name in moves)
        raise InputError(
            f"the price of {who} has changed, and run {run_id} does not say what {result.candidate}'s calls cost at "
            f"the new one ({_why_not(asked)}); run `routerctl eval` (replies already paid for cost nothing)"
        )
    return result if cost_usd == result.cost_usd else replace(result, cost_usd=cost_usd, recorded_usd=result.cost_usd)


def _cost(result: Result, asked: list[_Move | None]) -> Decimal | None:
    """Give what a case costs now, None where that is not known; `asked`: None for a candidate whose price stayed."""
    if len(asked) == 1 and asked[0] and asked[0].tells(result):
        return asked[0].new(_usage(result), result.latency_s or 0.0)
    all_times = {one.times if one else Fraction(1) for one in asked}
    times = all_times.pop()
    return None if all_times or times is None else result.cost_usd * times.numerator / times.denominator


def _why_not(asked: list[_Move | None]) -> str:
    if len(asked) > 1:
        return "it keeps the sums of both candidates' calls"
    if any(one and one.now.usd_per_hour is not None for one in asked):
        return "it does not keep what each attempt took"
    return "it keeps the sums of tokens, not which of them were cached or how long each call was"


# --- one candidate's price --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """A candidate's price then and now."""

    was: Price
    now: Price
    old: Pricer
    new: Pricer

    @property
    def times(self) -> Fraction | None:
        """By how much all of the price has risen; None where its parts moved apart."""
        return rise(self.was, self.now)

    def explains(self, result: Result) -> bool:
        """Tell whether what a case cost is what its sums cost at the old price."""
        return self.old(_usage(result), result.latency_s or 0.0) == result.cost_usd

    def tells(self, result: Result) -> bool:
        """Tell whether what a case costs at the new price follows from its sums."""
        one_call = result.calls == 1 and not result.retries
        if self.now.usd_per_hour is not None:
            return (one_call and result.latency_s is not None) or (
                bool(self.was.usd_per_hour) and self.explains(result)
            )
        if goes_by_call(self.now) and not one_call:
            return False
        before, after = (_cached_parts(price, result.input_tokens) for price in (self.was, self.now))
        # A cost at the old price shows each kind of cached tokens that it set apart, as the new price does.
        shows = all(was or not now for was, now in zip(before, after, strict=True))
        if not (_counts_tokens(result) and shows):
            return False
        # Where no part of the new price is for cached tokens, it does not matter how many the old one was paid for.
        hidden = self.was.usd_per_hour is not None or any(before)
        return self.explains(result) or (hidden and not any(after))


def _move(header: RunHeader, name: str, now: Price) -> _Move:
    one, was = header.candidates[name], header.prices[name]
    old, new = (pricer_of(price, header.providers[one.provider], one.model) for price in (was, now))
    return _Move(was=was, now=now, old=old, new=new)


def _cached_parts(price: Price, input_tokens: int) -> tuple[bool, bool]:
    """Tell whether a token read from the provider's cache, and one written to it, cost otherwise than a plain one."""
    plain, read, write, _ = rates(price, input_tokens)
    return read != plain, write != plain


def _counts_tokens(result: Result) -> bool:
    """Whether its tokens were counted, if there are any: some servers that are priced by time do not."""
    return not result.calls or bool(result.input_tokens)


def _usage(result: Result) -> Usage:
    return Usage(input_tokens=result.input_tokens, output_tokens=result.output_tokens)

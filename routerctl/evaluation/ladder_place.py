"""A candidate and the ladder of the present table -> the ladder with the proposed candidate on it.

Its place goes by the price of the same tokens: before the first rung that is dearer, after those that cost the same.
The tokens are those that a call took in the runs the table rests on; a vote or a critique counts as the calls it may
take. Nothing is guessed: where a price is by the hour, or no run is here, it goes last or where the user says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from routerctl.costs import pricer_of
from routerctl.errors import InputError, RouterctlError, nearest
from routerctl.evaluation.project import PROJECT_FILE, Project
from routerctl.evaluation.run.header import pinned_candidate, prices_of
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.table import TABLE_FILE
from routerctl.types import Candidate, Table, Usage, evidence_part
from routerctl.words import usd

_REFLEXION_CALLS = 3  # answer, critique, revision


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPlace:
    """A ladder with a candidate more, and why it stands where it stands."""

    candidate: str
    rungs: tuple[str, ...]
    why: str

    @property
    def before(self) -> str | None:
        """The rung below it; None where it is the first."""
        at = self.rungs.index(self.candidate)
        return self.rungs[at - 1] if at else None


def ladder_place(name: str, project: Project, table: Table, *, after: str | None, today: date) -> LadderPlace:
    """Put a candidate of routerctl.yaml on the ladder of the present table.

    Raises: InputError where it or `after` is unknown, where it is on the ladder already, or where a rung of the table
    is not what routerctl.yaml says of it now.
    """
    if name not in project.candidates:
        known = [one for one in project.candidates if one not in table.ladder]
        raise InputError(f"no candidate {name!r}{nearest(name, known)}", file=PROJECT_FILE)
    if name in table.ladder:
        problem = f"{name!r} is on its ladder {table.ladder_name!r} already: nothing to propose"
        raise InputError(problem, file=TABLE_FILE)
    _check_rungs(project, table)
    if after is not None:
        if after not in table.ladder:
            problem = f"--after: no rung {after!r} on ladder {table.ladder_name!r}{nearest(after, table.ladder)}"
            raise InputError(problem, file=TABLE_FILE)
        return _placed(name, table, table.ladder.index(after) + 1, f"after {after}, as asked for")
    return _by_price(name, project, table, today)


def _check_rungs(project: Project, table: Table) -> None:
    """Check that the new candidate is compared with what serves now, not with something else of the same name."""
    for rung in table.ladder:
        if rung not in project.candidates:
            problem = f"candidate {rung!r} of {TABLE_FILE} is missing; a proposal is compared with what the table pins"
            raise InputError(problem, file=PROJECT_FILE)
        if evidence_part(pinned_candidate(project, rung)) != evidence_part(table.candidates[rung]):
            problem = f"is not what {TABLE_FILE} was built with; run `routerctl eval` and `routerctl build-table` first"
            raise project.error(("candidates", rung), problem)


def _placed(name: str, table: Table, at: int, why: str) -> LadderPlace:
    return LadderPlace(candidate=name, rungs=(*table.ladder[:at], name, *table.ladder[at:]), why=why)


def _by_price(name: str, project: Project, table: Table, today: date) -> LadderPlace:
    candidates = {rung: pinned_candidate(project, rung) for rung in (*table.ladder, name)}
    costs, why_not = _costs(project, table, candidates, today)
    if why_not:
        return _placed(name, table, len(table.ladder), f"last, since {why_not}; --after RUNG puts it elsewhere")
    dearer = next((rung for rung in table.ladder if costs[rung] > costs[name]), None)
    if dearer is None:
        return _placed(name, table, len(table.ladder), "last: no rung is dearer for the same tokens")
    why = f"before {dearer}: the same tokens cost {usd(costs[name])} with {name}, {usd(costs[dearer])} with {dearer}"
    return _placed(name, table, table.ladder.index(dearer), why)


def _costs(
    project: Project, table: Table, candidates: Mapping[str, Candidate], today: date
) -> tuple[dict[str, Decimal], str]:
    """Price a case of the table's own tokens with each candidate, in USD; or say why that cannot be done."""
    prices = prices_of(project, candidates, today)
    if any(price.usd_per_hour is not None for price in prices.values()):
        return {}, "a price by the hour and another cannot be compared before the seconds are measured"
    usage = _usage(project.root, table)
    if usage is None:
        return {}, f"no run that {TABLE_FILE} rests on says how many tokens a call takes"
    costs = {}
    for name, one in candidates.items():
        pricer = pricer_of(prices[name], project.providers[one.provider], one.model)
        costs[name] = pricer(usage, 0.0) * _calls(one)
    return costs, ""


def _calls(candidate: Candidate) -> int:
    return _REFLEXION_CALLS if candidate.strategy.name == "reflexion" else candidate.strategy.samples


def _usage(root: Path, table: Table) -> Usage | None:
    """Average the tokens of a call over the runs that the table rests on; None where they have none."""
    calls = input_tokens = output_tokens = 0
    for run_id in sorted({route.run_id for route in table.routes.values()}):
        try:
            results = read_run(run_folder(root, run_id)).results
        except RouterctlError:  # reports may be kept elsewhere; `check` is who complains
            continue
        asked = [one for one in results if one.task_class in table.routes]
        calls += sum(one.calls for one in asked)
        input_tokens += sum(one.input_tokens for one in asked)
        output_tokens += sum(one.output_tokens for one in asked)
    if not calls or not input_tokens + output_tokens:
        return None
    return Usage(input_tokens=round(input_tokens / calls), output_tokens=round(output_tokens / calls))

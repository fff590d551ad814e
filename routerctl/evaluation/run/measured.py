"""Earlier runs and what was logged -> what a case of each class x candidate took, and its outcome.

A measurement counts where the candidate was asked in the same way: same model, provider, effort, sampling, strategy and
escalation. Dollars are at the prices of the coming run. It judges nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from statistics import fmean

from routerctl.costs import Pricer, pricers_of
from routerctl.errors import RouterctlError
from routerctl.evaluation.run_files import read_header, read_run, run_folders
from routerctl.evaluation.selection import outcome_of
from routerctl.types import ClassHeader, Result, RunHeader, Status, Usage
from routerctl.types.evaluation import LoggedUsage

_LOOKED = 20  # runs that are read, newest first
_JUDGING = Usage(input_tokens=1000, output_tokens=100)  # a judge's call, to compare two prices by

Key = tuple[str, str]  # task class, candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a case took on average, judging apart."""

    cases: int  # measured
    calls: float
    input_tokens: float
    output_tokens: float
    seconds: float | None  # None: not measured
    usd: Decimal
    judge_usd: Decimal | None = None  # one judge's call; None: none was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known from before; each mapping holds what was measured."""

    of_class: Mapping[Key, Took] = field(default_factory=dict)
    of_log: Mapping[Key, Took] = field(default_factory=dict)
    of_candidate: Mapping[str, Took] = field(default_factory=dict)  # over all classes
    values: Mapping[Key, Mapping[str, float]] = field(default_factory=dict)  # outcome in [0, 1] by case id


def measure(root: Path, header: RunHeader, logged: Iterable[LoggedUsage] = ()) -> Measured:
    """Look up what the candidates of a coming run took before, in the run with most results of each class.

    `logged`: what was logged of them while serving.
    """
    best: dict[Key, tuple[RunHeader, list[Result]]] = {}
    for earlier, results in _runs(root, header):
        for key, own in _by_key(results).items():
            if _is_same(key[1], earlier, header) and len(own) > len(best.get(key, (earlier, []))[1]):
                best[key] = earlier, own
    measured = {key: _took(own, earlier, header, key) for key, (earlier, own) in best.items()}
    took = {key: one for key, one in measured.items() if one is not None}
    of_candidate = defaultdict(list)
    for (_, name), one in took.items():
        of_candidate[name].append(one)
    return Measured(
        of_class=took,
        of_log=_logged(logged, header),
        of_candidate={name: _together(several) for name, several in of_candidate.items()},
        values={
            key: _values(own, header.classes[key[0]]) for key, (_, own) in best.items() if key[0] in header.classes
        },
    )


def _runs(root: Path, header: RunHeader) -> Iterator[tuple[RunHeader, Sequence[Result]]]:
    """Give the newest runs that asked any of the candidates; how imported outcomes were asked for is not known."""
    for folder in run_folders(root)[:_LOOKED]:
        try:
            earlier = read_header(folder)
            if not earlier.imported and any(_is_same(name, earlier, header) for name in header.ladder):
                yield earlier, read_run(folder).results
        except RouterctlError:  # a damaged run tells nothing; `build-table` names it
            continue


def _is_same(name: str, earlier: RunHeader, header: RunHeader) -> bool:
    """Tell whether a candidate was asked as it will be, and the one that it escalates to as well."""
    one, other = header.candidates.get(name), earlier.candidates.get(name)
    if one is None or other is None or replace(one, also=()) != replace(other, also=()):
        return False
    return one.escalation is None or _is_same(one.escalation.to, earlier, header)


def _by_key(results: Iterable[Result]) -> dict[Key, list[Result]]:
    found: dict[Key, list[Result]] = defaultdict(list)
    for one in results:
        found[one.task_class, one.candidate].append(one)
    return found


def _took(results: Sequence[Result], earlier: RunHeader, header: RunHeader, key: Key) -> Took | None:
    """Average what was answered; None where nothing was."""
    answered = [one for one in results if one.status is not Status.FAILED and one.calls]
    if not answered:
        return None
    mean = {name: fmean(getattr(one, name) for one in answered) for name in _COUNTS}
    seconds = fmean([one.latency_s for one in answered if one.latency_s is not None] or [0.0])
    usage = Usage(input_tokens=round(mean["input_tokens"]), output_tokens=round(mean["output_tokens"]))
    usd = sum((one.cost_usd for one in answered), Decimal(0)) / len(answered)
    return Took(
        cases=len(answered),
        **mean,
        seconds=seconds,
        usd=usd * _dearer(key[1], earlier, header, usage, seconds),
        judge_usd=_judge_usd(answered, earlier.classes[key[0]].judge, earlier, header),
    )


_COUNTS = ("calls", "input_tokens", "output_tokens")


def _dearer(name: str, earlier: RunHeader, header: RunHeader, usage: Usage, seconds: float) -> Decimal:
    """Compare a candidate's price now with that of an earlier run, on its usual call; 1 where either was nothing."""
    if earlier.prices[name] == header.prices[name]:
        return Decimal(1)
    then, now = (pricers_of(one)[name](usage, seconds) for one in (earlier, header))
    return now / then if now and then else Decimal(1)


def _judge_usd(answered: Sequence[Result], judge: str, earlier: RunHeader, header: RunHeader) -> Decimal | None:
    calls = sum(one.judge_calls for one in answered)
    if not calls or not _is_same(judge, earlier, header):
        return None
    spent = sum((one.judge_usd for one in answered), Decimal(0))
    return spent / calls * _dearer(judge, earlier, header, _JUDGING, 1.0)


def _together(several: Sequence[Took]) -> Took:
    """Average over classes, each as often as its cases were measured."""
    cases = sum(one.cases for one in several)
    mean = {name: sum(getattr(one, name) * one.cases for one in several) / cases for name in _COUNTS}
    seconds = sum((one.seconds or 0.0) * one.cases for one in several) / cases
    usd = sum((one.usd * one.cases for one in several), Decimal(0)) / cases
    return Took(cases=cases, **mean, seconds=seconds, usd=usd)


def _values(results: Iterable[Result], of_class: ClassHeader) -> dict[str, float]:
    """Give the outcome of each case, all its epochs together."""
    by_case: dict[str, list[Result]] = defaultdict(list)
    for one in results:
        by_case[one.case_id].append(one)
    return {case_id: outcome_of(own, of_class.measure).value for case_id, own in by_case.items()}


def _logged(logged: Iterable[LoggedUsage], header: RunHeader) -> dict[Key, Took]:
    """Average what the candidates that serve alone took while serving."""
    pricers = pricers_of(header)
    return {
        (one.task_class, one.candidate): _took_there(one, pricers[one.candidate])
        for one in logged
        if one.candidate in header.ladder and header.candidates[one.candidate].model == one.model
    }


def _took_there(one: LoggedUsage, pricer: Pricer) -> Took:
    usage = Usage(input_tokens=round(one.input_tokens), output_tokens=round(one.output_tokens))
    return Took(
        cases=one.decisions,
        calls=one.calls,
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        seconds=one.latency_s,
        usd=pricer(usage, one.latency_s),
    )

"""A run and a class -> what confidence signals are good for between its candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from routerctl.errors import InputError
from routerctl.evaluation.build import choice_of, evidence_of
from routerctl.evaluation.labels import Label
from routerctl.evaluation.selection import Question, alpha_of_attempt, outcome_of, question_of
from routerctl.statistics import least_cases
from routerctl.tuning.thresholds.bounds import mean_of, needed
from routerctl.tuning.thresholds.findings import ClassFinding, PairFinding, Promise, SignalFinding, ThresholdPoint
from routerctl.tuning.thresholds.fixed_sequence import Walk, outcomes_of, points_of, walks
from routerctl.tuning.thresholds.pairs import AnsweredPair, Pairs, pairs_of
from routerctl.types import Evidence, RelativeBar, Result, Run, Status


def calibrate_class(
    run: Run, task_class: str, labels: Sequence[Label] = (), *, risk: float | None = None
) -> ClassFinding:
    """Find thresholds for each cheaper candidate that may escalate to the one that the run chooses for the class.

    Where the cheapest is itself the choice, the pair is that one and the next on the ladder. `risk`: the probability
    that any cascade called proven is not; the run's own where left out. It is divided by all pairs there could have
    been, since which of them is looked at depends on the same results.

    Raises: InputError where fewer than two candidates, cascades apart, were run on the class.
    """
    header, of_class = run.header, run.header.classes[task_class]
    evidence = {one.candidate: one for one in evidence_of(run, task_class, labels)}
    ladder = [name for name in evidence if header.candidates[name].escalation is None]
    if len(ladder) < 2:
        asked = ", ".join(ladder) or "nobody"
        raise InputError(f"{task_class}: run {header.run_id} asked {asked}; a cascade needs two candidates' results")
    if isinstance(of_class.bar, RelativeBar):
        raise InputError(f"{task_class}: thresholds are proven against a bar that is a number, not one against a model")
    risk = header.risk if risk is None else risk
    pairs = len(ladder) * (len(ladder) - 1) // 2
    share = alpha_of_attempt(risk, of_class.attempt, of_class.grows) / pairs
    question = _question(run, task_class, share)
    return ClassFinding(
        task_class=task_class,
        run_id=header.run_id,
        bar=of_class.bar,
        proof_bar=question.proof_bar,
        risk=risk,
        planned=of_class.n,
        pairs=tuple(
            _pair(run, question, pairs_of(run, task_class, first, second, labels), evidence[first])
            for first, second in _which(run, task_class, ladder, evidence)
        ),
    )


def _which(run: Run, task_class: str, ladder: Sequence[str], evidence: Mapping[str, Evidence]) -> list[tuple[str, str]]:
    chosen = choice_of(run, task_class, [evidence[name] for name in ladder], ladder=ladder).chosen
    place = max(ladder.index(chosen), 1)
    return [(first, ladder[place]) for first in ladder[:place]]


def _question(run: Run, task_class: str, alpha: float) -> Question:
    """Put the class's own question of a cascade, one reply a case; mode `point` proves nothing, so it is not asked."""
    asked = question_of(run.header.classes[task_class], run.header)
    betting = asked.weighted or asked.measure == "mean_score"
    return replace(
        asked,
        alpha=alpha,
        mode="margin" if asked.mode == "margin" else "proven",
        method="clusters" if asked.method == "clusters" else "betting" if betting else "exact",
        epochs=1,
    )


def _pair(run: Run, question: Question, pairs: Pairs, evidence: Evidence) -> PairFinding:
    header, of = run.header, pairs.of
    if not of:
        raise InputError(f"run {header.run_id} has no case that {evidence.candidate} and the next candidate answered")
    firsts, seconds = [pair.first for pair in of], [pair.second for pair in of]
    # Imported outcomes without a cost are not free.
    known = not header.imported or all(any(one.cost_usd for one in each) for each in (firsts, seconds))
    fixed = header.full and len(of) >= question.n and pairs.trust != "labels"
    taken = walks(pairs.known)
    question = replace(question, alpha=question.alpha / max(len(taken), 1))
    first_usd, second_usd = (_per_task_usd(firsts), _per_task_usd(seconds)) if known else (None, None)
    return PairFinding(
        first=evidence.candidate,
        second=seconds[0].candidate,
        cases=len(of),
        alpha=question.alpha,
        fixed=fixed,
        trust=pairs.trust,
        first_score=mean_of([outcome_of([one], question.measure) for one in firsts]),
        second_score=mean_of([outcome_of([one], question.measure) for one in seconds]),
        first_usd=first_usd,
        second_usd=second_usd,
        first_passes=evidence.judgement.verdict.passes,
        least_cases=least_cases(question.proof_bar, question.alpha),
        signals=tuple(_signal(pairs, walk, question, fixed=fixed, second_usd=second_usd) for walk in taken),
    )


def _per_task_usd(results: Sequence[Result]) -> Decimal:
    return sum((one.cost_usd for one in results), Decimal(0)) / len(results)


def _signal(pairs: Pairs, walk: Walk, question: Question, *, fixed: bool, second_usd: Decimal | None) -> SignalFinding:
    found = SignalFinding(
        signal=walk.signal,
        description=walk.description,
        promise=Promise.OWN_WORD,
        separation=None,
        best=None,
    )
    if walk.signal == "judge" and pairs.trust == "judge":
        return found
    check_usd = None if second_usd is None else _check_usd(pairs.of, walk)
    points = points_of(pairs.of, walk, question, fixed=fixed, check_usd=check_usd)
    found = replace(found, separation=separation(pairs.of, walk), points=points)
    acting = [point for point in points if _acts(pairs.of, point)]
    if not acting:
        return replace(found, promise=Promise.TELLS_NOTHING)
    proven = [point for point in acting if point.proven]
    if proven:
        best = min(proven, key=lambda point: point.cost_usd or Decimal(0))
        return replace(found, best=best, promise=_worth(best, second_usd))
    best = max(acting, key=lambda point: (point.score, -point.escalated))
    enough = needed(outcomes_of(pairs.of, best.below, question.measure), question)
    reaches = best.score >= question.bar - 1e-12
    return replace(found, best=best, promise=Promise.NOT_PROVEN if reaches else Promise.MISSES, needed_cases=enough)


def _acts(pairs: Sequence[AnsweredPair], point: ThresholdPoint) -> bool:
    """Tell whether the thresholds themselves send some cases on, and not all: a call that failed goes on anyhow."""
    failed = sum(pair.first.status is Status.FAILED for pair in pairs)
    return failed < point.rejected < len(pairs)


def _worth(best: ThresholdPoint, second_usd: Decimal | None) -> Promise:
    if best.cost_usd is None or second_usd is None:
        return Promise.UNPRICED
    return Promise.PAYS if best.cost_usd < second_usd else Promise.DEARER


def _check_usd(pairs: Sequence[AnsweredPair], walk: Walk) -> Decimal:
    """Say what measuring the signals costs per task: a judge is asked, all others are free."""
    if "judge" not in walk.signals:
        return Decimal(0)
    return sum((pair.first.judge_usd for pair in pairs), Decimal(0)) / len(pairs)


def separation(pairs: Sequence[AnsweredPair], walk: Walk) -> float | None:
    """Return P(a right answer's value exceeds a wrong one's), ties half: the area under the ROC.

    None where the first candidate has only right or only wrong answers that have a value.
    """
    right, wrong = (_lowest_values(pairs, walk, passed) for passed in (True, False))
    if not right or not wrong:
        return None
    wins = sum((high > low) + (high == low) / 2 for high in right for low in wrong)
    return wins / (len(right) * len(wrong))


def _lowest_values(pairs: Sequence[AnsweredPair], walk: Walk, passed: bool) -> list[float]:
    of = (pair for pair in pairs if _told(pair.first, passed))
    told = ([pair.values[name] for name in walk.signals if name in pair.values] for pair in of)
    return [min(values) for values in told if values]


def _told(result: Result, passed: bool) -> bool:
    return result.status is not Status.FAILED and result.passed is passed

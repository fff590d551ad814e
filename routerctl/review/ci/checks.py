"""Turns a table and a comparison into checks: one per class for its bar, one per class for its regression.

And one for each class in which another model than the pin answered, or that another candidate would serve.

Four outcomes, kept apart because each asks somebody else to act: PASSED; FAILED, the quality is not there, or is not
proven where a gate asks for that; ERROR, the far side did not answer, a scorer could not decide, or nothing at all
could be compared; SKIPPED, too few cases to tell or candidates that were not asked (an ERROR where strict), or what
only a strict gate minds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from routerctl.errors import GateError, Inconclusive, ProviderError, RouterctlError
from routerctl.evaluation.regression import ClassRegression, Regression, class_words
from routerctl.evaluation.regression.wording import verdict_words as regression_verdict
from routerctl.evaluation.selection import nobody_words, not_asked_words, verdict_words
from routerctl.evaluation.unpinned import ADVICE, unpinned_evidence
from routerctl.types import Evidence, Result, Route, Table, Verdict
from routerctl.words import count, grouped, missing_words

Strict = Literal["proven", "provisional"]  # the least level that a gate accepts
FAR_SIDE = "far side"
UNSCORED = "unscored"
TOO_FEW = "too few cases"
NOT_ASKED = "not run"
NOTHING = "nothing to compare"
OTHER_MODEL = "another model"

Latencies = Mapping[tuple[str, str], float]  # (task class, candidate) -> seconds, summed over its cases

_GRAVEST_FIRST: tuple[type[RouterctlError], ...] = (GateError, ProviderError, Inconclusive)
_HEADS = {"model": "another model than the pin answered for", "choice": "the choice would change:"}
# By the kind of check, or by what could not be decided.
_NEXT = {
    "regression": "`routerctl eval` asks the other candidates too and `routerctl build-table` takes one that passes; "
    "or undo what changed: prompt, scorer, cases, or the model",
    "model": f"{ADVICE}, then `routerctl build-table`",
    "choice": "`routerctl build-table` adopts the new choice: commit routes.yaml and the run in reports/ with it",
    "bar": "the report says what each class lacks: cases, a better prompt, a stronger candidate, or a lower bar",
    TOO_FEW: "add cases: the report says how many are enough",
    NOT_ASKED: "`routerctl eval` runs the candidates that were not asked",
    FAR_SIDE: "run again once the provider answers: what was paid for is in the cache",
    UNSCORED: "fix the scorer: the report shows the replies that it could not score",
    NOTHING: "`routerctl eval` and `routerctl build-table` make evidence that can be compared with",
}
_UNDECIDED = {
    FAR_SIDE: "the calls failed for",
    UNSCORED: "the replies could not be scored for",
    TOO_FEW: "too few cases to decide for",
    NOT_ASKED: "not all candidates were run for",
    NOTHING: "nothing to compare for",
}


class CheckOutcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question with its outcome; every text may be hostile."""

    task_class: str  # "" = all classes together
    candidate: str
    kind: Literal["bar", "regression", "model", "choice"]
    outcome: CheckOutcome
    what: str  # the verdict or the reason in a word or two: "proven", "far side"
    reason: str  # a sentence
    broken: tuple[str, ...] = ()  # newly broken cases, worst first
    latency_s: float = 0.0  # of all its cases together

    @property
    def name(self) -> str:
        """What the check is called, the same in every run: `extract: bar`."""
        return f"{self.task_class or 'all classes'}: {self.kind}"

    @property
    def error(self) -> type[RouterctlError] | None:
        """What a gate that minds this check ends with; None where it does not stop one."""
        if self.outcome is CheckOutcome.FAILED:
            return GateError
        if self.outcome is CheckOutcome.ERROR:
            return ProviderError if self.what == FAR_SIDE else Inconclusive
        return None


def checks_of(
    table: Table | None,
    regression: Regression | None,
    *,
    strict: Strict | None = None,
    latencies_s: Latencies | None = None,
    present: Table | None = None,
) -> tuple[Check, ...]:
    """List the checks of a table and of a comparison, either of which may be missing, in the order of their classes.

    `strict`: the least level that passes, and too few cases are an error; None: provisional passes. `latencies_s`: the
    time that a check shows. `present`: the table that serves now, to whose choices those of `table` are compared.
    """
    times = latencies_s or {}
    found = [] if table is None else [_bar(route, table, times, strict=strict) for route in table.routes.values()]
    minded = CheckOutcome.FAILED if strict else CheckOutcome.SKIPPED
    if table is not None:
        found += _models({name: unpinned_evidence(table, one) for name, one in table.routes.items()}, table, minded)
        found += _choices(table, present, minded)
    if regression is not None:
        served = {} if table is None else {name: route.chosen for name, route in table.routes.items()}
        # A comparison that compared nothing at all is no pass, strict or not.
        strict_there = strict is not None or not any(one.n for one in regression.classes)
        found += [_regression(one, served, strict=strict_there) for one in regression.classes]
        found += _models({one.task_class: one.foreign for one in regression.classes}, None, minded)
        if regression.pooled_p is not None:
            found.append(_pooled(regression))
    return tuple(found)


def latencies_of(results: Iterable[Result]) -> dict[tuple[str, str], float]:
    """Sum the latencies of results by class and candidate, in seconds."""
    sums: dict[tuple[str, str], float] = {}
    for result in results:
        key = (result.task_class, result.candidate)
        sums[key] = sums.get(key, 0.0) + (result.latency_s or 0.0)
    return sums


def undecided(route: Route) -> bool:
    """Tell whether a candidate of a route that does not pass might be proven with more cases: nothing denies it."""
    return not route.evidence or any(
        one.judgement.verdict in (Verdict.NOT_PROVEN, Verdict.PROVISIONAL)
        and (one.judgement.cases == 0 or (one.judgement.score or 0) >= one.judgement.bar)
        for one in route.evidence
    )


# --- one check --------------------------------------------------------------------------------------------------------


def _bar(route: Route, table: Table, times: Latencies, *, strict: Strict | None) -> Check:
    outcome, what, reason = _bar_outcome(route, table, strict=strict)
    return Check(
        task_class=route.task_class,
        candidate=route.chosen,
        kind="bar",
        outcome=outcome,
        what=what,
        reason=reason,
        latency_s=times.get((route.task_class, route.chosen), 0.0),
    )


def _bar_outcome(route: Route, table: Table, *, strict: Strict | None) -> tuple[CheckOutcome, str, str]:
    chosen = next((one for one in route.evidence if one.candidate == route.chosen), None)
    said = f"{route.chosen} was not run." if chosen is None else _said(chosen)
    if route.passing and chosen is not None:
        if strict == "proven" and not route.settled:
            why = f"Not proven, which --strict asks for (--strict=provisional does not). {said}"
            return CheckOutcome.FAILED, route.level, why
        return CheckOutcome.PASSED, route.level, said
    nobody = nobody_words(route)
    down = max(route.evidence, key=_unanswered, default=None)
    if down is not None and _unanswered(down) >= 0.5:
        what, whose = (FAR_SIDE, "the provider") if down.failed >= down.unscored else (UNSCORED, "the scorer")
        missing = f"{down.candidate}: {missing_words(down.failed, down.unscored)}"
        return CheckOutcome.ERROR, what, f"{missing}: {whose}, not the answers, decided this. {nobody} {said}"
    open_ = CheckOutcome.ERROR if strict else CheckOutcome.SKIPPED
    if missing := not_asked_words(route, table):
        return open_, NOT_ASKED, f"{nobody} {missing[0].upper()}{missing[1:]}. {said}"
    if undecided(route):
        return open_, TOO_FEW, f"Too few cases to decide. {nobody} {said}"
    return CheckOutcome.FAILED, NOT_ASKED if chosen is None else route.level, f"{nobody} {said}"


def _said(one: Evidence) -> str:
    missing = missing_words(one.failed, one.unscored)
    found = f"{one.candidate}: {grouped(verdict_words(one.judgement))}"
    return f"{found} Counted as not passed: {missing}." if missing else found


def _unanswered(one: Evidence) -> float:
    """The share of what did not pass that nothing was learnt of: the call failed, or the scorer could not decide."""
    nothing = one.failed + one.unscored
    missed = max(one.judgement.cases - one.judgement.passes, nothing)
    return 0.0 if one.judgement.verdict.passes or not missed else nothing / missed


def _regression(one: ClassRegression, served: Mapping[str, str], *, strict: bool) -> Check:
    outcome, what = CheckOutcome.PASSED, "no regression found"
    if one.alarm:
        outcome, what = CheckOutcome.FAILED, "regression"
    elif not one.n and one.failed:
        outcome, what = CheckOutcome.ERROR, FAR_SIDE
    elif not one.n or one.too_few:
        outcome, what = (CheckOutcome.ERROR if strict else CheckOutcome.SKIPPED), TOO_FEW if one.n else NOTHING
    return Check(
        task_class=one.task_class,
        candidate=one.candidate or served.get(one.task_class, ""),
        kind="regression",
        outcome=outcome,
        what=what,
        reason=class_words(one),
        broken=one.broke if one.alarm else (),
    )


def _models(foreign: Mapping[str, Sequence[str]], table: Table | None, outcome: CheckOutcome) -> Iterator[Check]:
    """Tell of the classes in which another model than the pin answered: sentences by task class."""
    for name, words in foreign.items():
        if words:
            yield Check(
                task_class=name,
                candidate="" if table is None else table.routes[name].chosen,
                kind="model",
                outcome=outcome,
                what=OTHER_MODEL,
                reason=f"{'; '.join(words)}.",
            )


def changed_choices(table: Table, present: Table | None) -> dict[str, tuple[str, str]]:
    """Give, by class, who serves in the present table and who would by this one, where they differ."""
    if present is None or present.ladder != table.ladder:
        return {}
    both = {name: present.routes[name].chosen for name in table.routes if name in present.routes}
    return {name: (was, table.routes[name].chosen) for name, was in both.items() if was != table.routes[name].chosen}


def _choices(table: Table, present: Table | None, outcome: CheckOutcome) -> Iterator[Check]:
    for name, (was, now) in changed_choices(table, present).items():
        yield Check(
            task_class=name,
            candidate=now,
            kind="choice",
            outcome=outcome,
            what=f"{was} -> {now}",
            reason=f"The choice would change: {was} -> {now}.",
        )


def _pooled(regression: Regression) -> Check:
    outcome = CheckOutcome.FAILED if regression.pooled_alarm else CheckOutcome.PASSED
    return Check(
        task_class="",
        candidate="",
        kind="regression",
        outcome=outcome,
        what="regression" if regression.pooled_alarm else "no regression found",
        reason=regression_verdict(regression),
        broken=tuple(f"{one.task_class}: {case}" for one in regression.classes for case in one.broke)
        if regression.pooled_alarm
        else (),
    )


def counts(checks: Iterable[Check]) -> str:
    """Count outcomes in words: `6 passed, 1 failed`."""
    listed = [check.outcome for check in checks]
    found = [f"{count(listed.count(kind))} {kind.value}" for kind in CheckOutcome if kind in listed]
    return ", ".join(found) or "no checks"


def to_json(regression: Regression) -> dict[str, Any]:
    """Return a comparison as plain values; shares are in [0, 1], an unknown number is None."""
    return {
        "baseline": regression.baseline,
        "alarm": regression.alarm,
        "alpha": regression.alpha,
        "level": regression.level,
        "pooled": {"p_value": regression.pooled_p, "alarm": regression.pooled_alarm},
        "only_before": regression.only_before,
        "only_after": regression.only_after,
        "classes": {one.task_class: _class(one) for one in regression.classes},
    }


def _class(one: ClassRegression) -> dict[str, Any]:
    return {
        "candidate": one.candidate,
        "alarm": one.alarm,
        "pairs": one.n,
        "before": one.before if one.n else None,
        "after": one.after if one.n else None,
        "method": one.method,
        "p_value": one.p_value,
        "adjusted_p": one.adjusted_p,
        "screened": one.screened,
        "chosen_in_baseline": one.chosen_there,
        "changed": one.changed,
        "failed": one.failed,
        "another_model": list(one.foreign),
        "broke": list(one.broke),
        "fixed": list(one.fixed),
        "least_detectable_drop": one.least_detectable_drop,
        "notes": list(one.notes),
    }


def gate_error(checks: Iterable[Check], *, baseline: str = "") -> RouterctlError | None:
    """Return the error that a gate ends with; None where every check passes. `baseline`: what was compared with."""
    minded = [(check.error, check) for check in checks if check.error]
    if not minded:
        return None
    minded.sort(key=lambda one: _GRAVEST_FIRST.index(one[0]))
    found: dict[str, list[Check]] = {}
    for _, check in minded:
        found.setdefault(_head(check, baseline), []).append(check)
    gravest, _ = minded[0]
    return gravest("; ".join(f"{head} {_names(same)}" for head, same in found.items()))


def _head(check: Check, baseline: str) -> str:
    if check.error is not GateError:
        return _UNDECIDED[check.what]
    if check.kind in _HEADS:
        return _HEADS[check.kind]
    if check.kind == "regression":
        return f"worse than {baseline}:"
    return "provisional, not proven:" if check.what == "provisional" else "no candidate reaches the bar of"


def _names(checks: Sequence[Check]) -> str:
    """The classes; all together only where none fell alone."""
    named = (f"{one.task_class} {one.what}" if one.kind == "choice" else one.task_class for one in checks)
    return ", ".join(filter(None, named)) or "all classes together"


def next_steps(checks: Iterable[Check]) -> list[str]:
    """Say what to do about the checks that stop a gate, a sentence for each kind of them."""
    stopping = [check for check in checks if check.error]
    kinds = {check.what if check.error is not GateError else check.kind for check in stopping}
    return [step for kind, step in _NEXT.items() if kind in kinds]

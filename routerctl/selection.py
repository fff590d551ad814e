"""Turns passed/failed cases in planned order into a verdict per candidate, and verdicts into one route's rungs.

Place: arithmetic, between a run, which feeds it, and the table, which keeps what it says. It knows no model, no
reply, no file and no clock; `statistics` draws the lines, this file walks along them.

Two rules make the error probability true, and both are kept here: the order of the cases is fixed before the first
answer (`planned_order`), and the test sees answers in that order only (`Reorder`). Wrong answers tend to be slow:
fed in order of arrival, a test would first see too many right ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from routerctl.statistics import (
    FUTILITY,
    POWER,
    Plan,
    anytime_interval,
    below_line,
    least_cases,
    margin_good_enough,
    needed_cases,
    plan,
    point_plan,
)
from routerctl.types import Case, Evidence, Judgement, Mode, Verdict

# --- before the run ---------------------------------------------------------------------------------------------------


def planned_order(cases: Iterable[Case], seed: int, max_cases: int | None = None) -> tuple[Case, ...]:
    """Return the cases in the random order in which every candidate meets them, cut to `max_cases`.

    The place of a case depends on the seed and its id alone: neither on the file's order nor on the other cases.
    """
    ordered = sorted(cases, key=lambda case: (hashlib.sha256(f"{seed}:{case.id}".encode()).digest(), case.id))
    return tuple(ordered[:max_cases])


def alpha_per_candidate(risk: float, ladder_length: int) -> float:
    """Return each candidate's share of the class's risk (Bonferroni); a share left over by one is lost, not passed on.

    Raises: ValueError where the ladder is empty.
    """
    if ladder_length < 1:
        raise ValueError("a ladder needs at least one candidate")
    return risk / ladder_length


# --- the test of one candidate ----------------------------------------------------------------------------------------


class CandidateTest:
    """The stopping rule of one candidate on one class, fed with passed/failed in planned order.

    `proven`: the exact sequential test of the bar. `point`: the score on these n cases reaches the bar, stopped once
    that cannot change. `margin`: the sequential test of bar - margin and the point rule at the bar; stops as soon as
    either fails or both have passed. Where no score on n cases could pass, the verdict stands before the first case.

    Raises: ValueError where n < 1, or bar, alpha or margin is out of range.
    """

    __slots__ = ("_alive", "_below", "_lines", "_mode", "_seen_below", "cases", "passes", "verdict")

    def __init__(self, *, n: int, bar: float, alpha: float, mode: Mode, margin: float = 0.0) -> None:
        self._mode = mode
        # Lists, not arrays: a look is a few comparisons, and numpy takes longer to hand out one number.
        self._lines = [(made.up.tolist(), made.low.tolist()) for made in _plans(n, bar, alpha, mode, margin)]
        self._below = below_line(n, bar, alpha).tolist()
        self._seen_below = False
        self.cases = 0  # looked at
        self.passes = 0  # of those
        self.verdict: Verdict | None = None  # None: go on
        self._look()

    def feed(self, passed: bool) -> Verdict | None:
        """Look at the next case of the planned order and return the verdict, None while there is none.

        Once decided, further cases change neither verdict nor counts: they were in flight when the test stopped.
        """
        if self.verdict is None:
            self.cases += 1
            self.passes += bool(passed)
            self._look()
        return self.verdict

    def _look(self) -> None:
        self._seen_below = self._seen_below or self.passes <= self._below[self.cases]
        if any(self.passes <= low[self.cases] for _, low in self._lines):
            self.verdict = self._failing()
        else:
            # A line once crossed stays crossed, though the count may fall behind it later.
            self._lines = [line for line in self._lines if self.passes < line[0][self.cases]]
            if not self._lines:
                self.verdict = _PASSING[self._mode]

    @property
    def standing(self) -> Verdict:
        """The verdict; before there is one, what would have to be said if no case followed: it has not passed."""
        return self.verdict or self._failing()

    def _failing(self) -> Verdict:
        if self._mode == "point":
            return Verdict.NOT_MET
        return Verdict.BELOW if self._seen_below else Verdict.NOT_PROVEN


_PASSING: Mapping[Mode, Verdict] = {
    "proven": Verdict.PROVEN,
    "margin": Verdict.WITHIN_MARGIN,
    "point": Verdict.MET,
}


def _plans(n: int, bar: float, alpha: float, mode: Mode, margin: float) -> tuple[Plan, ...]:
    if mode == "point":
        return (point_plan(n, bar),)
    proof = plan(n, _proof_bar(bar, mode, margin), alpha)
    return (proof, point_plan(n, bar)) if mode == "margin" else (proof,)


def _proof_bar(bar: float, mode: Mode, margin: float) -> float:
    """The accuracy that is to be proven; bar 1 stays 1, which nothing proves: no margin makes "always" provable."""
    if mode != "margin" or bar == 1:
        return bar
    if not 0 <= margin < bar:
        raise ValueError(f"the margin must lie in [0, bar), not {margin} at a bar of {bar}")
    return round(bar - margin, 12)  # 0.9 - 0.03 is 0.87, not 0.870000000000000 and a bit


class Reorder:
    """Feeds a test with results that arrive in any order, as the gap-free prefix of the planned order.

    So the verdict depends on the cases' outcomes alone, never on how long an answer took.
    """

    def __init__(self, test: CandidateTest, n: int) -> None:
        """`n`: cases planned; indices run from 0."""
        self._test, self._n = test, n
        self._early: dict[int, bool] = {}  # arrived, but a case before them has not
        self._next = 0

    def put(self, index: int, passed: bool) -> Verdict | None:
        """Take the result of the case at `index` and return the test's verdict, None while there is none.

        Raises: ValueError for an index outside the plan or one that was already put.
        """
        if not self._next <= index < self._n or index in self._early:
            raise ValueError(f"case {index} of {self._n} was not expected: outside the plan, or already put")
        self._early[index] = passed
        while self._next in self._early:
            self._test.feed(self._early.pop(self._next))
            self._next += 1
        return self._test.verdict


def judge(passed: Sequence[bool], *, n: int, bar: float, alpha: float, mode: Mode, margin: float = 0.0) -> Judgement:
    """Judge one candidate by its gap-free prefix of results in planned order.

    Results beyond the case at which the rule stops play no part in verdict, counts and interval. So a full run and
    one that stopped early agree, and a full run cannot shop for the better of two verdicts. A prefix that ends
    before the rule stops (an interrupted run) is judged as far as it goes: nothing is shown yet, hence NOT_PROVEN or
    NOT_MET, or BELOW where the evidence already suffices.

    Raises: ValueError where more results than planned cases are given, or as `CandidateTest` does.
    """
    if len(passed) > n:
        raise ValueError(f"{len(passed)} results for {n} planned cases")
    test = CandidateTest(n=n, bar=bar, alpha=alpha, mode=mode, margin=margin)
    for one in passed:
        if test.feed(one) is not None:
            break
    proof_bar = _proof_bar(bar, mode, margin)
    return Judgement(
        verdict=test.standing,
        cases=test.cases,
        passes=test.passes,
        n=n,
        bar=bar,
        alpha=alpha,
        interval=anytime_interval(test.passes, test.cases, alpha),
        good_enough=_good_enough(n, bar, alpha, mode, proof_bar),
        least_cases=least_cases(proof_bar, alpha),
        needed_cases=None if test.standing.passes else _needed(test.passes, test.cases, bar, proof_bar, alpha),
        margin=margin if mode == "margin" else 0.0,
    )


def _good_enough(n: int, bar: float, alpha: float, mode: Mode, proof_bar: float) -> float | None:
    if mode == "margin":
        return margin_good_enough(n, bar, proof_bar, alpha)
    return _plans(n, bar, alpha, mode, 0.0)[0].good_enough


def _needed(passes: int, cases: int, bar: float, proof_bar: float, alpha: float) -> int | None:
    """Enough cases for 80 % power if the truth is what was seen; None: nothing was seen, or a score below the bar."""
    if cases == 0 or proof_bar == 1 or passes < bar * cases - 1e-9:
        return None
    # A score at the bar itself would need endless cases; a point above it is the nearest question with an answer.
    truth = min(max(passes / cases, bar + 0.01), 1.0)
    # Proving bar - margin is not all: the score must also reach the bar. Both are "at least k of n", so the larger n
    # serves for both. At alpha = 0.5 the formula says when the score alone gets there.
    return max(needed_cases(proof_bar, truth, alpha), needed_cases(bar, truth, 0.5))


# --- from verdicts to rungs -------------------------------------------------------------------------------------------


def choose(ladder: Sequence[str], evidence: Mapping[str, Evidence]) -> tuple[str, bool, tuple[str, ...]]:
    """Return (chosen candidate, whether it passes, rungs in serving order) of one class.

    Chosen is the passing candidate with the least measured cost per accepted answer, by ladder order between equals;
    where a passing one has no cost, costs cannot be compared and ladder order decides alone.

    The fallbacks follow in ladder order: every other candidate that passed, wherever it stands (one below the chosen
    is there because it measured dearer), and those above the chosen that were not run or are merely not proven. A
    candidate seen to miss the bar (BELOW, NOT_MET) serves nobody, nor does one below the chosen that did not pass.

    Where nothing passes, the top rung serves alone: it is what a team would use that had no evidence.

    Raises: ValueError where the ladder is empty.
    """
    if not ladder:
        raise ValueError("a ladder needs at least one candidate")
    verdicts = {name: evidence[name].judgement.verdict for name in ladder if name in evidence}
    passing = [name for name in ladder if name in verdicts and verdicts[name].passes]
    if not passing:
        return ladder[-1], False, (ladder[-1],)
    chosen = _cheapest(passing, evidence)
    above = ladder[ladder.index(chosen) + 1 :]
    open_above = {name for name in above if verdicts.get(name) not in (Verdict.BELOW, Verdict.NOT_MET)}
    fallbacks = tuple(name for name in ladder if name != chosen and (name in passing or name in open_above))
    return chosen, True, (chosen, *fallbacks)


def _cheapest(passing: Sequence[str], evidence: Mapping[str, Evidence]) -> str:
    costs = [evidence[name].cost_per_accepted_usd for name in passing]
    known = [cost for cost in costs if cost is not None]
    return passing[known.index(min(known))] if len(known) == len(passing) else passing[0]


# --- in words ---------------------------------------------------------------------------------------------------------


def two_sentences(judgement: Judgement, *, mode: Mode, risk: float, ladder_length: int) -> str:
    """Say in two sentences what passing and being dropped mean for the class that this judgement is from."""
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    if mode == "point":
        return (
            f"A candidate PASSES when at least {bar} of these {judgement.n} cases pass, and stops as soon as the cases "
            "left cannot change that. This speaks of these cases only: it promises nothing about any others."
        )
    if judgement.good_enough is None:
        return _undecidable(judgement) + " No case is run and the top rung serves, unproven."
    share = f"at most {_percent(judgement.alpha)} probability (the {_exact(risk)} risk of the class"
    share += f", divided by its {ladder_length} candidates)" if ladder_length > 1 else ", which has one candidate)"
    passes_when, or_when = "as soon as its count of passed cases reaches a line", ""
    if mode == "margin":
        passes_when = (
            f"once at least {bar} of all {judgement.n} cases pass and its count of passed cases reached a line"
        )
        or_when = " or its score cannot reach the bar any more"
    return (
        f"Cases run in a fixed random order; a candidate PASSES {passes_when} drawn beforehand, which a candidate with "
        f"true accuracy below {target} would ever reach with {share}. "
        f"It is DROPPED as soon as even a candidate good enough to pass this test {_exact(POWER)} of the time "
        f"({_percent(judgement.good_enough)}) would have less than a {_exact(FUTILITY)} chance of still reaching that "
        f'line{or_when}; "dropped" means not proven on these {judgement.n} cases, not proven bad.'
    )


def verdict_words(judgement: Judgement) -> str:
    """Say in one plain sentence what was found, on how many cases, how surely, and what would settle it."""
    if judgement.cases == 0:
        return _without_a_case(judgement)
    counts = f"{judgement.passes} of {judgement.cases} cases passed ({judgement.n} planned)"
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    # The interval must hold at every look and on both sides: it may reach below a bar that is proven.
    low, high = (_percent(end) for end in judgement.interval)
    proof = (
        f"true accuracy is at least {target} at error probability {_percent(judgement.alpha)} "
        f"(the interval {low} to {high} holds at any stopping time, so it is wider than the test)"
    )
    here = f"on other cases its accuracy may be anything from {_interval(judgement)}"
    match judgement.verdict:
        case Verdict.PROVEN:
            return f"Proven: {counts}; {proof}."
        case Verdict.WITHIN_MARGIN:
            return f"Within the margin: {counts}, so the score reaches {bar}; {proof}."
        case Verdict.MET:
            return f"Met: at least {bar} of these cases pass, {counts}; {here}."
        case Verdict.NOT_MET:
            return f"Not met: less than {bar} of these cases pass, {counts}; {here}."
        case Verdict.BELOW:
            return f"Below the bar: {counts}; true accuracy is below {bar}, {_interval(judgement)}."
        case Verdict.NOT_PROVEN:
            both = f" together with a score of {bar}" if judgement.margin else ""
            found = f"Not proven to reach {target}{both}: {counts}; true accuracy {_interval(judgement)}"
            return f"{found}; {_what_would_settle(judgement)}."


def _interval(judgement: Judgement) -> str:
    low, high = judgement.interval
    return f"{_percent(low)} to {_percent(high)} at error probability {_percent(judgement.alpha)}"


def _what_would_settle(judgement: Judgement) -> str:
    if judgement.needed_cases is None:
        return "if its accuracy is what was seen, no number of cases would be enough"
    return f"if its accuracy is what was seen, {judgement.needed_cases} cases would be enough (power 80%)"


def _without_a_case(judgement: Judgement) -> str:
    too_small = judgement.least_cases is None or judgement.n < judgement.least_cases
    if judgement.verdict is Verdict.NOT_PROVEN and too_small:
        return _undecidable(judgement)
    return f"{judgement.verdict.capitalize()}: no case has been looked at."


def _undecidable(judgement: Judgement) -> str:
    target = _exact(judgement.bar - judgement.margin)
    if judgement.least_cases is None:
        return "Not proven: no number of cases proves a bar of 100%."
    return (
        f"Not proven: even {judgement.n} passes in {judgement.n} cases would not prove {target} at error probability "
        f"{_percent(judgement.alpha)}; it takes at least {judgement.least_cases} cases."
    )


def _exact(share: float) -> str:
    """A share that a person wrote, with all its digits: 0.985 -> 98.5%."""
    return f"{100 * share:.10g}%"


def _percent(share: float) -> str:
    """A measured share with three digits, more where rounding would claim certainty: 0.99973 -> 99.97%."""
    for digits in range(3, 12):
        text = f"{100 * share:.{digits}g}"
        if share in (0, 1) or text not in ("0", "100"):
            return f"{text}%"
    return f"{100 * share}%"

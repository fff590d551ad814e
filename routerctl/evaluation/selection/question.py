"""Turns a run's header into the question that is asked of each candidate, and a case's results into its outcome.

Everything that the rule must know before the first answer stands in a `Question`. It computes no boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routerctl.types import ClassHeader, Measure, Method, Mode, RelativeBar, Result, RunHeader, Trust, WhenUnproven


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of one candidate on one class, all of it fixed before the first answer."""

    n: int  # cases planned; may exceed the cases there are now, where max_cases was declared
    bar: float
    alpha: float  # this candidate's share of the class's risk, in this attempt
    mode: Mode = "proven"
    margin: float = 0.0  # mode margin: bar - margin is what is to be proven
    method: Method = "exact"
    measure: Measure = "pass_rate"
    epochs: int = 1
    clusters: int = 0  # method clusters: those of the cases that are there; 0 = not known
    max_weight: float = 1.0  # of a case
    total_weight: float = 0.0  # of the cases that are there; 0 = they weigh the same
    attempt: int = 1
    total_alpha: float | None = None  # over all attempts; None: there is only this one
    trust: Trust = "scorer"
    available: int = 0  # of the n cases, those that are there now; 0 = all of them
    when_unproven: WhenUnproven = "provisional"  # top_rung: a test ends once its proof is out of reach
    full: bool = True  # all cases are asked whatever the test says; False: what comes after its end came by chance
    of: str = ""  # a relative bar's reference; `bar` means nothing then
    within: float = 0.0  # how much worse than the reference is as good
    reference: tuple[float, ...] = ()  # its values in planned order, where they are known
    is_reference: bool = False  # the candidate is the reference itself

    @property
    def there(self) -> int:
        """The cases that can be run now: with the last of them the score stands."""
        return min(self.available or self.n, self.n)

    @property
    def weighted(self) -> bool:
        """Whether its cases weigh differently."""
        return self.total_weight > 0

    @property
    def proof_bar(self) -> float:
        """The accuracy to be proven; bar 1 stays 1, which nothing proves: no margin makes "always" provable.

        Raises: ValueError where the margin leaves no bar.
        """
        if self.mode != "margin" or self.bar == 1:
            return self.bar
        if not 0 <= self.margin < self.bar:
            raise ValueError(f"the margin must lie in [0, bar), not {self.margin} at a bar of {self.bar}")
        return round(self.bar - self.margin, 12)  # 0.9 - 0.03 is 0.87, not 0.870000000000000 and a bit

    @property
    def mean_weight(self) -> float:
        """The mean weight of a case."""
        return self.total_weight / self.there if self.weighted else 1.0

    @property
    def all_clusters(self) -> int:
        """The clusters of all n cases, where those to be added come in clusters like those that are there."""
        return round(self.clusters * self.n / self.there) or self.n

    @property
    def greatest_weight(self) -> float:
        """The greatest weight of a case."""
        return self.max_weight if self.weighted else 1.0

    @property
    def weight_share(self) -> float:
        """The mean weight of a case, the greatest being 1."""
        return round(self.mean_weight / self.greatest_weight, 9)

    @property
    def attempt_shown(self) -> int:
        """The number of the attempt, where a judgement tells of several."""
        return self.attempt if self.total_alpha is not None else 1

    def weight_of(self, outcome: Outcome) -> float:
        """Give a case's weight; 1 where all weigh the same."""
        return outcome.weight if self.weighted else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one case, all its epochs together."""

    value: float  # in [0, 1]
    reference: float | None = None  # the reference's on the same case, where the bar is relative
    weight: float = 1.0
    cluster: str | None = None


# --- the question -----------------------------------------------------------------------------------------------------


def method_of(of_class: ClassHeader) -> Method:
    """Name the method that is right for a class: dependent cases, values other than 0/1 or weights, or neither."""
    if of_class.clusters:
        return "clusters"
    if of_class.weighted or of_class.epochs > 1 or of_class.measure == "mean_score":
        return "betting"
    return "exact"


def question_of(
    of_class: ClassHeader, header: RunHeader, candidate: str = "", reference: Sequence[float] = ()
) -> Question:
    """Put the question that a run asks of each candidate on a class, or of this one.

    `reference`: where the bar is relative, the reference's values in planned order, if it has run.
    Raises: ValueError where the ladder is empty.
    """
    beside = of_class.bar if isinstance(of_class.bar, RelativeBar) else None
    untested = set(header.ladder[-1:] if header.top_rung == "skip" else ())
    untested |= {beside.of} if beside else set()  # neither takes a share of the risk
    share = alpha_per_candidate(header.risk, max(1, sum(name not in untested for name in header.ladder)))
    attempt = of_class.attempts.get(candidate, of_class.attempt)
    again = of_class.grows or attempt > 1
    return Question(
        n=of_class.n,
        bar=1 - of_class.bar.within if isinstance(of_class.bar, RelativeBar) else of_class.bar,
        alpha=alpha_of_attempt(share, attempt, of_class.grows),
        mode=header.mode,
        margin=header.margin,
        method=method_of(of_class),
        measure=of_class.measure,
        epochs=of_class.epochs,
        clusters=of_class.clusters,
        max_weight=of_class.max_weight,
        total_weight=of_class.total_weight,
        attempt=attempt,
        total_alpha=total_alpha(share, attempt, of_class.grows) if again else None,
        trust="judge" if of_class.judge else "scorer",
        available=of_class.cases,
        when_unproven=of_class.when_unproven,
        full=header.full,
        of=beside.of if beside else "",
        within=beside.within if beside else 0.0,
        reference=tuple(reference),
        is_reference=beside is not None and candidate == beside.of,
    )


def alpha_per_candidate(risk: float, ladder_length: int) -> float:
    """Return each candidate's share of the class's risk (Bonferroni); a share left over by one is lost, not passed on.

    Raises: ValueError where the ladder is empty.
    """
    if ladder_length < 1:
        raise ValueError("a ladder needs at least one candidate")
    return risk / ladder_length


def alpha_of_attempt(alpha: float, attempt: int, grows: bool) -> float:
    """Return attempt r's part of a candidate's share: every test of a set that grew is another chance to pass.

    alpha / 2^r adds up to at most alpha however often a set grows. Where growth was not declared, the first attempt had
    the whole share already; later ones get alpha / 2^r all the same, and `total_alpha` gives the sum.

    Raises: ValueError where attempt < 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return float(alpha / 2**attempt) if grows or attempt > 1 else alpha


def total_alpha(alpha: float, attempt: int, grows: bool) -> float:
    """Return the error probability over all attempts up to this one (the sum of their parts)."""
    return sum(alpha_of_attempt(alpha, each, grows) for each in range(1, attempt + 1))


# --- outcomes ---------------------------------------------------------------------------------------------------------


def outcome_of(results: Sequence[Result], measure: Measure) -> Outcome:
    """Turn all epochs of one case into its outcome: the share of them that passed, or their mean score.

    A reply that FAILED or is UNSCORED counts 0: leaving it out would be selection.

    Raises: ValueError without a result.
    """
    if not results:
        raise ValueError("a case without a result has no outcome")
    value = sum(_value(result, measure) for result in results) / len(results)
    return Outcome(value=value, weight=results[0].weight, cluster=results[0].cluster)


def _value(result: Result, measure: Measure) -> float:
    if measure == "pass_rate":
        return float(result.passed)
    return 0.0 if result.score is None else result.score

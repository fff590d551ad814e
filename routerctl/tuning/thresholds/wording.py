"""What calibration found -> sentences, and lines for routerctl.yaml.

It prints nothing; names are the project's own, and whoever prints them cleans them.
"""

from __future__ import annotations

from collections.abc import Mapping

from routerctl.files.codec import encode
from routerctl.files.yaml import dump_yaml
from routerctl.scorers import IMPORTED
from routerctl.tuning.thresholds.findings import ClassFinding, PairFinding, Promise, SignalFinding, ThresholdPoint
from routerctl.types import RunHeader
from routerctl.words import as_written, ends, grouped, percent, plain, plural, usd

THOUSAND = 1000
_TRUST = {
    "scorer": "",
    "judge": " Right and wrong are a judge's word.",
    "labels": " Right and wrong are what humans said of the replies.",
}


def below_words(below: Mapping[str, float]) -> str:
    """Say thresholds in words: `hedging below 0.9`."""
    return " or ".join(f"{name} below {least:g}" for name, least in below.items())


def calibration_sentences(found: ClassFinding, pair: PairFinding) -> list[str]:
    """Say what was found of two candidates' thresholds, what it takes to prove one, and on which terms that holds."""
    said = [_conclusion(found, pair)]
    if pair.first_passes:
        said.append(f"{pair.first} passes by itself: escalating could raise its score, but not lower its cost.")
    if pair.best and pair.best.best:
        said.append(_against_second(pair, pair.best.best))
    proven = any(one.promise.proven for one in pair.signals)
    if not pair.fixed and (_hopeful(pair) or not proven) and pair.trust != "labels":
        said.append(
            f"The run stopped early, after {pair.cases} of {found.planned} cases that both answered; "
            f"`routerctl eval --full --class {found.task_class}` answers all of them and proves more."
        )
    if any(one.promise is Promise.OWN_WORD for one in pair.signals):
        said.append(
            f"A judge cannot check itself: label replies of {pair.first} and {pair.second} "
            f"(`routerctl label --class {found.task_class}`)."
        )
    return [grouped(plain(one)) for one in said]


def _conclusion(found: ClassFinding, pair: PairFinding) -> str:
    best, bar = pair.best, as_written(found.proof_bar)
    terms = f"risk {as_written(found.risk)} over all signals.{_TRUST[pair.trust]}"
    if best and best.best:
        return (
            f"{pair.first}, escalating to {pair.second} where {below_words(best.best.below)}, keeps {found.task_class} "
            f"at {bar}: {terms}"
        )
    open_ = [one for one in pair.signals if one.promise is Promise.NOT_PROVEN]
    if not pair.signals:
        return f"The replies of {pair.first} were not recorded: no signal can be computed without them."
    if any(one.promise is Promise.DEARER for one in pair.signals) and not _hopeful(pair):
        return f"Escalating never pays here: {pair.second} alone costs no more than any cascade that is proven; {terms}"
    if any(one.promise is Promise.UNPRICED for one in pair.signals):
        return f"A cascade keeps {found.task_class} at {bar}, but the outcomes were imported without a cost; {terms}"
    if pair.least_cases is None:
        return "A bar of 100% cannot be proven by any number of cases."
    if open_:
        return f"Too few cases: {pair.cases} of both; {_enough(open_)}{_TRUST[pair.trust]}"
    if pair.cases < pair.least_cases:
        return (
            f"Too few cases: {pair.cases} of both; fewer than {pair.least_cases} prove nothing, even if all are right."
        )
    return f"No signal helps here: at no threshold does a cascade reach the bar of {as_written(found.bar)}."


def _hopeful(pair: PairFinding) -> bool:
    """Tell whether a cascade that is not proven yet would cost less than the second alone, and none that is does."""
    open_ = [one.best for one in pair.signals if one.promise is Promise.NOT_PROVEN and one.best]
    costs = [best.cost_usd for best in open_ if best.cost_usd is not None]
    return not pair.best and pair.second_usd is not None and any(cost_usd < pair.second_usd for cost_usd in costs)


def _enough(open_: list[SignalFinding]) -> str:
    known = [(one.needed_cases, one.signal) for one in open_ if one.needed_cases is not None]
    if not known:
        return "no number of cases proves what was seen."
    count, signal = min(known)
    return f"about {plural(count, 'case')}, all of them run, would prove {signal} if the truth is what was seen."


def needed_words(one: SignalFinding) -> str:
    """Say how many cases would prove a signal; empty where that is no question."""
    return "" if one.needed_cases is None else f"needs {one.needed_cases:,}"


def _against_second(pair: PairFinding, best: ThresholdPoint) -> str:
    """The three numbers of a cascade beside those of the second alone, and where its right answers come from."""
    told = f"It sends {percent(best.escalated)} on"
    if best.q is not None and best.q_interval is not None:
        told += f", of which {pair.second} gets {percent(best.q)} right ({ends(best.q_interval)})"
    if best.cost_usd is not None and pair.second_usd is not None:
        told += f"; {usd(best.cost_usd * THOUSAND)} per 1,000 requests instead of {usd(pair.second_usd * THOUSAND)}"
    if best.cost_per_correct_usd is not None:
        told += f", {usd(best.cost_per_correct_usd * THOUSAND)} per 1,000 right ones"
    return f"{told}, {best.wrong * THOUSAND:.0f} wrong ones of 1,000 delivered."


# --- lines to paste ---------------------------------------------------------------------------------------------------


def cascade_name(pair: PairFinding) -> str:
    """Name the candidate that a cascade becomes."""
    return f"{pair.first}-then-{pair.second}"


def is_callable(pair: PairFinding, header: RunHeader) -> bool:
    """Tell whether both candidates can be asked: those of imported outcomes may be names only."""
    asked = (header.candidates[name].provider for name in (pair.first, pair.second))
    return all(header.providers[name].kind != IMPORTED for name in asked)


def thresholds_yaml(found: ClassFinding, pair: PairFinding, header: RunHeader) -> str:
    """Write the lines for routerctl.yaml that put a pair's best cascade to use; empty where none pays.

    `candidates`: a cascade as a candidate of its own, which `eval` measures and the ladder may hold; `routing`: the
    same thresholds, for a route on which the first candidate serves and the second stands behind it. Of an imported
    model that nobody can call only the latter.
    """
    best = pair.best
    if best is None or best.best is None:
        return ""
    below = dict(best.best.below)
    routing = dump_yaml({"routing": {"thresholds": {found.task_class: below}}})
    if not is_callable(pair, header):
        return routing
    first = encode(header.candidates[pair.first])
    first.pop("name", None)
    cascade = {**first, "escalation": {"to": pair.second, "below": below}}
    candidates = dump_yaml({"candidates": {cascade_name(pair): cascade}})
    return f"{candidates}# or, where {pair.first} serves by itself and {pair.second} stands behind it:\n{routing}"

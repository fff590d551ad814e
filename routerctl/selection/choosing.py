"""Turns the evidence of a class's candidates into the one that serves and those behind it.

Place: between the judgements and the route. It knows verdicts and costs per accepted answer, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routerctl.types import Evidence, Verdict


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

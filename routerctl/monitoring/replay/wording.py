"""Turns a replay into plain sentences, not yet escaped: cost, what it rests on, quality, and what cannot be known."""

from __future__ import annotations

from routerctl.monitoring.replay.estimate import TRANSFER, EstimateBasis, MeanEstimate, Replay
from routerctl.words import as_written, percent, plural, spread, usd

_KINDS = {
    "matched": "measured, as the same candidate served",
    "weighted": "measured by inverse propensity",
    "carried": "taken from other times, when the candidate had a chance",
    "modelled": "modelled from the eval sets",
    "unknown": "unknown",
}


def replay_words(replay: Replay) -> tuple[str, ...]:
    """Say what the changed table would have cost, how good it would have been, and how far each can be trusted."""
    if not replay.requests:
        return ("Nothing to replay: the log has no decision of this kind.",)
    found = [_cost(replay), f"Cost rests on requests that are {_rests(replay.cost_basis, replay.requests)}."]
    if replay.cost_basis.modelled:
        found.append(
            f"Modelled figures take candidates' ratio of costs on the eval set to be off by up to about "
            f"{2 * TRANSFER:.0%} in traffic; that is an assumption, not a measurement."
        )
    found.append(_quality(replay))
    unknown = [one.task_class for one in replay.classes if one.score is None]
    if unknown:
        found.append(
            f"Quality cannot be known from this log in {', '.join(unknown)}: what the table chooses there was never "
            "chosen and scored. An experiment could tell."
        )
    return tuple(found)


def _cost(replay: Replay) -> str:
    logged = f"the log has {usd(replay.logged_usd)} for {plural(replay.requests, 'request')}"
    if replay.cost_usd is None:
        missing = ", ".join(one.task_class for one in replay.classes if one.cost_usd is None)
        return f"The cost cannot be known: neither log nor eval set has costs for {missing}; {logged}."
    value, low, high = replay.cost_usd
    return f"Cost {usd(value)}, {as_written(replay.level)} interval {usd(low)} to {usd(high)}; {logged}."


def _rests(basis: EstimateBasis, requests: int) -> str:
    parts = [
        f"{percent(getattr(basis, name) / requests)} {words}" for name, words in _KINDS.items() if getattr(basis, name)
    ]
    return "; ".join(parts)


def _quality(replay: Replay) -> str:
    low, high = replay.score_bounds
    bounds = f"over all requests it is somewhere in {spread((low, high))}"
    if replay.score is None:
        return f"Quality cannot be known from this log; {bounds}."
    known = percent(1 - replay.score_basis.unknown / replay.requests)
    return f"Quality {estimate_words(replay.score)} where it can be known ({known} of the requests); {bounds}."


def estimate_words(estimate: MeanEstimate) -> str:
    """A share with its interval: `91.2% (89.0-93.1%)`."""
    return f"{percent(estimate.value)} ({spread((estimate.low, estimate.high))})"

"""What a sample of Inspect says of tokens -> those of the candidate: without a grader's, cached ones once.

`model_usage` adds up all calls by model, `role_usage` those of models in a role, and neither says what a scorer asked
of the candidate's own model; the transcript does. Before February 2026 some vendors' input tokens had the cached ones
in them: `total_tokens` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routerctl.evaluation.importers.values import as_count, as_text, as_usd, inner

_GRADED = "scorers_usage"  # key under which the usage of the scorers' calls of a transcript is kept
_COUNTS = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
_READ, _WRITE = _COUNTS[3:]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleUsage:
    """The tokens of one sample; `cost` is the log's own, None where it has none."""

    input_tokens: int
    cached_tokens: int  # of the input tokens
    output_tokens: int
    cost: Any


def roles_of(found: Any) -> Mapping[str, str]:
    """Name each role's model, as the log's head does."""
    models = {role: inner(item, "model") or item for role, item in found.items()} if isinstance(found, Mapping) else {}
    return {role: model for role, model in models.items() if isinstance(model, str)}


def without_events(sample: dict[str, Any]) -> dict[str, Any]:
    """Give a sample without its transcript, which is most of it, but with what its scorers asked the models."""
    kept = {key: value for key, value in sample.items() if key not in _LONG}
    return kept | {_GRADED: _of_scorers(sample["events"])} if sample.get("events") else kept


_LONG = frozenset(("events", "messages", "store", "timelines"))


def _of_scorers(events: Any) -> list[Mapping[str, Any]]:
    """The usage of each call that a scorer made, with its model; calls to Inspect's own cache used nothing."""
    found: list[Mapping[str, Any]] = []
    inside: set[str] = set()
    depth = 0
    for event in events if isinstance(events, list) else []:
        kind, span = inner(event, "event"), inner(event, "span_id")
        scorer = inner(event, "type") in ("scorer", "scorers")
        if kind == "step" and scorer:  # transcripts of before spans
            depth += 1 if inner(event, "action") == "begin" else -1
        elif kind == "span_begin" and isinstance(inner(event, "id"), str):
            if scorer or as_text(inner(event, "parent_id")) in inside:
                inside.add(event["id"])
        elif kind == "model" and (depth > 0 or (isinstance(span, str) and span in inside)):
            usage = inner(event, "output", "usage")
            if isinstance(usage, dict) and inner(event, "cache") != "read":
                found.append({**usage, "model": inner(event, "model")})
    return found


def usage_of(row: Mapping[str, Any], model: str, roles: Mapping[str, str]) -> SampleUsage:
    """Give what the candidate used for a sample: its model's calls without those for scores and in other roles."""
    own = _own(row, model)
    graded = list(_graded(row, model, roles))
    used = {name: as_count(own.get(name)) - sum(as_count(one.get(name)) for one in graded) for name in _COUNTS}
    used = {name: max(number, 0) for name, number in used.items()}
    cached = used[_READ] + used[_WRITE]
    within = 0 < used["total_tokens"] <= used["input_tokens"] + used["output_tokens"]
    return SampleUsage(
        input_tokens=used["input_tokens"] + (0 if within else cached),
        cached_tokens=min(used[_READ], used["input_tokens"]) if within else used[_READ],
        output_tokens=used["output_tokens"],
        cost=_cost(own, graded),
    )


def _own(row: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """The usage of the log's model; of a log that has none, that of the sample's output."""
    found = row.get("model_usage")
    if isinstance(found, dict) and found:
        usage = found.get(model)
        return usage if isinstance(usage, dict) else {}
    usage = inner(row, "output", "usage")
    return usage if isinstance(usage, dict) else {}


def _graded(row: Mapping[str, Any], model: str, roles: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """The usage of the candidate's model that is not the candidate's: as the transcript says, else by roles."""
    if not (isinstance(row.get("model_usage"), dict) and row["model_usage"]):
        return
    if _has_transcript(row):
        of_scorers = row[_GRADED] if _GRADED in row else _of_scorers(row["events"])
        yield from (one for one in of_scorers if one["model"] in (model, model.rpartition("/")[2]))
        return
    by_role = row.get("role_usage")
    for role, usage in by_role.items() if isinstance(by_role, dict) else ():
        if isinstance(usage, dict) and roles.get(role) == model:
            yield usage


def _has_transcript(row: Mapping[str, Any]) -> bool:
    return _GRADED in row or bool(row.get("events"))


def _cost(own: Mapping[str, Any], graded: Sequence[Mapping[str, Any]]) -> Any:
    """The log's cost less the graders'; None where one of these is not known. What is no amount is given as it is."""
    total = own.get("total_cost")
    known, others = as_usd(total), [as_usd(one.get("total_cost")) for one in graded]
    if not others or known is None:
        return total
    costs = [cost for cost in others if cost is not None]
    return max(known - sum(costs, Decimal(0)), Decimal(0)) if len(costs) == len(others) else None


def usage_notes(rows: Sequence[Mapping[str, Any]], model: str, roles: Mapping[str, str]) -> list[str]:
    """Say whose tokens are not counted, and where a scorer's may be among those that are."""
    usages = [row["model_usage"] for row in rows if isinstance(row.get("model_usage"), dict)]
    others = sorted({name for usage in usages for name in usage if isinstance(name, str)} - {model})
    notes = [f"tokens and costs are those of {model} alone, not of {', '.join(others)}"] if others else []
    if any(True for row in rows for _ in _graded(row, model, roles)):
        notes.append(f"what scorers asked of {model} is left out of its tokens and costs")
    graders = sorted({name for row in rows if not _has_transcript(row) for name in _model_graded(row)})
    if graders and not others:
        notes.append(
            f"what {', '.join(graders)} asked of {model}, if anything, is among its tokens: no transcript tells"
        )
    return notes


def _model_graded(row: Mapping[str, Any]) -> list[str]:
    scores = row.get("scores")
    return [name for name in scores if name.startswith("model_graded")] if isinstance(scores, dict) else []

"""What Anthropic's Messages refuses of the order of tool calls and their results.

All results of one assistant turn stand in the next message, at its beginning, each with the id of a call of that turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routerctl.testing.emulator.checks.base import Complaint, dicts
from routerctl.testing.emulator.said import Body


def tool_turn_complaints(turns: Sequence[Body]) -> Iterator[Complaint]:
    """Complain of calls without results, of results without calls, and of results that are not where they belong."""
    seen = set[str]()
    for index, turn in enumerate(turns):
        yield from _unasked(turn, _calls(turns[index - 1]) if index else [], index)
        calls = _calls(turn)
        if len({*calls}) < len(calls) or seen & {*calls}:
            yield Complaint(f"messages.{index}: `tool_use` ids must be unique")
        seen |= {*calls}
        answered = _results_first(turns[index + 1]) if index + 1 < len(turns) else set[str]()
        if lacking := [one for one in calls if one not in answered]:
            yield Complaint(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(lacking)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )


def _unasked(turn: Body, calls: Sequence[str], index: int) -> Iterator[Complaint]:
    met = set[str]()
    for place, block in enumerate(dicts(turn["content"])):
        if block["type"] != "tool_result":
            continue
        made = block["tool_use_id"]
        if made not in calls:
            yield Complaint(
                f"messages.{index}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {made}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if made in met:
            yield Complaint(
                f"messages.{index}.content.{place}: each tool_use must have a single result. Found multiple "
                f"`tool_result` blocks with id: {made}"
            )
        met.add(made)


def _calls(turn: Body) -> list[str]:
    return [block["id"] for block in dicts(turn["content"]) if block["type"] == "tool_use"]


def _results_first(turn: Body) -> set[str]:
    """The calls that are answered before anything else is said."""
    found = set[str]()
    for block in dicts(turn["content"]):
        if block["type"] != "tool_result":
            break
        found.add(block["tool_use_id"])
    return found

"""What a key's requests used in the last minute, and its limits -> which limit is exceeded, and when there is room.

Pure functions over the document that the state store keeps for a key:

    {"seconds": [[second since 1970, requests, tokens], ...], "running": {process: [requests under way, until]}}

The window slides and counts by the second: a second counts until it is more than a full minute ago, so no 60 seconds
ever hold more than a limit allows. A token bucket (GCRA) stores less, but lets an idle key use its whole limit at once
and then again over the following minute: twice what was meant to cap a bill or to stay below a vendor's limit. Each
process states how many of its own requests run, with an expiry: the requests of a process that was killed stop counting
when its statement expires. The machines' clocks are assumed to agree (NTP).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from routerctl.service.keys import Key
from routerctl.types import Json

What = Literal["requests", "tokens", "concurrency"]
Window = dict[str, Json]
WINDOW_S = 60
_REQUESTS, _TOKENS = 1, 2  # their places in an entry, after the second
_SOON_S = 1.0  # when a running request will end is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceededLimit:
    """A limit that has no room for a request."""

    what: What
    limit: int
    retry_after_s: float  # until there is room, if nobody else comes; for `concurrency` a guess


def live_window(document: Json | None, now_s: float, lease_s: float) -> Window:
    """Give the part of a document that still counts, as a copy; `lease_s`: how long a process's count holds.

    Entries from the future are dropped: they were written before a clock was set back.
    """
    kept: Mapping[str, Json] = document or {}
    seconds = [list(one) for one in kept.get("seconds", []) if _leaves_at(one[0]) > now_s >= one[0] - WINDOW_S]
    running = {who: one for who, one in kept.get("running", {}).items() if now_s <= one[1] <= now_s + 2 * lease_s}
    return {"seconds": seconds, "running": running}


def exceeded_limit(key: Key, window: Window, tokens: int, now_s: float) -> ExceededLimit | None:
    """Give the limit that has no room for a request with `tokens`; None where it may be admitted.

    Of several, the one that has room last. A request larger than the limit never has room; the caller checks that.
    """
    running = sum(count for count, _ in window["running"].values())
    if key.concurrency is not None and running >= key.concurrency:
        return ExceededLimit(what="concurrency", limit=key.concurrency, retry_after_s=_SOON_S)
    wanted: tuple[tuple[What, int, int | None, int], ...] = (
        ("requests", _REQUESTS, key.requests_per_minute, 1),
        ("tokens", _TOKENS, key.tokens_per_minute, tokens),
    )
    found = [
        ExceededLimit(what=what, limit=limit, retry_after_s=room_at - now_s)
        for what, column, limit, more in wanted
        if limit is not None and (room_at := _room_at(window, column, limit - more)) > now_s
    ]
    return max(found, key=lambda one: one.retry_after_s, default=None)


def _room_at(window: Window, column: int, most: int) -> float:
    """Give the moment from which at most `most` of what counts now still count; 0 where that holds already."""
    total, moment = sum(one[column] for one in window["seconds"]), 0.0
    for one in window["seconds"]:
        if total <= most:
            break
        total, moment = total - one[column], _leaves_at(one[0])
    return moment


def _leaves_at(second: int) -> float:
    """When all of a second is more than a minute ago."""
    return second + 1.0 + WINDOW_S


def add_request(window: Window, tokens: int, now_s: float) -> None:
    """Count a request that is admitted."""
    _add(window, int(now_s), 1, tokens)


def correct_tokens(window: Window, counted_in: int, counted: int, used: int, now_s: float) -> None:
    """Correct the tokens `counted` for a request in the second `counted_in` to those that it used.

    Tokens beyond the estimate count from now, when they are known, however long the request took.
    """
    if used > counted:
        _add(window, int(now_s), 0, used - counted)
    for one in window["seconds"]:
        if one[0] == counted_in and used < counted:
            one[_TOKENS] = max(0, one[_TOKENS] - (counted - used))


def set_running(window: Window, process: str, count: int, until_s: float) -> None:
    """State how many requests run in a process."""
    window["running"].pop(process, None)
    if count:
        window["running"][process] = [count, until_s]


def _add(window: Window, second: int, requests: int, tokens: int) -> None:
    for one in window["seconds"]:
        if one[0] == second:
            one[_REQUESTS] += requests
            one[_TOKENS] += tokens
            return
    window["seconds"] = sorted([*window["seconds"], [second, requests, tokens]])

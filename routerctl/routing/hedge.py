"""One place asked, and after a while another of the same model as well: the first reply wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from routerctl.routing.hops import HopResult, idle_hop
from routerctl.routing.steps import Place

_LOST = "the other request of the hedge replied first; what this one cost is not known"


async def ask_hedged(
    ask: Callable[[Place, str], Awaitable[HopResult]],
    place: Place,
    other: Callable[[], Place],
    why: str,
    after_s: float,
) -> tuple[HopResult, ...]:
    """Ask a place, after a while another one of the same model as well; the last of what is given counts.

    `other` is asked for only then: looking whether a place may be called can be a promise to call it.

    The tail at scale (Dean & Barroso, CACM 56(2), 2013): few requests are asked twice, the slowest ones are cut off.
    """
    first: asyncio.Future[HopResult] = asyncio.ensure_future(ask(place, why))
    flying = {first: (place, why)}
    try:
        done, _ = await asyncio.wait({first}, timeout=after_s)
        if not done:
            second = other()
            flying[asyncio.ensure_future(ask(second, "hedge"))] = (second, "hedge")
        places = dict(flying)
        ended: list[HopResult] = []
        while flying:
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                flying.pop(task)
                ended.append(task.result())
            won = next((one for one in ended if one.answer), None)
            if won:
                late = [_late(one) for one in ended if one is not won]
                lost = [
                    HopResult(hop=idle_hop(places[task][0], "cancelled", _LOST, places[task][1])) for task in flying
                ]
                return (*late, *lost, won)
        return tuple(ended)
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)


def _late(one: HopResult) -> HopResult:
    """The half of a hedge that is not delivered: where it replied as well, it was paid for in vain."""
    return replace(one, hop=replace(one.hop, outcome="cancelled"), answer=None) if one.answer else one

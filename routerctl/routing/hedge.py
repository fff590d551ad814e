"""One place asked, and after a while another of the same model as well: the first reply wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from routerctl.routing.hops import HopResult
from routerctl.routing.noted_calls import CANCELLED, PlaceCalls
from routerctl.routing.steps import Place
from routerctl.types import Candidate

_LOST = "the other request of the hedge replied first; what this one cost is not known"


async def ask_hedged(  # noqa: PLR0917 - who is asked how, then whom
    ask: Callable[[Place, str, PlaceCalls], Awaitable[HopResult]],
    begin: Callable[[Candidate], PlaceCalls],
    place: Place,
    other: Callable[[], Place],
    why: str,
    after_s: float,
) -> tuple[HopResult, ...]:
    """Ask a place, after a while another one of the same model as well; the last of what is given counts.

    `other` is asked for only then: looking whether a place may be called can be a promise to call it.

    The tail at scale (Dean & Barroso, CACM 56(2), 2013): few requests are asked twice, the slowest ones are cut off.
    """
    flying: dict[asyncio.Future[HopResult], tuple[PlaceCalls, str]] = {}

    def start(at: Place, because: str) -> None:
        calls = begin(at.candidate)
        flying[asyncio.ensure_future(ask(at, because, calls))] = (calls, because)

    start(place, why)
    ended: list[HopResult] = []
    try:
        if not (await asyncio.wait(flying, timeout=after_s))[0]:
            start(other(), "hedge")
        while flying:
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                flying.pop(task)
                ended.append(task.result())
            if won := next((one for one in ended if one.answer), None):
                late = [_late(one) for one in ended if one is not won]
                lost = [HopResult(hop=calls.hop(CANCELLED, _LOST, because)) for calls, because in flying.values()]
                return (*late, *lost, won)
        return tuple(ended)
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)


def _late(one: HopResult) -> HopResult:
    """The half of a hedge that is not delivered: where it replied as well, it was paid for in vain."""
    return replace(one, hop=replace(one.hop, outcome=CANCELLED), answer=None) if one.answer else one

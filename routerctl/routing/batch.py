"""Inquiries, as they come -> answers in their order, many under way at once; one that fails costs no other its answer.

Place: above the router, for whoever brings many inquiries (stdin).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, RouterctlError
from routerctl.routing.route import Routed
from routerctl.routing.router import Router
from routerctl.types import Inquiry, Table

Numbered = tuple[int | None, Inquiry]  # the line of the input, from 1; None where all of it is one prompt
_Flying = tuple[Numbered, asyncio.Task[Routed]]

_MOST_AT_ONCE = 128
_WINDOW = 1024  # answers that wait for one before them


async def serve_all(
    router: Router,
    inquiries: Iterator[Numbered],
    served: Callable[[Inquiry, Routed], None],
    failed: Callable[[int | None, Inquiry, RouterctlError], None],
) -> None:
    """Route every inquiry; tell of each, in order, that it is served or has failed, with the line it stands on.

    Raises: InputError for a line that is no prompt, once those before it are served; of the gravest kind where an
    inquiry could not be served.
    """
    errors, asked = list[RouterctlError](), 0
    working, window = asyncio.Semaphore(_at_once(router.table)), asyncio.Semaphore(_WINDOW)
    flying: asyncio.Queue[_Flying | None] = asyncio.Queue()  # in the order of the inquiries; None: that was the last
    starting = asyncio.ensure_future(_start_all(router, inquiries, flying, working, window))
    try:
        while flight := await flying.get():
            (line, inquiry), task = flight
            asked += 1
            try:
                routed = await task
            except RouterctlError as error:
                failed(line, inquiry, error)
                errors.append(error)
            else:
                served(inquiry, routed)
            window.release()
        await starting  # raises what was wrong with a prompt, once those before it are served
    finally:
        await _land(starting, flying)
    if errors:  # each was told already
        raise _gravest(errors)("" if asked == 1 else f"{len(errors)} of {asked} prompts could not be served")


async def _start_all(
    router: Router,
    inquiries: Iterator[Numbered],
    flying: asyncio.Queue[_Flying | None],
    working: asyncio.Semaphore,
    window: asyncio.Semaphore,
) -> None:
    async def one(inquiry: Inquiry) -> Routed:
        try:
            return await router.serve(inquiry)
        finally:
            working.release()

    try:
        while await window.acquire() and await working.acquire() and (coming := await _next(inquiries)):
            flying.put_nowait((coming, asyncio.ensure_future(one(coming[1]))))
    finally:
        flying.put_nowait(None)


def _gravest(failed: Sequence[RouterctlError]) -> type[RouterctlError]:
    """Give the kind of error that the exit code is of: our own fault, then the far side's, the user's, the budget's."""
    order = (EveryRungFailed, InputError, BudgetSpent)
    if not all(isinstance(error, order) for error in failed):
        return RouterctlError
    return next(kind for kind in order if any(isinstance(error, kind) for error in failed))


def _at_once(table: Table) -> int:
    """Inquiries under way at once: as many as the providers take, since each waits for a slot of one of them."""
    used = {table.candidates[rung].provider for item in table.routes.values() for rung in item.rungs}
    return min(_MOST_AT_ONCE, sum(table.providers[name].concurrency for name in used))


async def _next(inquiries: Iterator[Numbered]) -> Numbered | None:
    """Wait for the next inquiry in a thread: the calls in flight go on, and Ctrl-C need not wait for the input.

    Raises: InputError for one that cannot be read, and whatever else reading raises.
    """
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[Numbered | None] = loop.create_future()

    def pull() -> None:
        try:
            settle = partial(coming.set_result, next(inquiries, None))
        except BaseException as error:  # noqa: BLE001 - whoever waits would wait for ever
            settle = partial(coming.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: coming.done() or settle())

    threading.Thread(target=pull, daemon=True).start()
    return await coming


async def _land(starting: asyncio.Future[None], flying: asyncio.Queue[_Flying | None]) -> None:
    """End what is still going on after a closed pipe or Ctrl-C; what was answered is logged already."""
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    flights = [flight for flight in (flying.get_nowait() for _ in range(flying.qsize())) if flight]
    for _, task in flights:
        task.cancel()
    await asyncio.gather(*(task for _, task in flights), return_exceptions=True)

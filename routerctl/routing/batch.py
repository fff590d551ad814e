"""Lines of input, as they come -> answers in their order, many under way at once; one that fails costs no other its.

Every line has its end, in its turn: served, failed or blank. Place: above the router, for whoever brings many
inquiries (stdin).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, RouterctlError
from routerctl.routing.lines import Line
from routerctl.routing.route import Routed
from routerctl.routing.router import Router
from routerctl.types import Table

_MOST_AT_ONCE = 128
_WINDOW = 1024  # answers that wait for one before them


_Flying = tuple[Line, asyncio.Task[Routed | None]]


async def serve_all(
    router: Router,
    lines: Iterator[Line],
    ended: Callable[[Line, Routed | None, RouterctlError | None], None],
) -> None:
    """Route the prompt of every line; tell of each, in order, how it ended: a blank one with neither answer nor error.

    Raises: InputError for input that cannot be read; of the gravest kind where a prompt could not be served, or no more
    than the beginning of its answer.
    """
    errors, halves, asked = list[RouterctlError](), list[RouterctlError](), 0
    working, window = asyncio.Semaphore(_at_once(router.table)), asyncio.Semaphore(_WINDOW)
    flying: asyncio.Queue[_Flying | None] = asyncio.Queue()  # in the order of the lines; None: that was the last
    starting = asyncio.ensure_future(_start_all(router, lines, flying, working, window))
    try:
        while flight := await flying.get():
            line, task = flight
            asked += line.inquiry is not None or line.problem is not None
            try:
                routed = await task
            except RouterctlError as error:
                ended(line, None, error)
                errors.append(error)
            else:
                ended(line, routed, None)
                halves += [EveryRungFailed(routed.unfinished)] if routed and routed.unfinished else []
            window.release()
        await starting  # raises what was wrong with the input, once those before it are served
    finally:
        await _land(starting, flying)
    if failed := [*errors, *halves]:  # each was told already
        what = "could not be served" + (" or not to the end" if halves else "")
        raise _gravest(failed)("" if asked == 1 else f"{len(failed)} of {asked} prompts {what}")


async def _start_all(
    router: Router,
    lines: Iterator[Line],
    flying: asyncio.Queue[_Flying | None],
    working: asyncio.Semaphore,
    window: asyncio.Semaphore,
) -> None:
    async def one(line: Line) -> Routed | None:
        try:
            if line.problem:
                raise line.problem
            return await router.serve(line.inquiry) if line.inquiry else None
        finally:
            working.release()

    try:
        while await window.acquire() and await working.acquire() and (coming := await _next(lines)):
            flying.put_nowait((coming, asyncio.ensure_future(one(coming))))
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


async def _next(lines: Iterator[Line]) -> Line | None:
    """Wait for the next line in a thread: the calls in flight go on, and Ctrl-C need not wait for the input.

    Raises: whatever reading raises.
    """
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[Line | None] = loop.create_future()

    def pull() -> None:
        try:
            settle = partial(coming.set_result, next(lines, None))
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

"""Inquiries -> the wire, several at once, answers in the order of the inquiries; every decision is logged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from routerctl.cli.output.terminal import say
from routerctl.cli.stdin import Numbered, where
from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, RouterctlError
from routerctl.routing.route import UNSERVED, Routed, route
from routerctl.routing.router import Desk, Desks
from routerctl.types import Inquiry, Table

Flying = tuple[Numbered, asyncio.Task[Routed]]

_MOST_AT_ONCE = 128
_WINDOW = 1024  # answers that wait for one before them


def serve(
    table: Table,
    inquiries: Iterator[Numbered],
    show: Callable[[Inquiry, Routed], None],
    *,
    folder: Path,
) -> None:
    """Route every inquiry; those that fail are named on stderr by line and id, and the others still served.

    `folder`: of the table; log and shared state live below it.
    Raises: InputError for a line that is no prompt, once those before it are served; of the gravest kind where an
    inquiry could not be served.
    """
    failed, asked = asyncio.run(_serve(table, inquiries, show, folder))
    if failed:  # each was said already
        raise _gravest(failed)("" if asked == 1 else f"{len(failed)} of {asked} prompts could not be served")


def _gravest(failed: Sequence[RouterctlError]) -> type[RouterctlError]:
    """Give the kind of error that the exit code is of: our own fault, then the far side's, the user's, the budget's."""
    order = (EveryRungFailed, InputError, BudgetSpent)
    if not all(isinstance(error, order) for error in failed):
        return RouterctlError
    return next(kind for kind in order if any(isinstance(error, kind) for error in failed))


async def _serve(
    table: Table, inquiries: Iterator[Numbered], show: Callable[[Inquiry, Routed], None], folder: Path
) -> tuple[list[RouterctlError], int]:
    """Give what went wrong, and the number of inquiries."""
    failed, asked = list[RouterctlError](), 0
    working, window = asyncio.Semaphore(_at_once(table)), asyncio.Semaphore(_WINDOW)
    flying: asyncio.Queue[Flying | None] = asyncio.Queue()  # in the order of the inquiries; None: that was the last
    async with Desks(table, folder) as desks:

        async def one(inquiry: Inquiry) -> Routed:
            try:
                return await _served(desks, inquiry)
            finally:
                working.release()

        async def start_all() -> None:
            try:
                while await window.acquire() and await working.acquire() and (coming := await _next(inquiries)):
                    flying.put_nowait((coming, asyncio.ensure_future(one(coming[1]))))
            finally:
                flying.put_nowait(None)

        starting = asyncio.ensure_future(start_all())
        try:
            while flight := await flying.get():
                (line, inquiry), task = flight
                asked += 1
                try:
                    routed = await task
                except RouterctlError as error:
                    say(f"routerctl: {where(line, inquiry)}{error}")
                    failed.append(error)
                else:
                    show(inquiry, routed)
                window.release()
            await starting  # raises what was wrong with a prompt, once those before it are served
        finally:
            await _land(starting, flying)
    return failed, asked


def _at_once(table: Table) -> int:
    """Inquiries under way at once: as many as the providers take, since each waits for a slot of one of them."""
    used = {table.candidates[rung].provider for item in table.routes.values() for rung in item.rungs}
    return min(_MOST_AT_ONCE, sum(table.providers[name].concurrency for name in used))


async def _served(desks: Desks, inquiry: Inquiry) -> Routed:
    """Serve one inquiry; what breaks on it, even by our own fault, must not cost the others their answers."""
    try:
        return await _logged(await desks.of(inquiry), inquiry)
    except RouterctlError:
        raise
    except Exception as error:
        raise RouterctlError(f"unexpected: {type(error).__name__}: {error}") from error


async def _logged(desk: Desk, inquiry: Inquiry) -> Routed:
    """Serve one inquiry; its decision is in the log before anybody sees the answer."""
    try:
        routed = await route(desk.table, desk.line, inquiry)
    except UNSERVED as error:
        for words in error.alarms:
            say(f"ALARM: {words}")
        await desk.append(inquiry, error.decision, None)
        raise
    await desk.append(inquiry, routed.decision, routed.answer)
    return routed


async def _next(inquiries: Iterator[Numbered]) -> Numbered | None:
    """Wait for the next inquiry in a thread: the calls in flight go on, and Ctrl-C need not wait for stdin.

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


async def _land(starting: asyncio.Future[None], flying: asyncio.Queue[Flying | None]) -> None:
    """End what is still going on after a closed pipe or Ctrl-C; what was answered is logged already."""
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    flights = [flight for flight in (flying.get_nowait() for _ in range(flying.qsize())) if flight]
    for _, task in flights:
        task.cancel()
    await asyncio.gather(*(task for _, task in flights), return_exceptions=True)

"""Prompts -> the wire, several at once, answers in the order of the prompts; every decision is logged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType

from routerctl.cli.routing import PromptLine
from routerctl.console import say
from routerctl.costs import Pricer, pricer_of
from routerctl.decisions import DecisionLog
from routerctl.errors import EveryRungFailed, InputError
from routerctl.providers.base import Outside, Wire
from routerctl.router import AllRungsFailed, Routed, input_text, route
from routerctl.types import Decision, ProviderSpec, Table

Flying = tuple[PromptLine, asyncio.Task[Routed]]

_AT_ONCE = 16  # prompts under way; each provider's own concurrency bounds the calls


def serve(
    table: Table, prompts: Iterator[PromptLine], show: Callable[[PromptLine, Routed], None], *, log_path: Path
) -> None:
    """Route every prompt; those that fail are named on stderr and the others still served.

    Raises: InputError; EveryRungFailed where a prompt could not be served.
    """
    with _Log(log_path) as log:
        failed = asyncio.run(_serve(table, prompts, show, log))
    if failed:
        raise EveryRungFailed(failed[0] if len(failed) == 1 else f"{len(failed)} prompts could not be served")


async def _serve(
    table: Table, prompts: Iterator[PromptLine], show: Callable[[PromptLine, Routed], None], log: _Log
) -> list[str]:
    failed: list[str] = []
    slots = asyncio.Semaphore(_AT_ONCE)
    flying: asyncio.Queue[Flying | None] = asyncio.Queue()  # in the order of the prompts; None: that was the last
    async with Wire(table.providers.values(), Outside(env=os.environ), _pricer_for(table)) as wire:

        async def start_all() -> None:
            try:
                while await slots.acquire() and (one := await _next(prompts)):
                    task = asyncio.ensure_future(route(table, wire.call, one.prompt, one.task_class))
                    flying.put_nowait((one, task))
            finally:
                flying.put_nowait(None)

        starting = asyncio.ensure_future(start_all())
        try:
            while flight := await flying.get():
                one, task = flight
                try:
                    routed = await task
                except AllRungsFailed as error:
                    log.append(one, error.decision)
                    say(f"routerctl: {error}")
                    failed.append(str(error))
                else:
                    log.append(one, routed.decision)
                    show(one, routed)
                slots.release()
            await starting  # raises what was wrong with a prompt, once those before it are served
        finally:
            await _land(starting, flying, log)
    return failed


async def _next(prompts: Iterator[PromptLine]) -> PromptLine | None:
    """Wait for the next prompt in a thread: the calls in flight go on, and Ctrl-C need not wait for stdin.

    Raises: InputError for one that cannot be read.
    """
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[PromptLine | None] = loop.create_future()

    def pull() -> None:
        try:
            settle = partial(coming.set_result, next(prompts, None))
        except (InputError, OSError) as error:
            settle = partial(coming.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: coming.done() or settle())

    threading.Thread(target=pull, daemon=True).start()
    return await coming


async def _land(starting: asyncio.Future[None], flying: asyncio.Queue[Flying | None], log: _Log) -> None:
    """End what is still going on after a closed pipe or Ctrl-C; what was answered meanwhile is logged."""
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    flights = [flight for flight in (flying.get_nowait() for _ in range(flying.qsize())) if flight]
    for _, task in flights:
        task.cancel()
    outcomes = await asyncio.gather(*(task for _, task in flights), return_exceptions=True)
    for (one, _), outcome in zip(flights, outcomes, strict=True):
        if isinstance(outcome, Routed | AllRungsFailed):
            log.append(one, outcome.decision)


def _pricer_for(table: Table) -> Callable[[ProviderSpec, str], Pricer]:
    prices = {(item.provider, item.model): table.prices[name] for name, item in table.candidates.items()}
    return lambda spec, model: pricer_of(prices[spec.name, model], spec, model)


class _Log:
    """The decision log; one that cannot be written is said once and stops no answer."""

    def __init__(self, path: Path) -> None:
        self._log: DecisionLog | None = None
        try:
            self._log = DecisionLog(path)
        except (OSError, sqlite3.Error, InputError) as error:
            self._give_up(error)

    def append(self, one: PromptLine, decision: Decision) -> None:
        """Write one decision."""
        if self._log is None:
            return
        try:
            self._log.append(
                decision,
                decision_id=uuid.uuid4().hex,
                at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                prompt=input_text(one.prompt),
                tenant=one.tenant,
            )
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        say(f"warning: the decision log cannot be written, decisions are not kept: {error}")
        self._log = None

    def __enter__(self) -> _Log:
        """Give the open log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._log:
            self._log.close()

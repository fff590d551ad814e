"""Prompts -> the wire, several at once, answers in the order of the prompts; every decision is logged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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

_AT_ONCE = 16  # prompts read ahead; each provider's own concurrency bounds the calls


def serve(
    table: Table, prompts: Iterator[PromptLine], show: Callable[[PromptLine, Routed], None], *, state: Path
) -> None:
    """Route every prompt; those that fail are named on stderr and the others still served.

    Raises: InputError; EveryRungFailed where a prompt could not be served.
    """
    with _Log(state) as log:
        failed = asyncio.run(_serve(table, prompts, show, log))
    if failed:
        raise EveryRungFailed(failed[0] if len(failed) == 1 else f"{len(failed)} prompts could not be served")


async def _serve(
    table: Table, prompts: Iterator[PromptLine], show: Callable[[PromptLine, Routed], None], log: _Log
) -> list[str]:
    failed: list[str] = []
    flying: deque[tuple[PromptLine, asyncio.Task[Routed]]] = deque()
    async with Wire(table.providers.values(), Outside(env=os.environ), _pricer_for(table)) as wire:

        async def finish_first() -> None:
            one, task = flying.popleft()
            try:
                routed = await task
            except AllRungsFailed as error:
                log.append(one, error.decision)
                say(f"routerctl: {error}")
                failed.append(str(error))
            else:
                log.append(one, routed.decision)
                show(one, routed)

        try:
            for one in prompts:
                flying.append((one, asyncio.ensure_future(route(table, wire.call, one.prompt, one.task_class))))
                if len(flying) >= _AT_ONCE:
                    await finish_first()
            while flying:
                await finish_first()
        finally:
            for _, task in flying:
                task.cancel()
            await asyncio.gather(*(task for _, task in flying), return_exceptions=True)
    return failed


def _pricer_for(table: Table) -> Callable[[ProviderSpec, str], Pricer]:
    prices = {(item.provider, item.model): table.prices[name] for name, item in table.candidates.items()}
    return lambda spec, model: pricer_of(prices[spec.name, model], spec, model)


class _Log:
    """The decision log; one that cannot be written is said once and stops no answer."""

    def __init__(self, state: Path) -> None:
        self._log: DecisionLog | None = None
        try:
            self._log = DecisionLog(state / "decisions.sqlite")
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

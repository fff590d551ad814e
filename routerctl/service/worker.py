"""routes.yaml -> everything that one process of the service holds open; reloads the table when its file changes.

A new table is read, checked and opened beside the old one before it replaces it; one that cannot be served changes
nothing. Requests under way finish with the old one.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from routerctl.errors import InputError, ProviderError, RouterctlError
from routerctl.notices import alarm, info, warn
from routerctl.providers.kinds import check_kind
from routerctl.routing.budgets import Books, open_books
from routerctl.routing.router import Router
from routerctl.routing.runtime import TenantRouter
from routerctl.table import load_table
from routerctl.types import Budget, Inquiry, Table

_NEW_OBJECTS = 20_000  # that trigger a collection
_CHECK_S = 1.0  # between two checks whether the table has changed


@dataclass(slots=True, kw_only=True)
class Worker:
    """What one process holds open."""

    path: Path  # of routes.yaml
    env: Mapping[str, str] = field(repr=False)
    clock: Callable[[], float] = time.monotonic
    on_reload: Callable[[Table | None], None] = lambda _table: (
        None
    )  # called with a new table; None: it cannot be served
    router: Router = field(init=False)
    is_ready: bool = False
    is_draining: bool = False
    in_flight: int = 0
    _is_open: bool = False
    _is_refused: bool = False  # the file as it is now cannot be served
    _seen: tuple[object, ...] = ()
    _closing: set[asyncio.Task[None]] = field(default_factory=set)
    _check: asyncio.Event = field(default_factory=asyncio.Event)
    _watch: asyncio.Task[None] | None = None
    _keyless: Mapping[str, str] = field(default_factory=dict)  # providers that cannot be called -> why

    @property
    def root(self) -> Path:
        """The folder of the table."""
        return self.path.absolute().parent

    @property
    def table(self) -> Table:
        """The table in use."""
        return self.router.table

    async def open(self) -> None:
        """Open the table and everything that its requests will need.

        Raises: InputError where the table cannot be served.
        """
        self._seen = self._stamp()
        self.router, self._keyless = await self._opened(await asyncio.to_thread(load_table, self.path))
        for problem in self._keyless.values():
            warn(f"{problem}: its candidates cannot serve")
        import_module("routerctl.service.translate")  # or the first error would make all requests wait for this import
        self._is_open = True
        self._watch = asyncio.ensure_future(self._keep_up())
        tune_garbage_collection()
        self.is_ready = True

    async def close(self) -> None:
        """Close everything, once the requests under way have ended."""
        self.is_draining, self.is_ready = True, False
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self._is_open = False
        await self.router.__aexit__(None, None, None)
        await asyncio.gather(*self._closing)

    def check_now(self) -> None:
        """Check the table now, whatever the date of its file."""
        self._seen = ()
        self._check.set()

    def opened(self) -> Iterator[TenantRouter]:
        """Give what is open for each tenant of the table in use; nothing before `open` and after `close`."""
        return self.router.runtime().opened() if self._is_open else iter(())

    def open_books(self) -> list[tuple[Budget, Books]]:
        """Give the books of each budget in its current period; may wait for the shared state, raises StateDown."""
        return open_books(self.table.routing.budgets, self.router.states.of(None), datetime.now(UTC))

    async def _keep_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._check.wait()
            self._check.clear()
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                await self._reload()

    async def _reload(self) -> None:
        """Switch to the table as it is now; one that cannot be served changes nothing."""
        try:
            table = await asyncio.to_thread(load_table, self.path)
            if table.digest == self.table.digest and not table.routing.tiers:
                self._say_if_mended(table)
                return
            router, keyless = await self._opened(table)
            if new := [problem for name, problem in keyless.items() if name not in self._keyless]:
                await router.__aexit__(None, None, None)
                raise InputError(new[0])
        except (RouterctlError, OSError) as error:
            self._is_refused = True
            self.on_reload(None)
            alarm(f"the new table cannot be served, version {self.table.table_version} stays in use: {error}")
            return
        self._is_refused = False
        old, self.router, self._keyless = self.router, router, keyless
        self.on_reload(table)
        info(f"serving table version {table.table_version} ({table.digest[:19]}) in place of {old.table.table_version}")
        closing = asyncio.ensure_future(old.__aexit__(None, None, None))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _say_if_mended(self, table: Table) -> None:
        """After an alarm, tell that the file is the table that serves again."""
        if self._is_refused:
            self._is_refused = False
            info(f"{self.path} is again the table that serves, version {table.table_version}")

    async def _opened(self, table: Table) -> tuple[Router, Mapping[str, str]]:
        """Open a table with all that its requests need; also give the providers that cannot be called, with the reason.

        Raises: InputError.
        """
        router, keyless = Router(table, self.root, env=self.env, serves=True), dict[str, str]()
        await router.__aenter__()
        try:
            for name in (None, *table.routing.tenants):
                keyless |= await self._warm(router, name)
        except BaseException:
            await router.__aexit__(None, None, None)
            raise
        return router, keyless

    async def _warm(self, router: Router, tenant: str | None) -> dict[str, str]:
        """Create the providers, so that no request waits for their imports; give those that cannot be called."""
        _, opened = await router.runtime().router_for(router.tables, Inquiry(prompt="", tenant=tenant))
        used = {one.provider for one in opened.table.candidates.values()}
        used |= {place.provider for one in opened.table.candidates.values() for place in one.also}
        keyless = {}
        for name in sorted(used):
            try:
                await opened.wire.ready(name)
                opened.wire.forwarding(name)
            except ProviderError as error:
                keyless[name] = str(error)
        return keyless

    def _stamp(self) -> tuple[object, ...]:
        """Tell two states of the table's files apart; a missing file is a state, too."""
        files = [self.path]
        with suppress(AttributeError):  # nothing is open yet
            files += [self.path.parent / tier.table for tier in self.router.table.routing.tiers.values()]
        return tuple(map(_stamp_of, files))


def tune_garbage_collection() -> None:
    """Exempt what exists now from garbage collection, and collect the rest less often.

    Requests leave no reference cycles; looking for them cost a tenth of the time under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def load_served_table(path: Path) -> Table:
    """Load a table to be served; raises InputError, also where it has a model that cannot be called."""
    if path.is_dir():
        raise InputError(f"expected a table file, got the folder {path}")
    table = load_table(path)
    for candidate in table.candidates.values():
        try:
            check_kind(table.providers[candidate.provider].kind)
        except InputError as error:
            raise InputError(f"{path}: candidate {candidate.name!r}: {error.problem}") from None
    return table

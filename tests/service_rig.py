"""A service on a real socket in the test's own loop, in front of the emulator: for tests of `routerctl serve`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn

from routerctl.routing.decision_log.reader import LogReader, Row, Wanted
from routerctl.service.app import App
from routerctl.service.serve import Options, application
from routerctl.service.server_protocol import HttpProtocol
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing.emulator import Emulator
from routerctl.types import Candidate, Price, ProviderSpec, Routing, Table
from tests.conftest import SECRET

ENV = {"TEST_KEY": SECRET}
CLASS = "sums"


@dataclass(slots=True)
class Service:
    """One that runs."""

    url: str
    app: App
    root: Path

    def rows(self) -> list[Row]:
        """Every decision that is in its log by now."""
        with LogReader(self.root / ".routerctl/decisions.sqlite") as log:
            return list(log.every(Wanted()))


def table_for(base: Table, emulator: Emulator, *, first: str = "openai", **routing: Any) -> Table:
    """The table with two candidates at the emulator: `chat` speaks OpenAI's wire, `claude` Anthropic's.

    `first`: whose candidate is asked first.
    """
    quick: dict[str, Any] = {"max_attempts": 1, "timeout_s": 5.0, "api_key_env": "TEST_KEY"}
    providers = {
        "openai": ProviderSpec(
            name="openai", kind="openai", base_url=f"{emulator.url}/v1", options={"responses": True}, **quick
        ),
        "anthropic": ProviderSpec(name="anthropic", kind="anthropic", base_url=emulator.url, **quick),
    }
    candidates = {
        "chat": Candidate(name="chat", provider="openai", model="model-chat"),
        "claude": Candidate(name="claude", provider="anthropic", model="model-claude"),
    }
    order = ("chat", "claude") if first == "openai" else ("claude", "chat")
    route = replace(base.routes[CLASS], chosen=order[0], rungs=order, evidence=())
    price = Price(date="2026-11-01", source="made up", input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(2))
    return with_digest(
        replace(
            base,
            ladder=order,
            providers=providers,
            candidates=candidates,
            prices=dict.fromkeys(candidates, price),
            routes={CLASS: route},
            routing=replace(Routing(), **routing),
        )
    )


@asynccontextmanager
async def serving(root: Path, table: Table, *, env: Mapping[str, str] = ENV, **options: Any) -> AsyncIterator[Service]:
    """Serve a table that is written into a folder, on a port of its own."""
    path = root / "routes.yaml"
    path.write_text(table_text(table), encoding="utf-8")
    app = application(Options(table=str(path), **{"access_log": "off", **options}), env)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, loop="none", http=HttpProtocol, ws="none", lifespan="on", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[sock]))
    while not server.started:
        if task.done():
            raise RuntimeError(f"the service did not start: {task.exception()}")
        await asyncio.sleep(0.01)
    try:
        yield Service(url=f"http://127.0.0.1:{sock.getsockname()[1]}", app=app, root=root)
    finally:
        server.should_exit = True
        await task


def base_table(root: Path) -> Table:
    """The table of a built project."""
    return load_table(root / "routes.yaml")


def changed(table: Table, **fields: Any) -> Table:
    """The table with other fields."""
    return with_digest(replace(table, **fields))

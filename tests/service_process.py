"""`routerctl serve` as the process that an operator starts, with its workers, signals and words on stderr."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from routerctl.routing.decision_log.reader import LogReader, Row, Wanted
from tests.conftest import COMMAND, clean_env
from tests.redis_server import free_port
from tests.service_rig import ENV

_START_S = 60.0


@dataclass(slots=True, kw_only=True)
class Served:
    """A service that runs, or has run."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]
    heard: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """All that it has said on stderr."""
        return self.heard.read_text(encoding="utf-8")

    def workers(self) -> list[int]:
        """The processes that serve, where there are several."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]

    def rows(self) -> list[Row]:
        """Every decision that is in its log by now."""
        with LogReader(self.root / ".routerctl/decisions.sqlite") as log:
            return list(log.every(Wanted()))

    async def ends(self) -> int:
        """Wait for its end, and give its exit code."""
        return await asyncio.to_thread(self.process.wait, 30)


@asynccontextmanager
async def started(root: Path, *options: str, env: Mapping[str, str] = ENV) -> AsyncIterator[Served]:
    """Serve the table in a folder, from when it is ready until the test ends it or is over."""
    port = free_port()
    heard = root / f"serve-{port}.err"
    with heard.open("wb") as err:
        process = subprocess.Popen(  # noqa: ASYNC220 - it takes no longer than any fork
            [COMMAND, "serve", "--port", str(port), "--access-log", "off", *options],
            cwd=root,
            env=clean_env(env),
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    served = Served(root=root, port=port, process=process, heard=heard)
    try:
        await _ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            await served.ends()


async def _ready(served: Served) -> None:
    async with aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            if served.process.poll() is not None:
                raise RuntimeError(served.said)
            try:
                async with session.get(f"{served.url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(is_ready, within_s=_START_S)
    await until(lambda: "serving version" in served.said, within_s=_START_S)  # by now all workers are ready


async def until(met: Callable[[], object], *, within_s: float = 15.0) -> None:
    """Wait until something is so; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            found = met()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)


def signalled(served: Served, number: signal.Signals) -> None:
    """Send a signal to the process that was started."""
    os.kill(served.process.pid, number)

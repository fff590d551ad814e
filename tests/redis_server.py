"""A real Redis server for tests: on a free port of 127.0.0.1, with nothing on disk that outlives it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis(folder: Path, *, port: int | None = None, password: str = "", keeps: bool = False) -> Iterator[str]:
    """Run a server and give its URL; skips the test only where there is no `redis-server` to run.

    `keeps`: what it holds is there again where one is started in the same folder.
    """
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine (Debian's package redis-server has it)")
    chosen = port or free_port()
    settings = ["--port", str(chosen), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    settings += ["--appendonly", "yes" if keeps else "no"]
    settings += ["--requirepass", password] if password else []
    server = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL)
    url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{chosen}/0"
    try:
        _wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for _ in range(400):
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.025)
            else:
                return
    raise TimeoutError("redis-server did not start")

"""Runs uvicorn in one process or several, which serve a socket until a signal ends them."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from routerctl.errors import RouterctlError
from routerctl.notices import alarm

_LOOK_S = 0.2  # between two looks whether a worker that does not answer has ended
_REST_S = 5.0  # before a worker that could not start is started again

OnReady = Callable[[], None]  # called once, when requests are taken


class Supervisor(Multiprocess):
    """uvicorn's supervisor, except that a broken table stops nothing.

    At SIGHUP uvicorn would restart every worker; and it would stop them all if the replacement of one cannot start.
    """

    def __init__(self, config: Config, sockets: list[socket.socket], on_ready: OnReady) -> None:
        super().__init__(config, sockets)
        self._on_ready: OnReady | None = on_ready
        self._ready: set[int | None] = set()  # workers that take requests, or took some
        self._again_at = 0.0  # on the monotonic clock

    @property
    def has_served(self) -> bool:
        """Whether a worker could start."""
        return bool(self._ready)

    def keep_subprocess_alive(self) -> None:
        """Replace whoever died; the first time that all take requests, tell so.

        Who cannot start is tried again and again, once there was a service.
        """
        for number, process in enumerate(self.processes):
            if self._lives(process):
                continue
            process.kill()
            process.join()
            cannot_start = process.exitcode == STARTUP_FAILURE
            if cannot_start and not self.has_served:
                self.should_exit.set()
                return
            if cannot_start and time.monotonic() < self._again_at:
                continue
            if cannot_start:
                self._again_at = time.monotonic() + _REST_S
                alarm(f"a worker cannot start, for the reason above; it is tried again in {_REST_S:g} s")
            else:
                alarm(f"a worker ended (exit code {process.exitcode}): another one takes its place")
            self.processes[number] = self._another()
        if self._on_ready and self._ready.issuperset(one.pid for one in self.processes):
            self._on_ready()
            self._on_ready = None

    def _lives(self, process: Process) -> bool:
        """Ask a worker; one that has ended is not waited for, and neither is any where a signal waits."""
        gives_up_at = time.monotonic() + self.config.timeout_worker_healthcheck
        with suppress(OSError, EOFError):
            process.parent_conn.send(b"ping")
            while process.process.is_alive() and time.monotonic() < gives_up_at:
                if self.signal_queue:
                    return True
                if process.parent_conn.poll(_LOOK_S):
                    if process.parent_conn.recv():
                        self._ready.add(process.pid)
                    return True
        return False

    def _another(self) -> Process:
        process = Process(self.config, self.sockets)
        process.start()
        return process

    def handle_hup(self) -> None:
        """Have every worker check its table.

        Not one that is starting: it would die of the signal, and reads the table anyway.
        """
        for process in self.processes:
            with suppress(ProcessLookupError):
                if process.pid is not None and process.pid in self._ready:
                    os.kill(process.pid, signal.SIGHUP)


class OneServer(Server):
    """uvicorn's server, which reports when it takes requests."""

    def __init__(self, config: Config, on_ready: OnReady) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to take requests."""
        await super().startup(sockets)
        self._on_ready()


def supervise(config: Config, sock: socket.socket, on_ready: OnReady) -> None:
    """Serve with as many workers as configured; raises RouterctlError where one cannot start."""
    supervisor = Supervisor(config, [sock], on_ready)
    supervisor.run()
    if not supervisor.has_served and any(one.exitcode == STARTUP_FAILURE for one in supervisor.processes):
        raise RouterctlError(_NOT_STARTED)


def supervise_one(config: Config, sock: socket.socket, on_ready: OnReady) -> None:
    """Serve in this process; raises RouterctlError where it cannot start."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a table to check
    signal.signal(signal.SIGTERM, _stopped)  # uvicorn sends it once more when everything has ended
    try:
        OneServer(config, on_ready).run(sockets=[sock])
    except SystemExit as end:
        if end.code == STARTUP_FAILURE:
            raise RouterctlError(_NOT_STARTED) from None
        raise


def _stopped(_number: int, _frame: object) -> None:
    raise SystemExit(0)


_NOT_STARTED = "the service could not start; the reason is above"

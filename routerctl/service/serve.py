"""The options of `routerctl serve` -> worker processes that serve until a signal ends them.

A single worker is the process itself. Several are started and supervised by a parent process, which receives the
signals: it forwards SIGHUP to every worker, so that each checks its table and none is restarted for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from routerctl import notices
from routerctl.errors import InputError, StateDown
from routerctl.routing.tenants import States
from routerctl.service.access_log import AccessLog, notify
from routerctl.service.admission import Admission
from routerctl.service.app import App
from routerctl.service.endpoints import endpoints
from routerctl.service.keys import has_keys
from routerctl.service.observer import Observer, shared_folder
from routerctl.service.tracing import tracing_of
from routerctl.service.worker import Worker, load_served_table
from routerctl.types import Table
from routerctl.words import plural

VARIABLE = "ROUTERCTL_SERVE"  # hands the options to worker processes
AccessLogFormat = Literal["json", "text", "off"]
_SLOW_START_S = 20  # that a worker may take to answer its parent, which ends it otherwise: it starts on a busy machine
_FACTORY = "routerctl.service.serve:application_from_environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the service is run, from the command line."""

    table: str = "routes.yaml"
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    require_keys: bool = False
    access_log: AccessLogFormat = "json"
    metrics_folder: str = ""  # shared by the workers; "" = there is one worker
    ui: bool = False
    drain_s: int = 120  # that requests under way have to finish after a signal


def serve(options: Options, notify_user: notices.Notify) -> None:
    """Serve until a signal ends it; `notify_user`: takes notices for people.

    Raises: InputError where these options cannot be served.
    """
    table = load_served_table(Path(options.table))
    _check_reach(options, table, notify_user)
    sock = _bound(options)
    if options.workers > 1:
        folder = shared_folder(Path(options.table).absolute().parent)
        options = replace(options, metrics_folder=str(folder))
    os.environ[VARIABLE] = json.dumps(asdict(options))
    notices.take(notify_user)
    from routerctl.service.supervisor import supervise, supervise_one

    run = supervise_one if options.workers == 1 else supervise
    run(_config(options), sock, lambda: notify_user(_serves_words(options, table), "info"))


def _serves_words(options: Options, table: Table) -> str:
    where = f"http://{_shown(options.host)}:{options.port}"
    page = f", with a page at {where}/ui" if options.ui else ""
    return (
        f"serving version {table.table_version} of {options.table} at {where}{page} "
        f"({plural(options.workers, 'worker')})"
    )


def _bound(options: Options) -> socket.socket:
    """Bind the port, which all workers share; raises InputError."""
    where = f"--host {options.host} --port {options.port}"
    try:
        family, *_, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from None
    sock.set_inheritable(True)
    return sock


def _config(options: Options) -> Any:
    import uvicorn

    return uvicorn.Config(
        _FACTORY,
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="routerctl.service.server_protocol:HttpProtocol",
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=options.drain_s,
        timeout_worker_healthcheck=_SLOW_START_S,
        backlog=2048,
    )


def _check_reach(options: Options, table: Table, notify_user: notices.Notify) -> None:
    """Refuse to listen to other machines while there is no API key; raises InputError."""
    if is_local(options.host) and not options.require_keys:
        return
    try:
        there_are = has_keys(States(table, Path(options.table).absolute().parent, os.environ).of(None))
    except StateDown as error:
        if is_local(options.host):
            return
        raise InputError(f"--host {options.host}: cannot tell whether there are API keys: {error}") from None
    if not there_are and is_local(options.host):
        problem = "there is no API key yet, so no request is served: create one with `routerctl keys create NAME`"
        notify_user(problem, "warning")
    elif not there_are:
        raise InputError(
            f"--host {options.host} opens the service to other machines, and there is no API key yet: create one with "
            "`routerctl keys create NAME`, or listen to this machine only (--host 127.0.0.1)"
        )


def is_local(host: str) -> bool:
    """Tell whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def application_from_environment() -> App:
    """Create the application in a worker process, where uvicorn calls this by name."""
    notices.take(notify)  # until there is an access log, which writes notices between its lines
    return application(Options(**json.loads(os.environ[VARIABLE])))


def application(options: Options, env: Mapping[str, str] | None = None) -> App:
    """Create the application of one process; it opens with its lifespan. `env`: holds the provider keys."""
    access_log = None
    if options.access_log != "off":
        access_log = AccessLog("text" if options.access_log == "text" else "json")
        notices.take(access_log.notify)
    folder = Path(options.metrics_folder) if options.metrics_folder else None
    worker = Worker(path=Path(options.table), env=os.environ if env is None else env)
    tracing = tracing_of(worker.env, host=options.host, port=options.port)
    observer = Observer(worker, folder=folder, access_log=access_log, tracing=tracing)
    worker.on_reload = observer.reloaded
    admission = Admission(worker, needs_key=options.require_keys or not is_local(options.host))
    others = endpoints(worker, admission, observer, ui=options.ui)
    return App(worker, admission, observer, others, on_open=lambda: _look_on_hangup(worker))


def _look_on_hangup(worker: Worker) -> None:
    with suppress(NotImplementedError, ValueError, AttributeError):  # Windows has no such signal; a thread no handlers
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, worker.check_now)

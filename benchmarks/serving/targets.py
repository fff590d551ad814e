"""Starts what is measured: the upstream, the bare pass-through, our service, and peers from environments of their own.

Each is a process (or a tree of them) with one worker on a free port of 127.0.0.1, in front of the same upstream. One
that is up has answered a request and a stream whole, with the upstream's own text; what answers otherwise is no target.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving.measures import Asked, body
from serving.project import CLASS, COMMAND, ENVIRONMENT, REPLY, Projects

SOURCES = Path(__file__).resolve().parents[1] / "upstream"
FIRST_MS, GAP_MS, PIECES = 20, 2, 50  # as upstream.c has them
UP_WITHIN_S = 150.0  # LiteLLM takes 35 s on an idle machine
KEY = "sk-local-bench-0123456789abcdef0123456789abcdef"
BEARER = {"authorization": f"Bearer {KEY}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a target is started and asked."""

    command: Sequence[str]
    port: int
    model: str = "mock-1"
    headers: Mapping[str, str] = field(default_factory=lambda: BEARER)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path
    connections: int = 32
    source: str | None = None  # what our service must say named the class


def compiled(name: str, folder: Path) -> Path:
    """Compile one of the two C programs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler"
    program = folder / name
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCES / f"{name}.c")], check=True)
    return program


@contextmanager
def upstream(folder: Path) -> Iterator[Asked]:
    """Run the upstream."""
    port = free_port()
    command = [str(compiled("upstream", folder)), str(port), str(FIRST_MS), str(GAP_MS)]
    with running(Plan(command=command, port=port, folder=folder)) as asked:
        yield asked


@contextmanager
def all_running(plans: Mapping[str, Plan], prompt: str) -> Iterator[dict[str, Asked]]:
    """Run several, wait until each is up, and prove each."""
    with ExitStack() as stack:
        several = {name: stack.enter_context(running(plan)) for name, plan in plans.items()}
        for name, asked in several.items():
            prove(name, asked, prompt, plans[name].source)
        yield several


@contextmanager
def running(plan: Plan) -> Iterator[Asked]:
    """Run one, with all it starts, until the end of the block; it is up when its port is open."""
    log = plan.folder / f"{plan.port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            plan.command, cwd=plan.folder, env={**os.environ, **ENVIRONMENT, **plan.environment},
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(process, plan.port, log)
        yield Asked(
            pid=process.pid, port=plan.port, model=plan.model, headers=plan.headers, connections=plan.connections
        )
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, those that outlive it as well."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args!r} ended: {log.read_text('utf-8', 'replace')[-600:]}"
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{process.args!r} is not up after {UP_WITHIN_S:.0f} s")


def prove(name: str, asked: Asked, prompt: str, source: str | None = None) -> None:
    """See that both kinds of answer come through whole."""
    whole, headers = _answer(asked, body(asked.model, prompt, stream=False))
    assert json.loads(whole)["choices"][0]["message"]["content"] == REPLY, f"{name}: {whole[:300]!r}"
    stream, _ = _answer(asked, body(asked.model, prompt, stream=True))
    events = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    deltas = [choice["delta"] for one in events[:-1] for choice in json.loads(one)["choices"]]
    said = "".join(delta.get("content") or "" for delta in deltas)
    assert said == "".join(f" word{k:02}" for k in range(PIECES)), f"{name}: {said!r}"
    assert events[-1] == "[DONE]", f"{name}: the stream ends with {events[-1]!r}"
    told = headers.get("x-routerctl-source")
    assert source in (None, told), f"{name}: the class comes from {told!r}, not from {source!r}"


def _answer(asked: Asked, content: str) -> tuple[str, Mapping[str, str]]:
    """Ask once; while a server says that it is not ready, again."""
    headers = {"content-type": "application/json", **asked.headers}
    request = urllib.request.Request(asked.url, content.encode(), headers)  # noqa: S310 - on 127.0.0.1
    until = time.monotonic() + UP_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - on 127.0.0.1
                return answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as problem:
            if problem.code not in (500, 502, 503) or time.monotonic() > until:
                raise RuntimeError(f"{asked.url}: {problem.code} {problem.read()[:600]!r}") from None
        time.sleep(0.5)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- ours -------------------------------------------------------------------------------------------------------------


def passthrough(port: int, folder: Path) -> Plan:
    """Plan the bare pass-through."""
    own = free_port()
    command = [sys.executable, "-m", "uvicorn", "passthrough:app", "--app-dir", str(Path(__file__).parent)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    environment = {"UPSTREAM": f"http://127.0.0.1:{port}"}
    return Plan(command=[*command, "--port", str(own)], port=own, folder=folder, environment=environment)


def services(projects: Projects) -> dict[str, Plan]:
    """Plan our service on both projects."""
    return {
        TOLD: _service(projects.told, f"class:{CLASS}", None),
        FOUND: _service(projects.found, "auto", "classifier"),
    }


def _service(folder: Path, model: str, source: str | None) -> Plan:
    port = free_port()
    command = [COMMAND, "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return Plan(
        command=[*command, "--access-log", "off"], port=port, model=model, headers={}, folder=folder, source=source
    )


TOLD, FOUND = "routerctl, told the class", "routerctl, rules + classifier + budget"


# --- peers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer: what pip installs, its program, and how it is started."""

    packages: tuple[str, ...]
    program: str
    plan: Callable[[str, int, Path], Plan]  # program, the upstream's port, a scratch folder
    slow: bool = False  # measured for longer on few connections, and probed apart, so that it does not disturb others


def installed(peers: Path, *, install: bool) -> dict[str, str]:
    """Give the programs of the peers that are there, each in an environment of its own; `install` makes those."""
    found = {}
    for name, peer in PEERS.items():
        home = peers / peer.program
        program = home / "bin" / peer.program
        if install and not program.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run([str(home / "bin/pip"), "install", "--quiet", *peer.packages], check=True)
        if program.exists():
            found[name] = str(program)
    return found


def _litellm(program: str, port: int, folder: Path) -> Plan:
    own = free_port()
    model = {"model": "openai/mock-1", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": "sk-none"}
    config = {
        "model_list": [{"model_name": "mock-1", "litellm_params": model}],
        "litellm_settings": {"telemetry": False, "drop_params": True},
        "general_settings": {"master_key": KEY, "disable_spend_logs": True},
    }
    (folder / "litellm.yaml").write_text(json.dumps(config), "utf-8")
    command = [program, "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(own), "--num_workers", "1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True", "LITELLM_LOG": "ERROR"}
    # Its streams take seconds each: on many connections most would be under way, paid and uncounted, when time is up.
    return Plan(
        command=[*command, "--telemetry", "False"], port=own, folder=folder, environment=environment, connections=4
    )


def _rolter(program: str, port: int, folder: Path) -> Plan:
    own = free_port()
    (folder / "rolter.toml").write_text(
        f"""
[[providers]]
name = "up"
kind = "openai"
allow_custom_api_base = true
api_base = "http://127.0.0.1:{port}/v1"
api_key = "sk-none"
[[routes]]
model = "mock-1"
[[routes.targets]]
provider = "up"
model = "mock-1"
[[virtual_keys]]
key = "{KEY}"
name = "bench"
models = []
""",
        "utf-8",
    )
    command = [program, "gateway", "-c", "rolter.toml", "--host", "127.0.0.1", "--port", str(own)]
    return Plan(command=command, port=own, folder=folder)


def _vllm_router(program: str, port: int, folder: Path) -> Plan:
    own = free_port()
    command = [program, "--host", "127.0.0.1", "--port", str(own), "--worker-urls", f"http://127.0.0.1:{port}"]
    command += ["--policy", "round_robin", "--prometheus-port", str(free_port()), "--prometheus-host", "127.0.0.1"]
    return Plan(command=[*command, "--log-level", "error"], port=own, folder=folder)


PEERS = {
    "LiteLLM proxy": Peer(
        packages=("litellm[proxy]==1.108.7", "httptools"), program="litellm", plan=_litellm, slow=True
    ),
    "rolter (Rust)": Peer(packages=("rolter==0.1.0",), program="rolter", plan=_rolter),
    "vllm-router (Rust)": Peer(packages=("vllm-router==0.1.17",), program="vllm-router", plan=_vllm_router),
}

"""What a server costs and how long it takes: load by `wrk`, time by the probe, CPU and memory of a process tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RATE = 50.0  # requests a second of a probe, over all servers
# Prompts in turn, each request made once: a program that remembers its last prompt gains nothing.
LUA = """
local requests, at = {}, 0
function init()
  local headers = %s
  for _, body in ipairs({%s}) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One server and how it is asked."""

    pid: int
    port: int
    model: str
    headers: Mapping[str, str]
    path: str = "/v1/chat/completions"
    connections: int = 32

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of one load."""

    answers: int
    cpu_s: float  # of the server's processes, in the time of the load
    failed: int  # answers that are not 2xx, and broken connections

    @property
    def per_cpu_s(self) -> float:
        """Answers a second of CPU; a load that is shorter than the clock's tick counts as one tick."""
        return self.answers / max(self.cpu_s, 1 / TICKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One answer of a probe."""

    server: int
    turn: int
    status: int
    first_ms: float
    total_ms: float


def body(model: str, prompt: str, *, stream: bool) -> str:
    """Write a request in OpenAI's words, which all servers here understand."""
    messages = [{"role": "system", "content": "You are careful."}, {"role": "user", "content": prompt}]
    asked: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": 200, "temperature": 0}
    return json.dumps(asked | ({"stream": True} if stream else {}), ensure_ascii=False)


def put_under_load(asked: Asked, prompts: Sequence[str], folder: Path, *, stream: bool, seconds: int) -> Load:
    """Ask with `wrk` on all of its connections for so long."""
    command = command_of(asked, prompts, folder, stream=stream, seconds=seconds, connections=asked.connections)
    before = cpu_s(asked.pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    used = cpu_s(asked.pid) - before
    assert not done.stderr, done.stderr  # a script that is wrong is told there, and the load goes on without it
    answers, failed = counted(done.stdout)
    return Load(answers=answers, cpu_s=used, failed=failed)


def command_of(
    asked: Asked, prompts: Sequence[str], folder: Path, *, stream: bool, seconds: int, connections: int
) -> list[str]:
    """Write the load's script and give the command that runs it."""
    headers = {"host": f"127.0.0.1:{asked.port}", "content-type": "application/json", **asked.headers}
    bodies = ", ".join(_lua(body(asked.model, prompt, stream=stream)) for prompt in prompts)
    pairs = ", ".join(f"[ {_lua(name)} ] = {_lua(value)}" for name, value in headers.items())
    script = folder / f"{asked.port}-{stream}.lua"
    script.write_text(LUA % (f"{{{pairs}}}", bodies), "utf-8")
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script), asked.url]


def counted(said: str) -> tuple[int, int]:
    """Read `wrk`'s report: answers, and how many of them are not 2xx or broke."""
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = _number(r"Non-2xx or 3xx responses: (\d+)", said) + sum(map(int, broken.groups() if broken else ()))
    return _number(r"(\d+) requests in", said), failed


def probe(
    program: Path, several: Sequence[Asked], prompt: str, *, stream: bool, turns: int, rate: float = RATE
) -> list[Timing]:
    """Ask servers in turn at a fixed rate, each with the same prompt."""
    words = [str(program), str(rate), str(turns)]
    for asked in several:
        headers = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
        words += [str(asked.port), asked.path, headers, body(asked.model, prompt, stream=stream)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [_timing(line) for line in said.splitlines()]


def _timing(line: str) -> Timing:
    turn, server, status, first_us, total_us = map(int, line.split())
    return Timing(server=server, turn=turn, status=status, first_ms=first_us / 1000, total_ms=total_us / 1000)


def tree(pid: int) -> Iterator[list[str]]:
    """Give the fields of /proc/PID/stat, from the state on, of a process and of all that come from it."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats[int(path.parent.name)] = path.read_text("utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
    wanted = [pid]
    for one in wanted:
        if one in stats:
            wanted += [child for child, fields in stats.items() if int(fields[1]) == one]
            yield stats[one]


def cpu_s(pid: int) -> float:
    """Seconds of CPU, user and system, of a process tree so far; those of ended children are in it."""
    return sum(sum(map(int, fields[11:15])) for fields in tree(pid)) / TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process tree; pages that its processes share are counted in each."""
    return sum(int(fields[21]) for fields in tree(pid)) * PAGE / 2**20


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much the second grows by a unit of the first."""
    middle = sum(x for x, _ in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * y for x, y in points) / spread


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _lua(text: str) -> str:
    level = "=="  # two brackets side by side would be a text of their own
    assert f"]{level}]" not in text
    return f"[{level}[{text}]{level}]"

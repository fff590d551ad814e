"""Traffic goes on while a real self-hosted model dies and comes back: hosted serves meanwhile, and only meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from routerctl.providers import weights
from tests.conftest import PRICE, Far, Project
from tests.test_llamacpp_peer import KEY, MODEL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs the extra routerctl[local]"),
]
ENV = {"TEST_KEY": KEY}
PEER = """
import sys, time
from pathlib import Path
from tests.test_llamacpp_peer import start_peer
peer = start_peer(Path(sys.argv[1]), int(sys.argv[2]))
print(peer.listening_address, flush=True)
time.sleep(3600)
"""
PAUSE_S, MOST_S = 0.25, 100.0  # between two prompts; for each phase of the traffic


class Box:
    """A machine with llama.cpp's server on it, in a process that can be killed."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server, on the port that it had before, and wait until it listens."""
        given = [sys.executable, "-c", PEER, str(weights.fetch(weights.local_model("smollm2-135m"))), str(self.port)]
        root = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(given, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rpartition(":")[2])

    def kill(self) -> None:
        """Pull the plug: what it was answering is cut off."""
        if self._process:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def box() -> Iterator[Box]:
    """A running one."""
    made = Box()
    made.start()
    yield made
    made.kill()


class Traffic:
    """`route --jsonl` in a process that lives through it all, asked one prompt after another."""

    def __init__(self, project: Project) -> None:
        self._process = project.start("route", "--jsonl", "--json", "--class", "sums", env=ENV)
        self.told: list[dict[str, Any]] = []

    def ask(self) -> str:
        """Send the next prompt and give the provider that served it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        name = f"q{len(self.told)}"
        self._process.stdin.write(json.dumps({"prompt": f"sums: 1+{len(self.told)}", "id": name}).encode() + b"\n")
        self._process.stdin.flush()
        row = json.loads(self._process.stdout.readline())
        assert (row["id"], row["hops"][-1]["outcome"]) == (name, "served"), row
        self.told.append(row)
        return str(row["hops"][-1]["provider"])

    def ask_until(self, provider: str) -> list[str]:
        """Go on, a prompt every quarter of a second, until this provider has served three in a row."""
        seen: list[str] = []
        end = time.monotonic() + MOST_S
        while seen[-3:] != [provider] * 3:
            assert time.monotonic() < end, seen
            seen.append(self.ask())
            time.sleep(PAUSE_S)
        return seen

    def end(self) -> str:
        """Close stdin and give stderr."""
        _, err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, err
        return err.decode()


def _hosted(far: Far) -> dict[str, Any]:
    return {"kind": "openai", "base_url": f"{far.url}/v1", "api_key_env": "TEST_KEY", "max_attempts": 1}


def _build(project: Project, provider: dict[str, Any], model: str, far: Far, **routing: Any) -> None:
    """A table with one candidate: at home first, the same model at `cloud` else."""
    project.config.update(
        {
            "providers": {"box": provider, "cloud": _hosted(far)},
            "candidates": {"mine": {"provider": "box", "model": model, "also": [{"provider": "cloud"}]}},
            "ladders": {"main": ["mine"]},
            "prices": [
                {"provider": "box", "model": model, **PRICE, "input_mtok_usd": 0, "output_mtok_usd": 0},
                {"provider": "cloud", "model": model, **PRICE},
            ],
            "routing": routing,
            "rules": [],
        }
    )
    project.save()
    project.eval_set("sums", 12)
    for command in ("eval", "build-table"):
        done = project.run(command, env=ENV)
        assert done.code == 0, done.err


def test_a_server_that_dies_and_comes_back(project: Project, far: Far, box: Box) -> None:
    """Killed in traffic: no answer is lost and none is late; started anew: it serves again, without a restart."""
    at_home = {"kind": "openai", "base_url": f"http://127.0.0.1:{box.port}/v1", "api_key_env": "TEST_KEY"}
    _build(project, {**at_home, "concurrency": 1, "max_attempts": 1}, MODEL, far)
    asked = far.emulator.posts
    traffic = Traffic(project)
    assert set(traffic.ask_until("box")) == {"box"}
    assert far.emulator.posts == asked
    box.kill()
    away = traffic.ask_until("cloud")
    assert set(away) == {"cloud"}
    for _ in range(8):
        assert traffic.ask() == "cloud"
        time.sleep(PAUSE_S)
    tried = [
        row for row in traffic.told if {hop["provider"] for hop in row["hops"] if hop["model"]} >= {"box", "cloud"}
    ]
    passed_by = [row for row in traffic.told if any(hop["outcome"] == "skipped" for hop in row["hops"])]
    assert tried
    assert len(passed_by) >= 4  # once its breaker is open nobody waits for it
    box.start()
    back = traffic.ask_until("box")
    assert back.count("cloud") * PAUSE_S < MOST_S
    served = far.emulator.posts
    for _ in range(5):
        assert traffic.ask() == "box"
    assert far.emulator.posts == served  # hosted is not paid for what is served at home
    traffic.end()
    assert [row["id"] for row in traffic.told] == [f"q{number}" for number in range(len(traffic.told))]


def test_a_model_that_is_loading_is_passed_by(project: Project, far: Far) -> None:
    """The first prompts do not wait for the weights; as soon as they are there, the hosted model is not asked."""
    model = weights.pin_of("smollm2-135m")
    weights.fetch(weights.local_model("smollm2-135m"))
    _build(project, {"kind": "local", "concurrency": 1}, model, far, spill=True)
    traffic = Traffic(project)
    assert traffic.ask() == "cloud"
    assert "box" in traffic.ask_until("box")
    served = far.emulator.posts
    for _ in range(5):
        assert traffic.ask() == "box"
    assert far.emulator.posts == served
    traffic.end()

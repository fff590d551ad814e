"""Programs that people point at a gateway, unchanged, with the service as their base URL: each gets its answer.

Each is installed at its version into a folder of its own below ~/.cache/routerctl-bench, once.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMMAND, Far, Project
from tests.redis_server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first run installs them

CACHE = Path.home() / ".cache/routerctl-bench/clients"
KEY = "sk-client-0123456789"
CHOICES = ("auto", "small", "large")  # by the table; on the Anthropic place; on the OpenAI one
INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import exact
from inspect_ai.solver import generate

@task
def sums():
    samples = [Sample(input=f"1+{k}", target=str(k + 1)) for k in range(5)]
    return Task(dataset=samples, solver=generate(), scorer=exact())
"""


@pytest.fixture
def service(vendors: Project, far: Far, key: str) -> Iterator[str]:
    """The service on a table of both vendors' places, in a process of its own; gives its address."""
    vendors.config["ladders"] = {"main": ["small", "large"]}
    vendors.save()
    for command in ("eval", "build-table"):
        assert (done := vendors.run(command, env={"TEST_KEY": key})).code == 0, done.err
    far.emulator.received.clear()
    port = free_port()
    environment = {**os.environ, "TEST_KEY": key}
    words = [str(COMMAND), "serve", "--port", str(port)]
    with (vendors.root / "serve.log").open("w") as log:
        process = subprocess.Popen(words, cwd=vendors.root, env=environment, stdout=log, stderr=log)
    try:
        while not is_open(port):
            assert process.poll() is None, (vendors.root / "serve.log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("model", CHOICES)
def test_llm_answers(service: str, far: Far, tmp_path: Path, model: str, streams: bool) -> None:
    """`llm`, with the service in its extra-openai-models.yaml, streaming and not, on a place of either vendor."""
    program = python_program("llm", "llm==0.36")
    given = [{"model_id": "ours", "model_name": model, "api_base": f"{service}/v1"}]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(given))
    words = [str(program), "-m", "ours", "1+6", *([] if streams else ["--no-stream"])]
    said = run(words, tmp_path, {"LLM_USER_PATH": str(tmp_path)})
    assert said.strip() == "7"
    check_places(far, model, ["1+6"])


@pytest.mark.parametrize("model", CHOICES)
def test_promptfoo_answers(service: str, far: Far, tmp_path: Path, model: str) -> None:
    """The OpenAI and Anthropic providers of promptfoo both pass their tests on it."""
    program = node_program("promptfoo", "promptfoo@0.121.20")
    config = {
        "prompts": ["{{question}}"],
        "providers": [
            {"id": f"openai:chat:{model}", "config": {"apiBaseUrl": f"{service}/v1", "apiKey": KEY}},
            {"id": f"anthropic:messages:{model}", "config": {"apiBaseUrl": service, "apiKey": KEY}},
        ],
        "tests": [
            {"vars": {"question": f"1+{k}"}, "assert": [{"type": "equals", "value": str(k + 1)}]} for k in range(3)
        ],
    }
    (tmp_path / "promptfooconfig.yaml").write_text(json.dumps(config))
    words = [str(program), "eval", "--no-cache", "--no-progress-bar", "-o", "found.json"]
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(tmp_path)}
    run(words, tmp_path, quiet)
    results = json.loads((tmp_path / "found.json").read_text())["results"]["results"]
    assert [one["success"] for one in results] == [True] * 6, [one.get("error") for one in results]
    assert all(one["response"]["tokenUsage"]["total"] > 0 for one in results)
    check_places(far, model, [f"1+{k}" for k in range(3)] * 2)


@pytest.mark.parametrize("model", CHOICES)
@pytest.mark.parametrize("provider", ["openai-api/ours", "openai", "openai responses", "anthropic"])
def test_inspect_answers(service: str, far: Far, tmp_path: Path, provider: str, model: str) -> None:
    """Inspect's providers of both vendors, and its one for anybody's API, score every sample."""
    program = python_program("inspect", "inspect_ai==0.3.285", "openai", "anthropic")
    (tmp_path / "task.py").write_text(INSPECT_TASK)
    name, _, responses = provider.partition(" ")
    words = [str(program), "eval", "task.py", "--model", f"{name}/{model}", "--log-format", "json", "--log-dir", "logs"]
    words += ["--display", "plain", *(["-M", "responses_api=true"] if responses else [])]
    openai = {f"{who}_{what}": value for who in ("OURS", "OPENAI")
              for what, value in (("BASE_URL", f"{service}/v1"), ("API_KEY", KEY))}  # fmt: skip
    run(words, tmp_path, {**openai, "ANTHROPIC_BASE_URL": service, "ANTHROPIC_API_KEY": KEY})
    (log,) = (tmp_path / "logs").glob("*.json")
    found: dict[str, Any] = json.loads(log.read_text())
    assert found["status"] == "success", found.get("error")
    assert found["results"]["scores"][0]["metrics"]["mean"]["value"] == 1
    check_places(far, model, [f"1+{k}" for k in range(5)])


def check_places(far: Far, model: str, questions: Sequence[str]) -> None:
    """See that every question came by the service, which alone knows the places' models, and went to the right one.

    A client may ask more than that: Inspect greets a model of OpenAI's first.
    """
    asked = [one for one in far.asked() if "+" in one]
    assert sorted(asked) == sorted(questions)
    assert {one.body["model"] for one in far.emulator.received} == {
        "model-large" if model == "large" else "model-small"
    }


def is_open(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


# --- the programs -----------------------------------------------------------------------------------------------------


def python_program(name: str, *packages: str) -> Path:
    """Give a program of PyPI, in an environment of its own; skips where the registry is out of reach."""
    home = CACHE / packages[0]
    program = home / "bin" / name
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        install([str(home / "bin/pip"), "install", "--quiet", *packages], home)
    return program


def node_program(name: str, package: str) -> Path:
    """Give a program of npm; skips where there is no npm or the registry is out of reach."""
    home = CACHE / package
    program = home / "node_modules/.bin" / name
    if (npm := shutil.which("npm")) is None:
        pytest.skip("there is no npm on this machine")
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        install([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), package], home)
    return program


def install(command: Sequence[str], home: Path) -> None:
    """Run an installer; what it leaves behind when it fails is removed, so that the next run tries again."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(home)
        pytest.skip(f"{command[-1]} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a program to its end and give what it printed."""
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    return done.stdout

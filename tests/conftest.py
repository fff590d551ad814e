"""Fixtures shared by the tests: a scratch project, the real command in a process of its own, a wire emulator."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from routerctl.cli import run as run_command
from routerctl.testing.emulator import Body, Emulator

COMMAND = Path(sys.executable).with_name("routerctl")
SECRET = "sk-ant-api03-THE5ECRETKEY"  # noqa: S105 - made up, to be looked for
PRICE = {"date": "2026-11-01", "source": "made up", "input_mtok_usd": 1, "output_mtok_usd": 2}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr: the error, where there is one."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


@dataclass(frozen=True, slots=True)
class Project:
    """A project in a scratch folder: what its files say can be changed before a command runs."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)  # routerctl.yaml; JSON is YAML

    @classmethod
    def with_fake(cls, root: Path) -> Project:
        """Make one with an eval set of 60 sums and a ladder of two scripted models, the second always right."""
        names = ("small", "large")
        made = cls(
            root,
            {
                "schema_version": 1,
                "ladder": "main",
                "providers": {"fake": {"kind": "fake", "concurrency": 4, "options": {"replies": "replies.json"}}},
                "candidates": {name: {"provider": "fake", "model": f"model-{name}"} for name in names},
                "ladders": {"main": list(names)},
                "prices": [{"provider": "fake", "model": f"model-{name}", **PRICE} for name in names],
                "rules": [{"name": "plus", "class": "sums", "regex": r"\d\+\d"}],
                "default_class": "sums",
            },
        )
        made.save()
        made.eval_set("sums", 60)
        made.replies({"model-small": 0.2, "model-large": 1.0})
        return made

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def save(self) -> None:
        """Write routerctl.yaml as `config` says."""
        self.write("routerctl.yaml", json.dumps(self.config, indent=1))

    def eval_set(self, name: str, count: int, **more: Any) -> None:
        """Write an eval set of `count` sums, each with its own right answer: the question `1+7` wants `8`."""
        cases = [{"id": f"case-{k}", "input": f"{name}: 1+{k}", "expected": str(k + 1)} for k in range(count)]
        content = {"schema_version": 1, "description": "Sums.", "bar": 0.8, "scorer": {"name": "exact"}, "cases": cases}
        self.write(f"evals/{name}.yaml", json.dumps(content | more, indent=1))

    def replies(self, share_right: Mapping[str, float], names: Sequence[str] = ("sums",), count: int = 60) -> None:
        """Write the fake provider's script: each model is right on this share of each eval set's cases."""
        script = {
            model: {
                f"{name}: 1+{k}": str(k + 1) if sum_is_right(k, share) else "wrong"
                for name in names
                for k in range(count)
            }
            | {"*": f"I am {model}."}
            for model, share in share_right.items()
        }
        self.write("replies.json", json.dumps(script))

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = b"",
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Done:
        """Run the real command in a process of its own; `stdin=None` starts it with stdin closed."""
        given: dict[str, Any] = {"timeout": 60, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        given |= {"input": stdin} if stdin is not None else {"preexec_fn": lambda: os.close(0)}
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.root,
            env=clean_env(env),
            check=False,
            **(given | more),
        )
        return Done(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, **more: Any) -> subprocess.Popen[bytes]:
        """Start the real command and leave it to the test, which ends it."""
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([COMMAND, *arguments], cwd=self.root, env=clean_env(env), **(pipes | more))

    def holds(self, text: str) -> list[str]:
        """Name the files below the project that hold this text."""
        return [
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and text.encode() in path.read_bytes()
        ]


def sum_is_right(k: int, share: float) -> bool:
    """Spread the right answers evenly over the cases: about `share` of any stretch of them."""
    return int((k + 1) * share) > int(k * share)


UNWANTED = ("CI", "NO_COLOR", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "COLUMNS")


def without_rights() -> None:
    """Let not even root write into a folder that forbids it, for `preexec_fn` on Linux (CAP_DAC_OVERRIDE leaves)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP


def clean_env(more: Mapping[str, str] | None) -> dict[str, str]:
    """The environment without what would change what a command does or prints."""
    return {name: value for name, value in os.environ.items() if name not in UNWANTED} | dict(more or {})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one eval set of 60 sums and a ladder of two scripted models, the second always right."""
    return Project.with_fake(tmp_path)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project after `eval` and `build-table`; `route` may log into it, nothing else may change it."""
    made = Project.with_fake(tmp_path_factory.mktemp("built"))
    assert made.run("eval").code == made.run("build-table").code == 0
    return made.root


@pytest.fixture
def served(built: Path, tmp_path: Path) -> Project:
    """A copy of it to route by, and to change."""
    shutil.copytree(built, tmp_path / "served", ignore=shutil.ignore_patterns("decisions.sqlite*"))
    return Project(tmp_path / "served")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Let `Project.run` run commands in this process: as the real ones from their arguments on, but sooner."""

    def run_here(self: Project, *arguments: str, stdin: str | bytes = "", env: Mapping[str, str] | None = None) -> Done:
        with monkeypatch.context() as own, tempfile.TemporaryFile("w+") as file:
            file.buffer.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            file.seek(0)
            own.chdir(self.root)
            for name in UNWANTED:
                own.delenv(name, raising=False)
            for name, value in (env or {}).items():
                own.setenv(name, value)
            own.setattr("sys.stdin", file)
            code = run_command(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(code, out, err)

    monkeypatch.setattr(Project, "run", run_here)


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch, in_process: None) -> Callable[..., Done]:
    """Run a command of the project in this process, also from within its folder."""
    monkeypatch.chdir(project.root)
    return project.run


@dataclass(slots=True)
class Far:
    """An emulator in a thread of its own, so that a test may wait for a command that calls it."""

    emulator: Emulator
    answer: Callable[[Body], str]

    @property
    def url(self) -> str:
        """Its address, as the Anthropic SDK wants it; OpenAI's adds /v1."""
        return self.emulator.url

    def asked(self) -> list[str]:
        """The last message of each call, in order of arrival."""
        return [text_of(received.body) for received in self.emulator.received]


def text_of(body: Body) -> str:
    """The last message of a request to either vendor."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def right_answer(body: Body) -> str:
    """Answer the sums of an eval set rightly, and anything else with the model's name."""
    _, plus, number = text_of(body).rpartition("1+")
    return str(int(number) + 1) if plus and number.isdigit() else f"I am {body['model']}."


@pytest.fixture
def far() -> Iterator[Far]:
    """Both vendors' APIs on 127.0.0.1; `far.answer` may be replaced, `far.emulator.play` makes it go wrong."""
    loop = asyncio.new_event_loop()
    made = Far(Emulator(lambda body: made.answer(body)), right_answer)  # noqa: PLW0108 - a test may replace the answer
    up, end = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with made.emulator:
            up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


@pytest.fixture
def vendors(project: Project, far: Far) -> Project:
    """The project with a ladder of two providers, `anthropic` below `openai`, both served by `far`; no retries."""
    common = {"concurrency": 4, "max_attempts": 1, "timeout_s": 5}
    project.config["providers"] = {
        "anthropic": {"kind": "anthropic", "base_url": far.url, "api_key_env": "TEST_KEY", **common},
        "openai": {"kind": "openai", "base_url": f"{far.url}/v1", "api_key_env": "TEST_KEY", **common},
    }
    project.config["candidates"] = {
        "small": {"provider": "anthropic", "model": "model-small"},
        "large": {"provider": "openai", "model": "model-large"},
    }
    project.config["prices"] = [
        {"provider": "anthropic", "model": "model-small", **PRICE},
        {"provider": "openai", "model": "model-large", **PRICE},
    ]
    project.save()
    return project


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of both vendors, in TEST_KEY."""
    monkeypatch.setenv("TEST_KEY", SECRET)
    return SECRET

"""The pages on the service say what it does: their blocks load or run, and every name in them is the code's."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import routerctl.service
from routerctl.cli import run
from routerctl.service.access_log import AccessLog
from routerctl.service.metrics import Metrics
from routerctl.service.request import PATHS, parse_request
from routerctl.service.request_summary import RequestSummary
from routerctl.service.translate.errors import error_body
from routerctl.types import Routing, Serving
from tests.test_service import ASKED, Start, emulator, start

__all__ = ["emulator", "start"]
DOCS = Path(__file__).parents[1] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("service", "deploy")}
TEXT = "\n".join(PAGES.values())
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(routerctl.service.__path__[0]).rglob("*.py"))
)


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind, of both pages."""
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def rows(mark: str) -> list[list[str]]:
    """The rows of the table between two marks, without its head."""
    inside = TEXT.split(f"<!-- {mark}:begin -->")[1].split(f"<!-- {mark}:end -->")[0]
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in inside.strip().splitlines()[2:]
    ]


def _commands() -> list[str]:
    lines = [line[2:].split("#")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("routerctl ")})


@pytest.mark.parametrize("command", _commands())
def test_every_command_and_option_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has a help page that names each of its options."""
    words = shlex.split(command)[1:]
    named = words[:2] if words[0] == "keys" else words[:1]
    assert run([*named, "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in shown, option


def test_options_in_the_text_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Options that the pages speak of are those of `serve`, of `keys create` and of programs beside them."""
    shown = ""
    for command in (["serve"], ["keys", "create"]):
        assert run([*command, "--help"]) == 0
        shown += capsys.readouterr().out
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    for option in re.findall(r"`(--[a-z-]+)", prose):
        assert option in shown, option


async def test_both_programs_run(start: Start) -> None:
    """The two blocks of Python get a reply from a service."""
    async with start() as service:
        for block in blocks("python"):
            space: dict[str, Any] = {"key": "none"}
            code = block.replace("http://localhost:8080", service.url)
            await asyncio.to_thread(exec, code, space)
            assert "I am model-" in str(space["reply"])


def test_settings_are_those_that_there_are() -> None:
    """The table of settings has each one with its default."""
    known = {field.name: field.default for field in dataclasses.fields(Serving)}
    shown = {name: default for name, default, _ in rows("settings")}
    assert shown.keys() == known.keys()
    for name, default in known.items():
        if default not in ((), None):
            assert shown[name] == (default if isinstance(default, str) else format(default, "g")), name


def test_yaml_says_what_the_code_reads() -> None:
    """Blocks of YAML parse, and what they say below `routing:` is known there."""
    known = {field.name for field in dataclasses.fields(Routing)}
    serving = {field.name for field in dataclasses.fields(Serving)}
    for block in blocks("yaml"):
        routing = yaml.safe_load(block).get("routing", {})
        assert routing.keys() <= known
        assert routing.get("serve", {}).keys() <= serving


def test_what_a_request_can_say_is_understood() -> None:
    """Every header in the table is read, and so is its twin in the body; the block of JSON is a request."""
    names = re.findall(r"^\| `(x-routerctl-[a-z-]+)` \| `(routerctl_[a-z_]+)` \|", TEXT, re.MULTILINE)
    assert len(names) == 7
    for header, key in names:
        value = '{"plan": "pro"}' if key.endswith("features") else "7"
        by_header = parse_request("chat", json.dumps({"messages": ASKED}).encode(), {header.encode(): value.encode()})
        body = {"messages": ASKED, "metadata": {key: value}}
        by_body = parse_request("chat", json.dumps(body).encode(), {})
        assert (by_header.inquiry, by_header.deadline_s) == (by_body.inquiry, by_body.deadline_s)
        nothing = parse_request("chat", json.dumps({"messages": ASKED}).encode(), {})
        assert (by_header.inquiry, by_header.deadline_s) != (nothing.inquiry, nothing.deadline_s)
    (block,) = blocks("json")
    asked = parse_request("chat", block.encode(), {})
    assert (asked.inquiry.task_class, dict(asked.inquiry.features)) == ("support", {"plan": "pro"})


def test_headers_of_answers_are_those_that_are_sent() -> None:
    """Each header in the table is written by the code, and none is missing."""
    told = PAGES["service"].split("## What a response says")[1].split("## Errors")[0]
    shown = {*re.findall(r"x-routerctl-[a-z-]+", told)}
    code = (Path(routerctl.service.__path__[0]) / "response.py").read_text(encoding="utf-8")
    assert shown == {*re.findall(r"x-routerctl-[a-z-]+", code)}


def test_error_codes_are_those_that_there_are() -> None:
    """Each code in the table is in the code, and each one there is in the table, with the status that a client sees."""
    shown = {(status, code) for status, code, _ in rows("errors")}
    quoted = re.findall(r'code="([a-z_]+)"', SOURCE) + re.findall(r'\((?:\d{3}), "([a-z_]+)"\)', SOURCE)
    assert {code for _, code in shown} == {*quoted} | {"limits_unknown"}
    for status, code in re.findall(r'\((\d{3}), "([a-z_]+)"\)', SOURCE):
        assert (str(error_body("chat", int(status), "")[0]), code) in shown
    assert error_body("messages", 503, "")[0] == 529


def test_paths_are_those_that_are_served() -> None:
    """Every path of the table is served, and every path that is posted to is in it."""
    posted = {*re.findall(r"`POST (/[a-z0-9/_]+)`", TEXT)}
    assert posted == {*PATHS}
    for path in re.findall(r"`GET (/[a-z0-9/_]+?)/?(?:\{id\})?`", TEXT):
        assert f'Route("{path}' in SOURCE, path


def test_metrics_are_those_that_there_are() -> None:
    """Every metric that the pages name, in tables and alerts, is one that a scrape gives."""
    metrics = Metrics()
    metrics.began("chat")
    metrics.serves("sha256:0", 1, ["sums", "chat"])
    metrics.reloaded(True)
    given = metrics.render()[0].decode()
    families = {*re.findall(r"^# TYPE (routerctl_\w+) ", given, re.MULTILINE)}
    budgets = {"routerctl_budget_reserved_usd", "routerctl_budget_settled_usd"}
    named = {*re.findall(r"routerctl_[a-z_]+", TEXT)}
    keys = {key for _, key in re.findall(r"`(x-routerctl-[a-z-]+)` \| `(routerctl_[a-z_]+)`", TEXT)}
    assert {name.removesuffix("_bucket") for name in named - keys} <= families | budgets


def test_fields_of_the_access_log_are_those_that_it_writes() -> None:
    """Each field that the page names is in a line."""
    lines: list[bytes] = []
    log = AccessLog("json", write=_kept_in(lines))
    log.note(RequestSummary(wire="chat", path="/v1/chat/completions", status=200, total_s=1.0, overhead_s=0.001))
    log.close()
    told = PAGES["deploy"].split("A line has")[1].split("No prompt")[0]
    assert {*re.findall(r"`([a-z_]+)`", told)} <= json.loads(b"".join(lines)).keys()


def _kept_in(lines: list[bytes]) -> Callable[[bytes], int]:
    def write(data: bytes) -> int:
        lines.append(data)
        return len(data)

    return write


def test_links_lead_somewhere() -> None:
    """What a page links to is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCS / target).exists(), target


def test_the_table_of_peers_is_whole() -> None:
    """Every row says something of everybody, and nothing of ours is unknown."""
    for name, ours, *others in rows("peers"):
        assert len(others) == 5, name
        assert re.match(r"(yes|part|no|header|error event)", ours), name

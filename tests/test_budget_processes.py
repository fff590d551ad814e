"""One budget, four processes, two hundred calls at once: never over the cap, and nobody refused while money is left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.costs import most_usd, pricer_for
from routerctl.routing.runtime import usual_tokens
from routerctl.strategies.answer import first_request
from routerctl.strategies.prompts import render_prompt
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing.emulator import SILENT
from routerctl.types import Budget
from tests.conftest import COMMAND, SECRET, Far, Project, clean_env
from tests.redis_server import running_redis

ENV = {"TEST_KEY": SECRET}
FITS, PROCESSES, EACH = 37, 4, 50


pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "redis"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """The address of the shared state; None for the file beside the table."""
    if request.param == "sqlite":
        yield None
        return
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as url:
        yield url


@pytest.fixture
def shop(vendors: Project, far: Far) -> Project:
    """Routes to a far vendor that is always right and takes a moment for it."""
    for name in ("anthropic", "openai"):
        vendors.config["providers"][name]["concurrency"] = EACH
    vendors.save()
    assert vendors.run("eval", env=ENV).code == vendors.run("build-table", env=ENV).code == 0
    return vendors


def _change(shop: Project, **routing: Any) -> None:
    table = load_table(shop.root / "routes.yaml")
    route = table.routes["sums"]
    alone = {**table.routes, "sums": replace(route, rungs=(route.chosen,))}  # no other rung's price in play
    changed = with_digest(replace(table, routes=alone, routing=replace(table.routing, **routing)))
    shop.write("routes.yaml", table_text(changed))


def _prompt(number: int) -> str:
    return f"question {number}"


def _costs(shop: Project) -> tuple[Decimal, Decimal]:
    """What one call costs, and what it may cost at most with the lowest limit on its reply."""
    done = shop.run("route", "--json", "--class", "sums", stdin=_prompt(100).encode(), env=ENV)
    table = load_table(shop.root / "routes.yaml")
    route = table.routes["sums"]
    candidate = table.candidates[route.chosen]
    request = first_request(candidate, render_prompt(route.prompt, _prompt(100)), route.reply)
    pricer = pricer_for(table)(table.providers[candidate.provider], candidate.model)
    usual = usual_tokens(table, candidate, request, "sums")
    assert usual is not None
    assert usual < request.reply.max_tokens
    lowered = replace(request, reply=replace(request.reply, max_tokens=usual))
    return Decimal(json.loads(done.out)["cost_usd"]), most_usd(pricer, lowered, 0.0)


def _start(shop: Project, first: int) -> subprocess.Popen[bytes]:
    lines = [json.dumps({"prompt": _prompt(first + k), "class": "sums", "user": f"u{k % 7}"}) for k in range(EACH)]
    (shop.root / f"in-{first}.jsonl").write_text("\n".join(lines) + "\n")
    with (shop.root / f"in-{first}.jsonl").open("rb") as prompts:
        return subprocess.Popen(
            [COMMAND, "route", "--jsonl", "--json"],
            cwd=shop.root,
            env=clean_env(ENV | ({"STATE_URL": os.environ["STATE_URL"]} if "STATE_URL" in os.environ else {})),
            stdin=prompts,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def test_never_over_and_never_short(
    state: str | None, shop: Project, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cap has room for 36 calls at what they cost and one at the most it may: 37 of 200 are served."""
    # What is left afterwards is less than a call may cost; the books say to the last digit what the vendor charged.
    cost, most = _costs(shop)
    cap = (FITS - 1) * cost + most
    if state:
        monkeypatch.setenv("STATE_URL", state)
    _change(shop, budgets=(Budget(name="all", cap_usd=cap),), state="$STATE_URL" if state else None)
    before = far.emulator.posts
    running = [_start(shop, 100 + EACH * number) for number in range(PROCESSES)]
    ended = [(*process.communicate(timeout=100), process.returncode) for process in running]
    told = [json.loads(line) for out, _, _ in ended for line in out.splitlines()]
    assert len(told) == PROCESSES * EACH
    served = [one for one in told if "error" not in one]
    spent = sum((Decimal(one["cost_usd"]) for one in served), Decimal(0))
    assert len(served) == FITS, [err[-300:] for _, err, _ in ended]
    assert far.emulator.posts - before == FITS, "a call was made that was not paid for"
    assert spent == FITS * cost <= cap
    assert {code for _, _, code in ended} <= {0, 6}
    shown = json.loads(shop.run("budget", "--json", env=ENV | ({"STATE_URL": state} if state else {})).out)
    assert [(Decimal(one["spent_usd"]), Decimal(one["held_usd"])) for one in shown] == [(spent, Decimal(0))]


def test_a_killed_process_takes_its_money_with_it(shop: Project, far: Far) -> None:
    """What it held may have been spent: it is not given to others in this period."""
    cost, most = _costs(shop)
    _change(shop, budgets=(Budget(name="all", cap_usd=most + cost),))
    process = _held_and_killed(shop, far)
    assert process.returncode == -9
    (books,) = json.loads(shop.run("budget", "--json").out)
    assert Decimal(books["held_usd"]) == most
    done = shop.run("route", "--class", "sums", stdin=_prompt(101).encode(), env=ENV)
    assert done.code == 6
    assert "budget all" in done.last


def _held_and_killed(shop: Project, far: Far) -> subprocess.Popen[bytes]:
    """Start one call that the vendor does not answer, and kill the process that waits for it."""
    far.emulator.play(SILENT)
    before = far.emulator.posts
    process = shop.start("route", "--class", "sums", env=ENV)
    assert process.stdin
    process.stdin.write(_prompt(100).encode())
    process.stdin.close()
    while far.emulator.posts == before:
        assert process.poll() is None
    process.kill()
    for pipe in (process.stdout, process.stderr):
        assert pipe
        pipe.close()
    process.wait()
    return process

"""Every call that a prompt led to has a row in the log and its cost, whatever ends the process that made it."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.testing.emulator import Emulator, Fault, tokens
from tests.conftest import SECRET, Far, Project

ENV = {"TEST_KEY": SECRET}
BUDGET = {"budgets": [{"name": "day", "cap_usd": 1, "period": "day"}]}


@pytest.fixture
def shop(vendors: Project, far: Far) -> Project:
    """A table of two vendors with a budget, built from an eval."""
    vendors.config["routing"] = BUDGET
    vendors.save()
    for command in (("eval",), ("build-table",)):
        assert vendors.run(*command, env=ENV).code == 0
    far.emulator.received.clear()
    far.emulator.delivered.clear()
    far.emulator.posts = 0
    return vendors


def _rows(root: Path) -> list[dict[str, Any]]:
    if not (path := root / ".routerctl/decisions.sqlite").exists():
        return []
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM decisions ORDER BY number")]
    database.close()
    return [{**row, "hops": json.loads(row["hops"])} for row in rows]


def _booked(shop: Project) -> Decimal:
    """What the budget's books have, spent and held."""
    (book,) = json.loads(shop.run("budget", "--json", env=ENV).out)
    return Decimal(book["spent_usd"]) + Decimal(book["held_usd"])


def _logged(rows: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["cost_usd"]) + Decimal(row["perhaps_usd"]) for row in rows), Decimal(0))


def _start(shop: Project, *options: str, prompts: int) -> subprocess.Popen[bytes]:
    process = shop.start("route", *options, env=ENV)
    assert process.stdin is not None
    process.stdin.write("".join(f"prompt {number}\n" for number in range(prompts)).encode())
    process.stdin.close()
    process.stdin = None
    return process


def _wait_for(emulator: Emulator, posts: int) -> None:
    until = time.monotonic() + 30
    while emulator.posts < posts:
        assert time.monotonic() < until, "the calls were not made"
        time.sleep(0.005)


@pytest.mark.parametrize("way", ["interrupt", "kill"])
def test_calls_under_way_have_rows_however_the_process_ends(way: str, shop: Project, far: Far) -> None:
    """Ctrl-C logs them at once, a kill is made up for at the next start and said; log and budget tell one amount."""
    far.emulator.play(*(Fault(way="silent") for _ in range(4)))
    process = _start(shop, "--lines", prompts=4)
    _wait_for(far.emulator, 4)
    process.send_signal(signal.SIGINT if way == "interrupt" else signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    if way == "interrupt":
        assert process.returncode == 130
        assert b"interrupted" in err
    else:
        assert _rows(shop.root) == []
        said = shop.run("route", stdin=b"hello", env=ENV).err
        assert "4 prompts were being served when an earlier process ended; in the log as cancelled" in said
        assert "being served" not in shop.run("route", stdin=b"hello", env=ENV).err
    rows = [row for row in _rows(shop.root) if row["served"] is None]
    assert [[hop["outcome"] for hop in row["hops"]] for row in rows] == [["cancelled"]] * 4
    assert {row["cost_usd"] for row in rows} == {"0"}
    assert all(Decimal(row["perhaps_usd"]) > 0 for row in rows)
    assert _logged(_rows(shop.root)) == _booked(shop)
    listed = shop.run("log", "list", "--outcome", "cancelled", "--json").out.splitlines()
    assert len(listed) == 4
    figures = json.loads(shop.run("log", "stats", "--json").out)["classes"]["sums"]
    assert Decimal(figures["perhaps_usd"]) == sum(Decimal(row["perhaps_usd"]) for row in rows)


def test_a_closed_pipe_leaves_a_row_for_each_call(shop: Project, far: Far) -> None:
    """`| head -1`: what was asked meanwhile is logged, too; the note comes first, so there may be one too many."""
    process = _start(shop, "--lines", prompts=200)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    process.communicate(timeout=30)
    rows = _rows(shop.root)
    unseen = sum(row["attempts"] for row in rows) - far.emulator.posts
    assert 0 <= unseen <= sum(row["hops"][-1]["outcome"] == "cancelled" for row in rows)
    assert _logged(_rows(shop.root)) == _booked(shop)


FAULTS = {"slow": Fault(way="silent"), "cut": Fault(way="cut"), "odd": Fault(way="wrong shape"), "500": Fault(500)}
QUICK = {("cut", "openai")}


@pytest.mark.parametrize(
    ("fault", "large_first"),
    [
        pytest.param(
            fault,
            vendor == "openai",
            id=f"{name}-{vendor}",
            marks=[] if (name, vendor) in QUICK else [pytest.mark.slow],
        )
        for name, fault in FAULTS.items()
        for vendor in ("anthropic", "openai")
    ],
)
def test_log_and_budget_tell_one_amount(fault: Fault, large_first: bool, vendors: Project, far: Far) -> None:
    """What attempts may have cost that told no tokens stands in hop, log, --json, stats and books alike, apart."""
    if large_first:
        small, large = vendors.config["candidates"].values()
        vendors.config["candidates"] = {
            "small": {**small, "provider": "openai"},
            "large": {**large, "provider": "anthropic"},
        }
        for price in vendors.config["prices"]:
            price["provider"] = {"anthropic": "openai", "openai": "anthropic"}[price["provider"]]
    vendors.config["routing"] = BUDGET
    for spec in vendors.config["providers"].values():
        spec |= {"timeout_s": 0.5, "max_attempts": 2}
    vendors.save()
    for command in (("eval",), ("build-table",)):
        assert vendors.run(*command, env=ENV).code == 0
    far.emulator.play(fault, fault)
    done = vendors.run("route", "--json", stdin=b"hello", env=ENV)
    told = json.loads(done.out)
    assert told["candidate"] == "large"
    (row,) = _rows(vendors.root)
    first = row["hops"][0]
    assert (first["attempts"], first["cost_usd"]) == (2, "0")
    perhaps = Decimal(first.get("perhaps_usd", 0))
    assert (perhaps > 0) == (fault.way != "")
    assert perhaps == Decimal(told["perhaps_usd"]) == Decimal(row["perhaps_usd"])
    assert Decimal(told["cost_usd"]) == Decimal(row["cost_usd"]) > 0
    assert Decimal(told["cost_usd"]) + perhaps == _booked(vendors)
    assert ("perhaps up to $" in done.err) == (perhaps > 0)
    figures = json.loads(vendors.run("log", "stats", "--json").out)["classes"]["sums"]
    assert (Decimal(figures["cost_usd"]), Decimal(figures["perhaps_usd"])) == (Decimal(told["cost_usd"]), perhaps)


KILLS, LEASE_S = 50, 31


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_route_survives_being_killed(shop: Project, far: Far) -> None:
    """Killed 50 times at random moments: each call that was made has its row, and the books equal the ledger."""
    far.emulator._latency_s = 0.02
    rng, said = random.Random(11), 0  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        before, calls = far.emulator.posts, rng.randrange(40)
        process = _start(shop, "--lines", "--json", prompts=200)
        until = time.monotonic() + 30
        while far.emulator.posts < before + calls and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.03)
        process.kill()
        _, err = process.communicate()
        said += _said(err.decode())
    time.sleep(0.1)
    last = shop.run("route", "--class", "sums", stdin=b"the last one", env=ENV)
    assert last.code == 0
    said += _said(last.err)
    rows = _rows(shop.root)
    asked = Counter(received.body["model"] for received in far.emulator.received)
    logged = Counter(hop["model"] for row in rows for hop in row["hops"] for _ in range(hop["attempts"]))
    cancelled = [row for row in rows if row["hops"][-1]["outcome"] == "cancelled"]
    # A call is noted before it is made: the process may die in between, so there may be a row more, never one less.
    extra = logged - asked
    assert not asked - logged, "a call was made that has no row"
    assert sum(extra.values()) <= len(cancelled)
    assert said == len(cancelled), "each is said at the next start"
    served = [row for row in rows if row["served"]]
    assert {Decimal(row["cost_usd"]) for row in cancelled} <= {Decimal(0)}
    assert len(far.emulator.delivered) <= len(served) + len(cancelled)
    time.sleep(LEASE_S)  # until then the books hold money for calls that never left, which nobody has asked for
    # What the vendor charged is in the books, to the last digit but for calls in flight at death, which stand there at
    # the most they may cost. So they do in the log, as does a call that was settled when its process died: the decision
    # that would have told its cost was not written.
    ledger, most = _charged(far), max(Decimal(row["perhaps_usd"]) for row in cancelled)
    known = sum(Decimal(row["cost_usd"]) for row in served)
    assert known <= ledger <= _booked(shop) <= _logged(rows) == known + sum(Decimal(one["perhaps_usd"]) for one in rows)
    assert _booked(shop) - ledger <= len(cancelled) * most
    print(  # noqa: T201 - shown with -s
        f"{KILLS} kills; calls {sum(asked.values())}, answered {len(far.emulator.delivered)}, rows {len(rows)}, "
        f"of them cancelled {len(cancelled)}, said {said}; rows without a call {sum(extra.values())}; "
        f"charged {ledger}, books {_booked(shop)}, log {known} known and {_logged(rows) - known} at most beside it"
    )


def _charged(far: Far) -> Decimal:
    """What the calls that the vendor received cost, by its own counting of tokens."""
    asked = (one.body for one in far.emulator.received)
    return Decimal(sum(tokens(body["messages"]) + 2 * tokens(far.answer(body)) for body in asked)).scaleb(-6)


def _said(err: str) -> int:
    """How many decisions a start says that it found under way."""
    return sum(map(int, re.findall(r"(\d+) prompts? (?:was|were) being served when an earlier process ended", err)))

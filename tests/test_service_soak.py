"""Thousands of requests of many clients at once, while the far sides fail in every way and clients leave at any moment.

Each request has a word of its own, so that an answer that is wrong, cut or doubled is seen; the emulator's ledger holds
what a vendor would bill, and the decision log is held against it request by request.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.routing.budgets import books_of
from routerctl.routing.decision_log.reader import Row
from routerctl.routing.tenants import States
from routerctl.service.key_admin import KeyOptions, create
from routerctl.table import table_text, with_digest
from routerctl.testing import emulator as emu
from routerctl.testing.emulator import Emulator, Entry, Fault
from routerctl.types import Budget, Candidate, Serving, Table
from tests.service_clients import WAYS, Asked, Clients, answer, answer_of, word_of
from tests.service_process import until
from tests.service_rig import ENV, Service, base_table, serving, table_for

SEED = 20261201
AT_ONCE = 50
MODELS = {"chat": ("model-chat", "model-chat-2"), "claude": ("model-claude", "model-claude-2")}
PRICES = {model: (Decimal(1), Decimal(2), Decimal(1), Decimal(1)) for pair in MODELS.values() for model in pair}
BUDGET = Budget(name="all", cap_usd=Decimal(1000), period="month")
LEAVING_S = 1.0  # within which a far side hears that nobody waits any more
# What the service says when nobody could answer; 500 would be a fault of its own.
TOLD = {200, 429, 502, 503, 504, 529}
# Of the emulator one a connection that is kept; of a key one that looks every ten seconds whether anything still runs.
KEPT = {"Emulator._serve", "_Counter._send_heartbeats"}
FAULTS: Sequence[tuple[Fault, float]] = (  # with their share of all calls, in percent
    (Fault(429), 2),
    (Fault(429, headers={"retry-after-ms": "30"}), 0.5),
    (Fault(500), 2),
    (Fault(503), 1),
    (Fault(529), 2),
    (emu.HANG_UP, 2),
    (emu.CUT, 2),
    (emu.NOT_JSON, 0.5),
    (emu.HTML, 0.5),
    (emu.NOT_HTTP, 0.5),
    (emu.WRONG_SHAPE, 0.5),
    (emu.ERROR_FIRST, 1),
    (emu.ERROR_OPENED, 1),
    (emu.ERROR_MIDWAY, 1),
    (emu.ENDED_EARLY, 1),
    (emu.NO_TERMINAL, 1),
    (emu.NO_USAGE, 1),
    (emu.ODD_CHUNK, 1),
    (emu.BROKEN_CHUNK, 1),
    (emu.HALF_OPEN, 0.5),
    (emu.ONLY_PINGS, 0.3),
    (emu.SILENT, 0.5),
    (Fault(latency_s=0.5), 3),
    (Fault(first_token_s=0.5, chunk_gap_s=0.03, chunks=12), 3),
)


def _chance(number: int) -> Fault:
    """What happens to the n-th call; the same in every run."""
    draw = random.Random(f"{SEED}/{number}").uniform(0, 100)  # noqa: S311 - a script
    for fault, share in FAULTS:
        draw -= share
        if draw < 0:
            return fault
    return emu.OK


def _requests(count: int) -> Iterator[Asked]:
    rng = random.Random(SEED)  # noqa: S311 - a script
    ways = list(WAYS)
    for number in range(count):
        way = ways[number % len(ways)]
        one = Asked(
            word=f"word-{number}-{rng.getrandbits(40):010x}",
            way=way,
            stream=number % 2 == 0,
            model=("class:talk" if "messages" in way else "class:sums") if rng.random() < 0.7 else "class:both",
        )
        leaves = rng.random()
        if leaves < 0.1:  # before the first byte, during the answer or while waiting for the whole of it
            one.leaves_s = rng.uniform(0.0, 0.12)
        elif leaves < 0.15 and one.stream:
            one.leaves_after = rng.randrange(4)
        yield one


def _table(built: Path, far: Emulator) -> Table:
    """A class each of OpenAI's and Anthropic's candidates, which fall back on their likes, and one of both."""
    base = base_table(built)
    quiet = Serving(first_token_s=2.0, idle_s=2.0, total_s=20.0)
    table = table_for(base, far, budgets=(BUDGET,), serve=quiet)
    candidates, routes = dict[str, Candidate](), {}
    for (name, models), task_class in zip(MODELS.items(), ("sums", "talk"), strict=True):
        pair = {
            f"{name}-{number}": replace(table.candidates[name], name=f"{name}-{number}", model=model)
            for number, model in enumerate(models)
        }
        candidates |= pair
        rungs = tuple(pair)
        routes[task_class] = replace(table.routes["sums"], task_class=task_class, chosen=rungs[0], rungs=rungs)
    both = ("chat-1", "claude-1")
    routes["both"] = replace(table.routes["sums"], task_class="both", chosen=both[0], rungs=both)
    quick = {name: replace(one, timeout_s=2.0, max_attempts=2) for name, one in table.providers.items()}
    price = next(iter(table.prices.values()))
    return with_digest(
        replace(
            table,
            ladder=tuple(candidates),
            providers=quick,
            candidates=candidates,
            prices=dict.fromkeys(candidates, price),
            routes=routes,
        )
    )


@dataclass(slots=True, kw_only=True, repr=False)
class Soaked:
    """What is left after all requests."""

    asked: list[Asked]
    rows: dict[str, Row]  # by word
    entries: dict[str, list[Entry]]  # of the emulator's ledger, by word
    row_count: int
    root: Path
    table: Table
    service: Service
    tasks: set[str]  # that were not there before
    in_flight: tuple[int, int]  # of the service, of the emulator
    key_id: str


@asynccontextmanager
async def _soaked(built: Path, root: Path, count: int, heard: logging.Handler) -> AsyncIterator[Soaked]:
    async with Emulator(answer, latency_s=0.02, chunk_gap_s=0.004, chunks=6, chance=_chance, prices=PRICES) as far:
        table = _table(built, far)
        (root / "routes.yaml").write_text(table_text(table), encoding="utf-8")
        key, secret = create(root / "routes.yaml", KeyOptions(name="app", concurrency=200), datetime.now(UTC))
        async with serving(root, table) as service:
            logging.getLogger("uvicorn").addHandler(heard)
            async with Clients(service.url, key=secret) as clients:
                before = set(map(_name, asyncio.all_tasks()))
                asked = await _all(clients, _requests(count))
            await until(lambda: not service.app.worker.in_flight and not far.in_flight)
            await asyncio.sleep(0.2)
            tasks = set(map(_name, asyncio.all_tasks())) - before - KEPT
            in_flight = service.app.worker.in_flight, far.in_flight
        rows = service.rows()
        entries = defaultdict[str, list[Entry]](list)
        for entry in far.ledger:
            entries[word_of(far.received[entry.id - 1].body)].append(entry)
        yield Soaked(
            asked=asked,
            rows={str(row["inquiry_id"]): row for row in rows},
            entries=entries,
            row_count=len(rows),
            root=root,
            table=table,
            service=service,
            tasks=tasks,
            in_flight=in_flight,
            key_id=key.id,
        )


async def _all(clients: Clients, requests: Iterator[Asked]) -> list[Asked]:
    async def some() -> list[Asked]:
        return [await clients.ask(one) for one in requests]

    return [one for done in await asyncio.gather(*(some() for _ in range(AT_ONCE))) for one in done]


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


def _connections() -> int:
    """How many sockets this process has open."""
    open_files = (one for one in Path("/proc/self/fd").iterdir() if one.is_symlink())
    return sum("socket:" in str(one.readlink()) for one in open_files)


async def _soak(built: Path, root: Path, count: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    before = _connections()
    async with _soaked(built, root, count, caplog.handler) as soaked:
        _every_answer_is_its_own(soaked)
        _nobody_is_asked_for_nobody(soaked)
        _books_are_exact(soaked)
        _budget_agrees(soaked)
        assert soaked.in_flight == (0, 0)
        assert not soaked.tasks
        store, key = States(soaked.table, root, ENV).of(None), f"limits/{soaked.key_id}"
        limits: Any = store.get([key])[key]
        store.close()
        assert sum(number for number, _ in limits["running"].values()) == 0
    await until(lambda: _connections() <= before)
    assert [record.message for record in caplog.records if record.name != "routerctl"] == []


def _every_answer_is_its_own(soaked: Soaked) -> None:
    """Each success is what its own request asked for, whole; each failure is told; none hangs."""
    ends = Counter(one.end for one in soaked.asked)
    unsaid = [
        one
        for one in soaked.asked
        if one.end in ("untold", "hung") or (one.end == "garbled" and not _is_told_so(soaked, one))
    ]
    assert [
        (one.word, one.way, one.stream, one.end, one.problem, [(_chance(e.id), e) for e in soaked.entries[one.word]])
        for one in unsaid
    ] == []
    wrong = [one for one in soaked.asked if not _is_right(one)]
    assert [(one.word, one.way, one.end, one.text) for one in wrong] == []
    assert {one.status for one in soaked.asked if one.end == "told"} <= TOLD
    assert ends["whole"] > 0.6 * len(soaked.asked), ends


def _is_told_so(soaked: Soaked, one: Asked) -> bool:
    """Whether a far side itself has sent what nobody can read: after the first content its events are passed on."""
    return any(_chance(entry.id) is emu.BROKEN_CHUNK for entry in soaked.entries[one.word])


def _is_right(one: Asked) -> bool:
    """Whether it is an answer to its own request: all of it where it was whole, else how one begins."""
    models = {"class:sums": MODELS["chat"], "class:talk": MODELS["claude"]}.get(one.model, tuple(PRICES))
    answers = [answer_of(one.word, model) for model in models]
    return one.text in answers if one.end == "whole" else any(text.startswith(one.text) for text in answers)


def _nobody_is_asked_for_nobody(soaked: Soaked) -> None:
    """Calls of clients that left end within a second; no request is answered twice."""
    late = [
        (one.word, entry)
        for one in soaked.asked
        if one.end == "left"
        for entry in soaked.entries[one.word]
        if entry.ended_s > one.ended_s + LEAVING_S
    ]
    assert late == []
    twice = {word: entries for word, entries in soaked.entries.items() if sum(entry.complete for entry in entries) > 1}
    assert twice == {}


def _books_are_exact(soaked: Soaked) -> None:
    """The log has one row a request that asked anybody, with what a vendor bills: exactly, or at most."""
    assert soaked.row_count == len(soaked.rows)
    assert {word for word, entries in soaked.entries.items() if entries} <= set(soaked.rows)
    wrong, exact = [], 0
    for word, row in soaked.rows.items():
        billed = sum((entry.usd or Decimal(0) for entry in soaked.entries[word]), Decimal(0))
        cost_usd, perhaps_usd = Decimal(row["cost_usd"]), Decimal(row["perhaps_usd"])
        is_exact = perhaps_usd == 0
        exact += is_exact
        if billed != cost_usd if is_exact else billed > cost_usd + perhaps_usd:
            wrong.append((word, billed, cost_usd, perhaps_usd, row["hops"], soaked.entries[word]))
    assert not wrong, "\n".join(map(str, wrong))
    assert exact > 0.5 * len(soaked.asked)


def _budget_agrees(soaked: Soaked) -> None:
    """The budget's books hold what the log says, to the last digit, and nothing is held."""
    store = States(soaked.table, soaked.root, ENV).of(None)
    (books,) = books_of(BUDGET, store.scan("budget/"), datetime.now(UTC))
    store.close()
    logged = sum((Decimal(row["cost_usd"]) + Decimal(row["perhaps_usd"]) for row in soaked.rows.values()), Decimal(0))
    assert (books.spent_usd, books.held_usd) == (logged, Decimal(0))


async def test_hundreds_of_requests_are_served_and_booked_rightly(
    built: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Three hundred requests under faults and departures: no wrong answer, none lost, none unpaid, none left over."""
    await _soak(built, tmp_path, 300, caplog)


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_ten_thousand_requests_are_served_and_booked_rightly(
    built: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same of ten thousand."""
    await _soak(built, tmp_path, 10_000, caplog)

"""Two replicas of the service, two workers each, on one Redis: one budget, one limit, one health, the same keys."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from routerctl.routing.budgets import books_of
from routerctl.routing.state import open_state
from routerctl.service.body import most_input_tokens
from routerctl.table import table_text
from routerctl.testing.emulator import Emulator, Fault
from routerctl.types import Budget, ProviderSpec, Serving, Table, WhenDown
from tests.conftest import Project
from tests.redis_server import free_port, running_redis
from tests.service_clients import Asked, Clients, answer, answer_of
from tests.service_process import Served, started, until
from tests.service_rig import ENV, base_table, changed, table_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PROJECT = "shop"
PRICES = dict.fromkeys(("model-chat", "model-claude"), (Decimal(1), Decimal(2), Decimal(1), Decimal(1)))
MODEL = {"chat": "model-chat", "messages": "model-claude"}


class Redis:
    """A server that can be killed and started again with what it had."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port, self._running = folder, free_port(), ExitStack()

    def start(self) -> str:
        """Run it, and give its URL."""
        return self._running.enter_context(running_redis(self._folder, port=self._port, keeps=True))

    def end(self) -> None:
        """Have it gone."""
        self._running.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """The shared state."""
    (tmp_path / "redis").mkdir()
    server = Redis(tmp_path / "redis")
    yield server
    server.end()


@asynccontextmanager
async def _replicas(root: Path, table: Table, url: str) -> AsyncIterator[tuple[Served, Served]]:
    """Two of them, each with a folder of its own."""
    async with AsyncExitStack() as running:
        replicas = []
        for name in ("a", "b"):
            folder = root / name
            folder.mkdir()
            (folder / "routes.yaml").write_text(table_text(table), encoding="utf-8")
            env = {**ENV, "STATE_URL": f"{url}#{PROJECT}"}
            replicas.append(await running.enter_async_context(started(folder, "--workers", "2", env=env)))
        yield replicas[0], replicas[1]


def _keys(served: Served, url: str, *arguments: str) -> str:
    """Run `routerctl keys` in a replica's folder."""
    done = Project(served.root).run("keys", *arguments, env={**ENV, "STATE_URL": f"{url}#{PROJECT}"})
    assert done.code == 0, done
    return done.out.strip()


async def _shut(replicas: tuple[Served, Served]) -> None:
    """Wait until every worker has seen that there are keys now: until then it serves this machine without one."""

    async def is_shut() -> bool:
        return {one.status for one in await _share(replicas, "none", 16)} == {401}

    await until(is_shut)


_number = itertools.count()


def _asked(way: str = "chat") -> Asked:
    model = "claude" if way == "messages" else "chat"
    return Asked(word=f"w{next(_number):05}", way=way, stream=False, model=model)


async def _share(replicas: tuple[Served, Served], key: str, count: int) -> list[Asked]:
    """Ask so many at once, half of them at each replica."""
    async with Clients(replicas[0].url, key=key) as first, Clients(replicas[1].url, key=key) as second:
        both = itertools.cycle((first, second))
        return await asyncio.gather(*(next(both).ask(_asked()) for _ in range(count)))


def _served(asked: list[Asked]) -> list[Asked]:
    """Those that were answered; every other one was told why."""
    assert [one for one in asked if one.end not in ("whole", "told")] == []
    whole = [one for one in asked if one.end == "whole"]
    assert [one for one in whole if one.text != answer_of(one.word, MODEL[one.way])] == []
    return whole


async def test_one_budget_is_spent_by_both_and_never_over_its_cap(built: Path, tmp_path: Path, redis: Redis) -> None:
    """What fits is served, whoever is asked; what does not is refused; the books are exact."""
    cap_usd = Decimal("0.012")
    budget = Budget(name="all", cap_usd=cap_usd, period="month")
    async with Emulator(answer, latency_s=0.05, prices=PRICES) as far:
        table = table_for(
            base_table(built), far, budgets=(budget,), state="$STATE_URL", serve=Serving(max_tokens=400, total_s=60.0)
        )
        url = redis.start()
        async with _replicas(tmp_path, table, url) as replicas:
            asked = await _share(replicas, "none", 150)
        served, spent_usd = _served(asked), far.ledger.usd
        body = b'{"messages":[{"role":"user","content":"Say it 7 times: w00000"}],"model":"chat"}'
        most_usd = Decimal(most_input_tokens(body) + 400 * 2) / 1_000_000
        assert len(served) == len(far.ledger) < len(asked)
        assert spent_usd <= cap_usd < spent_usd + most_usd
        assert {one.status for one in asked if one.end == "told"} == {429}
        assert all("budget" in one.problem for one in asked if one.end == "told")
        assert _spent(url, budget) == (spent_usd, Decimal(0))
    logged = [Decimal(row["cost_usd"]) for replica in replicas for row in replica.rows()]
    assert sum(logged) == spent_usd


def _spent(url: str, budget: Budget) -> tuple[Decimal, Decimal]:
    store = open_state(url, warn=lambda words: None, project=PROJECT)
    (books,) = books_of(budget, store.scan("budget/"), datetime.now(UTC))
    store.close()
    return books.spent_usd, books.held_usd


async def test_keys_and_their_limits_are_one_for_both(built: Path, tmp_path: Path, redis: Redis) -> None:
    """A key made at one replica is known at the other, its limits are kept together, and revoked it is refused."""
    async with Emulator(answer, latency_s=0.1) as far:
        url = redis.start()
        async with _replicas(tmp_path, table_for(base_table(built), far, state="$STATE_URL"), url) as replicas:
            first, second = replicas
            many = _keys(first, url, "create", "many", "--requests-per-minute", "30")
            await _shut(replicas)
            assert len(_served(await _share(replicas, many, 80))) == 30
            narrow = _keys(second, url, "create", "narrow", "--concurrency", "5")
            far.most_in_flight = 0
            served = _served(await _share(replicas, narrow, 40))
            assert far.most_in_flight == 5 <= len(served)
            assert len(_served(await _share(replicas, narrow, 4))) == 4
            _keys(second, url, "revoke", "narrow")

            async def is_refused() -> bool:
                return {one.status for one in await _share(replicas, narrow, 4)} == {401}

            await until(is_refused, within_s=3.0)


async def test_a_place_that_fails_through_one_is_passed_by_by_the_other(
    built: Path, tmp_path: Path, redis: Redis
) -> None:
    """Once one replica has found out, the other does not ask the place itself."""
    async with Emulator(answer, chance=lambda _number: Fault(500)) as bad, Emulator(answer) as good:
        table = table_for(base_table(built), bad, state="$STATE_URL")
        near: ProviderSpec = table_for(base_table(built), good).providers["anthropic"]
        table = changed(table, providers={**table.providers, "anthropic": near})
        async with _replicas(tmp_path, table, redis.start()) as (first, second):
            async with Clients(first.url) as clients:

                async def is_shut() -> bool:
                    before = bad.posts
                    await _fall_back(clients, 4)
                    return bad.posts == before

                await until(is_shut)
            await asyncio.sleep(2.0)
            before = bad.posts
            async with Clients(second.url) as clients:
                await _fall_back(clients, 12)
            assert bad.posts - before <= 1  # one of all may try whether it is well again


async def _fall_back(clients: Clients, count: int) -> None:
    asked = [Asked(word=f"w{next(_number):05}", way="chat", stream=False, model="auto") for _ in range(count)]
    for one in asked:
        await clients.ask(one)
    assert [one for one in asked if one.text != answer_of(one.word, "model-claude")] == []


@pytest.mark.parametrize(
    ("budgets", "limits", "status"),
    [("fail_open", "fail_open", None), ("fail_closed", "fail_open", 503), ("fail_open", "fail_closed", 503)],
)
async def test_without_the_shared_state_each_does_as_it_was_told(  # noqa: PLR0917 - three cases
    built: Path, tmp_path: Path, redis: Redis, budgets: WhenDown, limits: WhenDown, status: int | None
) -> None:
    """Redis dies during traffic: nothing hangs, open policies serve, closed ones refuse; then all is as before."""
    budget = Budget(name="all", cap_usd=Decimal(1000), period="month", when_down=budgets)
    async with Emulator(answer, latency_s=0.05, prices=PRICES) as far:
        serve = Serving(limits_when_down=limits)
        table = table_for(base_table(built), far, budgets=(budget,), state="$STATE_URL", serve=serve)
        url = redis.start()
        async with _replicas(tmp_path, table, url) as replicas:
            key = _keys(replicas[0], url, "create", "app", "--requests-per-minute", "5000")
            await _shut(replicas)
            assert len(_served(await _share(replicas, key, 8))) == 8
            across = [asyncio.ensure_future(_share(replicas, key, 20)) for _ in range(3)]
            await asyncio.sleep(0.1)
            redis.end()
            for load in across:
                _served(await load)

            async def is_as_told() -> bool:
                asked = await _share(replicas, key, 8)
                _served(asked)
                return {one.status for one in asked} == {status}

            await until(is_as_told)
            redis.start()

            before, _ = _spent(url, budget)

            async def is_booked() -> bool:
                asked = await _share(replicas, key, 8)
                return len(_served(asked)) == 8 and _spent(url, budget)[0] > before

            await until(is_booked, within_s=30)
        assert all("Traceback" not in replica.said for replica in replicas)

"""What an operator does to a service that serves: stops it, loses a worker, changes its table, starts it wrongly."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from routerctl.notices import Level, take
from routerctl.service.key_admin import KeyOptions, create, revoke
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing.emulator import Emulator, Fault
from routerctl.types import Candidate, Table
from tests.conftest import Project
from tests.redis_server import free_port
from tests.service_clients import Asked, Clients, answer, answer_of
from tests.service_process import Served, signalled, started, until
from tests.service_rig import ENV, Service, base_table, changed, serving, table_for
from tests.test_cli_errors import one_line

MODEL = {"chat": "model-chat", "plain messages": "model-claude", "messages": "model-claude"}
NAMED = {"chat": "chat", "plain messages": "claude", "messages": "claude"}


@pytest.fixture
async def far() -> AsyncIterator[Emulator]:
    """Both vendors, slow enough to be caught in the middle of an answer."""
    async with Emulator(answer, latency_s=0.3, chunk_gap_s=0.1, chunks=8) as emulator:
        yield emulator


def _written(root: Path, built: Path, far: Emulator) -> Table:
    table = table_for(base_table(built), far)
    (root / "routes.yaml").write_text(table_text(table), encoding="utf-8")
    return table


def _asked(number: int, *, name: str = "r") -> Asked:
    way = list(NAMED)[number % len(NAMED)]
    return Asked(word=f"{name}{number}", way=way, stream=number % 2 == 0, model=NAMED[way])


def _is_whole(one: Asked) -> bool:
    return one.end == "whole" and one.text == answer_of(one.word, MODEL[one.way])


def _load(clients: Clients, count: int, *, name: str = "r") -> list[asyncio.Task[Asked]]:
    return [asyncio.ensure_future(clients.ask(_asked(number, name=name))) for number in range(count)]


# --- stopped, and killed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_stop_under_load_loses_nothing(built: Path, tmp_path: Path, far: Emulator, workers: int) -> None:
    """After SIGTERM what was accepted is answered whole and logged, nothing new is, and the exit code is 0."""
    _written(tmp_path, built, far)
    async with started(tmp_path, "--workers", str(workers)) as served, Clients(served.url) as clients:
        tasks = _load(clients, 30)
        await until(lambda: far.in_flight == 30)
        signalled(served, signal.SIGTERM)
        await until(lambda: _is_refused(served.port))
        assert served.process.poll() is None
        done = await asyncio.gather(*tasks)
        assert await served.ends() == 0, served.said
    assert [one for one in done if not _is_whole(one)] == []
    assert sorted(str(row["inquiry_id"]) for row in served.rows()) == sorted(one.word for one in done)
    assert "Traceback" not in served.said


def _is_refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
async def test_a_worker_that_is_killed_is_replaced_and_what_it_did_is_logged(
    built: Path, tmp_path: Path, far: Emulator
) -> None:
    """Requests of a worker that is killed stand in the log as cancelled, with what they may have cost; others go on."""
    _written(tmp_path, built, far)
    far_slow = [Fault(latency_s=4.0)] * 12
    async with started(tmp_path, "--workers", "2") as served, Clients(served.url) as clients:
        far.play(*far_slow)
        tasks = _load(clients, 12, name="lost")
        await until(lambda: far.in_flight == 12)
        await asyncio.sleep(1.0)  # a note is written once a request has been under way for a moment
        second, first = sorted(served.workers(), key=_sockets)
        os.kill(first, signal.SIGKILL)
        done = await asyncio.gather(*tasks)
        await until(lambda: len(served.workers()) == 2 and first not in served.workers())
        assert second in served.workers()
        after = await asyncio.gather(*_load(clients, 10, name="after"))
        await until(lambda: len(served.rows()) == 22)
        assert await _stopped(served) == 0
    assert [one for one in after if not _is_whole(one)] == []
    hops = {str(row["inquiry_id"]): row["hops"] for row in served.rows()}
    for one in done:
        outcome = hops[one.word][-1]["outcome"]
        assert outcome == ("served" if _is_whole(one) else "cancelled"), (one, hops[one.word])
    assert any(hop[-1]["outcome"] == "cancelled" for hop in hops.values())


def _sockets(worker: int) -> int:
    """How many files a worker has open: one that serves more has more."""
    return len(list(Path(f"/proc/{worker}/fd").iterdir()))


async def _stopped(served: Served) -> int:
    signalled(served, signal.SIGTERM)
    return await served.ends()


@pytest.mark.slow
async def test_several_workers_write_one_log_without_losing_a_row(built: Path, tmp_path: Path) -> None:
    """Four hundred requests to three processes are four hundred rows of one file."""
    async with Emulator(answer) as far:
        _written(tmp_path, built, far)
        async with started(tmp_path, "--workers", "3") as served:
            done = [one for batch in range(10) for one in await _batch(served.url, batch)]
            assert await _stopped(served) == 0
    assert [one for one in done if not _is_whole(one)] == []
    assert sorted(str(row["inquiry_id"]) for row in served.rows()) == sorted(one.word for one in done)


async def _batch(url: str, batch: int) -> list[Asked]:
    async with Clients(url) as clients:  # connections of its own, which another worker may take
        return await asyncio.gather(*_load(clients, 40, name=f"b{batch}-"))


# --- a new table ------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Level]]]:
    """What a service in the test's own process tells a person."""
    said: list[tuple[str, Level]] = []
    before = take(lambda text, level: said.append((text, level)))
    yield said
    take(before)


async def _digest(service: Service | Served) -> str:
    asked = {"model": "chat", "messages": [{"role": "user", "content": "now"}]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.url}/v1/chat/completions", json=asked) as answered,
    ):
        assert answered.status == 200
        return answered.headers["x-routerctl-table"]


async def test_a_new_table_is_taken_up_and_the_old_one_serves_to_its_end(
    built: Path, tmp_path: Path, far: Emulator, heard: list[tuple[str, Level]]
) -> None:
    """A request that is under way when the table changes ends by the old one, the next one is served by the new."""
    old = table_for(base_table(built), far)
    async with serving(tmp_path, old) as service, Clients(service.url) as clients:
        far.play(Fault(chunk_gap_s=0.25, chunks=8))
        long = asyncio.ensure_future(clients.ask(_asked(0, name="long")))
        await until(lambda: far.in_flight == 1)
        new = _renamed(old)
        (tmp_path / "routes.yaml").write_text(table_text(new), encoding="utf-8")
        service.app.worker.check_now()
        await until(lambda: _serves(service, new.digest))
        assert not long.done()
        assert _is_whole(await long)
    rows = {str(row["inquiry_id"]): row["table_digest"] for row in service.rows()}
    assert rows["long0"] == old.digest
    assert next((level, new.digest[:19] in text) for text, level in heard if "in place of" in text) == ("info", True)


async def test_keys_are_kept_up_with_after_a_new_table(built: Path, tmp_path: Path, far: Emulator) -> None:
    """A key whose limit is reached before a new table comes is past it afterwards, and refused once it is revoked."""
    old = table_for(base_table(built), far)
    async with serving(tmp_path, old, require_keys=True) as service:
        options = KeyOptions(name="app", requests_per_minute=2)
        _, secret = create(tmp_path / "routes.yaml", options, datetime.now(UTC))
        assert await _status(service, secret) == 200
        new = _renamed(old)
        (tmp_path / "routes.yaml").write_text(table_text(new), encoding="utf-8")
        await until(lambda: service.app.worker.table.digest == new.digest)
        assert await _status(service, secret) == 200
        assert await _status(service, secret) == 429
        revoke(tmp_path / "routes.yaml", "app", datetime.now(UTC))

        async def is_refused() -> bool:
            return await _status(service, secret) == 401

        await until(is_refused)


async def test_a_key_of_a_class_is_told_how_to_ask_for_a_model(built: Path, tmp_path: Path, far: Emulator) -> None:
    """Naming a candidate names no class: 403 says which the key has and how to say it, and so said it is served."""
    async with serving(tmp_path, table_for(base_table(built), far), require_keys=True) as service:
        _, secret = create(tmp_path / "routes.yaml", KeyOptions(name="app", classes=("sums",)), datetime.now(UTC))
        status, body = await _asked_with(service, secret, model="chat")
        assert (status, "for the class sums: " in body, "(x-routerctl-class)" in body) == (403, True, True)
        assert [
            (await _asked_with(service, secret, model="chat", **{"class": "sums"}))[0],
            (await _asked_with(service, secret, model="class:sums"))[0],
            await _status(service, secret),
        ] == [200, 200, 200]


async def _status(service: Service, secret: str) -> int:
    return (await _asked_with(service, secret))[0]


async def _asked_with(service: Service, secret: str, *, model: str = "auto", **said: str) -> tuple[int, str]:
    body = {"model": model, "messages": [{"role": "user", "content": "w"}]}
    headers = {"authorization": f"Bearer {secret}"} | {f"x-routerctl-{name}": value for name, value in said.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.url}/v1/chat/completions", json=body, headers=headers) as answered,
    ):
        return answered.status, await answered.text()


def _renamed(table: Table) -> Table:
    """A table in which a candidate has another effort."""
    chat = replace(table.candidates["chat"], effort="low")
    return changed(table, table_version=table.table_version + 1, candidates={**table.candidates, "chat": chat})


async def _serves(service: Service | Served, digest: str) -> bool:
    return await _digest(service) == digest


@pytest.mark.slow
async def test_every_worker_looks_at_the_table_on_sighup(built: Path, tmp_path: Path) -> None:
    """SIGHUP to the parent has all workers serve the new table, and none is started anew."""
    async with Emulator(answer) as far:
        old = _written(tmp_path, built, far)
        async with started(tmp_path, "--workers", "2") as served:
            workers = served.workers()
            new = _renamed(old)
            (tmp_path / "routes.yaml").write_text(table_text(new), encoding="utf-8")
            signalled(served, signal.SIGHUP)
            await until(lambda: served.said.count("in place of") == 2)
            assert {await _digest(served) for _ in range(12)} == {new.digest}
            assert served.workers() == workers
            assert await _stopped(served) == 0


@pytest.mark.slow
async def test_sighup_ends_no_worker_that_is_starting(built: Path, tmp_path: Path) -> None:
    """It would die of it before it minds the signal; another one would take its place."""
    async with Emulator(answer) as far:
        _written(tmp_path, built, far)
        async with started(tmp_path, "--workers", "2") as served:
            first = served.workers()
            os.kill(first[0], signal.SIGKILL)
            await until(lambda: set(served.workers()) - set(first))
            for _ in range(100):
                signalled(served, signal.SIGHUP)
                await asyncio.sleep(0.02)
            assert served.said.count("a worker ended") == 1
            assert len(served.workers()) == 2
            assert await _stopped(served) == 0


BAD: dict[str, Callable[[Path, Table], object]] = {
    "edited": lambda path, table: path.write_text(table_text(table).replace("model-chat", "model-other")),
    "no yaml": lambda path, table: path.write_text("{ not: [yaml"),
    "empty": lambda path, table: path.write_text(""),
    "gone": lambda path, table: path.unlink(),
    "no key": lambda path, table: path.write_text(table_text(_without_key(table))),
}


def _without_key(table: Table) -> Table:
    keyless = replace(table.providers["openai"], name="other", api_key_env="NO_SUCH_KEY")
    price = next(iter(table.prices.values()))
    return with_digest(
        replace(
            table,
            providers={**table.providers, "other": keyless},
            candidates={**table.candidates, "chat": Candidate(name="chat", provider="other", model="model-chat")},
            prices={**table.prices, "chat": price},
        )
    )


async def test_a_table_that_cannot_be_served_changes_nothing(
    built: Path, tmp_path: Path, heard: list[tuple[str, Level]]
) -> None:
    """It is said loudly, the old one goes on, that the file is right again is said, and a new one is taken up."""
    async with Emulator(answer) as far:
        old = table_for(base_table(built), far)
        async with serving(tmp_path, old) as service:
            for bad in BAD.values():
                heard.clear()
                bad(tmp_path / "routes.yaml", old)
                service.app.worker.check_now()
                await until(lambda: any("the new table cannot be served" in text for text, _ in heard))
                assert [level for text, level in heard if "stays in use" in text] == ["alarm"]
                assert await _digest(service) == old.digest
            (tmp_path / "routes.yaml").write_text(table_text(old), encoding="utf-8")
            service.app.worker.check_now()
            await until(lambda: any("is again the table that serves" in text for text, _ in heard))
            new = _renamed(old)
            (tmp_path / "routes.yaml").write_text(table_text(new), encoding="utf-8")
            await until(lambda: _serves(service, new.digest))


@pytest.mark.slow
async def test_a_worker_that_dies_while_the_table_is_wrong_ends_no_other(built: Path, tmp_path: Path) -> None:
    """Its successor is started until it can, and the exit code of a stop is 0."""
    async with Emulator(answer) as far:
        table = _written(tmp_path, built, far)
        async with started(tmp_path, "--workers", "2") as served, Clients(served.url) as clients:
            (tmp_path / "routes.yaml").write_text("{ not: [yaml", encoding="utf-8")
            first, second = served.workers()
            os.kill(first, signal.SIGKILL)
            await until(lambda: "it is tried again in" in served.said, within_s=30)
            assert second in served.workers()
            assert [one for one in await asyncio.gather(*_load(clients, 6)) if not _is_whole(one)] == []
            (tmp_path / "routes.yaml").write_text(table_text(table), encoding="utf-8")
            await until(lambda: any(_sockets(one) for one in served.workers() if one != second), within_s=30)
            assert await _stopped(served) == 0


# --- started wrongly --------------------------------------------------------------------------------------------------


def test_a_service_that_others_reach_needs_keys(served: Project) -> None:
    """Without a key it is not opened to others."""
    one_line(served.run("serve", "--host", "0.0.0.0", "--port", str(free_port())), 2, "--host 0.0.0.0", "keys create")  # noqa: S104 - refused


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_refused(served: Project, workers: str) -> None:
    """One line says which."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = served.run("serve", "--port", port, "--workers", workers)
    one_line(done, 2, port, "in use")
    assert not re.search(r"Traceback|^INFO|^ERROR", done.err, re.MULTILINE)


def test_a_table_of_imported_outcomes_alone_is_refused_before_anything_is_served(served: Project) -> None:
    """The candidate is named, with what to do; nothing has claimed to serve."""
    table = load_table(served.root / "routes.yaml")
    imported = {name: replace(spec, kind="imported") for name, spec in table.providers.items()}
    served.write("imported.yaml", table_text(with_digest(replace(table, providers=imported))))
    done = served.run("serve", "--port", str(free_port()), "--table", "imported.yaml")
    one_line(done, 2, "imported.yaml", f"candidate '{next(iter(table.candidates))}'", "imported", "routerctl.yaml")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_it_says_that_it_serves_when_it_does(built: Path, tmp_path: Path, far: Emulator, workers: int) -> None:
    """The line is not there before requests are taken, names the address and the page, and comes once."""
    _written(tmp_path, built, far)
    async with started(tmp_path, "--workers", str(workers), "--ui") as served:
        await until(lambda: "serving version" in served.said)
        assert f"at {served.url}, with a page at {served.url}/ui ({workers} worker" in served.said
        assert await _stopped(served) == 0
    assert served.said.count("serving version") == 1


async def test_who_asks_for_keys_before_there_is_one_is_told(built: Path, tmp_path: Path, far: Emulator) -> None:
    """It starts, as a key may be made at any time, and says that nobody is served until then."""
    _written(tmp_path, built, far)
    async with started(tmp_path, "--require-keys") as served:
        assert "no API key yet, so no request is served: create one with `routerctl keys create NAME`" in served.said


def test_without_its_packages_it_says_what_to_install(served: Project) -> None:
    """The extra is named."""
    blocked = served.write("blocked/sitecustomize.py", _BLOCKED).parent
    done = served.run("serve", env={**ENV, "PYTHONPATH": str(blocked)})
    one_line(done, 2, "uvicorn", "pip install 'routerctl[serve]'")


_BLOCKED = """
import importlib.machinery as machinery
found = machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = classmethod(
    lambda _finder, name, path=None, target=None: None if name == "uvicorn" else found(name, path, target)
)
"""

"""What one request may cost, hold and say: limits of replies, prices of tiers, odd bodies, keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from routerctl.service.key_admin import KeyOptions, create
from routerctl.table import table_text
from routerctl.testing.emulator import Emulator, Fault
from routerctl.types import Budget
from tests.service_process import until
from tests.service_rig import Service, base_table, changed, serving, table_for

Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Both vendors' APIs."""
    async with Emulator() as emu:
        yield emu


@pytest.fixture
def start(built: Path, tmp_path: Path, emulator: Emulator) -> Start:
    """Give the function that serves a table of two candidates at the emulator."""

    def started(**routing: Any) -> AbstractAsyncContextManager[Service]:
        return serving(tmp_path, table_for(base_table(built), emulator, **routing))

    return started


async def _post(service: Service, path: str, body: Any, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(service.url + path, data=data, headers={"content-type": "application/json", **headers}) as answer,
    ):
        return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def _chat(model: str = "auto", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Who are you?"}], **more}


# --- money ------------------------------------------------------------------------------------------------------------


_FULL = "max_completion_tokens"


@pytest.mark.parametrize(
    ("said", "sent", "held"),
    [
        ({}, {_FULL: 8192}, 8192),
        ({"max_tokens": None}, {_FULL: 8192}, 8192),
        ({"max_tokens": -1}, {_FULL: 8192}, 8192),
        ({"max_tokens": True}, {_FULL: 8192}, 8192),
        ({"max_tokens": 5e2}, {"max_tokens": 500.0}, 500),
        ({"max_tokens": "500"}, {"max_tokens": "500"}, 500),
        ({"max_output_tokens": 5}, {"max_output_tokens": 5, _FULL: 8192}, 8192),
        ({_FULL: 5, "max_tokens": 500}, {_FULL: 5, "max_tokens": 500}, 500),
        ({_FULL: 5, "max_tokens": -1}, {_FULL: 5}, 5),
        ({"n": 3}, {"n": 3, _FULL: 8192}, 3 * 8192),
        ({"n": 3.0, "max_tokens": 100}, {"n": 3.0, "max_tokens": 100}, 300),
    ],
)
async def test_no_reply_is_longer_than_what_is_held_for_it(
    start: Start, emulator: Emulator, said: dict[str, Any], sent: dict[str, Any], held: int
) -> None:
    """However leniently a server reads a limit; one that is none to some servers is replaced."""
    async with start(budgets=(Budget(name="day", cap_usd=Decimal(held) * 2 / 1_000_000, period="day"),)) as service:
        short, _, _ = await _post(service, "/v1/chat/completions", _chat("chat", **said))
    async with start(budgets=(Budget(name="ample", cap_usd=Decimal(1), period="day"),)) as service:
        emulator.forget()
        await _post(service, "/v1/chat/completions", _chat("chat", **said))
    body = emulator.received[-1].body
    assert {name: body[name] for name in (_FULL, "max_tokens", "max_output_tokens", "n") if name in body} == sent
    assert short == 429  # the input costs something, too


@pytest.mark.parametrize(("first", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")])
async def test_blanks_alone_are_no_answer(built: Path, tmp_path: Path, first: str, path: str) -> None:
    """The next place is asked, as for a reply with nothing in it."""
    replies = iter([" \n ", "hello"])
    async with (
        Emulator(lambda _body: next(replies)) as far,
        serving(tmp_path, table_for(base_table(built), far, first=first)) as service,
    ):
        status, body, headers = await _post(service, path, _chat(max_tokens=9))
    assert (status, headers["x-routerctl-hops"], b"hello" in body) == (200, "2", True)


# --- what cannot be meant, or is never said ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
async def test_a_body_is_utf_8(start: Start, emulator: Emulator, path: str, encoding: str) -> None:
    """Another encoding of JSON is refused in the wire's own shape, and nobody is asked."""
    async with start() as service, aiohttp.ClientSession() as session:
        headers = {"content-type": "application/json"}
        async with session.post(service.url + path, data=json.dumps(_chat()).encode(encoding), headers=headers) as got:
            assert (got.status, "error" in await got.json()) == (400, True)
    assert emulator.received == []


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; x=application/json", "application/json-like"])
async def test_a_page_in_a_browser_cannot_ask(start: Start, emulator: Emulator, content_type: str) -> None:
    """What a page may send without being asked for leave is plain text, whatever its parameters say."""
    async with start() as service, aiohttp.ClientSession() as session:
        headers = {"content-type": content_type}
        async with session.post(f"{service.url}/v1/responses", data=json.dumps(_chat()), headers=headers) as got:
            assert got.status == 415
    assert emulator.received == []


# --- prices -----------------------------------------------------------------------------------------------------------


async def test_a_field_that_would_change_the_price_is_not_left_to_the_application(
    built: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """Vendors charge more for a faster tier; which fields were not sent is told."""
    table = table_for(base_table(built), emulator)
    tier = replace(table.providers["openai"], options={"extra_body": {"service_tier": "default"}})
    placed = replace(table.providers["anthropic"], region="eu")
    table = changed(table, providers={"openai": tier, "anthropic": placed})
    async with serving(tmp_path, table) as service:
        _, _, told = await _post(service, "/v1/chat/completions", _chat("chat", service_tier="priority"))
        assert (emulator.received[-1].body["service_tier"], told["x-routerctl-dropped"]) == ("default", "service_tier")
        said = _chat("claude", max_tokens=9, speed="fast", inference_geo="eu", service_tier="standard_only")
        _, _, told = await _post(service, "/v1/messages", said)
        sent = emulator.received[-1].body
        assert ("speed" in sent, sent["inference_geo"], sent["service_tier"]) == (False, "eu", "standard_only")
        assert told["x-routerctl-dropped"] == "speed"
        status, body, _ = await _post(service, "/v1/messages", {**said, "inference_geo": "us"})
    assert (status, b"inference_geo" in body) == (400, True)


# --- keys -------------------------------------------------------------------------------------------------------------


def _key(root: Path, **options: Any) -> dict[str, str]:
    secret = create(root / "routes.yaml", KeyOptions(name="app", **options), datetime.now(UTC))[1]
    return {"authorization": f"Bearer {secret}"}


async def test_a_key_counts_tokens_of_its_own_models_alone(built: Path, tmp_path: Path, emulator: Emulator) -> None:
    """The provider of another candidate is asked nothing; of a route the first one that the key allows counts."""
    table = table_for(base_table(built), emulator)
    (tmp_path / "routes.yaml").write_text(table_text(table), encoding="utf-8")
    key = _key(tmp_path, models=("claude",))
    async with serving(tmp_path, table) as service:
        status, _, headers = await _post(service, "/v1/messages/count_tokens", _chat(), **key)
        assert (status, headers["x-routerctl-candidate"]) == (200, "claude")
        status, body, _ = await _post(service, "/v1/messages/count_tokens", _chat("chat"), **key)
    assert (status, b"not_allowed" in body) == (403, True)


async def test_a_request_whose_use_nobody_tells_counts_as_it_came_in(
    built: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """Whoever asks and leaves at once does not get past the tokens a minute of its key."""
    table = table_for(base_table(built), emulator)
    (tmp_path / "routes.yaml").write_text(table_text(table), encoding="utf-8")
    key = _key(tmp_path, tokens_per_minute=2000)
    emulator.play(Fault(latency_s=30.0))
    asked = _chat("chat", user="x" * 6000)
    async with serving(tmp_path, table) as service, aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            async with session.post(
                f"{service.url}/v1/chat/completions", json=asked, headers=key, timeout=aiohttp.ClientTimeout(1.0)
            ):
                pass
        await until(lambda: not service.app.worker.in_flight)
        status, _, headers = await _post(service, "/v1/chat/completions", asked, **key)
    assert (status, int(headers["retry-after"]) > 30) == (429, True)

"""`routerctl serve` in front of both vendors, where client and provider speak the same wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from routerctl import notices
from routerctl.testing.emulator import (
    CUT,
    ENDED_EARLY,
    ERROR_FIRST,
    ERROR_MIDWAY,
    ERROR_OPENED,
    HALF_OPEN,
    HANG_UP,
    NO_TERMINAL,
    ONLY_PINGS,
    TRUNCATED,
    Emulator,
    Fault,
)
from routerctl.types import Budget, Condition, Rule, Serving
from tests.service_rig import CLASS, Service, base_table, changed, serving, table_for

ASKED: list[dict[str, Any]] = [{"role": "user", "content": "Who are you?"}]
SLOW = Fault(chunk_gap_s=0.05, chunks=40)  # a stream of two seconds
Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Both vendors' APIs."""
    async with Emulator(lambda body: f"I am {body['model']}.", strict=True) as emu:
        yield emu


@pytest.fixture
def start(built: Path, tmp_path: Path, emulator: Emulator) -> Start:
    """Give the function that serves a table of two candidates at the emulator."""

    def started(**routing: Any) -> AbstractAsyncContextManager[Service]:
        return serving(tmp_path, table_for(base_table(built), emulator, **routing))

    return started


def _openai(service: Service) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


def _anthropic(service: Service) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=service.url, api_key="none", max_retries=0)


def _items(stream: Any) -> AsyncIterator[Any]:
    """What a stream gives: the SDK's types leave open whether it is one."""
    found: AsyncIterator[Any] = aiter(stream)
    return found


async def _post(service: Service, path: str, body: Any, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(service.url + path, data=data, headers={"content-type": "application/json", **headers}) as answer,
    ):
        return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def _chat(model: str = "auto", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": ASKED, **more}


# --- what passes ------------------------------------------------------------------------------------------------------


async def test_both_sdks_are_served_by_their_own_wires(start: Start) -> None:
    """Whole replies and streams, on three wires, by changing the base URL."""
    async with start() as service, _openai(service) as chat, _anthropic(service) as claude:
        whole = await chat.chat.completions.create(model="chat", messages=ASKED)  # type: ignore[arg-type]
        message = await claude.messages.create(model="claude", max_tokens=50, messages=ASKED)  # type: ignore[arg-type]
        response = await chat.responses.create(model="chat", input="Who are you?")
        embedded = await chat.embeddings.create(model="chat", input="one")
        stream = await chat.chat.completions.create(model="chat", messages=ASKED, stream=True)  # type: ignore[arg-type]
        pieces = [chunk.choices[0].delta.content or "" async for chunk in _items(stream)]
        async with claude.messages.stream(model="claude", max_tokens=50, messages=ASKED) as streamed:  # type: ignore[arg-type]
            final = await streamed.get_final_text()
        async with chat.responses.stream(model="chat", input="Who are you?") as events:
            done = await events.get_final_response()
    text = "I am model-chat."
    assert (whole.choices[0].message.content, "".join(pieces), response.output_text) == (text, text, text)
    assert (done.output_text, final) == (text, "I am model-claude.")
    assert message.content[-1].text == "I am model-claude."  # type: ignore[union-attr]
    assert len(embedded.data) == 1


async def test_bytes_pass_untouched_both_ways(start: Start, emulator: Emulator) -> None:
    """Of a request only the model's value changes, of a reply nothing; fields that nobody knows survive."""
    raw = b'{ "x_own" : 1.50, "model":"auto" ,"messages":[{"role":"user","content":"\\u00e4 model"}],"seed":7}'
    answer = (
        b'{"model":"model-chat","usage":{"prompt_tokens":3,"completion_tokens":2},"x":[1.0,  2.50],'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"\\u00e4"},"finish_reason":"stop"}]}'
    )
    events = b"".join(
        b"data: " + json.dumps(event).encode() + b"\r\n\r\n"
        for event in (
            {"model": "model-chat", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "ä"}}]},
            {"x": 2, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        )
    )
    events += b"data: [DONE]\r\n\r\n"
    emulator._strict = False
    emulator.play(Fault(body=answer), Fault(body=events, headers={"content-type": "text/event-stream"}))
    streamed = _chat(stream=True, stream_options={"include_usage": True})
    async with start() as service:
        assert (await _post(service, "/v1/chat/completions", raw))[1] == answer
        assert (await _post(service, "/v1/chat/completions", streamed))[1] == events
    assert emulator.received[0].body == {**json.loads(raw), "model": "model-chat"}
    assert emulator.received[1].body == {**streamed, "model": "model-chat"}


async def test_usage_is_always_asked_for_and_given_to_whom_asked(start: Start, emulator: Emulator) -> None:
    """A stream is billed by the provider's count, and a client that did not ask for it does not get its chunk."""
    async with start() as service:
        _, plain, _ = await _post(service, "/v1/chat/completions", _chat(stream=True))
        _, told, _ = await _post(
            service, "/v1/chat/completions", _chat(stream=True, stream_options={"include_usage": True})
        )
        await asyncio.sleep(0.1)
    assert b'"choices":[]' not in plain
    assert b"prompt_tokens" not in plain
    assert plain.endswith(b"data: [DONE]\n\n")
    assert b"prompt_tokens" in told
    assert all(one.body["stream_options"]["include_usage"] for one in emulator.received)
    rows = service.rows()
    assert [Decimal(row["cost_usd"]) > 0 == Decimal(row["perhaps_usd"]) for row in rows] == [True, True]


async def test_headers_say_what_was_decided(start: Start, emulator: Emulator) -> None:
    """Decision, class, candidate, source, hops, cost, table and overhead; the provider's limits pass, its rest not."""
    emulator.play(Fault(headers={"x-ratelimit-remaining-requests": "9", "set-cookie": "a=b", "server": "x"}))
    async with start() as service:
        status, _, headers = await _post(service, "/v1/chat/completions", _chat(f"class:{CLASS}"))
        await asyncio.sleep(0.1)
        (row,) = service.rows()
        digest = service.app.worker.table.digest
    assert status == 200
    own = {name.removeprefix("x-routerctl-"): value for name, value in headers.items() if "routerctl" in name}
    assert float(own.pop("overhead-ms")) > 0
    assert own == {
        "decision": row["id"],
        "class": CLASS,
        "candidate": "chat",
        "source": "caller",
        "hops": "1",
        "table": digest,
        "cost-usd": row["cost_usd"],
    }
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert "set-cookie" not in headers
    assert "x-stainless-lang" not in emulator.received[0].headers


# --- who is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "served", "source"),
    [
        ("auto", "model-chat", "default"),
        (f"class:{CLASS}", "model-chat", "caller"),
        ("claude", "model-claude", "model"),
        ("model-chat", "model-chat", "model"),
    ],
)
async def test_the_model_says_who_decides(start: Start, model: str, served: str, source: str) -> None:
    """`auto` routes, a class is fixed, a candidate's name or pinned id is served as it is."""
    path = "/v1/messages" if served == "model-claude" else "/v1/chat/completions"
    async with start() as service:
        status, body, headers = await _post(service, path, _chat(model, max_tokens=50))
    assert (status, json.loads(body)["model"], headers["x-routerctl-source"]) == (200, served, source)


async def test_a_model_that_nobody_knows_is_refused_or_routed(start: Start) -> None:
    """As `unknown_model` says; the nearest right name is told."""
    async with start() as service, _openai(service) as client:
        with pytest.raises(openai.NotFoundError, match="no such model: 'chatt'; did you mean 'chat'") as refused:
            await client.chat.completions.create(model="chatt", messages=ASKED)  # type: ignore[arg-type]
    assert refused.value.code == "model_not_found"
    async with start(serve=Serving(unknown_model="auto")) as service:
        status, body, _ = await _post(service, "/v1/chat/completions", _chat("gpt-old"))
    assert (status, json.loads(body)["model"]) == (200, "model-chat")


async def test_what_is_said_for_routerctl_goes_no_further(start: Start, emulator: Emulator, tmp_path: Path) -> None:
    """Tenant, user, step and features by headers or metadata: in the log, and not at the provider."""
    metadata = {"routerctl_tenant": "acme", "routerctl_step": "plan", "own": "kept"}
    async with start() as service:
        await _post(service, "/v1/chat/completions", _chat(metadata=metadata, store=True))
        headers = {"x-routerctl-tenant": "beta", "x-routerctl-features": '{"plan": "pro"}'}
        await _post(service, "/v1/chat/completions", _chat(metadata={"routerctl_tenant": "x"}), **headers)
        status, body, _ = await _post(service, "/v1/chat/completions", _chat(metadata={"routerctl_tennant": "x"}))
        await asyncio.sleep(0.1)
        rows = service.rows()
        _, _, nothing = await _post(service, "/v1/chat/completions", _chat("claude", metadata={"routerctl_step": "x"}))
        _, _, theirs = await _post(service, "/v1/chat/completions", _chat("claude", metadata=metadata))
    assert [(row["tenant"], row["step"]) for row in rows] == [("acme", "plan"), ("beta", None)]
    assert [one.body.get("metadata") for one in emulator.received[:2]] == [{"own": "kept"}, None]
    assert "x-routerctl-dropped" not in nothing, "nothing of the application's own is lost"
    assert theirs["x-routerctl-dropped"] == "metadata"
    assert status == 400
    assert "did you mean 'tenant'" in json.loads(body)["error"]["message"]


async def test_rules_see_the_last_turn_of_the_user(
    start: Start, built: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """Not the system's text, and no result of a tool."""
    table = table_for(base_table(built), emulator)
    table = changed(table, rules=(Rule(name="words", task_class=CLASS, when=Condition(keywords=("magic",))),))
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "magic"},
        {"role": "user", "content": [{"type": "text", "text": "some magic"}]},
    ]
    async with serving(tmp_path, table) as service:
        _, _, by_rule = await _post(service, "/v1/chat/completions", {"model": "auto", "messages": turns})
        turns[1]["content"] = "nothing"
        _, _, by_default = await _post(service, "/v1/chat/completions", {"model": "auto", "messages": turns})
    assert (by_rule["x-routerctl-source"], by_default["x-routerctl-source"]) == ("rule", "default")


# --- what goes wrong --------------------------------------------------------------------------------------------------

BEFORE = [Fault(500), Fault(529), HANG_UP, ERROR_FIRST, ERROR_OPENED, Fault(status=401)]
AFTER = [ENDED_EARLY, ERROR_MIDWAY, CUT, NO_TERMINAL]


@pytest.mark.parametrize("fault", BEFORE, ids=str)
async def test_nothing_is_seen_of_who_failed_before_the_first_content(
    start: Start, emulator: Emulator, fault: Fault
) -> None:
    """The next place serves the same request, streamed or whole, as if nothing had been."""
    emulator.play(fault)
    async with start(first="anthropic") as service:
        table = service.app.worker.table
        assert table.routes[CLASS].rungs == ("claude", "chat")
        body = _chat("auto", stream=True, max_tokens=50)
        emulator._strict = False
        status, sent, headers = await _post(service, "/v1/chat/completions", body)
    assert (status, headers["x-routerctl-candidate"]) == (200, "chat")
    assert sent.endswith(b"data: [DONE]\n\n")
    assert b"error" not in sent


@pytest.mark.parametrize("fault", AFTER, ids=str)
async def test_a_stream_that_breaks_ends_with_an_error_on_both_wires(
    start: Start, emulator: Emulator, fault: Fault
) -> None:
    """The wire's own error event and no mark of success; the SDK raises, and the log says what was seen."""
    slow = Fault(way=fault.way, at=fault.at, message=fault.message, chunk_gap_s=0.03, chunks=6)
    async with start() as service, _openai(service) as chat, _anthropic(service) as claude:
        emulator.play(slow)
        _, sent, _ = await _post(service, "/v1/chat/completions", _chat("chat", stream=True))
        assert b"[DONE]" not in sent
        assert json.loads(sent.rpartition(b"data: ")[2])["error"]["message"]
        emulator.play(slow)
        stream = await chat.chat.completions.create(model="chat", messages=ASKED, stream=True)  # type: ignore[arg-type]
        with pytest.raises(openai.APIError):
            _ = [chunk async for chunk in _items(stream)]
        emulator.play(slow)
        with pytest.raises(anthropic.APIError):
            async with claude.messages.stream(model="claude", max_tokens=50, messages=ASKED) as streamed:  # type: ignore[arg-type]
                await streamed.get_final_message()
        await asyncio.sleep(0.2)
        rows = service.rows()
    assert [row["served"] for row in rows] == [None, None, None]
    assert all(Decimal(row["perhaps_usd"]) > 0 for row in rows)


async def test_a_request_that_cannot_be_read_has_its_error_in_the_access_log(
    built: Path, tmp_path: Path, emulator: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody else knows of it: no decision was made, so the decision log has none."""
    before = notices.take(lambda _text, _level: None)
    try:
        async with serving(tmp_path, table_for(base_table(built), emulator), access_log="json") as service:
            status, _, _ = await _post(service, "/v1/chat/completions", {"model": 7, "messages": ASKED})
    finally:
        notices.take(before)
    (line,) = [json.loads(one) for one in capfd.readouterr().err.splitlines() if '"path"' in one]
    assert (status, line["status"], line["error"], line["request_id"]) == (400, 400, "invalid_request", None)


async def test_when_everybody_failed_the_client_is_told_not_to_try_again(start: Start, emulator: Emulator) -> None:
    """Its retries would multiply ours; what the last one wanted to wait is passed on."""
    emulator.play(Fault(429, headers={"retry-after": "7"}))
    async with start() as service:
        status, body, headers = await _post(service, "/v1/chat/completions", _chat("chat"))
    assert (status, headers["x-should-retry"], headers["retry-after"]) == (429, "false", "7")
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


async def test_a_reply_that_ends_at_the_applications_own_limit_is_what_it_asked_for(
    start: Start, emulator: Emulator
) -> None:
    """It is given as it is, and nobody dearer is asked for a longer one; without such a limit the next one is."""
    async with start() as service:
        emulator.play(TRUNCATED)
        _, limited, _ = await _post(service, "/v1/chat/completions", _chat(max_tokens=2))
        emulator.play(TRUNCATED)
        _, unlimited, headers = await _post(service, "/v1/chat/completions", _chat())
    reply = json.loads(limited)
    assert (reply["model"], reply["choices"][0]["finish_reason"]) == ("model-chat", "length")
    assert (json.loads(unlimited)["model"], headers["x-routerctl-hops"]) == ("model-claude", "2")


@pytest.mark.parametrize(
    ("fault", "serve", "words"),
    [
        (HALF_OPEN, {"idle_s": 0.3}, "TimedOut"),
        (SLOW, {"total_s": 0.5}, "TimedOut"),
    ],
    ids=["idle", "total"],
)
async def test_streams_end_that_take_too_long(
    start: Start, emulator: Emulator, fault: Fault, serve: dict[str, Any], words: str
) -> None:
    """After a silence, or a time in all, with an error in the stream."""
    emulator.play(fault)
    async with start(serve=Serving(**serve)) as service:
        _, sent, _ = await _post(service, "/v1/chat/completions", _chat("chat", stream=True))
    assert b"[DONE]" not in sent
    assert words in sent.decode()


async def test_silence_before_the_first_content_moves_on(start: Start, emulator: Emulator) -> None:
    """A place that only pings is given up after `first_token_s`, and the next one serves."""
    emulator.play(ONLY_PINGS)
    emulator._strict = False
    async with start(first="anthropic", serve=Serving(first_token_s=0.3)) as service:
        _, sent, headers = await _post(service, "/v1/chat/completions", _chat(stream=True))
    assert headers["x-routerctl-candidate"] == "chat"
    assert sent.endswith(b"[DONE]\n\n")


async def test_a_long_silence_is_kept_alive_and_errors_stand_in_it(start: Start, emulator: Emulator) -> None:
    """Comments before and between content; who fails after the first of them is told in the stream."""
    emulator.play(Fault(first_token_s=0.5, chunk_gap_s=0.4, chunks=2), Fault(500, latency_s=0.5))
    async with start(serve=Serving(keepalive_s=0.15)) as service:
        status, sent, _ = await _post(service, "/v1/chat/completions", _chat("chat", stream=True))
        assert (status, sent.startswith(b": ping\n\n"), sent.endswith(b"[DONE]\n\n")) == (200, True, True)
        status, sent, _ = await _post(service, "/v1/chat/completions", _chat("chat", stream=True))
    assert status == 200
    assert "no model served" in json.loads(sent.rpartition(b"data: ")[2])["error"]["message"]


async def test_a_class_may_be_held_until_it_was_checked(start: Start, emulator: Emulator) -> None:
    """With `buffer`, half a reply escalates as it does without a stream; the client sees the whole one alone."""
    emulator.play(TRUNCATED)
    emulator._strict = False
    async with start(first="anthropic", serve=Serving(buffer=(CLASS,))) as service:
        _, sent, headers = await _post(service, "/v1/chat/completions", _chat(stream=True))
    assert (headers["x-routerctl-candidate"], headers["x-routerctl-hops"]) == ("chat", "2")
    assert b"model-claude" not in sent


# --- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        (Fault(first_token_s=5), True),
        (SLOW, True),
        (Fault(latency_s=5), False),
    ],
    ids=["before the first byte", "in mid-stream", "waiting for all of it"],
)
async def test_a_client_that_leaves_ends_the_call(
    start: Start, emulator: Emulator, fault: Fault, *, stream: bool
) -> None:
    """At once, and what it may have cost is in the log and the budget's books, as an estimate."""
    emulator.play(fault)
    budget = Budget(name="day", cap_usd=Decimal(1), period="day")
    async with start(budgets=(budget,)) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await _post(service, "/v1/chat/completions", _chat("chat", stream=stream, max_tokens=50))
        left_at = asyncio.get_running_loop().time()
        for _ in range(100):
            if emulator.ledger:
                break
            await asyncio.sleep(0.01)
        (entry,) = emulator.ledger
        await asyncio.sleep(0.5)
        (row,) = service.rows()
        books = service.app.worker.router.states.of(None).scan("budget/")
    assert entry.left_s is not None
    assert entry.left_s - left_at < 1
    assert Decimal(row["cost_usd"]) == 0 < Decimal(row["perhaps_usd"])
    (book,) = books.values()
    assert (Decimal(book["spent"]), book["held"]) == (Decimal(row["perhaps_usd"]), {})


# --- money ------------------------------------------------------------------------------------------------------------


async def test_budgets_hold_and_settle_streams_and_replies(start: Start, emulator: Emulator) -> None:
    """What is booked is what the log has and what the provider would bill; over the cap nobody is asked."""
    emulator._prices = dict.fromkeys(("model-chat", "model-claude"), (Decimal(1), Decimal(2), Decimal(1), Decimal(1)))
    budget = Budget(name="day", cap_usd=Decimal("0.002"), period="day")
    async with start(budgets=(budget,)) as service:
        answers = [
            await _post(service, "/v1/chat/completions", _chat(stream=bool(k % 2), max_tokens=500)) for k in range(12)
        ]
        await asyncio.sleep(0.3)
        rows = service.rows()
        (book,) = service.app.worker.router.states.of(None).scan("budget/").values()
    spent = sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0))
    assert Decimal(book["spent"]) == spent == emulator.ledger.usd <= budget.cap_usd
    assert {status for status, _, _ in answers} == {200} or answers[-1][0] == 429
    tight = Budget(name="day", cap_usd=Decimal("0.00001"), period="day")
    async with start(budgets=(tight,)) as service:
        status, body, headers = await _post(service, "/v1/chat/completions", _chat(max_tokens=5000))
        _, named, _ = await _post(service, "/v1/chat/completions", _chat("chat", max_tokens=5000))
    assert (status, headers["x-should-retry"], headers["x-routerctl-cost-usd"]) == (429, "false", "0")
    assert json.loads(body)["error"]["code"] == "budget_spent"
    assert json.loads(body)["error"]["message"].startswith(f"{CLASS} is not served: budget day")
    assert json.loads(named)["error"]["message"].startswith("chat is not served: budget day")

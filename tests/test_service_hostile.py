"""`routerctl serve` between applications that write oddly and providers that answer oddly: nobody meets a 500."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from routerctl.testing.emulator import Body, Emulator, Fault
from routerctl.types import Candidate, Serving
from tests.http_far_side import FarSide, Play, in_pieces
from tests.service_rig import Service, base_table, changed, serving, table_for

ASKED = [{"role": "user", "content": "Who are you?"}]
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "count": "/v1/messages/count_tokens",
}
Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Both vendors' APIs."""
    async with Emulator(lambda body: f"I am {body['model']}.") as emu:
        yield emu


@pytest.fixture
def start(built: Path, tmp_path: Path, emulator: Emulator) -> Start:
    """Give the function that serves `chat`, `claude` and `plain`, a server of Chat Completions alone."""

    def started(**routing: Any) -> AbstractAsyncContextManager[Service]:
        table = table_for(base_table(built), emulator, **routing)
        plain = Candidate(name="plain", provider="compatible", model="model-plain")
        return serving(
            tmp_path,
            changed(
                table,
                providers={
                    **table.providers,
                    "compatible": replace(table.providers["openai"], name="compatible", options={}),
                },
                candidates={**table.candidates, "plain": plain},
                prices={**table.prices, "plain": table.prices["chat"]},
            ),
        )

    return started


def _body(wire: str, model: str, **more: Any) -> Body:
    if wire == "responses":
        return {"model": model, "input": "Who are you?", **more}
    return {"model": model, "messages": ASKED, **({} if wire == "chat" else {"max_tokens": 50}), **more}


async def _post(service: Service, wire: str, body: Any) -> tuple[int, bytes, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(service.url + PATHS[wire], data=data, headers={"content-type": "application/json"}) as answer,
    ):
        return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_body_that_nobody_may_read_two_ways_is_refused(start: Start) -> None:
    """A field that stands in it twice and is to be another, and another encoding: 400, where they are counted too."""
    asked = json.dumps(ASKED).encode()
    twice = b'{"model":"%s","model":"%s","max_tokens":5,"messages":' + asked + b"}"
    said = b'{"model":"chat","metadata":{"routerctl_id":"a"},"metadata":{"routerctl_id":"b"},"messages":' + asked + b"}"
    cases = {
        "chat": [twice % (b"auto", b"chat"), said, json.dumps(_body("chat", "chat")).encode("utf-16-le")],
        "messages": [twice % (b"auto", b"claude")],
        "count": [twice % (b"auto", b"claude")],
    }
    async with start() as service:
        for wire, bodies in cases.items():
            for body in bodies:
                status, answer, _ = await _post(service, wire, body)
                assert status == 400, body
                assert b"twice" in answer or b"UTF-8" in answer


async def test_half_a_character_goes_on_as_it_came(start: Start, emulator: Emulator) -> None:
    """Wherever it stands in what is written anew: its escape is legal JSON."""
    half = {"y": "a\ud800"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": half}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "r"}
    turns = [*ASKED, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    function = {"name": "f", "parameters": {"type": "object", "description": "a\ud800"}}
    cases = [
        ("chat", _body("chat", "chat", metadata={"routerctl_id": "x", **half})),
        ("chat", _body("chat", "claude", tools=[{"type": "function", "function": function}])),
        ("messages", _body("messages", "chat") | {"messages": turns}),
    ]
    async with start() as service:
        for wire, body in cases:
            status, answer, _ = await _post(service, wire, body)
            assert status == 200, answer
            assert "\\ud800" in json.dumps(emulator.received[-1].body)


async def test_whatever_its_depth_a_body_is_served_or_refused(start: Start) -> None:
    """What can be read, but not be written in other words, is told so."""
    async with start() as service:
        for depth in range(900, 1000, 4):
            deep = '{"a":' * depth + "1" + "}" * depth
            tool = {"type": "function", "function": {"name": "f", "parameters": {"deep": 0}}}
            body = json.dumps(_body("chat", "claude", tools=[tool])).replace('{"deep": 0}', deep)
            status, answer, _ = await _post(service, "chat", body.encode())
            assert status == 200 or (status == 400 and b"too deeply" in answer), (depth, answer)


async def test_betas_in_several_lines_are_all_sent(start: Start, emulator: Emulator) -> None:
    """A list that a client may write as one header or as several."""
    body = json.dumps(_body("messages", "claude")).encode()
    async with start() as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
        head = (
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
        )
        betas = b"anthropic-beta: one-1,two-2\r\nanthropic-beta: three-3\r\n"
        writer.write(head + betas + b"content-length: %d\r\n\r\n%s" % (len(body), body))
        assert b" 200 " in await reader.readline()
        writer.close()
    assert emulator.received[-1].headers["anthropic-beta"] == "one-1,two-2,three-3"


# --- replies ----------------------------------------------------------------------------------------------------------


def _completion(message: Body, finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return json.dumps({"id": "chatcmpl-1", "model": "model-chat", "choices": [choice], "usage": usage}).encode()


def _call(**function: str) -> Body:
    return {"tool_calls": [{"id": "t", "type": "function", "function": function}]}


ODD = {
    "no JSON": _completion(_call(name="f", arguments="not json"), "tool_calls"),
    "no object": _completion(_call(name="f", arguments="[1]"), "tool_calls"),
    "no name": _completion(_call(arguments="{}"), "tool_calls"),
    "no function": _completion({"tool_calls": [{"id": "t", "type": "custom", "custom": {"name": "f"}}]}),
    "no list": _completion({"content": "x", "tool_calls": {"a": 1}}),
}


@pytest.mark.parametrize("reply", ODD.values(), ids=ODD)
async def test_a_reply_that_cannot_be_carried_is_followed_by_the_next_place(
    start: Start, emulator: Emulator, reply: bytes
) -> None:
    """It is a broken reply like any other, with its cost; where nobody is left, 502."""
    async with start() as service:
        emulator.play(Fault(body=reply))
        status, answer, headers = await _post(service, "messages", _body("messages", "auto"))
        assert (status, headers["x-routerctl-candidate"], headers["x-routerctl-hops"]) == (200, "claude", "2"), answer
        assert float(headers["x-routerctl-cost-usd"]) > 20e-6
        emulator.play(Fault(body=reply))
        assert (await _post(service, "messages", _body("messages", "chat")))[0] == 502


async def test_a_call_that_was_cut_short_keeps_its_stop_reason(start: Start, emulator: Emulator) -> None:
    """The client raises its limit and asks again, as with Anthropic."""
    emulator.play(Fault(body=_completion(_call(name="f", arguments='{"a": "b'), "length")))
    async with start() as service:
        status, answer, _ = await _post(service, "messages", _body("messages", "chat"))
    message = json.loads(answer)
    assert (status, message["stop_reason"], message["content"][0]["input"]) == (200, "max_tokens", {})


@pytest.mark.parametrize("wire", ["chat", "messages"])
async def test_a_whole_reply_to_who_wants_a_stream_is_streamed(start: Start, emulator: Emulator, wire: str) -> None:
    """Some servers know no streams; an answer of theirs in a stream's place would be read as nothing at all."""
    emulator.play(Fault(body=_completion({"content": "Hello"})))
    async with start() as service:
        status, answer, headers = await _post(service, wire, _body(wire, "chat", stream=True))
    assert (status, headers["x-routerctl-candidate"]) == (200, "chat")
    assert b'"Hello"' in answer
    assert answer.rstrip().endswith(b"[DONE]" if wire == "chat" else b'{"type":"message_stop"}')
    assert all(line.startswith((b"data: ", b"event: ")) for line in answer.splitlines() if line)


async def test_a_whole_response_to_who_wants_a_stream_is_none(start: Start, emulator: Emulator) -> None:
    """It cannot be read here, so the next place is asked."""
    async with start() as service:
        _, whole, _ = await _post(service, "responses", _body("responses", "chat"))
        emulator.play(Fault(body=whole))
        _, answer, headers = await _post(service, "responses", _body("responses", "auto", stream=True))
    assert headers["x-routerctl-candidate"] == "claude"
    assert b"response.completed" in answer


def _events(*events: Body | bytes) -> Fault:
    written = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    body = b"".join(b"data: " + one + b"\n\n" for one in written)
    return Fault(body=body, headers={"content-type": "text/event-stream"})


def _chunk(delta: Body, finish: str | None = None, model: str = "model-chat") -> Body:
    return {"id": "c", "model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("odd", [{"messages": [{"role": "function", "name": "f", "content": "x"}]}, {"top_k": -1}])
async def test_what_passed_unread_fails_in_its_own_words(start: Start, emulator: Emulator, odd: Body) -> None:
    """A request that only its own wire understands breaks off like any other: with an error, and no cut connection."""
    emulator.play(_events(_chunk({"content": "Hel"})))
    async with start() as service:
        status, answer, _ = await _post(service, "chat", _body("chat", "chat", stream=True) | odd)
    assert status == 200
    assert json.loads(answer.splitlines()[-2].removeprefix(b"data: "))["error"]["code"] == "provider_failed"


async def test_a_stream_behind_a_byte_order_mark_is_whole(start: Start, emulator: Emulator) -> None:
    """The mark is no part of the first event."""
    fault = _events(_chunk({"content": "Hel"}), _chunk({"content": "lo"}), _chunk({}, "stop"), b"[DONE]")
    emulator.play(Fault(body=b"\xef\xbb\xbf" + (fault.body or b""), headers=fault.headers))
    async with start() as service:
        _, answer, _ = await _post(service, "messages", _body("messages", "chat", stream=True))
    assert b'"Hel"' in answer
    assert b'"lo"' in answer


@pytest.mark.parametrize("wire", ["messages", "responses"])
async def test_a_stream_says_who_served_as_a_whole_reply_does(start: Start, emulator: Emulator, wire: str) -> None:
    """Not who was asked."""
    emulator.play(
        _events(
            _chunk({"content": "Hi"}, model="model-claude-2"),
            _chunk({}, "stop", model="model-claude-2"),
            b"[DONE]",
        )
    )
    async with start() as service:
        _, answer, _ = await _post(service, wire, _body(wire, "plain", stream=True))
    assert b'"model":"model-claude-2"' in answer
    assert b'"model":"model-plain"' not in answer


@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
@pytest.mark.parametrize("word", ["abort", "error", "insufficient_system_resource"])
async def test_a_reply_that_its_server_gave_up_is_none(start: Start, emulator: Emulator, wire: str, word: str) -> None:
    """No stream ends with the mark of success, whether it is read here or passes as it is."""
    whole = {"id": "c", "model": "model-plain", "choices": [{"message": {"content": "Hel"}, "finish_reason": word}]}
    async with start() as service:
        emulator.play(Fault(body=json.dumps(whole).encode()))
        assert (await _post(service, wire, _body(wire, "plain")))[0] >= 502
        emulator.play(_events(_chunk({"content": "Hel"}), _chunk({}, word), b"[DONE]"))
        _, answer, _ = await _post(service, wire, _body(wire, "plain", stream=True))
    assert b'"error"' in answer
    for success in (b"[DONE]", b"message_stop", b"response.completed"):
        assert success not in answer


@pytest.mark.parametrize("wire", ["messages", "responses"])
async def test_a_reply_of_which_nothing_can_be_carried_is_none(start: Start, emulator: Emulator, wire: str) -> None:
    """The next place is asked instead of an empty success, and a stream of it breaks off."""
    audio = {"audio": {"id": "a", "data": "AAAA"}}
    whole = {"id": "c", "model": "model-plain", "choices": [{"message": audio, "finish_reason": "stop"}]}
    emulator.play(Fault(body=json.dumps(whole).encode()))
    async with start() as service:
        assert (await _post(service, wire, _body(wire, "plain")))[0] == 502
        emulator.play(_events(_chunk(audio), _chunk({}, "stop"), b"[DONE]"))
        _, answer, _ = await _post(service, wire, _body(wire, "plain", stream=True))
    assert b"nothing of the reply can be carried" in answer
    for success in (b"message_stop", b"response.completed"):
        assert success not in answer


async def test_an_error_in_an_older_servers_words_is_no_end(start: Start, emulator: Emulator) -> None:
    """It comes before `[DONE]`, which would make a whole answer of what there is."""
    emulator.play(_events(_chunk({"content": "Hel"}), {"object": "error", "message": "x", "code": 500}, b"[DONE]"))
    async with start() as service:
        _, answer, _ = await _post(service, "chat", _body("chat", "chat", stream=True))
    assert b"[DONE]" not in answer


def _unended(*pieces: bytes) -> Play:
    """Send a stream in pieces that each arrive on their own, and close the connection before its end."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = in_pieces(head, *(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces))

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await chunks(reader, writer)
        writer.close()

    return play


async def test_a_response_that_breaks_off_goes_on_counting(built: Path, tmp_path: Path) -> None:
    """Half an event, which is held back and never sent, has no number: what failed has the next one."""
    response = {"id": "resp_9", "object": "response", "status": "in_progress", "model": "model-chat", "output": []}
    events = (
        {"type": "response.created", "sequence_number": 0, "response": response},
        {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Hel"},
    )
    text = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)
    async with FarSide([_unended(text, b'data: {"type": "response.outp')]) as far:
        table = table_for(base_table(built), Emulator())
        providers = {**table.providers, "openai": replace(table.providers["openai"], base_url=far.url)}
        async with serving(tmp_path, changed(table, providers=providers)) as service:
            _, answer, _ = await _post(service, "responses", _body("responses", "chat", stream=True))
    failed = json.loads(answer.splitlines()[-2].removeprefix(b"data: "))
    assert (failed["type"], failed["sequence_number"], failed["response"]["id"]) == ("response.failed", 2, "resp_9")


async def test_a_sign_of_life_never_comes_behind_the_end(start: Start, emulator: Emulator) -> None:
    """A client that reads slowly keeps it waiting until the last piece goes out."""
    loop, unraised, end = asyncio.get_running_loop(), list[Any](), b""
    loop.set_exception_handler(lambda _loop, context: unraised.append(context))
    emulator.play(_events(*[_chunk({"content": "x" * 2000})] * 500, _chunk({}, "stop"), b"[DONE]"))
    body = json.dumps(_body("chat", "chat", stream=True)).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    async with start(serve=Serving(keepalive_s=0.01)) as service:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", int(service.url.rpartition(":")[2])))
            length = b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            await loop.sock_sendall(client, head + length + body)
            while piece := await loop.sock_recv(client, 65536):
                end = (end + piece)[-40:]
                await asyncio.sleep(0.02)
    gc.collect()
    assert b"[DONE]" in end
    assert not unraised


async def test_a_compressed_body_is_refused_as_such(start: Start) -> None:
    """Rather than as no JSON, and before it is read."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with (
        start() as service,
        aiohttp.ClientSession(service.url) as session,
        session.post(PATHS["chat"], data=gzip.compress(b"{}"), headers=headers) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (415, "unsupported_media_type")


async def test_background_mode_is_refused(start: Start) -> None:
    """Its reply could not be fetched here, and nobody would see what it cost."""
    async with start() as service:
        status, answer, _ = await _post(service, "responses", _body("responses", "chat", background=True))
    assert (status, json.loads(answer)["error"]["param"]) == (400, "background")


async def test_very_many_dropped_fields_are_counted(start: Start) -> None:
    """The header stays of a length that proxies take."""
    more = {f"unknown_field_{number}": 1 for number in range(1000)}
    async with start() as service:
        status, _, headers = await _post(service, "chat", _body("chat", "claude", **more))
    dropped = headers["x-routerctl-dropped"].split(", ")
    assert status == 200
    assert len(headers["x-routerctl-dropped"]) < 2100
    assert dropped[0] == "unknown_field_0"
    assert dropped[-1] == f"and {1000 - len(dropped) + 1} more"


async def test_tools_that_may_be_called_are_among_the_tools(start: Start) -> None:
    """Or else none would be offered, without a word; no log probabilities are asked for by a 0."""
    tool = {"type": "function", "function": {"name": "f"}}
    other = {"type": "function", "function": {"name": "g"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [other]}}
    async with start() as service:
        status, answer, _ = await _post(service, "chat", _body("chat", "claude", tools=[tool], tool_choice=allowed))
        assert (status, json.loads(answer)["error"]["param"]) == (400, "tool_choice")
        assert (await _post(service, "responses", _body("responses", "claude", top_logprobs=0)))[0] == 200


async def test_a_method_that_there_is_not_says_which_is_expected(start: Start) -> None:
    """In `allow`, too."""
    async with start() as service, aiohttp.ClientSession(service.url) as session:
        for method, path, expected in (("GET", "/v1/messages", "POST"), ("POST", "/v1/models", "GET")):
            async with session.request(method, path) as answer:
                found = (answer.status, answer.headers["allow"])
                details = await answer.json()
            assert found == (405, expected)
            assert "method_not_allowed" in json.dumps(details)

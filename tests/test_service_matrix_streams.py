"""Every client through the service to providers that fail: each hears it as its SDK's own error, never as an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import anthropic
import openai
import pytest

from routerctl.testing.emulator import CUT, ENDED_EARLY, ERROR_MIDWAY, NO_TERMINAL, OK, Body, Fault, Said
from routerctl.testing.emulator.said import Turn, encoded
from routerctl.testing.emulator.wires import ROUTES
from routerctl.types import ApiFormat
from tests.matrix import CLIENTS, MODELS, UPSTREAMS, Broken, Matrix, matrix_at
from tests.matrix_cases import CASES, PLAIN

WAYS = [pytest.param(client, upstream, id=f"{client} to {upstream}") for client in CLIENTS for upstream in UPSTREAMS]
LONG = Said(text="A long answer in many words. " * 4, thinking="Let me think.")
TOLD: dict[int, tuple[type[Exception], int, type[Exception], int]] = {  # fault -> what openai raises; what anthropic
    429: (openai.RateLimitError, 429, anthropic.RateLimitError, 429),
    529: (openai.InternalServerError, 503, anthropic.OverloadedError, 529),
    500: (openai.InternalServerError, 502, anthropic.InternalServerError, 502),
}
BREAKS = (ERROR_MIDWAY, CUT, ENDED_EARLY, NO_TERMINAL)
PATHS: dict[ApiFormat, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}


@pytest.fixture
async def matrix(built: Path, tmp_path: Path) -> AsyncIterator[Matrix]:
    """A service of each test's own: one that has failed enough is left alone."""
    async with matrix_at(tmp_path, built) as made:
        yield made


@pytest.mark.parametrize(("client", "upstream"), WAYS)
async def test_an_error_before_the_first_byte_is_the_sdks_own(matrix: Matrix, client: str, upstream: ApiFormat) -> None:
    """Its class and status are those of the client's wire, streamed or not, and it is not to be tried again."""
    wire = CLIENTS[client].wire
    for fault, (by_openai, openai_status, by_anthropic, anthropic_status) in TOLD.items():
        raised, status = (by_anthropic, anthropic_status) if wire == "messages" else (by_openai, openai_status)
        for stream in (False, True):
            with pytest.raises(raised) as told:
                await matrix.ask(client, upstream, PLAIN[wire], LONG, Fault(fault), stream=stream)
            assert told.value.response.status_code == status  # type: ignore[attr-defined]
            assert told.value.response.headers["x-should-retry"] == "false"  # type: ignore[attr-defined]
            for _ in range(2):  # or else it would be left alone
                await matrix.ask(client, upstream, PLAIN[wire], LONG, stream=stream)


@pytest.mark.parametrize(("client", "upstream"), WAYS)
async def test_a_stream_that_breaks_raises(matrix: Matrix, client: str, upstream: ApiFormat) -> None:
    """However much was said before, and however it broke; a response fails under the id that it began with."""
    wire = CLIENTS[client].wire
    raised = {"chat": openai.APIError, "messages": anthropic.APIError, "responses": Broken}[wire]
    for fault in BREAKS:
        slow = Fault(way=fault.way, at=fault.at, message=fault.message, chunk_gap_s=0.005, chunks=4)
        with pytest.raises(raised) as told:
            await matrix.ask(client, upstream, PLAIN[wire], LONG, slow, stream=True)
        assert (await matrix.billed()).complete is False
        if isinstance(told.value, Broken):
            response = told.value.response
            assert (response["status"], response["id"]) == ("failed", response["begun"])
            assert response["error"]["message"]
        for _ in range(2):  # or else it would be left alone
            await matrix.ask(client, upstream, PLAIN[wire], LONG, stream=True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", PATHS)
async def test_bytes_pass_where_both_speak_one_wire(matrix: Matrix, wire: ApiFormat, *, stream: bool) -> None:
    """What the client gets is to the byte what the provider wrote."""
    async with aiohttp.ClientSession() as session:
        for name, given in CASES.items():
            if given.said.refusal == "" and wire != "messages":
                continue  # OpenAI's answer without a word is none
            matrix.emulator.posts = 0
            matrix.say(given.said)
            more: Body = {"stream_options": {"include_usage": True}} if stream and wire == "chat" else {}
            body = {"model": MODELS[wire], "stream": stream, **more, **given.asked.get(wire, PLAIN[wire])}
            async with session.post(matrix.service.url + PATHS[wire], json=body) as answer:
                assert await answer.read() == written(wire, matrix.sent, given.said, stream=stream), name


def written(wire: ApiFormat, body: Body, said: Said, *, stream: bool) -> bytes:
    """What a provider writes as its first answer."""
    spoken = ROUTES[PATHS[wire]]
    usage = spoken.usage(body, said)
    turn = Turn(number=1, model=body["model"], body=body, said=said, usage=usage, chunks=4, fault=OK)
    if stream and spoken.streaming is not None:
        return b"".join(frame.sent for frame in spoken.streaming.frames(turn))
    return encoded(spoken.whole(turn)).encode()

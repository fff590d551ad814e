"""Applications that ask the service: both vendors' SDKs and plain HTTP, whole and as streams, some of which leave.

Each request carries a word of its own, and the emulator's answer is made of that word (`answer_of`), so an answer that
is wrong, cut or doubled is seen as such.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import aiohttp
import anthropic
import openai

from routerctl.testing.emulator import Body

# "garbled": there is an event in it that nobody can read
End = Literal["whole", "told", "left", "untold", "garbled", "hung"]
HUNG_S = 60.0  # no request takes as long: every place gives up long before
_PARTS = 7  # of an answer


class Told(Exception):
    """The service said that it cannot answer, by a status or by an error within a stream."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"status {status}")


class _Left(Exception):
    """The client has seen enough."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request, and what came of it."""

    word: str  # that no other request has
    way: str  # one of WAYS
    stream: bool
    model: str
    leaves_s: float | None = None  # after so long, wherever it is then
    leaves_after: int | None = None  # pieces
    pieces: list[str] = field(default_factory=list)
    status: int | None = None  # of an answer that was none
    end: End = "hung"
    ended_s: float = 0.0  # by the monotonic clock
    problem: str = ""

    @property
    def text(self) -> str:
        """What came."""
        return "".join(self.pieces)

    def take(self, piece: str | None) -> None:
        """Take a piece of the answer, or leave."""
        self.pieces.append(piece or "")
        if self.leaves_after is not None and len(self.pieces) > self.leaves_after:
            raise _Left

    @property
    def headers(self) -> dict[str, str]:
        """The word as the id that the decision log keeps."""
        return {"x-routerctl-id": self.word}

    @property
    def messages(self) -> list[Any]:
        """The prompt."""
        return [{"role": "user", "content": f"Say it {_PARTS} times: {self.word}"}]


def word_of(body: Body) -> str:
    """The word of a request on any of the wires."""
    asked = body["messages"][-1]["content"] if "messages" in body else body["input"]
    while not isinstance(asked, str):
        asked = asked[-1].get("text") or asked[-1]["content"]
    return str(asked.rpartition(" ")[2])


def answer_of(word: str, model: str) -> str:
    """What a model answers to a word."""
    return " ".join(f"{number}: {word} by {model};" for number in range(_PARTS))


def answer(body: Body) -> str:
    """Answer as an emulator."""
    return answer_of(word_of(body), str(body["model"]))


class Clients:
    """Both SDKs and a plain HTTP client at one address."""

    def __init__(self, url: str, *, key: str = "none") -> None:
        self.url, self._key = url, key
        self.anthropic = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0)
        self.openai = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    async def __aenter__(self) -> Self:
        self.plain = aiohttp.ClientSession(self.url, headers={"authorization": f"Bearer {self._key}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.plain.close()
        await self.anthropic.close()
        await self.openai.close()

    async def ask(self, one: Asked) -> Asked:
        """Make one request, and note how it ended."""
        try:
            async with asyncio.timeout(HUNG_S):
                async with asyncio.timeout(one.leaves_s):
                    is_whole = await WAYS[one.way](self, one)
            one.end = "whole" if is_whole else "untold"
        except _Left:
            one.end = "left"
        except TimeoutError:
            one.end = "hung" if one.leaves_s is None else "left"
        except json.JSONDecodeError as problem:
            one.end, one.problem = "garbled", repr(problem.doc)
        except Told as told:
            one.end, one.status = "told", told.status
        except (openai.APIConnectionError, anthropic.APIConnectionError) as problem:
            one.end, one.problem = "untold", repr(problem)
        except (openai.APIError, anthropic.APIError) as error:
            one.end, one.status, one.problem = "told", getattr(error, "status_code", 200), str(error)
        except Exception as problem:  # noqa: BLE001 - whatever a client raises besides, it was told nothing
            one.end, one.problem = "untold", repr(problem)
        one.ended_s = time.monotonic()
        return one


async def _chat(clients: Clients, one: Asked) -> bool:
    create = clients.openai.chat.completions.create
    asked: dict[str, Any] = {"model": one.model, "messages": one.messages, "extra_headers": one.headers}
    if not one.stream:
        reply = await create(**asked)
        one.take(reply.choices[0].message.content)
        return True
    has_ended = False
    async with await create(stream=True, **asked) as stream:
        async for chunk in stream:
            for choice in chunk.choices or ():
                one.take(choice.delta.content if choice.delta else "")
                has_ended = has_ended or choice.finish_reason == "stop"
    return has_ended


async def _responses(clients: Clients, one: Asked) -> bool:
    create = clients.openai.responses.create
    asked: dict[str, Any] = {"model": one.model, "input": one.messages, "extra_headers": one.headers}
    if not one.stream:
        reply = await create(**asked)
        one.take(reply.output_text)
        return True
    has_ended = False
    async with await create(stream=True, **asked) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                one.take(event.delta)
            elif event.type in ("error", "response.failed"):
                raise Told(200)
            has_ended = has_ended or event.type == "response.completed"
    return has_ended


async def _messages(clients: Clients, one: Asked) -> bool:
    create = clients.anthropic.messages.create
    asked: dict[str, Any] = {
        "model": one.model,
        "max_tokens": 400,
        "messages": one.messages,
        "extra_headers": one.headers,
    }
    if not one.stream:
        reply = await create(**asked)
        one.take("".join(getattr(block, "text", "") for block in reply.content))
        return True
    has_ended = False
    async with await create(stream=True, **asked) as stream:
        async for event in stream:
            if event.type == "content_block_delta":
                one.take(getattr(event.delta, "text", ""))
            has_ended = has_ended or event.type == "message_stop"
    return has_ended


async def _plain_chat(clients: Clients, one: Asked) -> bool:
    asked = {"model": one.model, "messages": one.messages, "stream": one.stream}
    return await _plain(clients, one, "/v1/chat/completions", asked, _chat_event)


async def _plain_messages(clients: Clients, one: Asked) -> bool:
    asked = {"model": one.model, "max_tokens": 400, "messages": one.messages, "stream": one.stream}
    return await _plain(clients, one, "/v1/messages", asked, _messages_event)


async def _plain(
    clients: Clients, one: Asked, path: str, body: Mapping[str, Any], read: Callable[[Asked, Any], bool]
) -> bool:
    """Ask without an SDK; `read`: takes an event or a whole reply, and tells whether it is the end."""
    async with clients.plain.post(path, json=body, headers=one.headers) as response:
        if response.status != 200:
            await response.read()
            raise Told(response.status)
        if not one.stream:
            return read(one, await response.json())
        has_ended = False
        async for line in response.content:
            name, _, data = line.partition(b": ")
            if name == b"data" and data.strip() == b"[DONE]":
                has_ended = True
            elif name == b"data":
                has_ended = read(one, json.loads(data)) or has_ended
    return has_ended


def _chat_event(one: Asked, event: Any) -> bool:
    if "error" in event:
        raise Told(200)
    for choice in event.get("choices") or ():
        one.take((choice["delta" if one.stream else "message"] or {}).get("content"))
    return not one.stream or any(choice.get("finish_reason") for choice in event.get("choices") or ())


def _messages_event(one: Asked, event: Any) -> bool:
    if "error" in event:
        raise Told(200)
    if event.get("type") == "content_block_delta":
        one.take((event["delta"] or {}).get("text"))
    elif event.get("type") == "message":
        one.take("".join(block.get("text", "") for block in event["content"]))
    return event.get("type") in ("message", "message_stop")


WAYS: Mapping[str, Callable[[Clients, Asked], Awaitable[bool]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "plain chat": _plain_chat,
    "plain messages": _plain_messages,
}

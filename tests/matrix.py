"""The matrix of wires: a running service in front of both vendors, asked by their official SDKs.

Turns (client, provider's wire, request) into what the SDK made of the answer, read back into words that no wire has
(`Seen`). Place: `test_service_matrix` and its siblings; the cases are `matrix_cases`.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anthropic
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from routerctl.table import with_digest
from routerctl.testing.emulator import Body, Emulator, Entry, Fault, Said
from routerctl.types import ApiFormat, Candidate, Table, Usage
from tests.service_rig import Service, base_table, serving, table_for

MODELS: Mapping[ApiFormat, str] = {
    "messages": "claude",
    "chat": "plain",
    "responses": "chat",
}  # provider's wire -> whom
UPSTREAMS: tuple[ApiFormat, ...] = ("messages", "chat")
_OF_THE_SDK = (
    "parsed",
    "parsed_arguments",
    "parsed_output",
    "created",
    "created_at",
)  # no part of the answer, or a clock


_STREAMING: Body = {"stream": True, "stream_options": {"include_usage": True}}


class Broken(Exception):
    """A stream of responses that said that it failed."""

    def __init__(self, response: Body) -> None:
        self.response = response
        super().__init__(str(response.get("error")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an application sees of an answer, in no wire's words."""

    texts: tuple[str, ...] = ()
    thinking: str = ""
    calls: tuple[tuple[str, Any], ...] = ()  # name and arguments
    refusal: str = ""
    stop: str = ""  # in its wire's words
    stop_sequence: str | None = None
    usage: Usage = field(default_factory=Usage)  # the input with the cached tokens, whatever the wire's habit
    thought_tokens: int = 0
    model: str = ""


class Client(ABC):
    """One SDK at the service."""

    wire: ApiFormat
    headers: Mapping[str, str] = {}  # of the last answer

    @abstractmethod
    def __init__(self, url: str) -> None:
        """Make the SDK's client of a service."""

    @abstractmethod
    async def whole(self, body: Body) -> Body:
        """Ask for a whole answer; give the SDK's object."""

    @abstractmethod
    async def streamed(self, body: Body) -> Body:
        """Ask for a stream; give what the SDK assembles of it."""

    @abstractmethod
    async def close(self) -> None:
        """Close its connections."""

    async def _note(self, response: Any) -> None:
        self.headers = dict(response.headers)


class _OpenAI(Client):
    def __init__(self, url: str) -> None:
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [self._note]})
        self.sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http)

    async def close(self) -> None:
        await self.sdk.close()


class Chat(_OpenAI):
    """Chat Completions; the SDK's own helper raises at a reply that was cut short, so its state is fed by hand."""

    wire = "chat"

    async def whole(self, body: Body) -> Body:
        return dumped(await self.sdk.chat.completions.create(**body))

    async def streamed(self, body: Body) -> Body:
        state = ChatCompletionStreamState[Any]()
        stream: Any = await self.sdk.chat.completions.create(**body, **_STREAMING)
        async for chunk in stream:
            list(state.handle_chunk(chunk))
        return dumped(state.current_completion_snapshot)


class ChatInAThread(Client):
    """Chat Completions by the SDK without asyncio."""

    wire = "chat"

    def __init__(self, url: str) -> None:
        http = openai.DefaultHttpxClient(event_hooks={"response": [self._note_now]})
        self.sdk = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http)

    def _note_now(self, response: Any) -> None:
        self.headers = dict(response.headers)

    async def whole(self, body: Body) -> Body:
        return dumped(await asyncio.to_thread(lambda: self.sdk.chat.completions.create(**body)))

    async def streamed(self, body: Body) -> Body:
        return await asyncio.to_thread(self._streamed, body)

    def _streamed(self, body: Body) -> Body:
        state = ChatCompletionStreamState[Any]()
        stream: Any = self.sdk.chat.completions.create(**body, **_STREAMING)
        for chunk in stream:
            list(state.handle_chunk(chunk))
        return dumped(state.current_completion_snapshot)

    async def close(self) -> None:
        self.sdk.close()


class Responses(_OpenAI):
    """Responses; its helper gives no final response that is incomplete, so the last event's is taken."""

    wire = "responses"

    async def whole(self, body: Body) -> Body:
        return dumped(await self.sdk.responses.create(**body))

    async def streamed(self, body: Body) -> Body:
        events: list[Any] = []
        async with self.sdk.responses.stream(**body) as stream:
            events += [event async for event in stream]
        if (last := events[-1]).type == "response.failed":
            raise Broken(dumped(last.response) | {"begun": events[0].response.id})
        assert last.type in ("response.completed", "response.incomplete"), last.type
        final = dumped(last.response)
        assert _by_deltas(events) == _at_the_end(last.response.model_dump(exclude_none=True, warnings=False))
        return final


class Messages(Client):
    """Anthropic's Messages."""

    wire = "messages"

    def __init__(self, url: str) -> None:
        http = anthropic.DefaultAsyncHttpxClient(event_hooks={"response": [self._note]})
        self.sdk = anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0, http_client=http)

    async def whole(self, body: Body) -> Body:
        return dumped(await self.sdk.messages.create(**body))

    async def streamed(self, body: Body) -> Body:
        async with self.sdk.messages.stream(**body) as stream:
            return dumped(await stream.get_final_message())

    async def close(self) -> None:
        await self.sdk.close()


CLIENTS: Mapping[str, type[Client]] = {
    "openai chat": Chat,
    "openai chat in a thread": ChatInAThread,
    "openai responses": Responses,
    "anthropic": Messages,
}


def _by_deltas(events: Sequence[Any]) -> Mapping[tuple[int, str], str]:
    """What the deltas of a stream of responses add up to: by item, text, refusal, arguments, summary."""
    found: dict[tuple[int, str], str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            key = (event.output_index, event.type.removeprefix("response.").removesuffix(".delta"))
            found[key] = found.get(key, "") + event.delta
    return found


def _at_the_end(response: Body) -> Mapping[tuple[int, str], str]:
    found: dict[tuple[int, str], str] = {}
    for index, item in enumerate(response["output"]):
        parts = [*item.get("content", ()), *item.get("summary", ())]
        said = {
            "output_text": "".join(part["text"] for part in parts if part["type"] == "output_text"),
            "refusal": "".join(part["refusal"] for part in parts if part["type"] == "refusal"),
            "reasoning_summary_text": "".join(part["text"] for part in parts if part["type"] == "summary_text"),
            "function_call_arguments": item.get("arguments", ""),
        }
        found |= {(index, kind): text for kind, text in said.items() if text}
    return found


def dumped(found: Any) -> Body:
    """Give an SDK's object as JSON has it, without what the SDK adds and what says when it was made."""
    cleaned: Body = _cleaned(found.model_dump(mode="json", exclude_none=True, warnings=False))
    return cleaned


def _cleaned(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if not isinstance(value, dict):
        return value
    is_call = "function" in value  # whose place in the stream is no part of the answer
    if isinstance(value.get("arguments"), str):  # JSON, whose blanks are nobody's concern
        value = value | {"arguments": json.dumps(json.loads(value["arguments"]))}
    left = (name for name in value if name not in _OF_THE_SDK and not (is_call and name == "index"))
    return {name: _cleaned(value[name]) for name in left}


# --- an answer in no wire's words -------------------------------------------------------------------------------------


def seen(wire: ApiFormat, found: Body) -> Seen:
    """Read an SDK's object."""
    return {"chat": _chat, "responses": _responses, "messages": _messages}[wire](found)


def _chat(found: Body) -> Seen:
    (choice,) = found["choices"]
    message, usage = choice["message"], found["usage"]
    calls = [one["function"] for one in message.get("tool_calls", ())]
    return Seen(
        texts=(message["content"],) if message.get("content") else (),
        thinking=message.get("reasoning_content", ""),
        calls=tuple((one["name"], json.loads(one["arguments"])) for one in calls),
        refusal=message.get("refusal", ""),
        stop=choice["finish_reason"],
        usage=_openai_usage(usage, "prompt_tokens", "completion_tokens"),
        thought_tokens=usage["completion_tokens_details"]["reasoning_tokens"],
        model=found["model"],
    )


def _responses(found: Body) -> Seen:
    items, usage = found["output"], found["usage"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    summaries = [part for item in items if item["type"] == "reasoning" for part in item["summary"]]
    why = found.get("incomplete_details", {}).get("reason", "")
    return Seen(
        texts=tuple(part["text"] for part in parts if part["type"] == "output_text"),
        thinking="".join(part["text"] for part in summaries),
        calls=tuple((one["name"], json.loads(one["arguments"])) for one in items if one["type"] == "function_call"),
        refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        stop=f"{found['status']} {why}".strip(),
        usage=_openai_usage(usage, "input_tokens", "output_tokens"),
        thought_tokens=usage["output_tokens_details"]["reasoning_tokens"],
        model=found["model"],
    )


def _openai_usage(usage: Body, asked: str, told: str) -> Usage:
    assert usage["total_tokens"] == usage[asked] + usage[told]
    details = usage[f"{asked}_details"]
    return Usage(
        input_tokens=usage[asked],
        output_tokens=usage[told],
        cache_read_tokens=details["cached_tokens"],
        cache_write_tokens=details["cache_write_tokens"],
    )


def _messages(found: Body) -> Seen:
    blocks, usage = found["content"], found["usage"]
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    return Seen(
        texts=tuple(one["text"] for one in blocks if one["type"] == "text"),
        thinking="".join(one["thinking"] for one in blocks if one["type"] == "thinking"),
        calls=tuple((one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"),
        refusal=found.get("stop_details", {}).get("explanation", ""),
        stop=found["stop_reason"],
        stop_sequence=found.get("stop_sequence"),
        usage=Usage(
            input_tokens=usage["input_tokens"] + read + written,
            output_tokens=usage["output_tokens"],
            cache_read_tokens=read,
            cache_write_tokens=written,
        ),
        thought_tokens=usage.get("output_tokens_details", {}).get("thinking_tokens", 0),
        model=found["model"],
    )


# --- the service ------------------------------------------------------------------------------------------------------


class Matrix:
    """A service that runs, all clients at it, and the vendors behind it, who say what they are told to."""

    def __init__(self, service: Service, emulator: Emulator, says: list[Said]) -> None:
        self.service, self.emulator, self._says = service, emulator, says
        self.clients: dict[str, Client] = {}  # those that have asked

    async def ask(self, client: str, upstream: ApiFormat, body: Body, said: Said, *faults: Fault, stream: bool) -> Body:
        """Ask a provider of that wire, who says this; an answer's ids are those of the first one."""
        self.emulator.posts = 0
        self.emulator.play(*faults)
        self.say(said)
        if client not in self.clients:
            self.clients[client] = CLIENTS[client](self.service.url)
        one = self.clients[client]
        return await (one.streamed if stream else one.whole)({"model": MODELS[upstream], **body})

    def say(self, said: Said) -> None:
        """Let every provider say this."""
        self._says[:] = [said]

    @property
    def sent(self) -> Body:
        """The last request that a provider was sent."""
        return self.emulator.received[-1].body

    def dropped(self, client: str) -> list[str]:
        """The fields that the last answer says were left behind."""
        named = self.clients[client].headers.get("x-routerctl-dropped", "")
        return sorted(named.split(", ")) if named else []

    async def billed(self) -> Entry:
        """What the provider would bill for the last request."""
        async with asyncio.timeout(5):
            while not self.emulator.ledger or self.emulator.in_flight:  # noqa: ASYNC110 - the emulator has no event
                await asyncio.sleep(0.001)
        return self.emulator.ledger[-1]


@asynccontextmanager
async def matrix_at(root: Path, built: Path) -> AsyncIterator[Matrix]:
    """Serve a table with a place of every wire, each of whose vendors is strict."""
    says: list[Said] = []
    async with (
        Emulator(lambda _body: says[0], strict=True) as emulator,
        serving(root, _table(base_table(built), emulator)) as service,
    ):
        matrix = Matrix(service, emulator, says)
        yield matrix
        for client in matrix.clients.values():
            await client.close()


def _table(base: Table, emulator: Emulator) -> Table:
    """The usual table and `plain`: a server of Chat Completions that has no Responses."""
    table = table_for(base, emulator)
    plain = replace(table.providers["openai"], name="compatible", options={})
    return with_digest(
        replace(
            table,
            providers={**table.providers, "compatible": plain},
            candidates={
                **table.candidates,
                "plain": Candidate(name="plain", provider="compatible", model="model-plain"),
            },
            prices={**table.prices, "plain": table.prices["chat"]},
        )
    )

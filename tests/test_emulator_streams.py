"""The emulator's streams, contents and books, through the official SDKs: what they put together is what was said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from routerctl.testing import emulator
from routerctl.testing.emulator import Emulator, Entry, Fault, Said, ToolCall, signature_of

WIRES = ("messages", "chat", "responses")
ASKED: list[Any] = [{"role": "user", "content": "How is the weather?"}]
PRICES = {"m": (Decimal(2), Decimal(10), Decimal("0.2"), Decimal("2.5"))}
THREE = tuple(ToolCall(name=f"look_{k}", arguments=json.dumps({"city": f"Zürich {k}", "days": [k]})) for k in range(3))
CONTENTS = {
    "text": Said(text='Hello, wörld: "quoted" \\ \n 日本語 🦊'),
    "several texts": Said(text=("First, ", "then second.")),
    "thinking": Said(text="42", thinking='Six times seven is "42".'),
    "one tool": Said(tools=THREE[:1]),
    "text and three tools": Said(text="Let me look.", tools=THREE),
    "a tool without arguments": Said(tools=(ToolCall(name="now"),)),
    "a refusal in words": Said(refusal="I can't help with that."),
    "a refusal without": Said(refusal=""),
    "max_tokens": Said(text="half an ans", truncated=True),
    "nothing but thoughts": Said(thinking="so it must be", truncated=True),
    "a stop sequence": Said(text="1, 2, ", stop_sequence="3"),
    "cached and reasoned": Said(
        text="ok",
        input_tokens=1000,
        output_tokens=500,
        cache_read_tokens=600,
        cache_write_tokens=300,
        reasoning_tokens=450,
    ),
}


@dataclass(frozen=True, slots=True)
class Clients:
    """Both SDKs, turned to one emulator."""

    emu: Emulator
    messages: anthropic.AsyncAnthropic
    openai: openai.AsyncOpenAI

    async def whole(self, wire: str) -> Any:
        """Ask, and wait for the whole reply."""
        if wire == "messages":
            return await self.messages.messages.create(model="m", max_tokens=99, messages=ASKED)
        if wire == "chat":
            return await self.openai.chat.completions.create(model="m", messages=ASKED)
        return await self.openai.responses.create(model="m", input=ASKED)

    async def streamed(self, wire: str) -> Any:
        """Ask for a stream, and let the SDK put it together."""
        if wire == "messages":
            async with self.messages.messages.stream(model="m", max_tokens=99, messages=ASKED) as stream:
                return await stream.get_final_message()
        if wire == "chat":
            usage: Any = {"include_usage": True}
            async with self.openai.chat.completions.stream(model="m", messages=ASKED, stream_options=usage) as stream:
                return await stream.get_final_completion()
        async with self.openai.responses.stream(model="m", input=ASKED) as stream:
            return [event async for event in stream][-1].response  # type: ignore[union-attr]

    async def events(self, wire: str) -> AsyncIterator[Any]:
        """Ask for a stream, and give its events as they come."""
        made: Any
        if wire == "messages":
            made = await self.messages.messages.create(model="m", max_tokens=99, messages=ASKED, stream=True)
        elif wire == "chat":
            made = await self.openai.chat.completions.create(model="m", messages=ASKED, stream=True)
        else:
            made = await self.openai.responses.create(model="m", input=ASKED, stream=True)
        async with made:
            async for event in made:
                yield event


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    """An emulator that says what `clients.emu._answer` says, at stated prices, with both SDKs before it."""
    told: Any = {"api_key": "k", "max_retries": 0, "timeout": 5}
    http = httpx2.AsyncClient(verify=False)  # no TLS is spoken, and to load its certificates takes longest
    async with http, Emulator(lambda _body: "one two three four", prices=PRICES) as emu:
        messages = anthropic.AsyncAnthropic(base_url=emu.url, http_client=http, **told)
        yield Clients(emu, messages, openai.AsyncOpenAI(base_url=f"{emu.url}/v1", http_client=http, **told))


def _plain(reply: Any) -> Any:
    """A reply without what differs between two of them, and what an SDK adds to a stream's."""
    if isinstance(reply, list):
        return [_plain(one) for one in reply]
    if not isinstance(reply, dict):
        return reply
    added = {"id", "call_id", "parsed", "parsed_arguments", "index", "annotations", "audio", "function_call"}
    return {name: _plain(value) for name, value in reply.items() if name not in added and value is not None}


RAISED_BY_THE_SDK = {"a refusal without", "max_tokens", "nothing but thoughts"}  # its chat helper takes these as errors


@pytest.mark.parametrize(
    ("wire", "name"),
    [(wire, name) for wire in WIRES for name in CONTENTS if wire != "chat" or name not in RAISED_BY_THE_SDK],
)
async def test_a_stream_comes_to_what_the_whole_reply_is(wire: str, name: str, clients: Clients) -> None:
    """Whatever is said: what an SDK puts together from the events equals the reply that is not streamed."""
    said = CONTENTS[name]
    clients.emu._answer = lambda _body: said
    whole, streamed = (await clients.whole(wire)).to_dict(), (await clients.streamed(wire)).to_dict()
    assert _plain(streamed) == _plain(whole)
    whole_entry, stream_entry = clients.emu.ledger
    assert (whole_entry.usage, whole_entry.complete) == (stream_entry.usage, stream_entry.complete)


@pytest.mark.parametrize("name", sorted(RAISED_BY_THE_SDK))
async def test_chat_streams_what_the_sdk_takes_for_an_error(name: str, clients: Clients) -> None:
    """The same of what the SDK's helper does not put together: its chunks come to the text and the end of the whole."""
    clients.emu._answer = lambda _body: CONTENTS[name]
    whole = (await clients.whole("chat")).choices[0]
    choices = [chunk.choices[0] async for chunk in clients.events("chat")]
    assert "".join(choice.delta.content or "" for choice in choices) == (whole.message.content or "")
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + [whole.finish_reason]
    assert whole.finish_reason == ("length" if CONTENTS[name].truncated else "content_filter")


async def test_messages_say_thoughts_tools_and_usage(clients: Clients) -> None:
    """Blocks stand in order, a thought is signed for its model, cached tokens are not among `input_tokens`."""
    clients.emu._answer = lambda _body: replace(CONTENTS["cached and reasoned"], thinking="Hm.", tools=THREE)
    got = await clients.streamed("messages")
    assert [block.type for block in got.content] == ["thinking", "text", "tool_use", "tool_use", "tool_use"]
    assert got.content[0].signature == signature_of("m", "Hm.")
    assert [block.input for block in got.content[2:]] == [json.loads(call.arguments) for call in THREE]
    assert len({block.id for block in got.content[2:]}) == 3
    assert got.stop_reason == "tool_use"
    usage = got.usage
    told = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens)
    assert told == (100, 600, 300, 500)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 450


async def test_messages_say_why_they_stop(clients: Clients) -> None:
    """A stop sequence is named; a refusal has its category and, where there are any, its words."""
    clients.emu._answer = lambda _body: CONTENTS["a stop sequence"]
    got = await clients.streamed("messages")
    assert (got.stop_reason, got.stop_sequence) == ("stop_sequence", "3")
    clients.emu._answer = lambda _body: CONTENTS["a refusal in words"]
    got = await clients.streamed("messages")
    assert (got.stop_reason, got.stop_details.explanation) == ("refusal", "I can't help with that.")


async def test_messages_events_are_in_order(clients: Clients) -> None:
    """One start, each block opened, brought and closed before the next, then the totals and the end."""
    clients.emu._answer = lambda _body: Said(text="ab", tools=THREE[:1])
    kinds: list[str] = []
    async with clients.messages.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
        kinds = [event.type async for event in stream if event.type.startswith(("message", "content"))]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == [
        "message_start",
        *block * 3,
        "message_delta",
        "message_stop",
    ]


async def test_chat_streams_usage_to_whom_asks_for_it(clients: Clients) -> None:
    """It comes last, in a chunk without choices; who does not ask gets no word of it."""
    assert all(chunk.usage is None and chunk.choices for chunk in [one async for one in clients.events("chat")])
    usage: Any = {"include_usage": True}
    chunks = await clients.openai.chat.completions.create(model="m", messages=ASKED, stream=True, stream_options=usage)
    *before, last = [chunk async for chunk in chunks]
    assert all(chunk.usage is None and chunk.choices for chunk in before)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == clients.emu.ledger[-1].usage.output_tokens


async def test_chat_interleaves_parallel_calls(clients: Clients) -> None:
    """The pieces of three calls take turns, and only the first piece of each has its id and name."""
    clients.emu._answer = lambda _body: Said(tools=THREE)
    deltas = [
        call
        async for chunk in clients.events("chat")
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    ]
    assert [call.index for call in deltas[:6]] == [0, 1, 2, 0, 1, 2]
    assert [bool(call.id) for call in deltas] == [True] * 3 + [False] * (len(deltas) - 3)
    made = {k: "".join(call.function.arguments for call in deltas if call.index == k) for k in range(3)}
    assert made == {k: call.arguments for k, call in enumerate(THREE)}


async def test_responses_events_are_numbered_and_end(clients: Clients) -> None:
    """They begin with `created`, are numbered without a gap, and end with what became of the response."""
    for said, last in (
        (CONTENTS["text and three tools"], "response.completed"),
        (CONTENTS["max_tokens"], "response.incomplete"),
    ):
        clients.emu._answer = lambda _body, said=said: said  # type: ignore[misc]
        events = [event async for event in clients.events("responses")]
        assert [event.sequence_number for event in events] == [*range(len(events))]
        assert (events[0].type, events[1].type, events[-1].type) == ("response.created", "response.in_progress", last)


# --- streams that end badly -------------------------------------------------------------------------------------------


async def _got(clients: Clients, wire: str) -> tuple[list[Any], BaseException | None]:
    """The events of a stream that came, and what ended it before its end."""
    events: list[Any] = []
    try:
        async with asyncio.timeout(5):
            async for event in clients.events(wire):
                events.append(event)  # noqa: PERF401 - what came before an error counts
    except Exception as error:  # noqa: BLE001 - whichever the SDK raises
        return events, error
    return events, None


async def _entry(emu: Emulator, count: int = 1) -> Entry:
    """The last of so many entries, once it is there."""
    async with asyncio.timeout(5):
        while len(emu.ledger) < count:  # noqa: ASYNC110 - the emulator tells nobody
            await asyncio.sleep(0.005)
    return emu.ledger[-1]


async def _leave(task: asyncio.Future[Any], when: Callable[[], object]) -> None:
    """Let a client leave as soon as that much has happened."""
    async with asyncio.timeout(5):
        while not when():  # noqa: ASYNC110 - the emulator tells nobody
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _is_delta(event: Any) -> bool:
    if hasattr(event, "choices"):
        return bool(event.choices and event.choices[0].delta.content)
    return event.type in ("content_block_delta", "response.output_text.delta") and (
        event.type != "content_block_delta" or event.delta.type == "text_delta"
    )


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [400, 429, 500, 529])
async def test_an_error_before_the_first_event_is_an_http_error(wire: str, status: int, clients: Clients) -> None:
    """As without a stream: status, the vendor's shape, its headers; it costs nothing."""
    clients.emu.play(Fault(status, headers={"retry-after": "7"}))
    events, error = await _got(clients, wire)
    assert events == []
    assert isinstance(error, anthropic.APIStatusError | openai.APIStatusError)
    assert (error.status_code, error.response.headers["retry-after"]) == (status, "7")
    entry = await _entry(clients.emu)
    assert (entry.status, entry.complete, entry.usd) == (status, False, Decimal(0))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("fault", "deltas"), [(emulator.ERROR_FIRST, 0), (emulator.ERROR_OPENED, 0), (emulator.ERROR_MIDWAY, 2)]
)
async def test_an_error_in_a_stream(wire: str, fault: Fault, deltas: int, clients: Clients) -> None:
    """HTTP 200, and an event that says so, each vendor in its way; before any content it costs nothing."""
    clients.emu.play(fault)
    events, error = await _got(clients, wire)
    assert sum(map(_is_delta, events)) == deltas
    if wire == "responses":
        expected = "error" if fault is emulator.ERROR_FIRST else "response.failed"
        assert (events[-1].type, error) == (expected, None)
    else:
        assert isinstance(error, anthropic.APIStatusError if wire == "messages" else openai.APIError)
        assert "Overloaded" in str(error)
    entry = await _entry(clients.emu)
    assert (entry.status, entry.complete, bool(entry.usage.output_tokens), bool(entry.usage.input_tokens)) == (
        200,
        False,
        deltas > 0,
        deltas > 0,
    )


@pytest.mark.parametrize("wire", WIRES)
async def test_a_connection_cut_within_an_event(wire: str, clients: Clients) -> None:
    """Half of the content comes, then the connection breaks: an error; input and half of the output are billed."""
    clients.emu.play(emulator.OK, emulator.CUT)
    whole, _ = await _got(clients, wire)
    events, error = await _got(clients, wire)
    assert isinstance(error, Exception)
    assert 0 < sum(map(_is_delta, events)) < sum(map(_is_delta, whole))
    good, cut = clients.emu.ledger
    assert (cut.complete, cut.usage) == (
        False,
        replace(good.usage, output_tokens=good.usage.output_tokens // 2),
    )


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("fault", "deltas"), [(emulator.ENDED_EARLY, 2), (emulator.NO_TERMINAL, 4)])
async def test_a_stream_that_ends_without_its_end(wire: str, fault: Fault, deltas: int, clients: Clients) -> None:
    """The body ends as if all were well, and no terminal event was in it."""
    clients.emu.play(fault)
    events, error = await _got(clients, wire)
    assert error is None
    assert sum(map(_is_delta, events)) == deltas
    kinds = {getattr(event, "type", "") for event in events}
    assert not kinds & {"message_stop", "response.completed"}
    assert not (await _entry(clients.emu)).complete


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [emulator.HALF_OPEN, emulator.ONLY_PINGS, emulator.SILENT])
async def test_a_stream_that_does_not_end(wire: str, fault: Fault, clients: Clients) -> None:
    """The client has to give up; that it left, and when, is in the ledger, with what was generated before."""
    clients.emu.play(fault)
    events: list[Any] = []

    async def read() -> None:
        async for event in clients.events(wire):
            events.append(event)  # noqa: PERF401 - what came before it is cancelled counts

    deltas = 2 if fault is emulator.HALF_OPEN else 0
    await _leave(asyncio.create_task(read()), lambda: clients.emu.in_flight and sum(map(_is_delta, events)) == deltas)
    entry = await _entry(clients.emu)
    assert entry.left_s is not None
    assert entry.began_s < entry.left_s <= entry.ended_s
    assert (sum(map(_is_delta, events)), bool(entry.usd)) == (deltas, deltas > 0)


@pytest.mark.parametrize("wire", WIRES)
async def test_an_odd_chunk_stands_among_the_others(wire: str, clients: Clients) -> None:
    """One event is of no known shape, or no JSON: the first passes through an SDK's hands, the second breaks it."""
    clients.emu.play(emulator.OK, emulator.ODD_CHUNK, emulator.BROKEN_CHUNK)
    good, _ = await _got(clients, wire)
    odd, error = await _got(clients, wire)
    assert (len(odd), error) == (len(good) + 1, None)
    _, error = await _got(clients, wire)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("wire", WIRES)
async def test_slow_streams_come_whole(wire: str, clients: Clients) -> None:
    """A wait before the first token and between chunks, stated by a fault, changes nothing of what comes."""
    clients.emu.play(emulator.OK, Fault(first_token_s=0.01, chunk_gap_s=0.001, chunks=9))
    good, slow = await clients.streamed(wire), await clients.streamed(wire)
    assert _plain(good.to_dict()) == _plain(slow.to_dict())
    fast, waited = clients.emu.ledger
    assert waited.complete
    assert fast.usage == waited.usage
    clients.emu.play(Fault(first_token_s=0.01, chunk_gap_s=0.001, chunks=9))
    assert sum(map(_is_delta, [event async for event in clients.events(wire)])) == 9


AS_WHOLE: Mapping[str, type[Exception] | tuple[type[Exception], ...]] = {
    "ERROR_FIRST": (anthropic.APIStatusError, openai.APIStatusError),
    "ERROR_MIDWAY": (anthropic.APIStatusError, openai.APIStatusError),
    "ENDED_EARLY": (anthropic.APIConnectionError, openai.APIConnectionError),
    "BROKEN_CHUNK": (ValueError, anthropic.APIError, openai.APIError),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", AS_WHOLE)
async def test_a_fault_of_streams_in_a_whole_answer(wire: str, name: str, clients: Clients) -> None:
    """Who asked for no stream meets the same trouble as the vendor would show it there."""
    clients.emu.play(getattr(emulator, name))
    with pytest.raises(AS_WHOLE[name]):
        await clients.whole(wire)
    assert not (await _entry(clients.emu)).complete


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [emulator.HALF_OPEN, emulator.ONLY_PINGS, emulator.SILENT])
async def test_a_whole_answer_that_does_not_come(wire: str, fault: Fault, clients: Clients) -> None:
    """Half of the body or none, until the client gives up; what was generated is billed."""
    clients.emu.play(fault)
    await _leave(asyncio.create_task(clients.whole(wire)), lambda: clients.emu.in_flight)
    entry = await _entry(clients.emu)
    assert entry.left_s is not None
    assert (entry.complete, bool(entry.usd)) == (False, fault is emulator.HALF_OPEN)


# --- books ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_before_the_first_byte(wire: str, streamed: bool, clients: Clients) -> None:
    """It is seen at once; of a stream the input is billed, of a whole answer all of it: it is generated anyway."""
    clients.emu.play(emulator.OK, Fault(latency_s=30))
    good = await clients.whole(wire)
    asking: Callable[[str], Awaitable[Any]] = clients.streamed if streamed else clients.whole
    await _leave(asyncio.ensure_future(asking(wire)), lambda: clients.emu.in_flight)
    whole, entry = (await _entry(clients.emu, 2), clients.emu.ledger[0])[::-1]
    assert good.model == "m"
    assert entry.left_s is not None
    assert (entry.status, entry.usage) == (0, replace(whole.usage, output_tokens=0) if streamed else whole.usage)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_client_that_leaves_midway(wire: str, clients: Clients) -> None:
    """The input is billed, and of the output what was generated until then."""
    clients.emu.play(emulator.OK, Fault(chunk_gap_s=0.05, chunks=400))
    clients.emu._answer = lambda _body: "x" * 400
    await clients.streamed(wire)
    events = clients.events(wire)
    async for event in events:
        if _is_delta(event):
            break
    await events.aclose()  # type: ignore[attr-defined]
    whole, entry = (await _entry(clients.emu, 2), clients.emu.ledger[0])[::-1]
    assert entry.left_s is not None
    assert not entry.complete
    assert entry.usage.input_tokens == whole.usage.input_tokens
    assert entry.usage.output_tokens < whole.usage.output_tokens / 2


async def test_the_books_are_the_sum_of_what_the_replies_say(clients: Clients) -> None:
    """Tokens times price, cached ones at their own, for each model; embeddings cost their input, counting nothing."""
    clients.emu._answer = lambda _body: CONTENTS["cached and reasoned"]
    for wire in WIRES:
        await clients.streamed(wire)
    await clients.messages.messages.count_tokens(model="m", messages=ASKED)
    embedded = await clients.openai.embeddings.create(model="m", input="to embed")
    await clients.openai.embeddings.create(model="unpriced", input="to embed")
    one = (100 * Decimal(2) + 500 * Decimal(10) + 600 * Decimal("0.2") + 300 * Decimal("2.5")) / 1_000_000
    assert clients.emu.books() == {"m": 3 * one + embedded.usage.prompt_tokens * Decimal(2) / 1_000_000}
    assert clients.emu.ledger.usd == clients.emu.books()["m"]
    assert [entry.wire for entry in clients.emu.ledger] == [*WIRES, "count_tokens", "embeddings", "embeddings"]
    assert clients.emu.ledger[-1].usd is None


async def test_a_reply_and_its_entry_have_one_number(clients: Clients) -> None:
    """So that a caller's books can be compared call by call, however many come at once."""
    replies = await asyncio.gather(*(clients.streamed("messages") for _ in range(20)))
    entries = {f"msg_{entry.id}": entry for entry in clients.emu.ledger}
    assert {reply.id for reply in replies} == entries.keys()
    assert all(reply.usage.output_tokens == entries[reply.id].usage.output_tokens for reply in replies)


# --- small questions --------------------------------------------------------------------------------------------------


async def test_tokens_are_counted_as_they_are_billed(clients: Clients) -> None:
    """`count_tokens` gives what a call with the same messages, system prompt and tools says it read."""
    tools: Any = [{"name": "now", "input_schema": {"type": "object"}}]
    asked: dict[str, Any] = {"model": "m", "messages": ASKED, "system": "Be brief.", "tools": tools}
    counted = await clients.messages.messages.count_tokens(**asked)
    usage = (await clients.messages.messages.create(max_tokens=9, **asked)).usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


async def test_embeddings_are_the_same_in_both_formats(clients: Clients) -> None:
    """A text has one vector, of length 1 and of the asked dimensions, as floats or packed (the SDK's default)."""
    create = clients.openai.embeddings.create
    packed = await create(model="m", input=["a", "b"], dimensions=8)
    floats = await create(model="m", input=["a", "b"], dimensions=8, encoding_format="float")
    for one, other in zip(packed.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert sum(value * value for value in one.embedding) == pytest.approx(1)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert len((await create(model="m", input="a")).data[0].embedding) == 1536


async def test_a_body_may_come_in_chunks(clients: Clients) -> None:
    """A caller that does not know the length beforehand is heard as well, and the connection stays usable."""

    async def parts() -> AsyncIterator[bytes]:
        for part in (b'{"model": "m", "messages": ', b"[]}"):
            yield part

    async with httpx2.AsyncClient(verify=False) as http:
        for _ in range(2):
            reply = await http.post(f"{clients.emu.url}/v1/messages", content=parts())
            assert (reply.status_code, reply.json()["stop_reason"]) == (200, "end_turn")
    assert [one.body for one in clients.emu.received] == [{"model": "m", "messages": []}] * 2


async def test_paths_may_have_a_query(clients: Clients) -> None:
    """`?beta=true`, as Claude Code sends it, and a page size in front of the models."""
    beta: Any = {"beta": "true"}
    await clients.messages.messages.create(model="m", max_tokens=9, messages=ASKED, extra_query=beta)
    assert (clients.emu.received[-1].path, clients.emu.received[-1].query) == ("/v1/messages", "beta=true")
    clients.emu.know(["m"])
    assert [one.id async for one in clients.messages.models.list(limit=1000)] == ["m"]

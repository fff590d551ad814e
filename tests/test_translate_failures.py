from __future__ import annotations

import anthropic
import httpx2
import openai
import pytest

from routerctl.service.translate import ReplyEnded, ReplyFailed, StreamReader, StreamWriter, read_request
from routerctl.testing.emulator import (
    BROKEN_CHUNK,
    CUT,
    ENDED_EARLY,
    ERROR_FIRST,
    ERROR_MIDWAY,
    ERROR_OPENED,
    FAILED_WITHIN,
    NO_TERMINAL,
    Fault,
    Said,
)
from routerctl.testing.emulator.course import course_of
from routerctl.testing.emulator.wires import ROUTES
from routerctl.types import ApiFormat
from tests.translated import ASKED, CLIENTS, RICH, SAID, UPSTREAM, datas, events_in, stream_of, stream_to, turn_of

FAULTS = {
    "cut": CUT,
    "ended early": ENDED_EARLY,
    "no terminal event": NO_TERMINAL,
    "error first": ERROR_FIRST,
    "error before content": ERROR_OPENED,
    "error midway": ERROR_MIDWAY,
    "failed within": FAILED_WITHIN,
    "broken chunk": BROKEN_CHUNK,
}


def _faulty(wire: ApiFormat, fault: Fault) -> bytes:
    streaming = ROUTES["/v1/messages" if wire == "messages" else "/v1/chat/completions"].streaming
    assert streaming is not None
    course = course_of(turn_of(RICH, wire=wire, fault=fault), streaming)
    return b"".join(frame.sent for frame in course.frames) + course.cut[: len(course.cut) // 2]


@pytest.mark.parametrize("to", CLIENTS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_a_stream_that_goes_wrong_never_looks_whole(wire: ApiFormat, fault: str, to: ApiFormat) -> None:
    """Whatever goes wrong is one failure at the end, told as the client's wire tells it, in our words."""
    events = events_in(wire, [_faulty(wire, FAULTS[fault])])
    assert [type(event) for event in events].count(ReplyFailed) == 1
    failed = events[-1]
    assert isinstance(failed, ReplyFailed)
    assert "Overloaded" not in failed.message
    assert not any(isinstance(event, ReplyEnded) for event in events)
    *_, last = datas(stream_to(to, events, read_request(to, ASKED[to])))
    assert last != "[DONE]"
    if to == "responses":
        assert last["type"] == "response.failed"
        assert last["response"]["status"] == "failed"
    else:
        assert last["error"]["message"] == failed.message


def test_an_overload_is_told_as_one() -> None:
    """An error event of Anthropic's keeps its kind, so that it may be tried elsewhere."""
    failed = events_in("messages", [_faulty("messages", ERROR_FIRST)])[-1]
    assert isinstance(failed, ReplyFailed)
    assert (failed.kind, failed.status, failed.detail) == ("overloaded_error", 529, "Overloaded")


def _served(stream: bytes) -> httpx2.MockTransport:
    return httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    )


@pytest.mark.parametrize("begun", [True, False])
def test_the_sdks_raise_on_our_failures(begun: bool) -> None:
    """The vendors' own clients raise when we fail in a stream, at its beginning or after content."""
    before = events_in("chat", [stream_of("chat", SAID["text"])])[:-1] if begun else []
    streams = {}
    for to in CLIENTS:
        writer = StreamWriter(to, read_request(to, ASKED[to]), model="m", written=None)
        streams[to] = b"".join(map(writer.write, before)) + writer.fail(529, "overloaded_error", "all are busy")
    with (
        openai.OpenAI(
            api_key="k", max_retries=0, http_client=httpx2.Client(transport=_served(streams["chat"]))
        ) as client,
        pytest.raises(openai.APIError, match="all are busy"),
    ):
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True))
    with openai.OpenAI(
        api_key="k", max_retries=0, http_client=httpx2.Client(transport=_served(streams["responses"]))
    ) as client:
        *_, last = client.responses.create(model="m", input="Hi", stream=True)
        assert last.type == "response.failed"
    with (
        anthropic.Anthropic(
            api_key="k", max_retries=0, http_client=httpx2.Client(transport=_served(streams["messages"]))
        ) as other,
        pytest.raises(anthropic.APIStatusError, match="all are busy"),
    ):
        list(other.messages.create(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=9, stream=True))


def test_a_line_without_end_is_no_stream() -> None:
    """A server that never ends a line does not fill the memory."""
    reader, piece = StreamReader("chat"), b"x" * 2**20
    events = [event for _ in range(40) for event in reader.feed(piece)]
    assert [type(event) for event in events] == [ReplyFailed]


def test_a_second_beginning_is_a_failure() -> None:
    """A message that begins twice is two replies in one stream: nobody can tell whose blocks are whose."""
    start = stream_of("messages", SAID["text"]).split(b"\n\n")[0] + b"\n\n"
    assert isinstance(events_in("messages", [start + start])[-1], ReplyFailed)


def test_a_refusal_without_a_block() -> None:
    """Anthropic may refuse before any block begins: the client is told why all the same."""
    said = Said(refusal="I can't help with that.")
    frames = [one + b"\n\n" for one in stream_of("messages", said).split(b"\n\n") if b"content_block" not in one]
    events = events_in("messages", frames)
    chunks = datas(stream_to("chat", events, read_request("chat", ASKED["chat"])))
    assert chunks[0]["choices"][0]["delta"]["refusal"] == "I can't help with that."
    assert chunks[1]["choices"][0]["finish_reason"] == "content_filter"

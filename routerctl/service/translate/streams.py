"""Streams: an upstream wire's bytes -> neutral events -> a client wire's bytes."""

from __future__ import annotations

from routerctl.providers.reading import Odd
from routerctl.service.translate.chat_stream_reader import ChatStreamReader
from routerctl.service.translate.chat_stream_writer import ChatStreamWriter
from routerctl.service.translate.errors import STATUSES, kind_of
from routerctl.service.translate.messages_stream_reader import MessagesStreamReader
from routerctl.service.translate.messages_stream_writer import MessagesStreamWriter
from routerctl.service.translate.neutral_reply import BlockEnded, Event, ReplyBegan, ReplyEnded, ReplyFailed
from routerctl.service.translate.neutral_request import NeutralRequest, UpstreamRequest
from routerctl.service.translate.responses_stream_writer import ResponsesStreamWriter
from routerctl.service.translate.sse_reader import Events
from routerctl.types import ApiFormat, StopReason

CUT = ReplyFailed(kind="api_error", status=502, message="the provider's stream was cut short")
NOTHING = ReplyFailed(kind="api_error", status=502, message="nothing of the reply can be carried to another API")
_WITHOUT_CONTENT = (ReplyBegan, BlockEnded, ReplyEnded, ReplyFailed)


class StreamReader:
    """Reads an upstream stream; after its end, or its failure, it says nothing more."""

    def __init__(self, wire: ApiFormat, *, has_content: bool = False) -> None:
        """`has_content`: it is known to say something, so that an end without a word is a failure, and no success."""
        self._events = Events()
        self._wire = ChatStreamReader() if wire == "chat" else MessagesStreamReader()
        self._is_done, self._is_empty = False, has_content

    def feed(self, data: bytes) -> list[Event]:
        """Give the events that more bytes complete."""
        return self._read(data)

    def end(self) -> list[Event]:
        """Give what is left as the connection ends: a stream without its terminal event failed."""
        found = self._read(None)
        if not self._is_done:
            self._is_done = True
            found.append(CUT)
        return found

    def _read(self, data: bytes | None) -> list[Event]:
        found: list[Event] = []
        if self._is_done:
            return found
        try:
            for name, text in self._events.end() if data is None else self._events.feed(data):
                found += self._wire.take(name, text)
                self._is_empty = self._is_empty and all(isinstance(one, _WITHOUT_CONTENT) for one in found)
                if found and isinstance(found[-1], ReplyEnded | ReplyFailed):
                    self._is_done = True
                    break
        except (ValueError, RecursionError) as problem:
            self._is_done = True
            found.append(CUT if data is None else _unreadable(problem))
        if self._is_empty and found and isinstance(found[-1], ReplyEnded) and found[-1].stop is not StopReason.REFUSAL:
            found[-1] = NOTHING
        return found


def _unreadable(problem: Exception) -> ReplyFailed:
    """Give the failure of a stream that is of no known shape; only what we said of it ourselves is shown in the log."""
    detail = str(problem) if isinstance(problem, Odd) else "not JSON"
    return ReplyFailed(kind="api_error", status=502, message="the provider's stream could not be read", detail=detail)


class StreamWriter:
    """Writes a client's stream; `model`: the name that it says where the provider says none.

    `created`: its time in Unix seconds. `input_tokens`: our estimate, for a client that is told of it at the start.
    """

    def __init__(
        self,
        to: ApiFormat,
        asked: NeutralRequest,
        *,
        model: str,
        written: UpstreamRequest | None,
        input_tokens: int = 0,
        created: int = 0,
    ) -> None:
        names, self._is_done = written.names if written else {}, False
        self._stream: ChatStreamWriter | MessagesStreamWriter | ResponsesStreamWriter
        if to == "chat":
            self._stream = ChatStreamWriter(model=model, names=names, created=created, with_usage=asked.include_usage)
        elif to == "messages":
            self._stream = MessagesStreamWriter(model=model, names=names, input_tokens=input_tokens)
        else:
            self._stream = ResponsesStreamWriter(asked=asked.body, model=model, names=names, created=created)

    def write(self, event: Event) -> bytes:
        """Give the bytes of an event, b"" where the wire says nothing (yet), or nothing more: it ended or failed."""
        if self._is_done:
            return b""
        self._is_done = isinstance(event, ReplyEnded | ReplyFailed)
        return self._stream.write(event)

    def fail(self, status: int, kind: str, message: str) -> bytes:
        """Give the wire's own error event, after which nothing comes, b"" where the stream has ended or failed already.

        `kind`: Anthropic's word for it, or a code of our own: then the status says the word. It may be the first event.
        On a stream whose bytes were passed through it must come after a whole event.
        """
        if self._is_done:
            return b""
        self._is_done = True
        if kind in STATUSES:
            return self._stream.fail(kind, message)
        return self._stream.fail(kind_of(status), message, code=kind or None)

"""The routes that are POSTed to, and what each of them speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from routerctl.testing.emulator import chat, messages, responses, small
from routerctl.testing.emulator.checks import chat as chat_checks
from routerctl.testing.emulator.checks import messages as messages_checks
from routerctl.testing.emulator.checks import responses as responses_checks
from routerctl.testing.emulator.checks.base import Complaint
from routerctl.testing.emulator.faults import Fault
from routerctl.testing.emulator.frames import Frame
from routerctl.testing.emulator.said import Body, Said, Turn, encoded
from routerctl.types import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How a wire streams, and how its streams go wrong."""

    frames: Callable[[Turn], Iterable[Frame]]
    failed_first: Callable[[Fault], Frame]  # an error as the first event
    failed: Callable[[Fault, Turn, int], Frame]  # ... as the n-th one, from 0
    ping: Frame
    odd: Frame
    broken: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What one route speaks."""

    name: str
    anthropic: bool
    usage: Callable[[Body, Said], Usage]
    whole: Callable[[Turn], Body]
    streaming: Streaming | None = None  # None = no model speaks here
    complaint: Callable[[Body, str], Complaint | None]  # (request, which model answers) -> what its vendor refuses

    def error(self, fault: Fault, number: int) -> bytes:
        """Give the body of an HTTP error."""
        if self.anthropic:
            return encoded(messages.error_body(fault.status, fault, number)).encode()
        return encoded(chat.error_body(fault.status, fault)).encode()

    def headers(self, number: int) -> dict[str, str]:
        """Give the vendor's name of the request."""
        return {"request-id" if self.anthropic else "x-request-id": f"req_{number}"}


_MESSAGES = Wire(
    name="messages",
    anthropic=True,
    usage=messages.usage_of,
    whole=messages.whole,
    streaming=Streaming(
        frames=messages.frames,
        failed_first=messages.failed,
        failed=lambda fault, _turn, _number: messages.failed(fault),
        ping=messages.PING,
        odd=messages.ODD,
        broken=messages.BROKEN,
    ),
    complaint=messages_checks.complaint,
)
_CHAT = Wire(
    name="chat",
    anthropic=False,
    usage=chat.usage_of,
    whole=chat.whole,
    streaming=Streaming(
        frames=chat.frames,
        failed_first=chat.failed,
        failed=lambda fault, _turn, _number: chat.failed(fault),
        ping=chat.PING,
        odd=chat.ODD,
        broken=chat.BROKEN,
    ),
    complaint=chat_checks.complaint,
)
_RESPONSES = Wire(
    name="responses",
    anthropic=False,
    usage=responses.usage_of,
    whole=responses.whole,
    streaming=Streaming(
        frames=responses.frames,
        failed_first=responses.failed_at_once,
        failed=responses.failed,
        ping=responses.PING,
        odd=responses.ODD,
        broken=responses.BROKEN,
    ),
    complaint=responses_checks.complaint,
)
_COUNT_TOKENS = Wire(
    name="count_tokens",
    anthropic=True,
    usage=lambda _body, _said: Usage(),
    whole=lambda turn: {"input_tokens": messages.input_tokens(turn.body)},
    complaint=messages_checks.counted_complaint,
)
_EMBEDDINGS = Wire(
    name="embeddings",
    anthropic=False,
    usage=small.embedded_usage,
    whole=small.embeddings,
    complaint=responses_checks.embeddings_complaint,
)
ROUTES = {
    "/v1/messages": _MESSAGES,
    "/v1/chat/completions": _CHAT,
    "/v1/responses": _RESPONSES,
    "/v1/messages/count_tokens": _COUNT_TOKENS,
    "/v1/embeddings": _EMBEDDINGS,
}

"""What can happen to a POST in place of a good answer: HTTP errors, broken bytes, streams that end badly.

A `Fault` is data; what becomes of it is told in `post` (whole answers) and `course` (streams). A way that only a stream
has becomes, for a whole answer, what its vendor would show there: an HTTP error, a body cut short, or silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Status -> what the vendors call it: (Anthropic's error.type, OpenAI's error.code).
NAMES = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    402: ("billing_error", None),
    403: ("permission_error", None),
    404: ("not_found_error", "model_not_found"),
    413: ("request_too_large", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    504: ("timeout_error", None),
    529: ("overloaded_error", None),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of a good answer: an HTTP error with this status, or one of the ways named below.

    Its times and chunks, where it states them, stand in place of the emulator's own: `Fault(first_token_s=3)` is slow.
    """

    status: int = 200
    way: str = ""
    code: str | None = None  # the vendor's stable error code
    param: str | None = None  # of OpenAI's errors: which field of the request
    message: str = "scripted fault"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # sent in place of the usual one
    at: float = 0.5  # share of a stream's deltas before it goes wrong; 0 = it has begun, and nothing was said yet
    latency_s: float | None = None  # before the answer's first byte
    first_token_s: float | None = None  # from a stream's opening events to its first delta
    chunk_gap_s: float | None = None  # between a stream's deltas
    chunks: int | None = None  # pieces of each text of a stream

    @property
    def answers(self) -> bool:
        """Whether the answer is a good one, however slow."""
        return self.status == 200 and not self.way and self.body is None


OK = Fault()
REFUSAL = Fault(way="refusal")  # HTTP 200, declined
REFUSED_IN_WORDS = Fault(way="refused in words")  # OpenAI's message.refusal
TRUNCATED = Fault(way="truncated")  # max_tokens reached
EMPTY = Fault(way="empty")  # max_tokens reached while still thinking: no text at all
SILENT = Fault(way="silent")  # never answers
CUT = Fault(way="cut")  # the connection breaks in the middle of the body; of a stream, inside an event
HANG_UP = Fault(way="hang up")  # ... before the first byte
NOT_JSON = Fault(way="not json")  # HTTP 200 with a proxy's HTML page, labelled as JSON
HTML = Fault(way="html")  # the same, labelled as what it is
NOT_HTTP = Fault(way="not http")
WRONG_SHAPE = Fault(way="wrong shape")  # JSON, but of another API
NO_USAGE = Fault(way="no usage")
NO_MODEL = Fault(way="no model")  # it does not say which one answered
FAILED_WITHIN = Fault(way="failed within", message="Provider disconnected", code="502")  # HTTP 200, half an answer

# Ways of streams.
ERROR_FIRST = Fault(way="error first", message="Overloaded")  # the first event of the stream is an error
ERROR_OPENED = Fault(way="error event", message="Overloaded", at=0.0)  # it opens, and an error comes before any content
ERROR_MIDWAY = Fault(way="error event", message="Overloaded")  # an error after half of the content
ENDED_EARLY = Fault(way="ended")  # ends as if all were well after half of the content
NO_TERMINAL = Fault(way="ended", at=1.0)  # all but the terminal event: message_stop, [DONE], response.completed
HALF_OPEN = Fault(way="half open")  # half of the content, then silence for ever
ONLY_PINGS = Fault(way="only pings")  # keeps the connection alive and says nothing
ODD_CHUNK = Fault(way="odd chunk")  # among the others one that is JSON of no known shape
BROKEN_CHUNK = Fault(way="broken chunk")  # ... or no JSON at all

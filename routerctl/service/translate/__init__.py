"""Pure translation between the clients' wires (chat, responses, messages) and the providers' (chat, messages).

Every wire has one reader and one writer for requests, replies and streams; between them is a neutral form
(`neutral_request`, `neutral_reply`), so that nothing is translated twice. What cannot be carried is refused
(`Untranslatable`) or dropped by name (`UpstreamRequest.dropped`), never lost in silence. No network, clock or SDK.
"""

from routerctl.service.translate.errors import error_body
from routerctl.service.translate.neutral_reply import (
    BlockEnded,
    Event,
    NeutralReply,
    RedactedThinking,
    RefusalDelta,
    ReplyBegan,
    ReplyEnded,
    ReplyFailed,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallBegan,
    ToolCallDelta,
    events_of,
    fold_events,
    plain_reply,
)
from routerctl.service.translate.neutral_request import NeutralRequest, Untranslatable, UpstreamRequest
from routerctl.service.translate.replies import read_reply, write_reply
from routerctl.service.translate.requests import plain_turns, read_request, write_request
from routerctl.service.translate.streams import StreamReader, StreamWriter
from routerctl.types import ApiFormat

__all__ = [
    "BlockEnded",
    "Event",
    "NeutralReply",
    "NeutralRequest",
    "RedactedThinking",
    "RefusalDelta",
    "ReplyBegan",
    "ReplyEnded",
    "ReplyFailed",
    "StreamReader",
    "StreamWriter",
    "TextDelta",
    "ThinkingDelta",
    "ThinkingSignature",
    "ToolCallBegan",
    "ToolCallDelta",
    "Untranslatable",
    "UpstreamRequest",
    "error_body",
    "events_of",
    "fold_events",
    "plain_reply",
    "plain_turns",
    "read_reply",
    "read_request",
    "write_reply",
    "write_request",
]

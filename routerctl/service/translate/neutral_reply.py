"""The neutral form of a reply: whole, or as the events of a stream; a whole one is what the events fold into.

Pure data; knows no wire's field names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from routerctl.types import StopReason, Usage

NOT_TOLD = Usage(estimated=True)  # nobody counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """A block of text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingBlock:
    """A block of thinking; its text may be withheld while its signature is not."""

    text: str = ""
    signature: str = ""
    sealed: str = ""  # encrypted by its maker: no text, no signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalBlock:
    """The words of a refusal."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallBlock:
    """A tool call."""

    id: str
    name: str
    arguments: str  # JSON, never ""


Block = TextBlock | ThinkingBlock | RefusalBlock | ToolCallBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutralReply:
    """A whole reply."""

    id: str
    model: str  # the id that the provider says it served; "" = it does not say
    blocks: tuple[Block, ...]
    stop: StopReason
    stop_sequence: str | None = None  # the one that was met, where the wire says which
    category: str | None = None  # of a refusal
    usage: Usage = NOT_TOLD
    reasoning_tokens: int | None = None  # part of usage.output_tokens; None = not told
    dropped: tuple[str, ...] = field(default=(), compare=False)  # what of it cannot be carried: `reply.annotations`


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyBegan:
    """A reply begins."""

    id: str
    model: str
    usage: Usage | None = None  # of the input, where the wire tells it at once


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDelta:
    """More thinking."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingSignature:
    """The signature of the thinking before it."""

    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedThinking:
    """A whole block of encrypted thinking."""

    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalDelta:
    """More words of a refusal."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallBegan:
    """A tool call begins; several may be open."""

    index: int  # among the reply's tool calls, from 0
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """More of a tool call's arguments."""

    index: int
    fragment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEnded:
    """A tool call is whole, or (None) the text or thinking before it."""

    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyEnded:
    """The reply is whole."""

    stop: StopReason
    stop_sequence: str | None = None
    category: str | None = None
    usage: Usage = NOT_TOLD
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFailed:
    """The stream failed; nothing follows."""

    kind: str  # in Anthropic's words: overloaded_error, rate_limit_error, api_error, ...
    status: int  # the HTTP status that says the same
    message: str  # in our words: may be shown to the client
    detail: str = ""  # the provider's own words: for a log, redacted


Event = (
    ReplyBegan
    | TextDelta
    | ThinkingDelta
    | ThinkingSignature
    | RedactedThinking
    | RefusalDelta
    | ToolCallBegan
    | ToolCallDelta
    | BlockEnded
    | ReplyEnded
    | ReplyFailed
)


def plain_reply(text: str, stop: StopReason, *, model: str, usage: Usage, id: str = "") -> NeutralReply:  # noqa: A002 - the wires' word
    """Give the reply that a text is which came otherwise; the text of a refusal is its words."""
    words = RefusalBlock(text=text) if stop is StopReason.REFUSAL else TextBlock(text=text)
    return NeutralReply(id=id, model=model, blocks=(words,) if text else (), stop=stop, usage=usage)


def events_of(replied: NeutralReply) -> list[Event]:
    """Give a whole reply as the events of a stream."""
    events: list[Event] = [ReplyBegan(id=replied.id, model=replied.model, usage=replied.usage)]
    tools = 0
    for block in replied.blocks:
        events += _events(block, tools)
        tools += isinstance(block, ToolCallBlock)
    ended = ReplyEnded(
        stop=replied.stop,
        stop_sequence=replied.stop_sequence,
        category=replied.category,
        usage=replied.usage,
        reasoning_tokens=replied.reasoning_tokens,
    )
    return [*events, ended]


def _events(block: Block, index: int) -> list[Event]:
    match block:
        case TextBlock(text=text):
            return [TextDelta(text=text), BlockEnded()]
        case RefusalBlock(text=text):
            return [RefusalDelta(text=text), BlockEnded()]
        case ThinkingBlock(sealed=sealed) if sealed:
            return [RedactedThinking(data=sealed), BlockEnded()]
        case ThinkingBlock(text=text, signature=signature):
            said: list[Event] = [ThinkingDelta(text=text)] if text else []
            signed: list[Event] = [ThinkingSignature(signature=signature)] if signature else []
            return [*said, *signed, BlockEnded()]
        case ToolCallBlock(id=made, name=name, arguments=arguments):
            return [
                ToolCallBegan(index=index, id=made, name=name),
                ToolCallDelta(index=index, fragment=arguments),
                BlockEnded(index=index),
            ]


def fold_events(events: Iterable[Event]) -> NeutralReply:
    """Give the reply that a stream's events make.

    Raises:
        ValueError: they did not begin or did not end.
    """
    fold = _Fold()
    for event in events:
        fold.take(event)
    return fold.replied()


def _piece(
    event: TextDelta | RefusalDelta | ThinkingDelta | ThinkingSignature | RedactedThinking,
) -> TextBlock | RefusalBlock | ThinkingBlock:
    match event:
        case TextDelta(text=text):
            return TextBlock(text=text)
        case RefusalDelta(text=text):
            return RefusalBlock(text=text)
        case ThinkingDelta(text=text):
            return ThinkingBlock(text=text)
        case ThinkingSignature(signature=signature):
            return ThinkingBlock(signature=signature)
        case RedactedThinking(data=data):
            return ThinkingBlock(sealed=data)


class _Fold:
    """Gathers blocks in the order in which they began."""

    def __init__(self) -> None:
        self._began: ReplyBegan | None = None
        self._ended: ReplyEnded | None = None
        self._blocks: list[Block | int] = []  # a number is a tool call's index
        self._calls: dict[int, ToolCallBlock] = {}
        self._open = False  # whether the last block takes more

    def take(self, event: Event) -> None:
        match event:
            case ReplyBegan():
                self._began = event
            case ReplyEnded():
                self._ended = event
            case ToolCallBegan(index=index, id=made, name=name):
                self._blocks.append(index)
                self._calls[index], self._open = ToolCallBlock(id=made, name=name, arguments=""), False
            case ToolCallDelta(index=index, fragment=fragment):
                call = self._calls[index]
                self._calls[index] = replace(call, arguments=call.arguments + fragment)
            case BlockEnded(index=None):
                self._open = False
            case BlockEnded() | ReplyFailed():
                pass
            case _:
                self._add(_piece(event))

    def _add(self, more: TextBlock | RefusalBlock | ThinkingBlock) -> None:
        last = self._blocks[-1] if self._open else None
        match last, more:
            case TextBlock(), TextBlock():
                self._blocks[-1] = TextBlock(text=last.text + more.text)
            case RefusalBlock(), RefusalBlock():
                self._blocks[-1] = RefusalBlock(text=last.text + more.text)
            case ThinkingBlock(sealed=""), ThinkingBlock(sealed=""):
                signature = last.signature + more.signature
                self._blocks[-1] = ThinkingBlock(text=last.text + more.text, signature=signature)
            case _:
                self._blocks.append(more)
        self._open = not (isinstance(more, ThinkingBlock) and more.sealed)

    def replied(self) -> NeutralReply:
        if self._began is None or self._ended is None:
            raise ValueError("the stream is not whole")
        ended = self._ended
        return NeutralReply(
            id=self._began.id,
            model=self._began.model,
            blocks=tuple(self._calls[one] if isinstance(one, int) else one for one in self._blocks),
            stop=ended.stop,
            stop_sequence=ended.stop_sequence,
            category=ended.category,
            usage=ended.usage,
            reasoning_tokens=ended.reasoning_tokens,
        )

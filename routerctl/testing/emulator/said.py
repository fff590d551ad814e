"""What a model says, free of either wire: texts, thinking, tool calls, a refusal, why it stopped, what it cost.

`answer(body)` of an emulator gives a `Said`, or a plain text; the wires (`messages`, `chat`, `responses`) turn it into
whole replies and into streams. Four characters count as one token.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from routerctl.testing.emulator.faults import Fault
from routerctl.types import Usage

Body = dict[str, Any]
CREATED = 1790812800  # 2026-10-01, when everything here was made
TOO_CLEVER = "I can't help with that."
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool that the request offered."""

    name: str
    arguments: str = "{}"  # JSON, as OpenAI gives it
    id: str = ""  # "" = one that no other reply has


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One reply of a model; what is None is counted as the wire's own default says."""

    text: str | tuple[str, ...] = ""  # several: as many text blocks
    thinking: str = ""
    tools: tuple[ToolCall, ...] = ()
    refusal: str | None = None  # "" = declined without words
    truncated: bool = False  # max_tokens reached
    stop_sequence: str | None = None  # the one that was met
    input_tokens: int | None = None  # every one, cached ones included
    output_tokens: int | None = None  # thinking included
    cache_read_tokens: int | None = None
    cache_write_tokens: int = 0
    reasoning_tokens: int | None = None  # part of output_tokens; None = counted by `thinking`

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are not empty."""
        return tuple(one for one in ((self.text,) if isinstance(self.text, str) else self.text) if one)

    @property
    def thought_tokens(self) -> int:
        """How many tokens it thought."""
        counted = tokens(self.thinking) if self.thinking else 0
        return counted if self.reasoning_tokens is None else self.reasoning_tokens

    @property
    def stop(self) -> str:
        """Why it stopped, in Anthropic's words."""
        if self.refusal is not None:
            return "refusal"
        if self.truncated:
            return "max_tokens"
        if self.stop_sequence is not None:
            return "stop_sequence"
        return "tool_use" if self.tools else "end_turn"

    def billed(self, asked: int, read: int) -> Usage:
        """Give its tokens, where `asked` and `read` are what the wire counts for the input and its cached part."""
        spoken = tokens("".join(self.texts) or self.refusal or "") + sum(tokens(one.arguments) for one in self.tools)
        return Usage(
            input_tokens=asked if self.input_tokens is None else self.input_tokens,
            output_tokens=spoken + self.thought_tokens if self.output_tokens is None else self.output_tokens,
            cache_read_tokens=read if self.cache_read_tokens is None else self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reply on its way to a wire."""

    number: int  # of the POST: makes ids that no other reply has
    model: str  # which one answers
    body: Body  # the request
    said: Said
    usage: Usage
    chunks: int  # pieces of each text of a stream
    fault: Fault

    @property
    def named(self) -> Body:
        """Who answers, unless it does not say."""
        return {} if self.fault.way == "no model" else {"model": self.model}

    @property
    def counted(self) -> bool:
        """Whether it says its tokens."""
        return self.fault.way != "no usage"


def spoken(answer: str | Said, fault: Fault) -> Said:
    """Give what is said once a fault has had its way with it."""
    said = answer if isinstance(answer, Said) else Said(text=answer)
    if fault.way == "truncated":
        return replace(said, truncated=True)
    if fault.way == "empty":
        return replace(said, text="", tools=(), truncated=True)
    if fault.way == "refusal":
        return replace(said, text="", tools=(), refusal="")
    if fault.way == "refused in words":
        return replace(said, text="", tools=(), refusal=TOO_CLEVER)
    return said


def tokens(value: Any) -> int:
    """Count a value's tokens: its JSON's characters, four of them one."""
    return len(json.dumps(value)) // 4 + 1


def encoded(value: Any) -> str:
    """Write JSON as the vendors do in events: in one line, without blanks."""
    return _ENCODE(value)


@lru_cache(maxsize=256)
def pieces(text: str, count: int) -> tuple[str, ...]:
    """Cut a text into at most `count` pieces of about one length, each of them as a JSON string."""
    return tuple(_ENCODE(one) for one in _cut(text, count))


def _cut(text: str, count: int) -> Iterator[str]:
    parts = max(1, min(count, len(text)))
    for k in range(parts):
        if piece := text[k * len(text) // parts : (k + 1) * len(text) // parts]:
            yield piece


def signature_of(model: str, thinking: str) -> str:
    """Sign a thought: bound to the model, so that another one's is told from its own."""
    return base64.b64encode(hashlib.sha256(f"{model}\n{thinking}".encode()).digest()).decode()

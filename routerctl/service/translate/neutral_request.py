"""The neutral form of a request, which every client wire is read into and every upstream wire is written from.

A turn's parts stand in the client's order; `at` says where in the client's body a part was, for what must be named to
the client. Pure data; knows no wire's field names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from routerctl.errors import InputError
from routerctl.types import ApiFormat, Json

Role = Literal["system", "developer", "user", "assistant"]
EffortLevel = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Untranslatable(InputError):
    """A request that cannot be carried to another wire, or is malformed; `param` names the field."""

    def __init__(self, problem: str, *, param: str | None = None) -> None:
        """Keep the field's name apart: each wire has its own place for it."""
        super().__init__(problem)
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A piece of text."""

    text: str
    cache: Json = None  # Anthropic's cache_control: the cached prefix ends here
    breakpoint: Json = None  # OpenAI's prompt_cache_breakpoint: likewise
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """A picture, in the request (`data`) or at an address."""

    data: str = ""  # base64
    media_type: str = ""
    url: str = ""
    detail: str = ""  # "" = the model decides
    cache: Json = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A document: its bytes, its text, or its address."""

    data: str = ""  # base64
    media_type: str = ""
    text: str = ""
    url: str = ""
    name: str = ""
    cache: Json = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """A tool call that the model made."""

    id: str
    name: str
    arguments: str  # JSON as the client had it, "" = none
    cache: Json = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResultPart:
    """What a tool call gave."""

    id: str
    parts: tuple[TextPart | ImagePart | FilePart, ...] = ()
    is_error: bool = False
    cache: Json = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingPart:
    """What the model thought in an earlier turn; only who signed it can take it back."""

    text: str = ""
    signature: str = ""  # "" = unsigned: nobody takes it back
    sealed: str = ""  # all of it, encrypted by its maker (Anthropic's redacted_thinking)
    model: str = ""  # who thought it, where that is known
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPart:
    """What the model said as it refused in an earlier turn."""

    text: str
    at: str = field(default="", compare=False)


Part = TextPart | ImagePart | FilePart | ToolCallPart | ToolResultPart | ThinkingPart | RefusalPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message; tool results are in a user's turn."""

    role: Role
    parts: tuple[Part, ...]
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str | None = None
    schema: Mapping[str, Json] = field(default_factory=dict)  # {} = no parameters
    strict: bool | None = None
    cache: Json = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Whether a tool is to be called: as the model likes, some tool, none, or the one that is named."""

    kind: Literal["auto", "any", "none", "tool"]
    name: str = ""  # of `tool`
    allowed: tuple[str, ...] = ()  # the tools that may be called; () = all


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFormat:
    """The shape of the reply: a schema, or any JSON object (`schema` None)."""

    schema: Mapping[str, Json] | None
    name: str = ""
    description: str = ""
    strict: bool | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """Something that only the client's own wire can do: a request with it is refused elsewhere."""

    param: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutralRequest:
    """A request of any client wire."""

    wire: ApiFormat
    model: str = ""
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    parallel: bool | None = None  # whether several tools may be called at once
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    format: ReplyFormat | None = None
    effort: EffortLevel | None = None  # "none" = it is not to think
    user: str = ""  # the end user's id
    stream: bool = False
    include_usage: bool = False  # an OpenAI client wants usage at a stream's end
    cache: Json = None  # Anthropic's cache_control of the whole request
    extras: Mapping[str, Json] = field(default_factory=dict)  # fields of its wire that we have no word for
    unsupported: tuple[Unsupported, ...] = ()
    dropped: tuple[str, ...] = ()  # names of fields that no other wire has
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as it came: a Responses reply repeats it


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """A request for an upstream wire."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()  # names of the client's fields that are not in it
    names: Mapping[str, str] = field(default_factory=dict)  # a tool's name upstream -> its name with the client

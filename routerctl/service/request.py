"""An HTTP request (path, headers, body) -> what is asked for, by whom, of which model, and the inquiry for routing.

Rules and the classifier only see the last user turn. What an application tells routerctl itself is in `x-routerctl-*`
headers or, as `routerctl_*`, in the body's `metadata`, and is not passed on. Pure; on the hot path of every request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.providers.reading import value_of
from routerctl.service.body import most_input_tokens
from routerctl.service.keys import Key
from routerctl.types import ApiFormat, Inquiry, Json, RawWire, Table

Headers = Mapping[bytes, bytes]  # names in lower case
CLASS, AUTO = "class:", "auto"
PATHS: Mapping[str, RawWire] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/embeddings": "embeddings",
}
_SAID = ("tenant", "user", "step", "class", "features", "deadline_s", "id")  # in headers, and in `metadata`
_HEADER = {name: f"x-routerctl-{name.replace('_', '-')}".encode() for name in _SAID}
_HEADERS = frozenset(_HEADER.values())
_META = "routerctl_"
_BETA = b"anthropic-beta"
_KINDS = {
    "image_url": "image",
    "image": "image",
    "input_image": "image",
    "input_audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "pdf",
}


class Malformed(InputError):
    """A malformed request, answered with 400; `param` names the field."""

    def __init__(self, problem: str, *, param: str | None = None) -> None:
        self.param = param
        super().__init__(problem)


class UnknownModel(InputError):
    """A model that is no candidate, pinned id or class of the table, answered with 404."""


@dataclass(slots=True, kw_only=True)
class ClientRequest:
    """One parsed request; written once."""

    wire: RawWire
    raw: bytes
    body: Mapping[str, Json]
    model: str  # as the application names it; "" = none
    stream: bool
    inquiry: Inquiry  # without class
    deadline_s: float | None = None
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # to be sent on to an Anthropic provider
    routerctl_metadata: tuple[str, ...] = ()  # keys of `metadata` that are meant for routerctl
    key: Key | None = None  # that it was sent with

    @property
    def own_metadata(self) -> Mapping[str, Json]:
        """The application's own `metadata`, without what is for routerctl; read only where something is."""
        metadata: Mapping[str, Json] = self.body["metadata"]
        return {key: value for key, value in metadata.items() if key not in self.routerctl_metadata}

    @property
    def estimated_tokens(self) -> int:
        """About how many tokens the prompt has, before a provider counts them."""
        return most_input_tokens(self.raw) // 4 + 1


def headers_by_name(lines: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Give a request's headers; of the betas, a list that may come in several lines, each of them."""
    lines = tuple(lines)
    found = dict(lines)
    betas = [value for name, value in lines if name == _BETA] if _BETA in found else []
    return found | {_BETA: b",".join(betas)} if len(betas) > 1 else found


def parse_request(wire: RawWire, raw: bytes, headers: Headers, query: str = "") -> ClientRequest:
    """Parse a request; raises Malformed."""
    body = _body(raw)
    model, stream = body.get("model", ""), body.get("stream") or False
    if not isinstance(model, str):
        raise Malformed("model: expected a string", param="model")
    if not isinstance(stream, bool):
        raise Malformed("stream: expected true or false", param="stream")
    if wire == "responses" and body.get("background"):
        raise Malformed("background: what it costs, and its reply, would never be seen here", param="background")
    metadata = body.get("metadata")
    meta: dict[str, Json] = metadata if isinstance(metadata, dict) else {}
    in_body = tuple(key for key in meta if key.startswith(_META))
    said = _said(headers, {key: meta[key] for key in in_body} if in_body else {})
    text, attachments = _LOOKS[wire](body)
    inquiry = Inquiry(
        prompt=text,
        task_class=_class(model, said.get("class")),
        id=said.get("id"),
        tenant=said.get("tenant"),
        user=said.get("user") or _user(wire, body, metadata),
        step=said.get("step"),
        features=_features(said.get("features")),
        attachments=attachments,
    )
    return ClientRequest(
        wire=wire,
        raw=raw,
        body=body,
        model=model,
        stream=stream and wire in ("chat", "responses", "messages"),
        inquiry=inquiry,
        deadline_s=_seconds(said.get("deadline_s")),
        query=query,
        headers=_for_anthropic(headers) if wire in ("messages", "count_tokens") else {},
        routerctl_metadata=in_body,
    )


def candidate_named(request: ClientRequest, table: Table) -> str | None:
    """Give the candidate that the request names as its model; None where the table decides.

    Raises: UnknownModel.
    """
    model, task_class = request.model, request.inquiry.task_class
    if task_class is not None and task_class not in table.routes:
        raise UnknownModel(f"no task class {task_class!r}{nearest(task_class, table.routes)}")
    if model in ("", AUTO) or model.startswith(CLASS):
        return None
    candidate = _candidates(table).get(model)
    if candidate is None and table.routing.serve.unknown_model == "refuse":
        known = [AUTO, *table.candidates, *(f"{CLASS}{name}" for name in table.routes)]
        raise UnknownModel(f"no such model: {model!r}{nearest(model, known)}")
    return candidate


_KNOWN: dict[str, dict[str, str]] = {}  # by the table's digest: candidates by name and by pinned id
_MOST_KNOWN = 64


def _candidates(table: Table) -> Mapping[str, str]:
    if table.digest not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[table.digest] = {
            **{table.candidates[name].model: name for name in reversed(tuple(table.candidates))},
            **{name: name for name in table.candidates},
        }
    return _KNOWN[table.digest]


def _body(raw: bytes) -> dict[str, Any]:
    if b"\0" in raw:  # as in UTF-16, which Python reads and no provider does
        raise Malformed("the body: expected JSON in UTF-8")
    try:
        raw.decode()
        body = value_of(raw)
    except (ValueError, RecursionError) as problem:
        shown = "nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise Malformed(f"the body is not JSON: {shown}") from None
    if not isinstance(body, dict):
        raise Malformed("the body: expected a JSON object")
    if b"\0" in raw or not _is_utf8(raw):  # Python's parser accepts these, others do not
        raise Malformed("the body: expected JSON in UTF-8")
    return body


def _is_utf8(raw: bytes) -> bool:
    try:
        return raw.isascii() or bool(raw.decode())
    except UnicodeDecodeError:
        return False


def _said(headers: Headers, metadata: Mapping[str, Json]) -> dict[str, str]:
    """Give what is meant for routerctl; a header takes precedence over the body."""
    if not metadata and _HEADERS.isdisjoint(headers):
        return {}
    said = {name: headers[key].decode("latin-1") for name, key in _HEADER.items() if key in headers}
    for key, value in metadata.items():
        name = key.removeprefix(_META)
        if name not in _SAID:
            raise Malformed(f"metadata.{key}: unknown{nearest(name, _SAID)}", param=f"metadata.{key}")
        said.setdefault(name, value if isinstance(value, str) else json.dumps(value))
    return said


def _class(model: str, said: str | None) -> str | None:
    """Give the class that the model's name or a header sets; raises Malformed where they differ."""
    if not model.startswith(CLASS):
        return said
    task_class = model.removeprefix(CLASS)
    if said not in (None, task_class):
        raise Malformed(f"model names the class {task_class!r}, but x-routerctl-class names {said!r}", param="model")
    return task_class


def _features(text: str | None) -> Mapping[str, Json]:
    if text is None:
        return {}
    try:
        features = json.loads(text)
    except (ValueError, RecursionError):
        features = None
    if not isinstance(features, dict):
        raise Malformed('x-routerctl-features: expected a JSON object such as {"plan": "pro"}')
    return features


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Malformed(f"x-routerctl-deadline-s: expected a number of seconds above 0, got {text!r}")
    return seconds


def _user(wire: RawWire, body: Mapping[str, Json], metadata: Json) -> str | None:
    """The end user, from the API's own field for it."""
    if wire in ("messages", "count_tokens"):
        user = metadata.get("user_id") if isinstance(metadata, dict) else None
    else:
        user = body.get("safety_identifier") or body.get("user")
    return user if isinstance(user, str) and user else None


def _for_anthropic(headers: Headers) -> dict[str, str]:
    """The version and betas that a Messages body may depend on; other APIs do not have them."""
    names = (b"anthropic-version", _BETA)
    return {name.decode(): headers[name].decode("latin-1") for name in names if name in headers}


# --- what rules and the classifier see --------------------------------------------------------------------------------

Looked = tuple[str, tuple[str, ...]]  # the text, and the kinds of attachments


def _last_turn(turns: Json, *, only: Callable[[Mapping[str, Json]], bool]) -> Looked:
    """Find the last user turn that is not merely tool results."""
    for turn in reversed(turns) if isinstance(turns, list) else ():
        if isinstance(turn, dict) and only(turn):
            content = turn.get("content")
            if isinstance(content, str):
                return content, ()
            found = _parts(content)
            if found[0] or found[1]:
                return found
    return "", ()


def _parts(content: Json) -> Looked:
    texts, kinds = [], []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if isinstance(part.get("text"), str) and kind in ("text", "input_text"):
            texts.append(part["text"])
        elif isinstance(kind, str) and kind in _KINDS:
            kinds.append(_KINDS[kind])
    return "\n".join(texts), tuple(kinds)


def _is_users(turn: Mapping[str, Json]) -> bool:
    return turn.get("role") == "user"


def _of_messages(body: Mapping[str, Json]) -> Looked:
    return _last_turn(body.get("messages"), only=_is_users)


def _of_responses(body: Mapping[str, Json]) -> Looked:
    asked = body.get("input")
    return (asked, ()) if isinstance(asked, str) else _last_turn(asked, only=_is_users)


def _of_embeddings(body: Mapping[str, Json]) -> Looked:
    asked = body.get("input")
    if isinstance(asked, str):
        return asked, ()
    texts = [one for one in asked if isinstance(one, str)] if isinstance(asked, list) else []
    return "\n".join(texts), ()


_LOOKS: Mapping[RawWire, Callable[[Mapping[str, Json]], Looked]] = {
    "chat": _of_messages,
    "messages": _of_messages,
    "count_tokens": _of_messages,
    "responses": _of_responses,
    "embeddings": _of_embeddings,
}


def api_format_of(wire: RawWire) -> ApiFormat:
    """Give the format in which requests to this API are answered."""
    if wire in ("messages", "count_tokens"):
        return "messages"
    return "responses" if wire == "responses" else "chat"

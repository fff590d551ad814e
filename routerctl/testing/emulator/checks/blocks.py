"""What Anthropic's Messages refuses of the blocks of one message."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from routerctl.testing.emulator.checks.base import MESSAGES_ID, Complaint
from routerctl.testing.emulator.said import Body, signature_of

_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
_KINDS = {
    "user": ("text", "image", "document", "search_result", "tool_result", "container_upload"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"),
}


def content_complaints(turn: Body, place: str, model: str) -> Iterator[Complaint]:
    """Complain of one message's content; `model`: whose thoughts it may carry."""
    content = turn.get("content")
    if not isinstance(content, str | list):
        yield Complaint(f"{place}.content: Field required" if content is None else f"{place}.content: Invalid input")
    elif not content or (isinstance(content, str) and not content.strip()):
        yield Complaint(f"{place}: {turn['role']} messages must have non-empty content")
    elif isinstance(content, list):
        for index, block in enumerate(content):
            yield from _block(block, turn["role"], f"{place}.content.{index}", model)


def _block(block: Any, role: str, place: str, model: str) -> Iterator[Complaint]:
    kind = block.get("type") if isinstance(block, dict) else None
    server_result = role == "assistant" and isinstance(kind, str) and kind.endswith("_tool_result")
    if not isinstance(kind, str) or (kind not in _KINDS[role] and not server_result):
        yield Complaint(
            f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            + ", ".join(repr(one) for one in (_KINDS[role]))
        )
    elif kind == "thinking":
        yield from _thinking(block, place, model)
    elif kind in _BY_KIND:
        yield from _BY_KIND[kind](block, f"{place}.{kind}")


def _text(block: Body, place: str) -> Iterator[Complaint]:
    text = block.get("text")
    if not isinstance(text, str):
        yield Complaint(f"{place}.text: Field required")
    elif not text:
        yield Complaint("messages: text content blocks must be non-empty")
    elif not text.strip():
        yield Complaint("messages: text content blocks must contain non-whitespace text")


def _thinking(block: Body, place: str, model: str) -> Iterator[Complaint]:
    if "signature" not in block:
        yield Complaint(f"{place}.thinking.signature: Field required")
    elif block["signature"] != signature_of(model, block.get("thinking", "")):
        yield Complaint(f"{place}: Invalid `signature` in `thinking` block")
    if "cache_control" in block:
        yield Complaint(f"{place}.thinking.cache_control: Extra inputs are not permitted")


def _tool_use(block: Body, place: str) -> Iterator[Complaint]:
    if not isinstance(block.get("id"), str) or not MESSAGES_ID.fullmatch(block["id"]):
        yield Complaint(f"{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block.get("input"), dict):
        yield Complaint(f"{place}.input: Input should be a valid dictionary")
    if not isinstance(block.get("name"), str):
        yield Complaint(f"{place}.name: Field required")


def _tool_result(block: Body, place: str) -> Iterator[Complaint]:
    if not isinstance(block.get("tool_use_id"), str):
        yield Complaint(f"{place}.tool_use_id: Field required")
    content = block.get("content", "")
    if not isinstance(content, str | list):
        yield Complaint(f"{place}.content: Input should be a valid string or list")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "image"):
            yield from _BY_KIND[kind](part, f"{place}.content.{index}.{kind}")
        elif kind not in ("document", "search_result", "tool_reference"):
            yield Complaint(f"{place}.content.{index}: Input tag '{kind}' does not match any of the expected tags")


def _image(block: Body, place: str) -> Iterator[Complaint]:
    source = block.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if kind not in ("base64", "url", "file"):
        yield Complaint(f"{place}.source: Input should be a valid base64, url or file source")
    elif kind == "base64" and isinstance(source, dict):
        if source.get("media_type") not in _MEDIA:
            yield Complaint(f"{place}.source.base64.media_type: Input should be one of {', '.join(_MEDIA)}")
        try:
            base64.b64decode(str(source.get("data", "")), validate=True)
        except binascii.Error:
            yield Complaint(f"{place}.source.base64.data: invalid base64 data")


_BY_KIND: Mapping[str, Callable[[Body, str], Iterator[Complaint]]] = {
    "text": _text,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _image,
}

"""Pictures and documents between data URIs (OpenAI) and sources (Anthropic)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.neutral_request import FilePart, ImagePart, Untranslatable

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,(.*)", re.DOTALL | re.IGNORECASE)
PDF = "application/pdf"
_REGISTERED = {"image/jpg": "image/jpeg"}  # the name that many write, and that Anthropic refuses


def image_of_url(url: Far, *, detail: str, cache: Any, at: str) -> ImagePart:
    """Read OpenAI's `image_url`; raises Odd."""
    text = url.text()
    if found := _DATA_URI.fullmatch(text):
        return ImagePart(media_type=_media_type(found[1]), data=found[2], detail=detail, cache=cache, at=at)
    if not text.startswith(("https://", "http://")):
        raise Odd(f"{url.path}: expected an https address or a data URI in base64")
    return ImagePart(url=text, detail=detail, cache=cache, at=at)


def file_of_data(data: Far, *, name: str, cache: Any, at: str) -> FilePart:
    """Read OpenAI's `file_data`, a data URI or bare base64; raises Odd."""
    found = _DATA_URI.fullmatch(data.text())
    media_type, content = (_media_type(found[1]), found[2]) if found else ("", data.text())
    return FilePart(data=content, media_type=media_type or _guessed(name), name=name, cache=cache, at=at)


def _media_type(told: str | None) -> str:
    name = (told or "").lower()
    return _REGISTERED.get(name, name)


def _guessed(name: str) -> str:
    return "text/plain" if name.lower().endswith((".txt", ".md", ".csv")) else PDF


def data_uri(media_type: str, data: str) -> str:
    """Write base64 as OpenAI wants it."""
    return f"data:{media_type};base64,{data}"


def image_source(image: ImagePart) -> dict[str, Any]:
    """Write a picture as Anthropic's source."""
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def file_source(file: FilePart) -> dict[str, Any]:
    """Write a document as Anthropic's source.

    Raises:
        Untranslatable: Anthropic reads PDFs and plain text.
    """
    if file.url:
        return {"type": "url", "url": file.url}
    if file.text:
        return {"type": "text", "media_type": "text/plain", "data": file.text}
    if file.media_type == PDF:
        return {"type": "base64", "media_type": PDF, "data": file.data}
    if not file.media_type.startswith("text/"):
        raise Untranslatable(f"{file.at}: expected a PDF or plain text, got '{file.media_type}'", param=file.at)
    return {"type": "text", "media_type": "text/plain", "data": _decoded(file)}


def _decoded(file: FilePart) -> str:
    try:
        return base64.b64decode(file.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Untranslatable(f"{file.at}: expected text in UTF-8, as base64", param=file.at) from None

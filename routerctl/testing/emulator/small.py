"""The small questions: embeddings, counting tokens, which models there are."""

from __future__ import annotations

import base64
import math
import random
import struct
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from routerctl.testing.emulator.said import CREATED, Body, Said, Turn, tokens
from routerctl.types import Usage

DIMENSIONS = 1536  # as text-embedding-3-small has them


def embedded_usage(body: Body, _said: Said) -> Usage:
    """Count what is embedded."""
    return Usage(input_tokens=sum(tokens(one) for one in _inputs(body.get("input", ""))))


def embeddings(turn: Turn) -> Body:
    """Give a vector of length 1 for each input: the same for the same text, as floats or as base64."""
    count, packed = turn.body.get("dimensions") or DIMENSIONS, turn.body.get("encoding_format") == "base64"
    vectors = (_vector(repr(one), count) for one in _inputs(turn.body.get("input", "")))
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    asked = turn.usage.input_tokens
    told = {"usage": {"prompt_tokens": asked, "total_tokens": asked}} if turn.counted else {}
    return {"object": "list", "data": data, **turn.named} | told


def models_page(names: Collection[str], about: Mapping[str, Body], *, anthropic: bool) -> Body:
    """Give the list of models, whole."""
    listed = [model(name, about, anthropic=anthropic) for name in sorted(names)]
    return {"object": "list", "data": listed, "has_more": False}


def model(name: str, about: Mapping[str, Body], *, anthropic: bool) -> Body:
    """Give what a vendor says of one model."""
    ours = {"type": "model", "display_name": name, "created_at": "2026-10-01T00:00:00Z", "lifecycle": "active"}
    theirs = {"object": "model", "created": CREATED, "owned_by": "emulator"}
    return {"id": name} | (ours if anthropic else theirs) | about.get(name, {})


def _inputs(asked: Any) -> list[Any]:
    """A text, several, the tokens of one, or of several."""
    several = isinstance(asked, list) and not all(isinstance(one, int) for one in asked)
    return asked if several else [asked]


@lru_cache(maxsize=256)
def _vector(text: str, count: int) -> tuple[float, ...]:
    draw = random.Random(text)  # noqa: S311 - no secret
    raw = [draw.uniform(-1, 1) for _ in range(count)]
    length = math.sqrt(sum(one * one for one in raw)) or 1.0
    return tuple(one / length for one in raw)


def _packed(vector: tuple[float, ...]) -> str:
    """Write it as the vendor packs it: 32-bit floats, little-endian."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

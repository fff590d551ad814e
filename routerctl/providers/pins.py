"""Tells whether a model id is an alias that may move, and which pinned id to write instead.

Place: the wire floor, offline: the known ids are the SDKs' own types, read without importing the SDKs (2 s). An id is
called an alias only where a pinned one is known or can be derived; does not know which models still run.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

_DATED = re.compile(r".+-(\d{8}|\d{4}-\d{2}-\d{2}|\d{4})(-preview)?\Z")


def alias_problem(model: str, kind: str) -> str | None:
    """Return the pinned id to use instead of `model`, or None where it is as pinned as that vendor's ids get."""
    rule = _RULES.get(kind)
    return None if rule is None or _DATED.match(model) else rule(model)


def _anthropic_pin(model: str) -> str | None:
    """From the 4.6 generation on the dateless id is the snapshot; before, the dated one. `-latest` always moves.

    https://platform.claude.com/docs/en/about-claude/models/overview
    """
    name = model.removesuffix("-latest")
    return _newest_dated(name, known_ids("anthropic")) or (name if name != model else None)


def _openai_pin(model: str) -> str | None:
    """A dated id is a snapshot; a short one may move to a newer snapshot.

    https://developers.openai.com/api/docs/models
    """
    return _newest_dated(model, known_ids("openai"))


_RULES: Mapping[str, Callable[[str], str | None]] = {"anthropic": _anthropic_pin, "openai": _openai_pin}

_TYPES = {"anthropic": ("types/model_param.py", "ModelParam"), "openai": ("types/shared/chat_model.py", "ChatModel")}


@cache
def known_ids(package: str) -> frozenset[str]:
    """Model ids in an SDK's `Literal` type; its module is run alone, without the package around it."""
    file, name = _TYPES[package]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        return frozenset()
    path = Path(found.submodule_search_locations[0]) / file
    union = runpy.run_path(str(path))[name]
    parts = [value for part in (union, *get_args(union)) for value in get_args(part)]
    return frozenset(value for value in parts if isinstance(value, str))


def _newest_dated(name: str, known: frozenset[str]) -> str | None:
    """The known id that is `name` and a date, the latest of several."""
    dated = re.compile(re.escape(name) + r"-(\d{8}|\d{4}-\d{2}-\d{2})\Z")
    return max(filter(dated.match, known), default=None)

"""Tells whether a model id is a pin, which id to write instead, and whether what was served is what was asked for.

Offline: the known ids are the SDKs' own types, read without importing the SDKs (2 s). An id is refused where it is an
alias; where a vendor does not say whether it may move, a warning says so, and the id that was served tells. Does not
know which models still run.
"""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from routerctl.types import Candidate, ProviderSpec, Reply

_FILE = "resources/messages/messages.py"
_NAME = "DEPRECATED_MODELS"  # id -> end-of-life day in words, "November 30th, 2026"


_LATEST = re.compile(r".+[-:@]latest\Z", re.IGNORECASE)
_DATED = re.compile(r".+[-@](\d{8}|\d{4}-\d{2}-\d{2}|\d{4})(-preview)?\Z")
_CLAUDE = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?\Z")  # claude-opus-5-5; before, the family came last
_FAMILY = re.compile(r"claude-[a-z]+\Z")
_OLD_CLAUDE = re.compile(r"claude-(\d{1,2}|instant|v\d)")
_OPENAI = re.compile(r"(gpt-(?!oss)|chatgpt-|codex-|o\d)")
_FIRST_DATELESS_PIN = (4, 6)
_SHOWN = 3  # pins of an alias whose newest cannot be told


_TYPES: Mapping[str, tuple[str, str]] = {
    "anthropic": ("types/model_param.py", "ModelParam"),
    "openai": ("types/shared/chat_model.py", "ChatModel"),
}


def alias_problem(model: str, kind: str) -> str | None:
    """Say that a model id is an alias and what to write instead; None where it is as pinned as that vendor's ids get.

    Every id that is proposed is a known one; where none is known, it is said how to find it.
    """
    vendor, name = _vendor(model, kind), _bare(model)
    pins = _pins_of(name, vendor) if name == model else ()  # a gateway has names of its own
    refused = _may_move(name, vendor) and name == model and (pins or vendor == "anthropic")
    if not refused and not _LATEST.match(name):
        return None
    what = f"{model!r} is an alias that may move"
    if pins:
        return f"{what}; write the pinned id {' or '.join(map(repr, pins))}"
    return f"{what}, and no pinned id of it is known here; the provider's list of models (GET /v1/models) has them"


def moving_warning(model: str, kind: str) -> str | None:
    """Say of an id that is not refused that its vendor may move it; None for one that is pinned."""
    if not _may_move(_bare(model), _vendor(model, kind)):
        return None
    return (
        f"{model!r} has no date, so its vendor may move it to other weights; the model id of each reply is compared "
        "with it"
    )


def as_pinned(pin: str, served: str) -> str:
    """Give the id that a provider says it served; the pin itself where only a gateway's `vendor/` tells them apart.

    Everybody after the wire compares for equality. Of two such prefixes that differ neither is a gateway's: they are
    owners of weights.
    """
    return pin if pin.endswith(f"/{served}") or served.endswith(f"/{pin}") else served


def foreign_of(pin: str, replies: Iterable[Reply]) -> set[str]:
    """Give the ids that answered in place of the pin; a reply that does not say who gave it is none."""
    return {reply.served_model for reply in replies} - {pin, ""}


def served_of(pin: str, replies: Sequence[Reply]) -> str | None:
    """Give the id that answered: of several calls one that is not the pin, where there is any.

    None where a reply does not say who gave it: then it cannot be compared with the pin.
    """
    names = [reply.served_model for reply in replies]
    return next((name for name in names if name not in (pin, "")), None if "" in names else pin)


def unpinned_words(candidate: str, pin: str, served: Iterable[str]) -> str:
    """Say that other models than the pin answered."""
    return f"{candidate} is pinned to {pin}, but the provider says it served {', '.join(sorted(served))}"


# --- the vendors' rules -----------------------------------------------------------------------------------------------


def _bare(model: str) -> str:
    """An id without a gateway's `vendor/` or an owner's name."""
    return model.rpartition("/")[2]


def _vendor(model: str, kind: str) -> str:
    """Name whose rule an id follows: by the id where a gateway or a compatible server is asked."""
    name = _bare(model)
    if kind not in _TYPES:
        return ""
    return "anthropic" if name.startswith("claude") else "openai" if _OPENAI.match(name) else kind


def _may_move(name: str, vendor: str) -> bool:
    """Tell whether the vendor's rule leaves an id open to move to other weights.

    Anthropic: from the 4.6 generation on the dateless id is the snapshot; before, the dated one.
    https://platform.claude.com/docs/en/about-claude/models/overview
    OpenAI: a dated id is a snapshot; a short one may move to a newer one. https://developers.openai.com/api/docs/models
    """
    if _DATED.match(name):
        return False
    if vendor == "anthropic":
        found = _CLAUDE.match(name)
        if found:
            return (int(found[1]), int(found[2] or 0)) < _FIRST_DATELESS_PIN
        return bool(_OLD_CLAUDE.match(name))
    return vendor == "openai" and bool(_OPENAI.match(name))


def _pins_of(name: str, vendor: str) -> tuple[str, ...]:
    """The known snapshots that an alias may stand for: the newest, several where their names do not tell."""
    if vendor not in _TYPES:
        return ()
    stem = re.sub(r"[-:@]latest\Z", "", name, flags=re.IGNORECASE)
    known = known_ids(vendor)
    dated = re.compile(re.escape(stem) + r"-(\d{8}|\d{4}-\d{2}-\d{2})\Z")
    if newest := max(filter(dated.match, known), default=None):
        return (newest,)
    if stem != name and stem in known and not _may_move(stem, vendor):
        return (stem,)
    if _FAMILY.match(stem):  # claude-opus-latest
        family = {found: one for one in known if one.startswith(f"{stem}-") and (found := _generation(one))}
        return (family[max(family)],) if family else ()
    undated = re.compile(re.escape(stem) + r"-\d{4}\Z")  # a month and a day: which year's is the newest?
    return tuple(sorted(filter(undated.match, known)))[:_SHOWN]


def _generation(name: str) -> tuple[int, int] | None:
    found = _CLAUDE.match(name)
    generation = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return generation if generation >= _FIRST_DATELESS_PIN else None


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


def retires_on(model: str, kind: str) -> date | None:
    """Give the day on which a model retires or has retired, None where nothing is known of it."""
    return _days().get(model) if kind == "anthropic" else None


@cache
def _days() -> dict[str, date]:
    found = find_spec("anthropic")
    if found is None or not found.submodule_search_locations:
        return {}
    tree = ast.parse((Path(found.submodule_search_locations[0]) / _FILE).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == _NAME for target in targets):
            return {model: _day(words) for model, words in ast.literal_eval(value).items()}
    return {}


def _day(words: str) -> date:
    plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", words)
    return datetime.strptime(plain, "%B %d, %Y").date()  # noqa: DTZ007 - a day, not a moment


def retirements_of(candidates: Iterable[Candidate], providers: Mapping[str, ProviderSpec]) -> dict[str, str]:
    """Give the day on which each candidate's model is retired, by model id, where the vendor's SDK knows one."""
    days = {}
    for one in candidates:
        for provider, model in [(one.provider, one.model), *((at.provider, at.model or one.model) for at in one.also)]:
            spec = providers.get(provider)
            end = retires_on(model, spec.kind) if spec else None
            if end:
                days[model] = end.isoformat()
    return dict(sorted(days.items()))

"""Tells whether a model id is a pin, which id to write instead, and whether what was served is what was asked for.

Offline: the known ids are those of the SDKs' types (`sdk_lists`). An id is refused where it is an alias; where a vendor
does not say whether it may move, a warning says so, and the id that was served tells. Does not know which models still
run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from routerctl.providers import sdk_lists
from routerctl.providers.retirements import retires_on
from routerctl.types import ProviderSpec, Reply

_LATEST = re.compile(r"(?:.*[-_:@.])?latest\Z|.+@default\Z|auto\Z", re.IGNORECASE)  # `auto`: a gateway's choice
_DATED = re.compile(r".+[-@](\d{8}|\d{4}-\d{2}-\d{2}|\d{4})(-preview)?(-v\d+(:\d+)?)?\Z")
_CLAUDE = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?\Z")  # claude-opus-5-5; before, the family came last
_FAMILY = re.compile(r"claude-[a-z]+\Z")
_OLD_CLAUDE = re.compile(r"claude(\Z|-(\d{1,2}|instant|v\d))")
_OPENAI = re.compile(r"(gpt-(?!oss)|chatgpt-|codex-|o\d)")
# Short names that are known to lead to the newest of a family: DeepSeek's, Mistral's, xAI's, Cohere's, Alibaba's; and
# what is called a preview or an experiment, Google's or anybody's.
_OTHERS = re.compile(
    r"deepseek-(chat|reasoner)|((mistral|ministral|magistral|devstral|codestral)(-(tiny|small|medium|large|\d+b))?)"
    r"|grok-\d+(\.\d+)?(-(mini|fast))?|command(-(a|r|r-plus))?|qwen-(max|plus|turbo|flash)|.+-(preview|exp|beta)",
    re.IGNORECASE,
)
_PLATFORM = re.compile(r"(?:[a-z-]+\.)?anthropic\.(?=claude)")  # Bedrock's: eu.anthropic.claude-...
_FIRST_DATELESS_PIN = (4, 6)
_SHOWN = 3  # pins of an alias whose newest cannot be told


_VENDORS = ("anthropic", "openai")  # whose rules are known here


def alias_problem(model: str, kind: str) -> str | None:
    """Say that a model id is an alias and what to write instead; None where it is as pinned as that vendor's ids get.

    Every id that is proposed is a known one; where none is known, it is said how to find it.
    """
    vendor, name = _vendor(model, kind), _bare(model)
    pins = _pins_of(name, vendor) if name == model else ()  # a gateway has names of its own
    refused = _may_move(name, vendor) and name == model and (pins or _is_short_claude(name))
    if not refused and not _LATEST.match(name):
        return None
    what = f"{model!r} is an alias that may move"
    if pins:
        return f"{what}; write the pinned id {' or '.join(_with_end(pin, vendor) for pin in pins)}"
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


def _with_end(pin: str, vendor: str) -> str:
    end = retires_on(pin, ProviderSpec(name=vendor, kind=vendor))
    return f"{pin!r} (which retires on {end.isoformat()})" if end else repr(pin)


# --- the vendors' rules -----------------------------------------------------------------------------------------------


def _bare(model: str) -> str:
    """An id without a gateway's `vendor/` or an owner's name."""
    return _PLATFORM.sub("", model.rpartition("/")[2])


def _vendor(model: str, kind: str) -> str:
    """Name whose rule an id follows: by the id where a gateway or a compatible server is asked."""
    name = _bare(model)
    if kind not in _VENDORS:
        return ""
    return "anthropic" if name.startswith("claude") else "openai" if _OPENAI.match(name) else kind


def _may_move(name: str, vendor: str) -> bool:
    """Tell whether the vendor's rule leaves an id open to move to other weights.

    Anthropic: from the 4.6 generation on the dateless id is the snapshot; before, the dated one.
    https://platform.claude.com/docs/en/about-claude/models/overview
    OpenAI: a dated id is a snapshot; a short one may move to a newer one. https://developers.openai.com/api/docs/models
    Other vendors behind a compatible API: the short names of theirs that are known to move.
    """
    if _DATED.match(name):
        return False
    if vendor == "anthropic" and name.startswith("claude"):
        found = _CLAUDE.match(name)
        return not found or (int(found[1]), int(found[2] or 0)) < _FIRST_DATELESS_PIN
    if vendor == "openai" and _OPENAI.match(name):
        return True
    return bool(vendor and _OTHERS.fullmatch(name))


def _is_short_claude(name: str) -> bool:
    """Tell whether an id is one of Anthropic's aliases by its form; of a form that is new here nobody can say."""
    return any(form.match(name) for form in (_CLAUDE, _FAMILY, _OLD_CLAUDE))


def _pins_of(name: str, vendor: str) -> tuple[str, ...]:
    """The known snapshots that an alias may stand for: the newest, several where their names do not tell."""
    if vendor not in _VENDORS:
        return ()
    stem = re.sub(r"([-:@]latest|@default)\Z", "", name, flags=re.IGNORECASE)
    known = sdk_lists.model_ids(vendor) or frozenset()  # `sdk_lists.absent` tells of none
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

"""How hard a model is to think, between OpenAI's levels and Anthropic's levels and budgets: one entry per level."""

from __future__ import annotations

from collections.abc import Mapping

from routerctl.service.translate.neutral_request import EffortLevel

LEVELS: tuple[EffortLevel, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
ANTHROPIC: Mapping[EffortLevel, str] = {  # "none" is no effort there but `thinking: disabled`
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
# Thinking tokens up to which a budget is that level; 1,024 is the least that Anthropic takes.
_BUDGETS: tuple[tuple[int, EffortLevel], ...] = (
    (1024, "minimal"),
    (4096, "low"),
    (10_000, "medium"),
    (24_000, "high"),
    (48_000, "xhigh"),
)


def level_of(budget: int) -> EffortLevel:
    """Give the level of a thinking budget in tokens."""
    return next((level for most, level in _BUDGETS if budget <= most), "max")

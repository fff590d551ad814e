"""Rules and an inquiry -> the first rule that holds, and why the others do not.

On the hot path of every request: the standard library, and RE2 where a rule has a regex.
"""

from __future__ import annotations

from collections.abc import Sequence

from routerctl.classify.rules.matching import holds_for
from routerctl.classify.rules.prompt_features import PromptFeatures, inquiry_text
from routerctl.types import Condition, Inquiry, Rule


def first_match(rules: Sequence[Rule], inquiry: Inquiry) -> Rule | None:
    """Give the first rule whose condition holds for the inquiry, or None."""
    seen = PromptFeatures(inquiry)
    return next((rule for rule in rules if holds_for(rule.when, seen)), None)


def holds(condition: Condition, inquiry: Inquiry) -> bool:
    """Tell whether everything that the condition says holds for the inquiry."""
    return holds_for(condition, PromptFeatures(inquiry))


def rule_warnings(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Say what is odd about rules in their order, one line each: rules that never hold or are never reached."""
    from routerctl.classify.rules.lint import rule_warnings as warnings  # only `check` asks for them

    return warnings(rules)


def failing_condition(rule: Rule, inquiry: Inquiry) -> str | None:
    """Say in words that follow "the prompt" which part of the rule is the first not to hold; None when all hold."""
    from routerctl.classify.rules.wording import why_not  # only who asks why pays for it

    return why_not(rule.when, PromptFeatures(inquiry))

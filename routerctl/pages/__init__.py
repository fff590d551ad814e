"""Templates and values -> HTML that stays inert whatever a model wrote, in the look that all pages share.

Every printed string passes `redacted` and `visible` (Jinja's `finalize`), then autoescape; a Content-Security-Policy,
which each page states itself, forbids scripts and loads. It knows no run and no log. Place: the ground.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TypeVar

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from routerctl import levels, words
from routerctl.redaction import redacted
from routerctl.scorers import IMPORTED
from routerctl.types import Candidate, Verdict

T = TypeVar("T")


def environment(folder: str) -> Environment:
    """Give the environment of the templates in a folder of the package, with those that all pages share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("routerctl", folder), PackageLoader("routerctl", "pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    writers = (words.usd, words.percent, words.spread, words.as_written, words.odds, words.seconds, words.count)
    made.filters |= {writer.__name__: _or_dash(writer) for writer in writers}
    made.filters |= {
        "day_and_time": words.day_and_time,
        "one_line": words.one_line,
        "as_text": words.as_text,
        "coded": coded,
    }
    made.globals |= {
        "bar_words": words.bar_words,
        "dash": dash,
        "levels": levels,
        "out_of": words.out_of,
        "plural": words.plural,
        "settings": settings,
        "slug": slug,
    }
    return made


@cache
def style() -> str:
    """Give the style sheet that all pages share."""
    return (files("routerctl.pages") / "page.css").read_text(encoding="utf-8")


def slug(verdict: Verdict) -> str:
    """The verdict as it stands in ids and style classes."""
    return verdict.name.lower().replace("_", "-")


def settings(candidate: Candidate) -> str:
    """What a candidate's pin leaves open: effort, strategy, region, whom it escalates to; "" where nobody knows."""
    if candidate.provider == IMPORTED:
        return ""
    strategy = candidate.strategy.name.replace("_", " ")
    if candidate.strategy.samples > 1:
        strategy += f" \u00d7 {candidate.strategy.samples}"
    effort = f"effort {candidate.effort}" if candidate.effort else ""
    then = f"then {candidate.escalation.to}" if candidate.escalation else ""
    return " \u00b7 ".join(part for part in (effort, strategy, candidate.region, then) if part)


def dash(reason: str) -> Markup:
    """A missing figure: an em dash that says why it is missing."""
    return Markup('<abbr class="missing" title="{}">\u2014</abbr>').format(words.visible(reason))


def coded(text: str) -> Markup:
    """A sentence whose `commands` stand between backticks, as in a terminal, with the commands set as code."""
    parts = words.visible(redacted(text)).split("`")
    marked = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(marked)


def _finalize(value: object) -> object:
    return words.visible(redacted(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _or_dash(write: Callable[[T], str]) -> Callable[[T | None, str], str]:
    def written(value: T | None, reason: str = "not measured") -> str:
        return dash(reason) if value is None else write(value)

    return written

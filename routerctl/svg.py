"""Numbers and hostile text -> the parts of an SVG picture, escaped.

Knows no table and no numbers behind the picture. Colours and fonts are the page's style sheet's. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from routerctl.words import visible

Spot = tuple[float, float]  # x to the right, y downwards, in the picture's units


def svg(kind: str, size: Spot, title: str, parts: Iterable[Markup], described: str = "") -> Markup:
    """Frame a picture; `kind` is its style class, and a screen reader reads out its title and description."""
    desc = tag("<desc>{}</desc>", described) if described else ""
    head = '<svg class="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>{}{}</svg>'
    return tag(head, kind, *size, visible(title), desc, Markup("").join(parts))


def line(kind: str, start: Spot, end: Spot) -> Markup:
    """Draw a straight line."""
    return tag('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', kind, *start, *end)


def text(kind: str, at: Spot, words: object, anchor: str = "start") -> Markup:
    """Write words; `anchor`: which part of them stands at the spot, `start`, `middle` or `end`."""
    return tag('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', kind, *at, anchor, visible(str(words)))


def tag(template: str, *values: object) -> Markup:
    """Fill a literal template; numbers to a tenth of a unit, everything else escaped."""
    filled = (f"{value:.1f}" if isinstance(value, float) else value for value in values)
    return Markup(template).format(*filled)  # noqa: S704 - every template is a literal

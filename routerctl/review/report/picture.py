"""Turns points (cost, score, interval) into SVG: a class's scatter plot with numbered marks, and a whisker.

Pure; colours, fonts and the verdicts' shapes (`#v-...`) belong to the page's style sheet and template. Numbers stand
for the names in the table beside the picture and the bar's words have a row of their own, so nothing is placed around
anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from markupsafe import Markup

from routerctl.pages import slug
from routerctl.svg import line, svg, tag, text
from routerctl.types import Verdict
from routerctl.words import percent, spread, usd, visible

WIDTH, HEIGHT = 560.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 548.0, 24.0, 280.0  # of the plotting area
LEGEND = 14.0  # where the bar's words stand, above everything else
_APART = 18.0  # least distance of two marks, so that numbers of two digits stay apart
_LOG_FROM = 4.0  # dearest / cheapest from which a log scale shows more than a linear one


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One candidate on one class."""

    name: str
    cost_usd: Decimal  # per 1,000 requests
    score: float
    interval: tuple[float, float]
    verdict: Verdict
    chosen: bool
    number: int | None = None  # in the table beside the picture; None: one of many, drawn as a dot


def scatter(points: Sequence[Point], *, bar: float, bar_text: str, title: str) -> Markup:
    """Draw score over cost, the bar as a line with its words; `points` must not be empty.

    Those with a number have a mark, their interval and the number above it; the others are dots.
    """
    floor = _floor(points, bar)
    marked, dots = [one for one in points if one.number is not None], [one for one in points if one.number is None]
    placed = list(zip(spread_out([_x(one, points) for one in marked]), marked, strict=True))
    bar_text = f"bar {bar_text}"
    parts = [
        *_axes(points, floor),
        line("bar", (LEFT, _y(bar, floor)), (RIGHT, _y(bar, floor))),
        line("bar", (LEFT, LEGEND - 4), (LEFT + 23, LEGEND - 4)),
        text("legend", (LEFT + 29, LEGEND), bar_text),
        *(_dot(_x(one, points), one, floor) for one in dots),
        *(_whisker(x, one, floor) for x, one in placed),
        *(_mark(x, one, floor) for x, one in placed),
        *(_number(x, one, floor) for x, one in placed),
    ]
    return svg("scatter", (WIDTH, HEIGHT), title, parts, _described(points, bar_text))


def whisker(
    score: float, interval: tuple[float, float], *, bar: float, bar_text: str, floor: float, verdict: Verdict
) -> Markup:
    """Draw one score with its interval and the bar on a scale from `floor` to 1, 132 x 18."""

    def place(share: float) -> float:
        return 4 + 124 * (min(max(share, floor), 1.0) - floor) / (1 - floor)

    return tag(
        '<svg class="whisker v-{}" viewBox="0 0 132 18" role="img"><title>{}</title>'
        '<line class="scale" x1="4" x2="128" y1="9" y2="9"/><line class="interval" x1="{}" x2="{}" y1="9" y2="9"/>'
        '<line class="bar" x1="{}" x2="{}" y1="2" y2="16"/><circle cx="{}" cy="9" r="3.5"/></svg>',
        slug(verdict),
        f"{percent(score)}, interval {spread(interval)}, bar {bar_text}",
        place(interval[0]),
        place(interval[1]),
        place(bar),
        place(bar),
        place(score),
    )


def _floor(points: Sequence[Point], bar: float) -> float:
    """Where the pass-rate axis begins: a tenth below everything drawn, so that 1 stays on the picture."""
    least = min(bar, *(point.interval[0] for point in points), *(point.score for point in points))
    return max(0.0, math.floor(least * 10 - 0.25) / 10)


def _y(share: float, floor: float) -> float:
    return BOTTOM - (BOTTOM - TOP - 14) * (share - floor) / (1 - floor)


def _logarithmic(points: Sequence[Point]) -> bool:
    costs = [point.cost_usd for point in points]
    return min(costs) > 0 and max(costs) >= _LOG_FROM * float(min(costs))


def _range(points: Sequence[Point]) -> tuple[float, float]:
    """The cost axis: in log10 USD where it is logarithmic, else in USD from 0."""
    costs = [float(point.cost_usd) for point in points]
    if _logarithmic(points):
        return math.log10(min(costs)) - 0.12, math.log10(max(costs)) + 0.12
    return 0.0, max(costs) * 1.15 or 1e-6


def _x(point: Point, points: Sequence[Point]) -> float:
    cost = float(point.cost_usd)
    return _along(math.log10(cost) if _logarithmic(points) else cost, _range(points))


def _along(value: float, axis: tuple[float, float]) -> float:
    low, high = axis
    return LEFT + 14 + (RIGHT - LEFT - 28) * (value - low) / (high - low)


def spread_out(xs: Sequence[float]) -> list[float]:
    """Move marks of (nearly) equal cost apart, keeping their order; the table beside the picture has the figures."""
    order = sorted(range(len(xs)), key=lambda place: xs[place])
    apart = min(_APART, (RIGHT - LEFT - 28) / max(len(xs), 1))
    moved, edge = list(xs), RIGHT - 14
    for before, place in pairwise(order):
        moved[place] = max(moved[place], moved[before] + apart)
    for place in reversed(order):
        moved[place] = min(moved[place], edge)
        edge = moved[place] - apart
    return moved


def _axes(points: Sequence[Point], floor: float) -> Iterator[Markup]:
    step = 0.05 if floor >= 0.75 else 0.1 if floor >= 0.4 else 0.2
    for tick in range(math.ceil(floor / step - 1e-9), round(1 / step) + 1):
        y = _y(tick * step, floor)
        yield line("grid", (LEFT, y), (RIGHT, y))
        yield text("tick", (LEFT - 7, y + 4), f"{tick * step:.0%}", "end")
    for cost, x in _cost_ticks(points):
        yield line("grid", (x, BOTTOM), (x, BOTTOM + 4))
        yield text("tick", (x, BOTTOM + 18), usd(cost), "middle")
    yield line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM))
    scale = "log scale" if _logarithmic(points) else "linear scale"
    yield text("caption", ((LEFT + RIGHT) / 2, HEIGHT - 8), f"USD per 1,000 requests, {scale}", "middle")


def _cost_ticks(points: Sequence[Point]) -> list[tuple[Decimal, float]]:
    """Round costs on the axis, at most six, none nearer to another than its text is wide."""
    low, high = _range(points)
    if _logarithmic(points):
        decades = range(math.floor(low), math.ceil(high) + 1)
        costs = [Decimal(digit).scaleb(decade) for decade in decades for digit in (1, 2, 5)]
        places = [(cost, math.log10(cost)) for cost in costs]
    else:
        step = Decimal(1).scaleb(math.floor(math.log10(high)))
        step *= next(Decimal(part) for part in ("0.2", "0.5", "1", "2", "5") if high / float(step * Decimal(part)) <= 5)
        places = [(step * number, float(step * number)) for number in range(6)]
    shown = [(cost, _along(value, (low, high))) for cost, value in places if low <= value <= high]
    kept: list[tuple[Decimal, float]] = []
    for cost, x in shown:
        if not kept or x - kept[-1][1] >= 72:
            kept.append((cost, x))
    return kept


def _whisker(x: float, point: Point, floor: float) -> Markup:
    low, high = (_y(share, floor) for share in point.interval)
    path = f"M{x - 4:.1f} {high:.1f}h8M{x:.1f} {high:.1f}V{low:.1f}M{x - 4:.1f} {low:.1f}h8"
    return tag('<path class="interval v-{}" d="{}"/>', slug(point.verdict), path)


def _mark(x: float, point: Point, floor: float) -> Markup:
    y = _y(point.score, floor)
    ring = tag('<circle class="ring" cx="{}" cy="{}" r="11.5"/>', x, y) if point.chosen else ""
    return tag(
        '<g class="v-{}">{}<use href="#v-{}" x="{}" y="{}" width="16" height="16"/><title>{}</title></g>',
        slug(point.verdict),
        ring,
        slug(point.verdict),
        x - 8,
        y - 8,
        _sentence(point),
    )


def _dot(x: float, point: Point, floor: float) -> Markup:
    dot = '<circle class="dot v-{}" cx="{}" cy="{}" r="3"><title>{}</title></circle>'
    return tag(dot, slug(point.verdict), x, _y(point.score, floor), _sentence(point))


def _number(x: float, point: Point, floor: float) -> Markup:
    """Write a mark's number above its interval, its shape or, of the chosen one, the ring around it."""
    top = min(_y(point.interval[1], floor), _y(point.score, floor) - (12 if point.chosen else 9))
    return text("name chosen" if point.chosen else "name", (x, top - 3), point.number, "middle")


def _sentence(point: Point) -> str:
    chosen = ", chosen" if point.chosen else ""
    name, score = visible(point.name), f"{percent(point.score)} ({spread(point.interval)})"
    return f"{name}: {score} at {usd(point.cost_usd)} per 1,000 requests, {point.verdict.value}{chosen}"


def _described(points: Sequence[Point], bar_text: str) -> str:
    """Say what the marks show; the dots, each with a title of its own, are counted."""
    marked = [f"{one.number}: {_sentence(one)}" for one in points if one.number is not None]
    dots = len(points) - len(marked)
    return "; ".join([bar_text, *marked, *([f"{dots} more as dots"] if dots else [])])

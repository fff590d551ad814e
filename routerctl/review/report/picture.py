"""Turns points (cost, score, interval) into SVG: a class's scatter plot with numbered marks, and a whisker.

Pure; colours, fonts and the verdicts' shapes (`#v-...`) belong to the page's style sheet and template. Numbers stand
for the names in the table beside the picture, so nothing has to be placed around anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from markupsafe import Markup

from routerctl.types import Verdict
from routerctl.words import percent, spread, usd, visible

WIDTH, HEIGHT = 560.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 548.0, 12.0, 280.0  # of the plotting area
_LINE = 15.0  # height of a label
_LETTER = 7.1  # upper bound for the mean advance of the page's 12 px bold sans
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


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the picture's units, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def slug(verdict: Verdict) -> str:
    """The verdict as it stands in ids and style classes."""
    return verdict.name.lower().replace("_", "-")


def scatter(points: Sequence[Point], *, bar: float, bar_text: str, title: str) -> Markup:
    """Draw score over cost, the bar as a line with its words; `points` must not be empty.

    Those with a number have a mark, their interval and the number above it; the others are dots.
    """
    floor = _floor(points, bar)
    marked, dots = [one for one in points if one.number is not None], [one for one in points if one.number is None]
    y_bar, placed = _y(bar, floor), list(zip(spread_out([_x(one, points) for one in marked]), marked, strict=True))
    columns = [Box(x - 9, _top(one, floor) - _LINE, x + 9, _y(one.interval[0], floor)) for x, one in placed]
    bar_text = f"bar {bar_text}"
    bar_label = _place_bar(bar_text, y_bar, columns)
    parts = [
        *_axes(points, floor),
        _tag('<line class="bar" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, RIGHT, y_bar, y_bar),
        *(_dot(_x(one, points), one, floor) for one in dots),
        *(_whisker(x, one, floor) for x, one in placed),
        *(_mark(x, one, floor) for x, one in placed),
        *(_number(x, one, floor) for x, one in placed),
        _tag('<text class="bar-label" x="{}" y="{}">{}</text>', bar_label.left + 2, bar_label.bottom - 4, bar_text),
    ]
    head = '<svg class="scatter" viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>{}</svg>'
    return _tag(head, WIDTH, HEIGHT, visible(title), _described(points, bar_text), Markup("").join(parts))


def whisker(
    score: float, interval: tuple[float, float], *, bar: float, bar_text: str, floor: float, verdict: Verdict
) -> Markup:
    """Draw one score with its interval and the bar on a scale from `floor` to 1, 132 x 18."""

    def place(share: float) -> float:
        return 4 + 124 * (min(max(share, floor), 1.0) - floor) / (1 - floor)

    return _tag(
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


def _place_bar(text: str, y_bar: float, obstacles: Sequence[Box]) -> Box:
    width = len(text) * _LETTER
    steps = range(int((RIGHT - LEFT - 3 - width) / 12) + 1)
    spots = [(LEFT + 3 + 12 * step, top) for step in steps for top in (y_bar - _LINE, y_bar + 1)]
    boxes = [Box(left, top, left + width, top + _LINE) for left, top in spots]
    return next((box for box in boxes if not any(box.meets(other) for other in obstacles)), boxes[0])


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
        y, text = _y(tick * step, floor), f"{tick * step:.0%}"
        yield _tag('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, RIGHT, y, y)
        yield _tag('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>', LEFT - 7, y + 4, text)
    for cost, x in _cost_ticks(points):
        yield _tag('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', x, x, BOTTOM, BOTTOM + 4)
        yield _tag('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', x, BOTTOM + 18, usd(cost))
    yield _tag('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, RIGHT, BOTTOM, BOTTOM)
    scale = "log scale" if _logarithmic(points) else "linear scale"
    middle, caption = (LEFT + RIGHT) / 2, f"USD per 1,000 requests, {scale}"
    yield _tag('<text class="caption" x="{}" y="{}" text-anchor="middle">{}</text>', middle, HEIGHT - 8, caption)


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
    return _tag('<path class="interval v-{}" d="{}"/>', slug(point.verdict), path)


def _top(point: Point, floor: float) -> float:
    """Where a point's column ends: at its interval, its mark or, of the chosen one, the ring around it."""
    return min(_y(point.interval[1], floor), _y(point.score, floor) - (12 if point.chosen else 9))


def _mark(x: float, point: Point, floor: float) -> Markup:
    y = _y(point.score, floor)
    ring = _tag('<circle class="ring" cx="{}" cy="{}" r="11.5"/>', x, y) if point.chosen else ""
    return _tag(
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
    return _tag(dot, slug(point.verdict), x, _y(point.score, floor), _sentence(point))


def _number(x: float, point: Point, floor: float) -> Markup:
    style, y = "name chosen" if point.chosen else "name", _top(point, floor) - 3
    return _tag('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>', style, x, y, point.number)


def _sentence(point: Point) -> str:
    chosen = ", chosen" if point.chosen else ""
    name, score = visible(point.name), f"{percent(point.score)} ({spread(point.interval)})"
    return f"{name}: {score} at {usd(point.cost_usd)} per 1,000 requests, {point.verdict.value}{chosen}"


def _described(points: Sequence[Point], bar_text: str) -> str:
    """Say what the marks show; the dots, each with a title of its own, are counted."""
    marked = [f"{one.number}: {_sentence(one)}" for one in points if one.number is not None]
    dots = len(points) - len(marked)
    return "; ".join([bar_text, *marked, *([f"{dots} more as dots"] if dots else [])])


def _tag(template: str, *values: object) -> Markup:
    """Fill a template; numbers to a tenth of a unit, everything else escaped."""
    filled = (f"{value:.1f}" if isinstance(value, float) else value for value in values)
    return Markup(template).format(*filled)  # noqa: S704 - every template is a literal of this file

"""Turns the points of a table as a whole into SVG: cost against accuracy, of everything that could serve all classes.

Pure; colours and fonts belong to the page's style sheet. Only what stands out is labelled: the ends of the line of
random mixes, the table, and what serves today; the others have their names in a tooltip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from markupsafe import Markup

from routerctl.evaluation.worth import THOUSAND, exact
from routerctl.evaluation.worth.frontier import Frontier
from routerctl.svg import Spot, svg, tag, text
from routerctl.words import percent, usd, visible

_WIDTH, _HEIGHT = 560.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 470.0, 16.0, 256.0  # of the plotting area; labels run out to the right
_Point = tuple[float, float]  # cost, accuracy


class _Scale:
    """Where a point lies in the picture; cost from 0, accuracy over what there is."""

    def __init__(self, points: Sequence[_Point]) -> None:
        rights = [right for _, right in points]
        self.most = max(cost for cost, _ in points) or 1.0
        self.low, self.high = min(rights), max(*rights, min(rights) + 0.01)

    def at(self, point: _Point) -> Spot:
        x = _LEFT + (_RIGHT - _LEFT) * point[0] / self.most
        return x, _BOTTOM - (_BOTTOM - _TOP) * (point[1] - self.low) / (self.high - self.low)


def drawn(found: Frontier) -> Markup:
    """Draw constants, the random mixes of them, the path of the best choices, the table and today."""
    known = [*found.constants.values(), *found.path, found.table, *([found.today] if found.today else [])]
    scale = _Scale(known)
    parts = [
        *_axes(scale),
        _polyline("mixes", [scale.at(point) for point in found.line]),
        _polyline("path", [scale.at(point) for point in found.path]),
        *(_mark("constant", scale.at(point), f"always {name}", point) for name, point in found.constants.items()),
        *([_mark("today", scale.at(found.today), "today", found.today)] if found.today else []),
        _mark("table", scale.at(found.table), "the table", found.table),
        *_labels(found, scale),
    ]
    return svg("frontier", (_WIDTH, _HEIGHT), "Cost against accuracy over all classes", parts)


def _axes(scale: _Scale) -> Iterator[Markup]:
    yield tag('<path class="axis" d="M{} {}V{}H{}"/>', _LEFT, _TOP, _BOTTOM, _RIGHT)
    for right, y in ((scale.low, _BOTTOM), (scale.high, _TOP)):
        yield text("tick", (_LEFT - 6, y + 4), percent(right), "end")
    yield text("tick", (_LEFT, _BOTTOM + 18), _price(0.0))
    yield text("tick", (_RIGHT, _BOTTOM + 18), _price(scale.most), "end")
    yield text("tick", ((_LEFT + _RIGHT) / 2, _BOTTOM + 34), "per 1,000 requests", "middle")


def _polyline(kind: str, points: Sequence[Spot]) -> Markup:
    return tag('<polyline class="{}" points="{}"/>', kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _mark(kind: str, at: Spot, name: str, point: _Point) -> Markup:
    said = f"{visible(name)}: {percent(point[1])} right at {_price(point[0])} per 1,000 requests"
    circle = '<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>'
    return tag(circle, kind, *at, 6 if kind == "table" else 4, said)


def _labels(found: Frontier, scale: _Scale) -> Iterator[Markup]:
    """Names beside their marks, from above downwards; one that would touch the last one is left to its tooltip."""
    named = [
        (point, f"always {name}") for name, point in found.constants.items() if point in (found.line[0], found.line[-1])
    ]
    named += [(found.today, "today")] if found.today else []
    taken: list[float] = []
    for point, name in [(found.table, "the table"), *named]:
        x, y = scale.at(point)
        if all(abs(y - other) >= 13 for other in taken):
            taken.append(y)
            # Towards the middle, so that no name ends outside the picture.
            side, anchor = (9, "start") if x < (_LEFT + _RIGHT) / 2 else (-9, "end")
            yield text("name", (x + side, min(y, _BOTTOM - 12) + 4), name, anchor)  # not on the axis


def _price(cost: float) -> str:
    return usd((exact(cost) * THOUSAND).quantize(Decimal("0.000001")))

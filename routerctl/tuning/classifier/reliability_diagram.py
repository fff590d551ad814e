"""Reliability bins -> one SVG: what was said against what was right, and how often.

Colours and fonts are the report's style sheet's (its `scatter` class). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from routerctl.svg import line, svg, tag, text
from routerctl.tuning.classifier.calibration import Bin
from routerctl.words import count, percent

_SIZE, _LEFT, _TOP = 250.0, 46.0, 12.0  # of the square in which points stand
_BARS = 44.0  # height of the counts below it
WIDTH, HEIGHT = _LEFT + _SIZE + 12, _TOP + _SIZE + _BARS + 52


def reliability_picture(bins: Sequence[Bin], title: str) -> Markup:
    """Draw a dot a bin; on the diagonal what was said came true. Below: how many texts a bin has."""
    shown = [one for one in bins if one.count]
    described = "; ".join(
        f"said {percent(one.said)}, right {percent(one.right)} of {count(one.count)}" for one in shown
    )
    return svg("scatter", (WIDTH, HEIGHT), title, [*_axes(), *_dots(shown), *_bars(shown)], described)


def _axes() -> Iterator[Markup]:
    for tick in range(0, 11, 2):
        x, y = _x(tick / 10), _y(tick / 10)
        yield line("grid", (_LEFT, y), (_LEFT + _SIZE, y))
        yield text("tick", (_LEFT - 7, y + 4), f"{tick * 10}%", "end")
        yield text("tick", (x, _TOP + _SIZE + _BARS + 18), f"{tick * 10}%", "middle")
    yield line("bar", (_x(0), _y(0)), (_x(1), _y(1)))
    yield line("axis", (_x(0), _y(0)), (_x(1), _y(0)))
    yield text("caption", (_x(0.5), HEIGHT - 6), "probability that was said", "middle")


def _dots(bins: Sequence[Bin]) -> Iterator[Markup]:
    """Draw a dot a bin, its area by the number of texts: two texts must not look like seven hundred."""
    most = max((one.count for one in bins), default=1)
    for one in bins:
        sentence = f"said {percent(one.said)}, right {percent(one.right)}, {count(one.count)} texts"
        dot = '<g class="v-proven"><circle class="solid" cx="{}" cy="{}" r="{}"/><title>{}</title></g>'
        yield tag(dot, _x(one.said), _y(one.right), max(2.0, 7 * (one.count / most) ** 0.5), sentence)


def _bars(bins: Sequence[Bin]) -> Iterator[Markup]:
    most = max((one.count for one in bins), default=1)
    base = _TOP + _SIZE + _BARS + 4
    for one in bins:
        height = max(1.0, (_BARS - 8) * one.count / most)
        bar = '<rect class="v-not-run solid" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        width = _SIZE * (one.high - one.low) - 2
        yield tag(bar, _x(one.low) + 1, base - height, width, height, f"{count(one.count)} texts")


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1 - share)

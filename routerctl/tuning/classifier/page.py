"""A trained classifier -> one self-contained HTML file that shows how good it is.

Place: training's report, in the look of the evaluation's (its style sheet). Prompts are hostile text: every string
passes `visible`, then autoescape, and a Content-Security-Policy forbids scripts and loads.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from routerctl import words
from routerctl.tuning.classifier.cross_validation import Validated
from routerctl.tuning.classifier.groups import ALIKE
from routerctl.tuning.classifier.reliability_diagram import reliability_picture
from routerctl.tuning.classifier.train import Trained

FAMILY_NAMES = {
    "ngrams": "words and n-grams",
    "embedding": "sentence embedding",
    "length": "prompt length only",
    "majority": "the most frequent class",
}
SHOWN_NEAREST = 20


def render_classifier(trained: Trained, *, digest: str, size: int) -> str:
    """Return the report as one HTML document; `digest`, `size` (bytes): of the file that was written."""
    style = Markup("\n" + _style())  # noqa: S704 - the package's own style sheet
    lead, second = sentences(trained)
    return (
        _environment()
        .get_template("classifier.html.j2")
        .render(
            trained=trained,
            chosen=trained.chosen,
            families=(trained.chosen, *trained.others),
            names=FAMILY_NAMES,
            nearest=trained.nearest_threshold(SHOWN_NEAREST),
            picture=reliability_picture(trained.chosen.reliability.bins, "Probabilities said and shares right"),
            digest=digest,
            size=size,
            lead=lead,
            second=second,
            likeness=likeness(trained.alike),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def sentences(trained: Trained) -> tuple[str, str]:
    """Say in two sentences how good the classifier is, and how it stands to the other family."""
    chosen = trained.chosen
    length = next(one for one in trained.others if one.family == "length")
    lead = (
        f"On prompts it had not seen, it names the right one of {len(trained.classes)} classes with a macro-F1 of "
        f"{words.percent(chosen.scores.macro_f1)}; the prompt's length alone gives "
        f"{words.percent(length.scores.macro_f1)}."
    )
    return lead, compared(trained)


def compared(trained: Trained) -> str:
    """Say how the written family stands to the one it was compared with."""
    other = next((one for one in trained.others if one.family in ("ngrams", "embedding")), None)
    if other is None:
        return "No other family of features was compared."
    ahead = trained.chosen.scores.macro_f1 - other.scores.macro_f1
    overlap = _overlap(trained.chosen, other)
    word = "better" if ahead >= 0 else "worse"
    doubt = "; the intervals overlap" if overlap else ""
    return (
        f"{FAMILY_NAMES[trained.chosen.family].capitalize()} do {abs(ahead) * 100:.1f} points {word} than "
        f"{FAMILY_NAMES[other.family]} ({words.percent(other.scores.macro_f1)}){doubt}."
    )


def likeness(alike: float | None) -> str:
    """Say which texts were never on both sides of a fold; "" where it is what the report says anyway."""
    if alike == ALIKE:
        return ""
    told = "only equal texts" if alike is None else f"only texts that overlap by {alike:.0%}"
    return (
        f"Some class's texts are all of one form, so {told} were kept on one side of a fold, not near-duplicates from "
        f"{ALIKE:.0%} on: the figures hold for prompts of that form."
    )


def _overlap(one: Validated, other: Validated) -> bool:
    (low, high), (least, most) = one.scores.interval, other.scores.interval
    return low <= most and least <= high


def _style() -> str:
    return (files("routerctl.review.report") / "report.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("routerctl", "tuning/classifier"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        writer.__name__: writer for writer in (words.percent, words.spread, words.as_written, words.count)
    }
    environment.filters["one_line"] = words.one_line
    environment.globals["plural"] = words.plural
    return environment


def _finalize(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else words.visible(value)

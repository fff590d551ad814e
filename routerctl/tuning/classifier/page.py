"""A trained classifier -> one self-contained HTML file that shows how good it is.

Prompts are hostile text: `pages` escapes every string, and a Content-Security-Policy forbids scripts and loads.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from jinja2 import Environment
from markupsafe import Markup

from routerctl import words
from routerctl.pages import environment
from routerctl.pages import style as style_sheet
from routerctl.tuning.classifier.groups import ALIKE
from routerctl.tuning.classifier.reliability_diagram import reliability_picture
from routerctl.tuning.classifier.train import Trained

FAMILY_NAMES = {
    "ngrams": "words and n-grams",
    "length": "prompt length only",
    "majority": "the most frequent class",
}
SHOWN_NEAREST = 20


def render_classifier(trained: Trained, *, digest: str, size: int) -> str:
    """Return the report as one HTML document; `digest`, `size` (bytes): of the file that was written."""
    style = Markup("\n" + style_sheet())  # noqa: S704 - the package's own style sheet
    return (
        _environment()
        .get_template("classifier.html.j2")
        .render(
            trained=trained,
            ngrams=trained.ngrams,
            families=(trained.ngrams, *trained.baselines),
            names=FAMILY_NAMES,
            nearest=trained.nearest_threshold(SHOWN_NEAREST),
            picture=reliability_picture(trained.ngrams.reliability.bins, "Probabilities said and shares right"),
            digest=digest,
            size=size,
            lead=lead(trained),
            likeness=likeness(trained.alike),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def lead(trained: Trained) -> str:
    """Say how good the classifier is."""
    return (
        f"On prompts it had not seen, it names the right one of {len(trained.classes)} classes with a macro-F1 of "
        f"{words.percent(trained.ngrams.scores.macro_f1)}; the prompt's length alone gives "
        f"{words.percent(trained.length.scores.macro_f1)}."
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


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment("tuning/classifier")

"""The header of a table -> which column has which role, and what other names mean.

It looks at names alone, in whatever case and with whatever blanks they are written; `columns` looks into the cells.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from routerctl.errors import close_to, nearest
from routerctl.evaluation.importers.base import Columns, SourceFile

Cells = Mapping[str, Any]

NAMES = {  # what a column of each role is usually called; the first that is there counts
    "task_class": ("task_class", "class", "task", "subject", "category"),
    "case": ("case_id", "id", "case", "sample_id", "question_id", "prompt_id", "doc_id"),
    "model": ("model", "candidate", "model_id", "model_name"),
    "score": ("score", "correct", "passed", "pass", "is_correct", "outcome"),
    "cost": ("cost_usd", "cost"),
    "latency": ("latency_s", "latency_ms"),
    "cluster": ("cluster", "cluster_id"),
    "input": ("input", "prompt", "question"),
    "expected": ("expected", "target"),
    "reply": ("reply", "output", "response", "completion"),
    "error": ("error",),
    "epoch": ("epoch", "repeat", "repetition", "trial", "attempt"),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "cached_tokens": ("cached_tokens", "cache_read_tokens", "cached_input_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
}
NUMBERS = ("score", "cost", "latency", "input_tokens", "cached_tokens", "output_tokens")  # of a reply: in long tables
# What else people call a long table's score and model: no names of models, but too many meanings to be taken as read.
SCORES = frozenset(
    (
        *("scores", "accuracy", "acc", "grade", "grades", "rating", "reward", "success", "exact_match", "em", "f1"),
        *(
            "result",
            "results",
            "mark",
            "marks",
            "points",
            "pass_rate",
            "correctness",
            "judgment",
            "judgement",
            "verdict",
        ),
        *("metric", "value", "final_score", "score_value", "mean_score", "eval_score", "is_pass", "right"),
    )
)
MODELS = frozenset(("llm", "lm", "llms", "models", "llm_name", "model_version", "deployment", "provider", "engine"))
# Numbers of a case or of how it was asked, which may happen to lie between 0 and 1.
SETTINGS = frozenset(
    (
        *("temperature", "top_p", "weight", "seed", "fold", "index", "difficulty", "confidence", "human", "label"),
        *("row", "no", "number", "count", "length", "split", "turns", "unnamed:_0"),
    )
)
# Words in the names of other numbers; a column of numbers without one may be a model on another scale.
SIDE = frozenset(
    (
        *("token", "tokens", "latency", "time", "ms", "s", "sec", "secs", "second", "seconds", "duration", "cost"),
        *(
            "costs",
            "usd",
            "price",
            "length",
            "len",
            "chars",
            "words",
            "count",
            "counts",
            "size",
            "year",
            "month",
            "day",
        ),
        *("date", "timestamp", "age", "difficulty", "level", "rank", "id", "idx", "index", "no", "num", "number"),
        *("line", "row", "page", "seed", "temperature", "weight", "version", "turn", "turns", "batch", "fold", "steps"),
        *("retries", "attempts", "max", "min", "total", "top", "code", "hash", "group", "label", "answer", "n"),
    )
)
_ALIKE = 0.8  # of difflib's ratio: `modle`, `costs` and `pased` are, `base` and `tags` are not


def cell(row: Cells, roles: Mapping[str, str], role: str) -> Any:
    """A row's value in a role; an empty text is none."""
    name = roles.get(role)
    value = row.get(name) if name is not None else None
    return None if value == "" else value


def roles_of(header: Sequence[str], columns: Columns, source: SourceFile) -> dict[str, str]:
    """Name the column of each role that has one, in whatever case its usual name is written.

    Raises: InputError for a column that the user names and the table does not have.
    """
    known = {usual(name): name for name in reversed(header)}
    roles = {}
    for role, names in NAMES.items():
        given = getattr(columns, role, None)
        if given is not None and given not in header and plain_name(given) not in header:
            raise source.error(f"no column {given!r}{nearest(given, header)}", 1)
        if given is not None:
            roles[role] = given if given in header else plain_name(given)
            continue
        found = next((known[name] for name in names if name in known), None)
        alike = [name for name in header if found is not None and usual(name) == usual(found)]
        if len(alike) > 1:
            raise source.error(f"two columns are called alike: {alike[0]!r} and {alike[1]!r}; rename one", 1)
        if found is not None:
            roles[role] = found
    return roles


def check_once(header: Sequence[str], source: SourceFile) -> None:
    """Refuse a header that names two columns alike: the later would stand for both.

    Raises: InputError.
    """
    twice = next((name for place, name in enumerate(header) if name in header[:place]), None)
    if twice is not None:
        raise source.error(f"two columns are named {twice!r}", 1)


def plain_name(name: str) -> str:
    """Give a column's name without blanks around it and without characters that nobody sees, as a byte-order mark."""
    return "".join(char for char in name if unicodedata.category(char) != "Cf").strip()


def usual(name: str) -> str:
    """Write a name as the usual ones are written."""
    return re.sub(r"[\s\-.]+", "_", unicodedata.normalize("NFKC", plain_name(name)).lower())


def close_name(name: str, roles: Iterable[str]) -> str | None:
    """The usual name of one of these roles that a column's name is nearly."""
    return close_to(usual(name), {name for role in roles for name in NAMES[role]}, _ALIKE)

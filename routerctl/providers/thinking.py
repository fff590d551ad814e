"""Tells how many tokens a reply may take: the class's limit, the candidate's, or room for thinking before it.

Which models think is data with its day and source (`thinking.yaml`); a candidate with an effort thinks whatever its id.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from routerctl.files.yaml import parse_yaml
from routerctl.types import Candidate, ReplySpec

LITTLE_ROOM = 512  # tokens; with fewer a model that thinks first may give no text at all


def reply_limit(candidate: Candidate, reply: ReplySpec) -> int:
    """Give the `max_tokens` of a request: the smaller of the class's and the candidate's.

    The limit of a candidate that thinks goes before the class's, which is made for what is seen of a reply.
    """
    own = candidate.max_tokens
    if own is None or (own > reply.max_tokens and not thinks(candidate)):
        return reply.max_tokens
    return own


def thinks(candidate: Candidate) -> bool:
    """Tell whether a candidate thinks before it answers, as far as its effort or its id tells."""
    return candidate.effort is not None or bool(_pattern().match(candidate.model.rpartition("/")[2]))


@cache
def _pattern() -> re.Pattern[str]:
    text = files("routerctl").joinpath("providers", "thinking.yaml").read_text(encoding="utf-8")
    models = parse_yaml(text, "thinking.yaml").value["models"]
    return re.compile("|".join(f"(?:{one['id']})" for one in models), re.IGNORECASE)

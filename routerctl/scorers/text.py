"""A reply as text -> a score: exact, contains, regex, token_f1, similarity.

They know nothing of numbers, JSON or labels: "3.0" is not "3" here.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_left
from collections import Counter

from routerctl.errors import nearest
from routerctl.scorers.base import Params, Scorer, Unscorable, flag, normalised, only, shown, texts
from routerctl.scorers.markup import STRUCK
from routerctl.scorers.numerals import is_scaled
from routerctl.scorers.reply import visible
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.scorers.stance import Sentence, denied, sentences
from routerctl.types import Json

# A pattern on 100,000 characters needs milliseconds unless it backtracks without end.
_REGEX_LIMITS = Limits(cpu_s=2, wall_s=20, memory_mb=512)
# Without rapidfuzz's partial_ratio: on a long reply it takes minutes and cannot be stopped.
_MOST_PLACES = 1_000  # of a text in a reply that are looked at for a negation
_METRICS = ("ratio", "token_sort_ratio", "token_set_ratio", "levenshtein")


def _trimmed(text: str, _: Params) -> str | None:
    return visible(text).strip() or None


# --- exact, contains --------------------------------------------------------------------------------------------------


def _normalised(text: str, params: Params) -> str | None:
    return normalised(text, case_sensitive=flag(params, "case_sensitive")) or None


def _check_exact(params: Params, expected: Json) -> None:
    only(params, "case_sensitive")
    flag(params, "case_sensitive")
    if expected is not None and not all(_normalised(text, params) for text in texts(expected)):
        raise ValueError("an expected text is empty")


def _score_exact(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    wanted = [_normalised(text, params) for text in texts(expected)]
    return (1.0, "equal") if extracted in wanted else (0.0, f"not equal to {shown(' or '.join(texts(expected)))}")


def _check_contains(params: Params, expected: Json) -> None:
    only(params, "mode", "case_sensitive")
    if params.get("mode", "any") not in ("any", "all"):
        raise ValueError(f"mode: expected any or all, got {params['mode']!r}")
    _check_exact({name: value for name, value in params.items() if name != "mode"}, expected)


def _score_contains(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    read = STRUCK.sub(" ", extracted)
    missing = [text for text in texts(expected) if not _holds(read, _normalised(text, params) or "")]
    enough = not missing if params.get("mode", "any") == "all" else len(missing) < len(texts(expected))
    return float(enough), f"does not contain {shown(', '.join(missing))}" if missing else "contains all"


def _holds(text: str, part: str) -> bool:
    """Tell whether a text affirms a part: from where a word starts (no "legal" in "illegal"), whole numbers only."""
    said = sentences(text)
    starts = r"(?<![^\W_])(?<!non-)" if part[0].isalpha() and part[0] < "\u0e00" else ""
    starts = r"(?<![0-9])(?<![0-9][.,:/])(?<!\A[-\u2212])(?<![\s(=:$][-\u2212])" if part[0].isdigit() else starts
    ends = r"(?![0-9]|[.,:/][0-9])" if part[-1].isdigit() else ""
    for count, found in enumerate(re.finditer(starts + re.escape(part) + ends, text)):
        place = bisect_left(said, found.start(), key=lambda one: one.end)
        within = Sentence(start=said[place].start, end=max(said[place].end, found.end()), asks=False)
        if part[-1].isdigit() and is_scaled(text, found.end()):
            continue
        if count >= _MOST_PLACES or not denied(text, found.start(), found.end(), sentence=within, reach=1):
            return True
    return False


# --- regex ------------------------------------------------------------------------------------------------------------


def _search(pattern: str, text: str, params: Params) -> str | None:
    """Give the first match's first group that took part (the whole match without groups), or None.

    `re` cannot be interrupted and a pattern may backtrack for ever on a hostile reply, so it runs in a limited child
    (about 25 ms). Not a linear-time engine: those lack look-around and back-references, which patterns in use have.
    """
    job = {"pattern": pattern, "text": text, "ignore_case": not flag(params, "case_sensitive")}
    ended = run_limited("regex", job, _REGEX_LIMITS)
    if ended.verdict is None:
        raise Unscorable(f"regex: the pattern {shown(pattern)!r} did not finish on this reply: {ended.why}")
    found: str | None = ended.verdict["found"]
    return found


def _extract_regex(text: str, params: Params) -> str | None:
    if "pattern" not in params:
        return text or None
    return _search(params["pattern"], text, params)


def _check_regex(params: Params, expected: Json) -> None:
    only(params, "pattern", "case_sensitive")
    flag(params, "case_sensitive")
    pattern = params.get("pattern", expected)
    if pattern is not None:
        if not isinstance(pattern, str):
            raise ValueError(f"expected a pattern as text, got {pattern!r}")
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
    if "pattern" in params and expected is not None:
        texts(expected)


def _score_regex(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    """Compare what `pattern` extracted as `exact` does; without `pattern`, search for the expected pattern."""
    if "pattern" not in params:
        found = _search(expected, extracted, params) is not None
        return float(found), "matches" if found else f"does not match {shown(expected)}"
    if expected is None:
        return 1.0, "matches"
    folding = {"case_sensitive": flag(params, "case_sensitive")}
    return _score_exact(_normalised(extracted, folding) or "", expected, folding)


# --- token_f1, similarity ---------------------------------------------------------------------------------------------


def _tokens(text: str) -> list[str]:
    """Normalise as SQuAD v1.1's evaluation script does: lower case, no ASCII punctuation, no English articles."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def token_f1(answer: str, reference: str) -> float:
    """Give the F1 of the two bags of tokens, in [0, 1]; without tokens on a side, whether both have none.

    Source: Rajpurkar et al. 2016, SQuAD, and the no-answer rule of the v2.0 evaluation script (2018).
    """
    left, right = _tokens(answer), _tokens(reference)
    if not left or not right:
        return float(left == right)
    return 2 * (Counter(left) & Counter(right)).total() / (len(left) + len(right))


def _check_texts(params: Params, expected: Json) -> None:
    only(params)
    if expected is not None:
        texts(expected)


def _score_token_f1(extracted: str, expected: Json, _: Params) -> tuple[float, str]:
    best = max(token_f1(extracted, text) for text in texts(expected))
    return best, f"token F1 {best:.3f}"


def _check_similarity(params: Params, expected: Json) -> None:
    only(params, "metric", "case_sensitive")
    flag(params, "case_sensitive")
    if (metric := params.get("metric", "ratio")) not in _METRICS:
        raise ValueError(f"metric: no metric {metric!r}{nearest(str(metric), _METRICS)}")
    if expected is not None:
        texts(expected)


def _score_similarity(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    """Compare normalised texts; the metrics are rapidfuzz's, as shares instead of per cent."""
    from rapidfuzz import fuzz
    from rapidfuzz.distance import Levenshtein

    metric, sensitive = params.get("metric", "ratio"), flag(params, "case_sensitive")
    left, *others = (normalised(text, case_sensitive=sensitive) for text in (extracted, *texts(expected)))
    if metric == "levenshtein":
        best = max(Levenshtein.normalized_similarity(left, right) for right in others)
    else:
        best = max(getattr(fuzz, metric)(left, right) / 100 for right in others)
    return best, f"{metric} {best:.3f}"


EXACT = Scorer(name="exact", extract=_normalised, score=_score_exact, check=_check_exact)
CONTAINS = Scorer(name="contains", extract=_normalised, score=_score_contains, check=_check_contains)
REGEX = Scorer(name="regex", extract=_extract_regex, score=_score_regex, check=_check_regex)
TOKEN_F1 = Scorer(name="token_f1", extract=_trimmed, score=_score_token_f1, check=_check_texts)
SIMILARITY = Scorer(name="similarity", extract=_trimmed, score=_score_similarity, check=_check_similarity)

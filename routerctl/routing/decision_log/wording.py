"""Turns a row of the decision log, and the figures of a class, into words: what terminal and pages say of them.

Plain text, neither wrapped nor escaped: texts in it may be of foreign origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from routerctl.routing.decision_log.reader import Row
from routerctl.routing.decision_log.stats import ClassFigures
from routerctl.words import day_and_time, percent, perhaps_words, plain, plural, seconds, usd, usd_to

SHORT_ID = 8  # of an id's 32 hexadecimal digits: two of 10,000 decisions start alike in one of 86 logs
NO_CLASS = "(none)"  # of a request that named a candidate, so that no class was looked for
TEXTS_NOT_KEPT = "not kept (routing: log_prompts in routerctl.yaml keeps them)"
_MOST_SCORES, _MOST_SERVED = 4, 3
_QUIET = ("not confident", "no answer", "skipped", "cancelled", "classified")  # neither served nor failed


def how(row: Row) -> str:
    """Say in a few words who named the class and what was out of the ordinary."""
    model = row["served_model"]
    found = {
        row["decided_by"]: True,
        row["why"]: row["why"] not in (None, "first"),
        "refused": row["refused"],
        "cut off": row["truncated"],
        f"served {model}": bool(model and row["pinned_model"] and model != row["pinned_model"]),
        f"rated {rating(row['feedback'])}": row["feedback"] is not None,
    }
    return ", ".join(words for words, holds in found.items() if holds)


def rating(score: float | None) -> str:
    """Say a score as it was given."""
    return "" if score is None else {1.0: "good", 0.0: "bad"}.get(score, f"{score:g}")


def moment(row: Row) -> str:
    """Write when a decision was made, in UTC, without the year: `11-23 14:05:59`."""
    return f"{row['at'][5:10]} {row['at'][11:19]}"


def wait_s(row: Row) -> float | None:
    """Give the seconds from the inquiry to the answer, else those of the serving calls; None: not known."""
    return row["latency_s"] if row["total_s"] is None else row["total_s"]  # type: ignore[no-any-return]  # a column


def cost_in_short(row: Row) -> str:
    """Write what a decision cost; `+`: it may be more."""
    return f"{usd(Decimal(row['cost_usd']))}{'+' if Decimal(row['perhaps_usd']) else ''}"


# --- the story of one decision ----------------------------------------------------------------------------------------


def facts(row: Row) -> Iterator[tuple[str, str]]:
    """Tell a decision part by part, each under its name, up to what was tried."""
    yield "asked", _asked(row)
    yield "class", _class(row)
    level = f"; {row['task_class']} is {row['level']} in it" if row["level"] else ""
    yield "table", f"version {row['table_version']}, {row['table_digest']}{level}"
    yield "could serve", _could_serve(row)


def outcome(row: Row) -> Iterator[tuple[str, str]]:
    """Tell what came of it, each under its name."""
    yield "served", _served(row)
    cost = Decimal(row["cost_usd"])
    exactly = f" ({cost} USD)" if cost else ""
    yield "cost", f"{usd(cost)} in all{exactly}{perhaps(row)}"
    yield "time", _time(row)


def _asked(row: Row) -> str:
    given = [f"{name} {row[key]}" for key, name in (("inquiry_id", "id"), ("tenant",) * 2, ("step",) * 2) if row[key]]
    return ", ".join([*given, plain(plural(row["prompt_chars"], "character"))]) + f"\n{row['prompt_digest']}"


def _class(row: Row) -> str:
    words = f"{row['task_class']}, named by {_namer(row)}" if row["task_class"] else f"{NO_CLASS}: a model was named"
    scores = sorted(row["scores"].items(), key=lambda item: -item[1])
    if not scores:
        return words
    likely = ", ".join(f"{name} {percent(share)}" for name, share in scores[:_MOST_SCORES])
    # Shares for the case that it is one of them: whether it is, is another question, which had the answer no.
    unknown = "unknown; among its classes: " * (row["source"] == "default")
    return f"{words}\nthe classifier: {unknown}{likely}{', ...' * (len(scores) > _MOST_SCORES)}"


def _namer(row: Row) -> str:
    return {
        "caller": "the caller",
        "model": "the caller, as was the model",
        "classifier": "the classifier",
        "default": "the default",
    }.get(row["source"], str(row["decided_by"]))


def _could_serve(row: Row) -> str:
    arm = f", arm {row['arm']}" if row["arm"] else ""
    return f"{', '.join(row['rungs'])}; {row['chosen']} came first, with chance {row['propensity']:g}{arm}"


def place_words(hop: Mapping[str, Any]) -> str:
    """Say where a hop's candidate was asked, and for which model; keys at their default are not in the log."""
    place = f"at {hop['provider']}" if hop.get("provider") else ""
    model = f"({hop['model']})" if hop.get("model") else ""
    return f"{place} {model}".strip()


def fate(hop: Mapping[str, Any]) -> str:
    """Say how a hop ended."""
    ended = str(hop["outcome"])
    return ended if ended == "served" or ended in _QUIET else f"failed ({ended})"


def confidences(hop: Mapping[str, Any]) -> str:
    """Name the confidence of a hop's reply, by signal; "" where none was measured."""
    return ", ".join(f"{name} {value:.3g}" for name, value in (hop.get("confidence") or {}).items())


def perhaps(one: Mapping[str, Any]) -> str:
    """Say what a hop, or all of them, may have cost beside what is known."""
    return perhaps_words(Decimal(one.get("perhaps_usd", 0)))


def _served(row: Row) -> str:
    if row["served"] is None:
        return "nobody"
    pinned, model = row["pinned_model"], row["served_model"]
    if pinned and not model:
        pin = f"; it was to be {pinned}"
    else:
        pin = "" if pinned is None else ", as pinned" if pinned == model else f", but the pin is {pinned}"
    ended = f"; the reply ended with: {row['stop_reason']}" if row["stop_reason"] else ""
    return f"{row['served']}: {model or 'a model that the provider does not name'}{pin}{ended}"


def _time(row: Row) -> str:
    parts = {
        "to decide": row["decision_s"],
        "for the reply that was served": row["latency_s"],
        "in all": row["total_s"],
    }
    return (
        ", ".join(f"{plain(seconds(value))} {words}" for words, value in parts.items() if value is not None)
        or "not known"
    )


def feedback_words(said: Row) -> str:
    """Tell one thing that was said of a decision."""
    right = f"; the right class is {said['task_class']}" if said["task_class"] else ""
    note = f": {said['note']}" if said["note"] else ""
    return f"{rating(said['score'])} on {day_and_time(said['at'])}{right}{note}"


# --- figures ----------------------------------------------------------------------------------------------------------


def per_1000(one: ClassFigures) -> str:
    """Give the cost of 1,000 decisions; where calls told no tokens, also the most that it may have been."""
    return usd_to(*(1000 * amount / one.decisions for amount in (one.cost_usd, one.cost_usd + one.perhaps_usd)))


def served_by(one: ClassFigures) -> str:
    """Name the candidates that served most, with their shares, and how often another model than the pin did."""
    served = dict(list(one.served.items())[:_MOST_SERVED])
    rest = sum(one.served.values()) - sum(served.values())
    served |= {"others": rest} if rest else {}
    unpinned = f"; {percent(one.unpinned / one.decisions)} by another model than the pin" if one.unpinned else ""
    return shares(served, one.decisions) + unpinned


def levels_served(one: ClassFigures) -> str:
    """Name the level at which a class was served, or the levels with their shares."""
    known = sum(one.levels.values())
    if len(one.levels) == 1:
        return next(iter(one.levels))
    return shares(one.levels, known) if known else "not known"


def shares(parts: Mapping[str, int], whole: int) -> str:
    """Name the parts of a number of decisions with their shares."""
    return ", ".join(f"{name} {percent(number / whole)}" for name, number in parts.items()) or "nobody"

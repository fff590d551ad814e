"""One decision of the log -> its story in words, in lines of 80 columns, counted in terminal cells.

Place: beside `routerctl log show`; every text in it is foreign, and is made harmless by who prints the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from routerctl.cli.output.log import rating
from routerctl.cli.output.terminal import clean, wrapped
from routerctl.routing.decision_log.reader import Row
from routerctl.types import Json
from routerctl.words import as_text, day_and_time, percent, plain, plural, seconds, usd

_WIDTH = 79
_INDENT = 12
_MOST_TEXT = 2_000  # characters of a prompt or reply; --json has all of it
_MOST_SCORES = 4
_QUIET = ("not confident", "skipped", "cancelled", "classified")  # neither served nor failed


def story(row: Row, feedback: Sequence[Row]) -> list[str]:
    """Tell one decision, part by part; `feedback`: all that was said of it, oldest first."""
    lines = [f"decision {row['id']}, {day_and_time(row['at'])}"]
    for name, words in _parts(row, feedback):
        for paragraph in words.split("\n"):
            lines += _wrapped(name, paragraph)
            name = ""  # noqa: PLW2901 - the first paragraph alone has the name beside it
    return lines


def _wrapped(name: str, paragraph: str) -> list[str]:
    """Wrap one paragraph beside its name; a part that begins with two blanks stands deeper."""
    deeper = "  " * paragraph.startswith("  ")
    rows = wrapped(clean(paragraph.strip()), _WIDTH - _INDENT - len(deeper)) or [""]
    margins = [name, *[""] * (len(rows) - 1)]
    return [f"{margin:<{_INDENT}}{deeper}{row}".rstrip() for margin, row in zip(margins, rows, strict=True)]


def _parts(row: Row, feedback: Sequence[Row]) -> Iterator[tuple[str, str]]:
    yield "asked", _asked(row)
    yield "class", _class(row)
    level = f"; {row['task_class']} is {row['level']} in it" if row["level"] else ""
    yield "table", f"version {row['table_version']}, {row['table_digest']}{level}"
    yield "could serve", _could_serve(row)
    yield "tried", "\n".join(_hop(number, hop) for number, hop in enumerate(row["hops"], 1)) or "nobody"
    yield "served", _served(row)
    yield "cost", f"{usd(Decimal(row['cost_usd']))} in all ({row['cost_usd']} USD)"
    yield "time", _time(row)
    for said in feedback:
        yield "feedback", _feedback(said)
    if row["prompt"] is None:
        yield "texts", "not kept (routing: log_prompts in routerctl.yaml keeps them)"
        return
    yield "prompt", _text(row["prompt"])
    yield "reply", "none" if row["reply"] is None else _text(row["reply"])
    if row["features"] or row["attachments"]:
        yield "with", json.dumps({"features": row["features"], "attachments": row["attachments"]}, ensure_ascii=False)


def _asked(row: Row) -> str:
    given = [f"{name} {row[key]}" for key, name in (("inquiry_id", "id"), ("tenant",) * 2, ("step",) * 2) if row[key]]
    return ", ".join([*given, plain(plural(row["prompt_chars"], "character"))]) + f"\n{row['prompt_digest']}"


def _class(row: Row) -> str:
    words = f"{row['task_class']}, named by {_namer(row)}"
    scores = sorted(row["scores"].items(), key=lambda item: -item[1])
    if not scores:
        return words
    likely = ", ".join(f"{name} {percent(share)}" for name, share in scores[:_MOST_SCORES])
    # Shares for the case that it is one of them: whether it is, is another question, which had the answer no.
    unknown = "unknown; were it one of its classes, " * (row["source"] == "default")
    return f"{words}\nthe classifier: {unknown}{likely}{', ...' * (len(scores) > _MOST_SCORES)}"


def _namer(row: Row) -> str:
    return {"caller": "the caller", "classifier": "the classifier", "default": "the default"}.get(
        row["source"], str(row["decided_by"])
    )


def _could_serve(row: Row) -> str:
    arm = f", arm {row['arm']}" if row["arm"] else ""
    return f"{', '.join(row['rungs'])}; {row['chosen']} came first, with chance {row['propensity']:g}{arm}"


def _hop(number: int, hop: dict[str, Any]) -> str:
    """One try; keys at their default are not in the log."""
    place = f" at {hop['provider']}" if hop.get("provider") else ""
    model = f" ({hop['model']})" if hop.get("model") else ""
    why = hop.get("why", "first")
    parts = [f"{number}. {hop['candidate']}{place}{model}, {why}: {_fate(hop)}"]
    if hop.get("latency_s") is not None:
        parts.append(plain(seconds(hop["latency_s"])))
    parts += [plain(plural(hop["attempts"], "call")), usd(Decimal(hop["cost_usd"]))]
    lines = [", ".join(parts)]
    if hop.get("confidence"):
        lines.append("  confidence: " + ", ".join(f"{name} {value:.3g}" for name, value in hop["confidence"].items()))
    if hop.get("detail"):
        lines.append("  " + " ".join(hop["detail"].split()))
    return "\n".join(lines)


def _fate(hop: dict[str, Any]) -> str:
    outcome = hop["outcome"]
    return str(outcome) if outcome == "served" or outcome in _QUIET else f"failed ({outcome})"


def _served(row: Row) -> str:
    if row["served"] is None:
        return "nobody"
    pinned, model = row["pinned_model"], row["served_model"]
    pin = "" if pinned is None else ", as pinned" if pinned == model else f", but the pin is {pinned}"
    ended = f"; the reply ended with: {row['stop_reason']}" if row["stop_reason"] else ""
    return f"{row['served']}: {model or 'a model without a name'}{pin}{ended}"


def _time(row: Row) -> str:
    parts = {
        "to decide": row["decision_s"],
        "for the reply that was served": row["latency_s"],
        "in all": row["total_s"],
    }
    return ", ".join(f"{_brief(value)} {words}" for words, value in parts.items() if value is not None) or "not known"


def _brief(value_s: float) -> str:
    return f"{value_s * 1000:.2g} ms" if value_s < 0.01 else plain(seconds(value_s))


def _feedback(said: Row) -> str:
    right = f"; the right class is {said['task_class']}" if said["task_class"] else ""
    note = f": {said['note']}" if said["note"] else ""
    return f"{rating(said['score'])} on {day_and_time(said['at'])}{right}{note}"


def _text(value: Json) -> str:
    text = as_text(value)
    rest = len(text) - _MOST_TEXT
    return text if rest <= 0 else f"{text[:_MOST_TEXT]}\n[{rest:,} more characters; --json has all]"

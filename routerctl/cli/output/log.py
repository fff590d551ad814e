"""What `routerctl log list`, `show` and `tail` print once their options are read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from routerctl.cli.output.terminal import print_table, wrapped
from routerctl.files.codec import json_default
from routerctl.routing.decision_log.places import log_path, since_moment
from routerctl.routing.decision_log.reader import LogReader, Row, Wanted
from routerctl.routing.decision_log.stats import ClassFigures, figures_of
from routerctl.types import Json
from routerctl.words import as_text, clean, count, day_and_time, percent, plain, plural, seconds, usd

_POLL_S = 0.5  # `tail -f` looks so often
SHORT_ID = 8  # of an id's 32 hexadecimal digits: two of 10,000 decisions start alike in one of 86 logs


def wanted_of(
    task_class: str | None,
    tenant: str | None,
    candidate: str | None,
    outcome: str | None,
    since: str | None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Wanted:
    """Read the options that choose decisions.

    Raises: InputError.
    """
    wanted = Wanted(
        task_class=task_class,
        tenant=tenant,
        candidate=candidate,
        outcome=outcome,
        since=None if since is None else since_moment(since, now()),
    )
    wanted.condition()
    return wanted


def print_list(wanted: Wanted, *, limit: int, as_json: bool) -> None:
    """Print the latest decisions, newest first."""
    with LogReader(log_path(wanted.tenant)) as log:
        rows = log.latest(wanted, limit)
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row) + "\n")
        return
    if not rows:
        sys.stdout.write("no matching decision\n")
        return
    columns = ["at (UTC)", "id", "class", "served", "how", "took", "cost"]
    print_table(columns, [[_moment(row)[:11], *_cells(row)] for row in rows], right=columns[5:])


def _moment(row: Row) -> str:
    return f"{row['at'][5:10]} {row['at'][11:19]}"


def _cells(row: Row) -> list[str]:
    wait = _wait_s(row)
    return [
        row["id"][:SHORT_ID],
        row["task_class"],
        row["served"] or "nobody",
        how(row),
        "" if wait is None else plain(seconds(wait)),
        f"{usd(Decimal(row['cost_usd']))}{'+' if Decimal(row['perhaps_usd']) else ''}",
    ]


def _wait_s(row: Row) -> float | None:
    return row["latency_s"] if row["total_s"] is None else row["total_s"]  # type: ignore[no-any-return]  # a column


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


def print_tail(
    wanted: Wanted, *, limit: int, follow: bool, as_json: bool, wait: Callable[[float], None] = time.sleep
) -> None:
    """Print the latest decisions, oldest first; `follow`: go on until interrupted."""
    with LogReader(log_path(wanted.tenant)) as log:
        last = log.last_number()
        _print_lines(log.latest(wanted, limit)[::-1] if limit else [], as_json=as_json)
        while follow:
            wait(_POLL_S)
            newest = log.last_number()
            if newest < last:  # the log was pruned to nothing, and begins anew
                last = 0
            _print_lines(log.after(last, wanted) if newest > last else [], as_json=as_json)
            last = newest


def _print_lines(rows: list[Row], *, as_json: bool) -> None:
    for row in rows:
        sys.stdout.write((json.dumps(row) if as_json else clean(_line(row))) + "\n")
    sys.stdout.flush()


def _line(row: Row) -> str:
    short_id, name, served, said, wait, cost = _cells(row)
    return f"{_moment(row)} {short_id} {name} -> {served} ({said}), {', '.join(part for part in (wait, cost) if part)}"


def print_story(decision: str, tenant: str | None, *, as_json: bool) -> None:
    """Print everything that is known of one decision."""
    with LogReader(log_path(tenant)) as log:
        row = log.one(decision)
        said = log.feedback_of(row["id"])
    if as_json:
        sys.stdout.write(json.dumps({**row, "all_feedback": said}) + "\n")
    else:
        sys.stdout.write("".join(f"{clean(line)}\n" for line in story(row, said)))


# --- the story of one decision ----------------------------------------------------------------------------------------

_WIDTH = 79
_INDENT = 12
_MOST_TEXT = 2_000  # characters of a prompt or reply; --json has all of it
_MOST_SCORES = 4
_QUIET = ("not confident", "no answer", "skipped", "cancelled", "classified")  # neither served nor failed


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
    yield "cost", f"{usd(Decimal(row['cost_usd']))} in all ({row['cost_usd']} USD){_perhaps(row)}"
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
    unknown = "unknown; among its classes: " * (row["source"] == "default")
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
    parts += [plain(plural(hop["attempts"], "call")), f"{usd(Decimal(hop['cost_usd']))}{_perhaps(hop)}"]
    lines = [", ".join(parts)]
    if hop.get("confidence"):
        lines.append("  confidence: " + ", ".join(f"{name} {value:.3g}" for name, value in hop["confidence"].items()))
    if hop.get("detail"):
        lines.append("  " + " ".join(hop["detail"].split()))
    return "\n".join(lines)


def _perhaps(one: Mapping[str, Any]) -> str:
    """Say what a hop, or all of them, may have cost beside what is known."""
    perhaps = Decimal(one.get("perhaps_usd", 0))
    return f", perhaps up to {usd(perhaps)} more for calls that told no tokens" if perhaps else ""


def _fate(hop: dict[str, Any]) -> str:
    outcome = hop["outcome"]
    return str(outcome) if outcome == "served" or outcome in _QUIET else f"failed ({outcome})"


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


def _feedback(said: Row) -> str:
    right = f"; the right class is {said['task_class']}" if said["task_class"] else ""
    note = f": {said['note']}" if said["note"] else ""
    return f"{rating(said['score'])} on {day_and_time(said['at'])}{right}{note}"


def _text(value: Json) -> str:
    text = as_text(value)
    rest = len(text) - _MOST_TEXT
    return text if rest <= 0 else f"{text[:_MOST_TEXT]}\n[{rest:,} more characters; --json has all]"


# --- figures ----------------------------------------------------------------------------------------------------------

_MOST_SERVED = 3


def print_stats(wanted: Wanted, *, as_json: bool) -> None:
    """Print the figures of each class: what happened, then who decided and who served."""
    with LogReader(log_path(wanted.tenant)) as log:
        figures = figures_of(log, wanted)
    if as_json:
        found = {"classes": {one.task_class: _json(one) for one in figures}}
        sys.stdout.write(json.dumps(found, default=json_default) + "\n")
        return
    if not figures:
        sys.stdout.write("no matching decision\n")
        return
    columns = ["class", "asked", "escal.", "fallb.", "failed", "refused", "/1,000", "p50", "p95", "rated"]
    print_table(columns, [_happened(one) for one in figures], right=columns[1:])
    sys.stdout.write("\n")
    print_table(["class", "named by", "served by", "level"], [_who(one) for one in figures])


def _happened(one: ClassFigures) -> list[str]:
    shares = (one.escalated, one.fell_back, one.failed, one.refused)
    return [
        one.task_class,
        count(one.decisions),
        *(percent(number / one.decisions) for number in shares),
        _per_1000(one),
        *("" if wait is None else plain(seconds(wait)) for wait in (one.p50_s, one.p95_s)),
        "" if one.feedback is None else f"{one.feedback:.2f} ({one.rated})",
    ]


def _per_1000(one: ClassFigures) -> str:
    """Give the cost of 1,000 decisions; where calls told no tokens, also the most that it may have been."""
    known, most = (usd(1000 * amount / one.decisions) for amount in (one.cost_usd, one.cost_usd + one.perhaps_usd))
    return f"{known} to {most}" if one.perhaps_usd else known


def _who(one: ClassFigures) -> list[str]:
    served = dict(list(one.served.items())[:_MOST_SERVED])
    rest = sum(one.served.values()) - sum(served.values())
    served |= {"others": rest} if rest else {}
    unpinned = f"; {percent(one.unpinned / one.decisions)} by another model than the pin" if one.unpinned else ""
    return [
        one.task_class,
        _shares(one.sources, one.decisions),
        _shares(served, one.decisions) + unpinned,
        _levels(one),
    ]


def _levels(one: ClassFigures) -> str:
    known = sum(one.levels.values())
    if len(one.levels) == 1:
        return next(iter(one.levels))
    return _shares(one.levels, known) if known else "not known"


def _shares(parts: Mapping[str, int], whole: int) -> str:
    return ", ".join(f"{name} {percent(number / whole)}" for name, number in parts.items()) or "nobody"


def _json(one: ClassFigures) -> dict[str, Any]:
    names = [name for name in ClassFigures.__dataclass_fields__ if name != "task_class"]
    values = {name: getattr(one, name) for name in names}
    per_1000 = {
        f"{name}_per_1000_usd": (1000 * amount / one.decisions).quantize(Decimal("1e-9"))
        for name, amount in (("cost", one.cost_usd), ("perhaps", one.perhaps_usd))
    }
    return values | per_1000

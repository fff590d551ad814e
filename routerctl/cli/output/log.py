"""What `routerctl log list`, `show` and `tail` print once their options are read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from routerctl.cli.output.terminal import print_table, wrapped
from routerctl.files.codec import json_default
from routerctl.routing.decision_log.places import log_path, since_moment
from routerctl.routing.decision_log.reader import LogReader, Row, Wanted
from routerctl.routing.decision_log.stats import ClassFigures, figures_of
from routerctl.routing.decision_log.wording import (
    NO_CLASS,
    SHORT_ID,
    TEXTS_NOT_KEPT,
    confidences,
    cost_in_short,
    facts,
    fate,
    feedback_words,
    how,
    levels_served,
    moment,
    outcome,
    per_1000,
    perhaps,
    place_words,
    served_by,
    shares,
    wait_s,
)
from routerctl.types import Json
from routerctl.words import as_text, clean, count, day_and_time, percent, plain, plural, seconds, usd

_POLL_S = 0.5  # `tail -f` looks so often


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
    lines = [[moment(row)[:11], *_cells(row)] for row in rows]
    print_table(columns, lines, right=columns[5:], whole=columns[:2])


def _cells(row: Row) -> list[str]:
    wait = wait_s(row)
    return [
        row["id"][:SHORT_ID],
        row["task_class"] or NO_CLASS,
        row["served"] or "nobody",
        how(row),
        "" if wait is None else plain(seconds(wait)),
        cost_in_short(row),
    ]


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
    return f"{moment(row)} {short_id} {name} -> {served} ({said}), {', '.join(part for part in (wait, cost) if part)}"


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
    yield from facts(row)
    yield "tried", "\n".join(_hop(number, hop) for number, hop in enumerate(row["hops"], 1)) or "nobody"
    yield from outcome(row)
    for said in feedback:
        yield "feedback", feedback_words(said)
    if row["prompt"] is None:
        yield "texts", TEXTS_NOT_KEPT
        return
    yield "prompt", _text(row["prompt"])
    yield "reply", "none" if row["reply"] is None else _text(row["reply"])
    if row["features"] or row["attachments"]:
        yield "with", json.dumps({"features": row["features"], "attachments": row["attachments"]}, ensure_ascii=False)


def _hop(number: int, hop: dict[str, Any]) -> str:
    """One try; keys at their default are not in the log."""
    who = f"{hop['candidate']} {place_words(hop)}".rstrip()
    parts = [f"{number}. {who}, {hop.get('why', 'first')}: {fate(hop)}"]
    if hop.get("latency_s") is not None:
        parts.append(plain(seconds(hop["latency_s"])))
    parts += [plain(plural(hop["attempts"], "call")), f"{usd(Decimal(hop['cost_usd']))}{perhaps(hop)}"]
    lines = [", ".join(parts)]
    if said := confidences(hop):
        lines.append(f"  confidence: {said}")
    if hop.get("detail"):
        lines.append("  " + " ".join(hop["detail"].split()))
    return "\n".join(lines)


def _text(value: Json) -> str:
    text = as_text(value)
    rest = len(text) - _MOST_TEXT
    return text if rest <= 0 else f"{text[:_MOST_TEXT]}\n[{rest:,} more characters; --json has all]"


# --- figures ----------------------------------------------------------------------------------------------------------


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
    columns = ["class", "asked", "escal.", "fallb.", "failed", "refused", "/1,000", "p50 / p95", "rated"]
    lines = [_happened(one) for one in figures]
    if all(one.feedback is None for one in figures):
        columns, lines = columns[:-1], [line[:-1] for line in lines]
    print_table(columns, lines, right=columns[1:])
    sys.stdout.write("\n")
    print_table(["class", "named by", "served by", "level"], [_who(one) for one in figures])


def _happened(one: ClassFigures) -> list[str]:
    shares = (one.escalated, one.fell_back, one.failed, one.refused)
    return [
        one.task_class or NO_CLASS,
        count(one.decisions),
        *(percent(number / one.decisions) for number in shares),
        per_1000(one),
        " / ".join("-" if wait is None else plain(seconds(wait)) for wait in (one.p50_s, one.p95_s)),
        "" if one.feedback is None else f"{one.feedback:.2f} ({one.rated})",
    ]


def _who(one: ClassFigures) -> list[str]:
    return [one.task_class or NO_CLASS, shares(one.sources, one.decisions), served_by(one), levels_served(one)]


def _json(one: ClassFigures) -> dict[str, Any]:
    names = [name for name in ClassFigures.__dataclass_fields__ if name != "task_class"]
    values = {name: getattr(one, name) for name in names}
    per_1000 = {
        f"{name}_per_1000_usd": (1000 * amount / one.decisions).quantize(Decimal("1e-9"))
        for name, amount in (("cost", one.cost_usd), ("perhaps", one.perhaps_usd))
    }
    return values | per_1000

"""What `routerctl log list`, `show` and `tail` print once their options are read."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from routerctl.cli.output.terminal import clean, print_table
from routerctl.errors import InputError
from routerctl.routing.decision_log import DECISIONS_FILE
from routerctl.routing.decision_log.reader import LogReader, Row, Wanted
from routerctl.routing.decision_log.rows import stamp
from routerctl.routing.tenants import TENANTS_FOLDER
from routerctl.words import plain, seconds, usd

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_POLL_S = 0.5  # `tail -f` looks so often
SHORT_ID = 8  # of an id's 32 hexadecimal digits: two of 10,000 decisions start alike in one of 86 logs


def log_path(tenant: str | None = None) -> Path:
    """Give the log of the project in the current folder, or the one that a tenant has to itself."""
    if tenant is not None and Path(tenant).name == tenant:
        own = Path(TENANTS_FOLDER, tenant, DECISIONS_FILE)
        if own.is_file():
            return own
    return Path(DECISIONS_FILE)


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


def since_moment(text: str, now: datetime) -> str:
    """Turn `2h` or a day or moment into one as the log writes it.

    Raises: InputError.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return stamp((now - timedelta(seconds=float(ago[1]) * _UNITS_S[ago[2]])).isoformat())
        return stamp(text.strip())
    except (ValueError, OverflowError):
        raise InputError(f"--since: expected 30m, 2h, 7d, 2w or a moment like 2026-11-01, got {text!r}") from None


def print_list(wanted: Wanted, *, limit: int, as_json: bool) -> None:
    """Print the latest decisions, newest first."""
    with LogReader(log_path(wanted.tenant)) as log:
        rows = log.latest(wanted, limit)
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row) + "\n")
        return
    if not rows:
        sys.stdout.write("no such decision\n")
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
        usd(Decimal(row["cost_usd"])),
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
    from routerctl.cli.output.log_story import story

    with LogReader(log_path(tenant)) as log:
        row = log.one(decision)
        said = log.feedback_of(row["id"])
    if as_json:
        sys.stdout.write(json.dumps({**row, "all_feedback": said}) + "\n")
    else:
        sys.stdout.write("".join(f"{clean(line)}\n" for line in story(row, said)))

"""The differences of two tables -> text for a terminal, Markdown for a pull request, JSON for a program.

Descriptions, prompts, model ids and whatever an edited table holds are foreign. Text goes through `visible` and
`clean`. In Markdown every foreign text stands in a code span: there GitHub makes no link, no mention, no image and no
HTML of it, which backslashes alone would not stop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from routerctl.evaluation.worth import THOUSAND, Volumes, chosen_evidence
from routerctl.files.codec import encode, json_default
from routerctl.levels import risk_of
from routerctl.review.diff import (
    Bill,
    Change,
    Difference,
    TableChanges,
    bill,
    bill_words,
    counts_words,
    headline,
    pin_words,
    verdict_words,
)
from routerctl.types import Route, Table
from routerctl.words import NBSP, clean, visible

_COMMENT = 60_000  # characters: GitHub takes a comment of 65,536


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTables:
    """Two compared tables, and what else a reader is told of them."""

    found: TableChanges
    names: tuple[str, str]  # before, after: what the reader knows the tables by
    edited: tuple[bool, bool] = (False, False)  # the content does not match the digest
    since: Sequence[str] = ()  # what has changed in the project since its table was built
    asked: Volumes = field(default_factory=dict)  # requests a month that were counted

    @property
    def bill(self) -> Bill | None:
        """What the same requests cost under both."""
        return bill(self.found.before, self.found.after, self.asked)


# --- text -------------------------------------------------------------------------------------------------------------


def text(shown: ComparedTables) -> str:
    """Write the differences for a reader: the choices first, a class a paragraph; then the table, then the money."""
    found, names, since = shown.found, shown.names, shown.since
    lines = [f"{_titled(names[0], found.before)} -> {_titled(names[1], found.after)}: {_counts(shown)}"]
    for change in _by_weight(found):
        lines += ["", headline(change), *_rows(change.differences)]
    if same := _unchanged(found):
        lines += ["", f"unchanged: {', '.join(same)}"]
    if again := _again(found):
        lines += ["", "same decision, measured again:", *(f"  {headline(one)}" for one in again)]
    if found.general:
        lines += ["", "the table:", *_rows(found.general)]
    if since:
        lines += ["", _SINCE, *(f"  {one}" for one in since)]
    lines += ["", bill_words(shown.bill)]
    return "\n".join(clean(visible(line)) for line in lines)


_SINCE = "not in the table yet:"


def _counts(shown: ComparedTables) -> str:
    return counts_words(shown.found) + ("; the project has changed since" if shown.since else "")


def _titled(name: str, table: Table) -> str:
    return f"{name} (version {table.table_version})"


def _by_weight(found: TableChanges) -> list[Change]:
    """List the classes with another decision, those with another choice first, then those on another level."""
    return sorted((one for one in found.classes if one.what), key=lambda one: (not one.chooses, not one.levels))


def _unchanged(found: TableChanges) -> list[str]:
    return [one.task_class for one in found.classes if not one.what and not one.differences]


def _again(found: TableChanges) -> list[Change]:
    return [one for one in found.classes if not one.what and one.differences]


def _rows(differences: tuple[Difference, ...]) -> Iterator[str]:
    return (f"  {row.what}: {row.before} -> {row.after}" for row in differences)


# --- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(shown: ComparedTables) -> str:
    """Write the differences as a comment on a pull request: the sentences, and every row folded away."""
    found, names, since = shown.found, shown.names, shown.since
    title = " -> ".join(
        _titled(code(name), table) for name, table in zip(names, (found.before, found.after), strict=True)
    )
    lines = [f"### {title}", "", f"{_counts(shown)}. {bill_words(shown.bill, code)}."]
    lines += [
        f"\n> **Warning:** {code(name)} does not match its digest: edited by hand or damaged."
        for name, wrong in zip(names, shown.edited, strict=True)
        if wrong
    ]
    if since:
        lines += ["", f"**{_SINCE}**", "", *(f"- {code(one)}" for one in since)]
    changed = _by_weight(found)
    if changed:
        lines += ["", *(f"- {headline(one, code)}" for one in changed)]
    if same := _unchanged(found):
        lines += ["", f"Unchanged: {', '.join(code(name) for name in same)}"]
    if again := _again(found):
        lines += ["", "Same decision, measured again:", "", *(f"- {headline(one, code)}" for one in again)]
    sections = [*((code(one.task_class), one.differences) for one in changed), ("The table", found.general)]
    return _cut("\n".join(lines), list(_folded(sections)))


def _folded(sections: list[tuple[str, tuple[Difference, ...]]]) -> Iterator[str]:
    for title, rows in sections:
        if rows:
            listed = "\n".join(f"- {code(row.what)}: {code(row.before)} -> {code(row.after)}" for row in rows)
            yield f"#### {title}\n\n{listed}"


def _cut(head: str, parts: list[str]) -> str:
    """Fold the parts behind one line, as many as a comment holds."""
    if len(head) > _COMMENT:
        return head[: head.rfind("\n", 0, _COMMENT)] + "\n\nToo much for a comment: run `routerctl diff`."
    kept: list[str] = []
    room = _COMMENT - len(head)
    for part in parts:
        room -= len(part) + 2
        if room < 0:
            kept.append(f"{len(parts) - len(kept)} more do not fit here: run `routerctl diff`.")
            break
        kept.append(part)
    if not kept:
        return head
    return "\n\n".join([head, "<details><summary>All differences</summary>", *kept, "</details>"])


def code(foreign: str) -> str:
    """Put foreign text into a code span that it cannot end: the fence is longer than any run of backticks in it."""
    shown = clean(visible(foreign)).strip() or "(empty)"
    runs = [len(run) for run in "".join(one if one == "`" else " " for one in shown).split()]
    fence = "`" * (max(runs, default=0) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_json(shown: ComparedTables) -> str:
    """Write the differences as one line of JSON."""
    return json.dumps(values(shown), default=json_default)


def values(shown: ComparedTables) -> dict[str, Any]:
    """Give the differences as JSON has them; money is exact text, in USD."""
    found = shown.found
    sides = zip(("before", "after"), shown.names, (found.before, found.after), shown.edited, strict=True)
    return {
        **{side: _side(name, table, wrong) for side, name, table, wrong in sides},
        "differs": found.differs,
        "table": [_difference(row) for row in found.general],
        "classes": {one.task_class: _class(one, found) for one in found.classes},
        "cost": _cost(shown.bill),
        "since_built": list(shown.since),
    }


def _side(name: str, table: Table, edited: bool) -> dict[str, Any]:
    return {"name": name, "table_version": table.table_version, "digest": table.digest, "edited": edited}


def _difference(row: Difference) -> dict[str, str]:
    return {"what": row.what, "before": row.before.replace(NBSP, " "), "after": row.after.replace(NBSP, " ")}


def _class(change: Change, found: TableChanges) -> dict[str, Any]:
    return {
        "what": list(change.what),
        "other_choice": bool(change.what) and change.chooses,
        "other_level": bool(change.what) and change.levels,
        "words": headline(change).replace(NBSP, " "),
        "differences": [_difference(row) for row in change.differences],
        "before": _route(change.before, found.before),
        "after": _route(change.after, found.after),
    }


def _route(route: Route | None, table: Table) -> dict[str, Any] | None:
    if route is None:
        return None
    one, volume = chosen_evidence(route), route.stakes.requests_per_month
    accepted, request = (one.cost_per_accepted_usd, one.cost_per_case_usd) if one else (None, None)
    return {
        "chosen": route.chosen,
        "pin": pin_words(route.chosen, table.candidates.get(route.chosen)),
        "level": route.level,
        "risk": risk_of(route),
        "verdict": verdict_words(route, one),
        "bar": encode(route.bar),
        "score": one.judgement.score if one else None,
        "interval": list(one.judgement.interval) if one else None,
        "per_1000_accepted_usd": None if accepted is None else THOUSAND * accepted,
        "per_1000_requests_usd": None if request is None else THOUSAND * request,
        "requests_per_month": volume,
        "latency_p50_s": one.latency_p50_s if one else None,
        "fallbacks": list(route.rungs[1:]),
        "run_id": route.run_id,
    }


def _cost(found: Bill | None) -> Mapping[str, Any] | None:
    if found is None:
        return None
    return {
        "classes": list(found.classes),
        "left_out": list(found.left_out),
        "spread": "by volume" if found.of.by_volume else "by cases",
        "before_per_1000_usd": THOUSAND * found.before_usd,
        "after_per_1000_usd": THOUSAND * found.after_usd,
        "before_wrong_per_1000": None if found.wrong is None else found.wrong[0],
        "after_wrong_per_1000": None if found.wrong is None else found.wrong[1],
        "requests_per_month": found.requests_per_month,
    }


WRITERS: Mapping[str, Callable[[ComparedTables], str]] = {"text": text, "markdown": markdown, "json": as_json}

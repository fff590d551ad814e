"""Turns a table and a comparison into the Markdown that a CI system shows on a run's page and in a pull request.

GitHub drops a step summary above 1 MiB, so rows and case names are added while there is room, and what is left out
is counted. Names are hostile: each stands in a `<code>` element (no mention, issue or commit is linked there) with
every character that Markdown or HTML could read as its own written as a character reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from routerctl.evaluation.regression import ClassRegression, Regression, regression_words
from routerctl.evaluation.selection import interval_note
from routerctl.evaluation.worth import chosen_evidence
from routerctl.levels import level_words
from routerctl.review.ci.checks import Check, CheckOutcome, counts, next_steps
from routerctl.types import Route, Table
from routerctl.words import bar_words, count, one_line, p_words, percent, plural, spread, usd, visible

LIMIT = 1024 * 1024 - 1024  # bytes; GitHub's limit for one step is 1 MiB
_NAMED = 50  # newly broken cases of a class
_WIDTH = 120  # characters of a name
_MARKUP = re.compile("[^A-Za-z0-9 -]")
_COLUMNS = ("class", "bar", "choice", "verdict", "passed", "interval", "per 1,000 requests")
_TEXTS = ("class", "choice", "candidate", "verdict")
_NOTICED = "noticed from"
_COMPARED = ("before", "now", "change", "p", _NOTICED)


def step_summary(
    table: Table | None, regression: Regression | None, checks: Sequence[Check], *, baseline_days: float | None = None
) -> str:
    """Return the summary as GitHub-flavoured Markdown of less than 1 MiB; money is USD per 1,000 requests."""
    wrong = any(check.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR) for check in checks)
    parts = [f"## routerctl: {'not passed' if wrong else 'passed'}\n\n{counts(checks)}\n"]
    parts.append("\n" + _grid(table, regression))
    chosen = [one.judgement for route in table.routes.values() if (one := chosen_evidence(route))] if table else []
    parts += [f"\n{_text(note)}.\n" for note in (interval_note(chosen),) if note]
    if regression is not None:
        head, *rest = regression_words(regression, baseline_days=baseline_days)
        said = [head, *rest[len(regression.classes) :]]  # the classes have rows of their own
        parts.append("\n" + "".join(f"{_text(one)}\n\n" for one in said))
        parts += [_details(one) for one in regression.classes if one.broke]
        if any(one.least_detectable_drop is not None for one in regression.classes):
            parts.append(f"\n{_NOTICED}: the least drop that would have been noticed 4 times in 5.\n")
    parts += [f"\n- {_text(check.name)}: {_text(check.reason)}\n" for check in checks if _deserves_words(check)]
    parts += [f"\nNext: {step}.\n" for step in next_steps(checks)]
    return _fitting(parts)


def _deserves_words(check: Check) -> bool:
    """A comparison that found something has a row and its broken cases; one that found nothing must say why."""
    return check.outcome in (CheckOutcome.ERROR, CheckOutcome.SKIPPED) or (
        check.kind != "regression" and check.outcome is CheckOutcome.FAILED
    )


def _grid(table: Table | None, regression: Regression | None) -> str:
    compared = {} if regression is None else {one.task_class: one for one in regression.classes}
    routes: Mapping[str, Route] = {} if table is None else table.routes
    chosen = _COLUMNS if routes else ("class", "candidate")
    columns = [*chosen, *(_COMPARED if compared else ())]
    lines = [_row(columns), _row(["---" if name in _TEXTS else "---:" for name in columns])]
    size = 0
    names = list(dict.fromkeys((*routes, *compared)))
    for place, name in enumerate(names):
        change = _change(compared.get(name)) if compared else []
        choice = _route_cells(routes.get(name)) if routes else [_code(compared[name].candidate)]
        line = _row([_code(name), *choice, *change])
        size += len(line.encode())
        if size > LIMIT // 2:
            return "".join(lines) + f"\nand {plural(len(names) - place, 'more class', 'more classes')}\n"
        lines.append(line)
    return "".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _route_cells(route: Route | None) -> list[str]:
    if route is None:
        return [""] * (len(_COLUMNS) - 1)
    one = chosen_evidence(route)
    head = [_text(bar_words(route.bar)), _code(route.chosen)]
    if one is None:
        return [*head, "not run", "", "", ""]
    judgement, cost = one.judgement, one.cost_per_case_usd
    return [
        *head,
        level_words(route) if route.passing else f"**{level_words(route)}**",
        f"{count(judgement.passes)}/{count(judgement.cases)}",
        spread(judgement.interval) if judgement.cases else "",
        "" if cost is None else _text(usd(1000 * cost)),
    ]


def _change(one: ClassRegression | None) -> list[str]:
    if one is None or not one.n:
        return ["", "", "not compared", "", ""]
    points = f"{(one.after - one.before) * 100:+.1f}"
    change = f"**{points}, {count(len(one.broke))} newly broken**" if one.alarm else points
    least = "no drop" if one.least_detectable_drop is None else f"{one.least_detectable_drop * 100:.1f} points"
    p_value = "" if one.screened else p_words(one.p_value)[2:]
    return [percent(one.before), percent(one.after), change, p_value, "" if one.alarm else least]


def _details(one: ClassRegression) -> str:
    """The newly broken cases of one class, folded; the empty lines let GitHub read Markdown inside HTML."""
    cases = "".join(f"- {_code(case)}\n" for case in one.broke[:_NAMED])
    more = len(one.broke) - _NAMED
    rest = f"- and {count(more)} more\n" if more > 0 else ""
    head = f"{_code(one.task_class)}: {plural(len(one.broke), 'newly broken case')}"
    return f"\n<details><summary>{head}</summary>\n\n{cases}{rest}\n</details>\n"


def _fitting(parts: Sequence[str]) -> str:
    """Join whole parts as long as they fit."""
    kept, size = [], 0
    for place, part in enumerate(parts):
        size += len(part.encode())
        if size > LIMIT:
            kept.append(f"\n{plural(len(parts) - place, 'part')} left out: a summary must stay below 1 MiB.\n")
            break
        kept.append(part)
    return "".join(kept)


def _code(text: str) -> str:
    return f"<code>{_text(one_line(visible(text), _WIDTH))}</code>"


def _text(text: str) -> str:
    """Text on one line that no reader of Markdown or HTML takes for anything else."""
    flat = " ".join(visible(text).split())
    safe = _MARKUP.sub(lambda match: _reference(match.group()), flat)
    return f"&#45;{safe[1:]}" if safe.startswith("-") else safe  # a line that starts with it would be a list


def _reference(character: str) -> str:
    # Plain punctuation of sentences stays: on its own it means nothing between words.
    return character if character in ",;%'/" or ord(character) > 0x7F else f"&#{ord(character)};"

"""Puts figures, sentences and pictures together into the HTML file.

`pages` keeps model output harmless; a Content-Security-Policy forbids scripts and every load, allowing the one style
sheet by its hash. It reads templates and the style sheet, nothing else, and no clock: the same input, the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment
from markupsafe import Markup

from routerctl import words
from routerctl.evaluation import selection
from routerctl.evaluation.worth import THOUSAND, Worth, beside_words, chosen_evidence, evaluation_usd, told, weigh
from routerctl.pages import environment
from routerctl.pages import style as style_sheet
from routerctl.review.diff import changes
from routerctl.review.report import answers as answered
from routerctl.review.report import money, picture, weighing
from routerctl.review.report import wording as sentences
from routerctl.review.report.frontier import drawn
from routerctl.types import ClassHeader, Evidence, Json, Result, Route, Run, RunHeader, Table

SHOWN_CASES = 20  # not-passed cases per candidate, at most
_ALL_CASES, _LEAST_CASES = 1_000, 3  # shown on the whole page; of a candidate however many there are
_NUMBERED, _LISTED = 12, 6  # candidates of a class in its picture and table before a fold; with their cases
OPEN_CASES = 5  # of the chosen candidate's, before a fold
SHOWN_RUNGS = 3  # after the chosen one, before the others are counted
_HEAD, _MOST = 400, 2000  # characters of a text before a fold, and before it is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Long:
    """A text in three parts: what is shown, what is folded, how many characters are left out."""

    head: str
    rest: str
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case that did not pass."""

    result: Result
    why: str
    tested: bool  # False: the test had ended before it
    imported: bool  # what is not there was never known

    @property
    def bare(self) -> bool:
        """Whether nothing is known of it but its id and its score."""
        one = self.result
        return (
            one.input is None
            and one.expected is None
            and not (one.reply or one.extracted or one.explanation or one.error)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseList:
    """A candidate's cases that did not pass."""

    candidate: str
    evidence: Evidence
    cases: tuple[CaseView, ...]
    more: int  # not shown

    @property
    def bare(self) -> bool:
        """Whether nothing is known of any but its id and its score."""
        return all(case.bare for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """All that the page shows of one task class."""

    anchor: str
    route: Route
    header: ClassHeader | None  # None: its run is not at hand
    chosen: Evidence | None  # None: the chosen candidate was not run
    scatter: Markup | None
    undrawn: tuple[str, ...]  # candidates without a score or a cost
    numbers: Mapping[str, int]  # of the candidates that the page speaks of one by one; the others are in a fold
    lists: tuple[CaseList, ...]  # the chosen candidate's first
    unlisted: int  # candidates whose cases are not shown
    imported: bool
    spend: answered.Spend
    replay: answered.RuleReplay | None  # None: its run is not of the whole grid, was imported, or is not at hand

    @property
    def folded(self) -> list[Evidence]:
        """The candidates without a number."""
        return [one for one in self.route.evidence if one.candidate not in self.numbers]

    @property
    def measure(self) -> str:
        """What is compared with the bar, in words."""
        return "mean score" if self.header and self.header.measure == "mean_score" else "pass rate"


def render_report(
    table: Table, runs: Sequence[Run], previous: Table | None = None, *, worth: Worth | None = None
) -> str:
    """Return the report as one HTML document; `runs`: those that the table's routes name, `previous`: the table before.

    `worth`: what it is worth, where that is known already (with measured volumes, say). Results of a run that is not
    handed in are missing from the report, which says so.
    """
    answers = answered.Answers(table, runs)
    classes = [_class_view(n, route, table, runs, answers) for n, route in enumerate(table.routes.values(), 1)]
    worth = worth or weigh(table, runs, evaluation_usd(table, runs))
    style = Markup("\n" + style_sheet())  # noqa: S704 - the package's own style sheet
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            table=table,
            previous=previous,
            headers=_headers(table, runs),
            classes=classes,
            anchors={view.route.task_class: view.anchor for view in classes},
            flags=sentences.flags(table, runs, answers),
            spend=answered.total([view.spend for view in classes if not view.imported]),
            imported=answered.total([view.spend for view in classes if view.imported]),
            timed=weighing.timed(table),
            replays=[view.replay for view in classes if view.replay],
            worth=worth,
            frontier=drawn(worth.frontier) if worth.frontier else None,
            class_rows=weighing.class_rows(table, worth),
            shown_constants=weighing.shown_constants(worth),
            cascades=weighing.cascade_rows(table, answers),
            matrix=weighing.matrix(table),
            changes=changes(previous, table) if previous else [],
            rules=_rules(table),
            floor=_floor(table),
            false_picks=weighing.false_picks(table),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _headers(table: Table, runs: Sequence[Run]) -> list[RunHeader]:
    named = {route.run_id for route in table.routes.values()}
    return [run.header for run in runs if run.header.run_id in named]


def _cases_each(table: Table) -> int:
    """How many of a candidate's cases are shown: fewer where there are many classes, so that the page can be opened."""
    lists = sum(min(len(route.evidence), _LISTED) for route in table.routes.values())
    return max(_LEAST_CASES, min(SHOWN_CASES, _ALL_CASES // max(lists, 1)))


def _class_view(number: int, route: Route, table: Table, runs: Sequence[Run], answers: answered.Answers) -> ClassView:
    run = next((one for one in runs if one.header.run_id == route.run_id), None)
    header = run.header.classes.get(route.task_class) if run else None
    drawn = [one for one in route.evidence if one.judgement.score is not None and one.cost_per_case_usd is not None]
    leading = weighing.leading(route, _NUMBERED)
    numbers = {name: place for place, name in enumerate(leading, 1)}
    listed = weighing.nearest_to(route.chosen, leading, _LISTED)
    order = sorted(route.evidence, key=lambda one: one.candidate != route.chosen)
    most = _cases_each(table)
    lists = [_case_list(route, one, run, answers, most) for one in order if header and one.candidate in listed]
    imported = bool(run and run.header.imported)
    skips_top = bool(run and run.header.top_rung == "skip")
    return ClassView(
        anchor=f"class-{number}",
        route=route,
        header=header,
        chosen=chosen_evidence(route),
        scatter=_scatter(route, drawn, numbers),
        undrawn=tuple(one.candidate for one in route.evidence if one not in drawn),
        numbers=numbers,
        lists=tuple(one for one in lists if one.cases),
        unlisted=len(route.evidence) - len(listed),
        imported=imported,
        spend=answers.spend(
            route.task_class, answered.grid_results(table, header, route.evidence, skips_top=skips_top)
        ),
        replay=answers.replay(route.task_class) if header and run and run.header.full and not imported else None,
    )


def _scatter(route: Route, drawn: Sequence[Evidence], numbers: Mapping[str, int]) -> Markup | None:
    points = [
        picture.Point(
            name=one.candidate,
            cost_usd=one.cost_per_case_usd * THOUSAND,
            score=one.judgement.score,
            interval=one.judgement.interval,
            verdict=one.judgement.verdict,
            chosen=one.candidate == route.chosen,
            number=numbers.get(one.candidate),
        )
        for one in drawn
        if one.cost_per_case_usd is not None and one.judgement.score is not None
    ]
    title = f"{route.task_class}: score and cost"
    return (
        picture.scatter(points, bar=route.target, bar_text=words.bar_words(route.bar, route.target), title=title)
        if points
        else None
    )


def _case_list(route: Route, one: Evidence, run: Run | None, answers: answered.Answers, most: int) -> CaseList:
    header = run.header.classes.get(route.task_class) if run else None
    found, pass_at = answers.not_passed(route.task_class, one.candidate), header.pass_at if header else None
    shown = tuple(
        CaseView(
            result=case,
            why=sentences.why(case, pass_at),
            tested=one.judgement.stopped_at is None or case.index < one.judgement.stopped_at,
            imported=bool(run and run.header.imported),
        )
        for case in found[:most]
    )
    return CaseList(candidate=one.candidate, evidence=one, cases=shown, more=len(found) - len(shown))


def _floor(table: Table) -> float:
    """Where the whiskers' common scale begins: a tenth at or below everything on it."""
    lows = [route.target for route in table.routes.values()]
    lows += [
        one.judgement.interval[0] for r in table.routes.values() if (one := chosen_evidence(r)) and one.judgement.cases
    ]
    return min(int(min(lows, default=0.0) * 10) / 10, 0.9)


def _rules(table: Table) -> list[tuple[str, list[str]]]:
    """The two sentences of each class that has evidence; classes that share them are named together."""
    shared: dict[str, list[str]] = {}
    for name, route in table.routes.items():
        if route.rule:
            shared.setdefault(words.grouped(route.rule), []).append(name)
    return list(shared.items())


# --- the template's vocabulary ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = environment("review/report")
    made.filters["long"] = _long
    made.globals |= {
        "told": told,
        "beside_words": beside_words,
        "OPEN_CASES": OPEN_CASES,
        "MOST_CASCADES": weighing.MOST_CASCADES,
        "SHOWN_CASCADES": weighing.SHOWN_CASCADES,
        "SHOWN_CONSTANTS": weighing.SHOWN_CONSTANTS,
        "SHOWN_RUNGS": SHOWN_RUNGS,
        "THOUSAND": THOUSAND,
        "chosen_evidence": chosen_evidence,
        "interval_note": selection.interval_note,
        "money": money,
        "sentences": sentences,
        "verdict_words": lambda judgement: words.grouped(selection.verdict_words(judgement)),
        "whisker": picture.whisker,
    }
    return made


def _long(value: Json) -> Long:
    text = words.as_text(value)
    if len(text) <= _HEAD + _HEAD // 4:  # a fold that hides a few words is a nuisance
        return Long(head=text, rest="", cut=0)
    return Long(head=text[:_HEAD], rest=text[_HEAD:_MOST], cut=max(0, len(text) - _MOST))

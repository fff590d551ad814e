"""The gate in CI: its checks, its exit code, and JUnit, summary and annotations that hold hostile text."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from routerctl.evaluation.regression import Pair, Pairing, Regression, judge_regression
from routerctl.review.ci import (
    CheckOutcome,
    Strict,
    annotation_lines,
    checks_of,
    gate_error,
    junit_xml,
    latencies_of,
    next_steps,
    step_summary,
    to_json,
    undecided,
)
from routerctl.types import (
    Candidate,
    Evidence,
    Judgement,
    Price,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Result,
    Route,
    ScorerSpec,
    Status,
    StopReason,
    Table,
    Verdict,
)

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "|a|b|\n|---|---|\n# heading",
    "[x](javascript:alert(1)) ![y](http://evil.example/y.png) <http://evil.example>",
    "@everyone #1 `code` **bold** __it__ ~~no~~ $x$ $$y$$ :smile: www.evil.example",
    "::error file=x::y\r\n::set-output name=a::b",
    "100%25 %0A %0D",
    "]]></failure><system-out>&lt;&amp;&#0;",
    "\x00\x01\x08\x0b\x0c\x1b[31mred\x7f\x85\ud800\udfff\ufffe\uffff\u2028\u202e",
    "</details></code></td></table><h1>big</h1>",
    "- item\n\n    code\n\n1. one\n===\n> quote",
    "\\|\\\\| a\\",
    "\u0645\u0631\u062d\u0628\u0627 \U0001f600",
    "",
)
anything = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))


def evidence(
    candidate: str = "small",
    verdict: Verdict = Verdict.PROVEN,
    *,
    passes: int = 58,
    cases: int = 60,
    failed: int = 0,
    unscored: int = 0,
    risk: float | None = None,
) -> Evidence:
    """What a run says of one candidate."""
    return Evidence(
        candidate=candidate,
        judgement=Judgement(
            verdict=verdict,
            cases=cases,
            passes=passes,
            n=60,
            bar=0.8,
            alpha=0.05,
            interval=(0.8, 0.99),
            good_enough=0.95,
            least_cases=14,
            needed_cases=80,
            risk=risk,
        ),
        failed=failed,
        unscored=unscored,
        refused=0,
        truncated=0,
        served_models=("m",),
        cost_per_case_usd=Decimal("0.0001"),
        cost_per_accepted_usd=Decimal("0.0001"),
        latency_p50_s=0.5,
        latency_p95_s=1.0,
    )


def route(task_class: str = "sums", *found: Evidence, chosen: str = "small") -> Route:
    """One class's route, as the evidence says."""
    found = found or (evidence(chosen),)
    return Route(
        task_class=task_class,
        description="",
        bar=0.8,
        chosen=chosen,
        level=next(one.judgement.verdict.level for one in found if one.candidate == chosen),
        rungs=(chosen,),
        evidence=found,
        run_id="r1",
        eval_set_digest="sha256:0",
        prompt=PromptSpec(template="{{ input }}"),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="exact"),
    )


def table(*routes: Route) -> Table:
    """A table of these routes."""
    names = sorted({one.chosen for one in routes})
    return Table(
        table_version=1,
        digest="sha256:0",
        ladder_name="main",
        ladder=tuple(names),
        mode="proven",
        risk=0.05,
        margin=0.0,
        seed=1,
        rules=(),
        default_class=None,
        providers={"fake": ProviderSpec(name="fake", kind="fake")},
        candidates={name: Candidate(name=name, provider="fake", model="m") for name in names},
        prices={name: Price(date="2026-11-01", source="made up") for name in names},
        routes={one.task_class: one for one in routes},
    )


def pairs(broke: int = 0, fixed: int = 0, n: int = 100, name: str = "case") -> Pairing:
    """`n` pairs of which `broke` broke."""
    values = [(1.0, 0.0)] * broke + [(0.0, 1.0)] * fixed + [(1.0, 1.0)] * (n - broke - fixed)
    return Pairing(
        pairs=tuple(
            Pair(case_id=f"{name}-{k:03d}", cluster=None, before=b, after=a, before_epochs=1, after_epochs=1)
            for k, (b, a) in enumerate(values)
        )
    )


GOOD = route()
BELOW = route("bad", evidence("small", Verdict.BELOW, passes=1, cases=20))
CLOSE = route("close", evidence("small", Verdict.PROVISIONAL, passes=52, risk=0.128))
FEW = route("few", evidence("small", Verdict.NOT_PROVEN, passes=5, cases=5))
DOWN = route("down", evidence("small", Verdict.BELOW, passes=1, cases=20, failed=19))
UNJUDGED = route("unjudged", evidence("small", Verdict.BELOW, passes=0, cases=5, unscored=5))
NOT_RUN = replace(route("none"), evidence=(), level="best available")
FELL = judge_regression(
    {"sums": pairs(20, 1), "bad": pairs(2, 2)}, baseline="run 7", candidates={"sums": "small", "bad": "small"}
)
POOLED = judge_regression({f"c{k}": pairs(7, 3, 200) for k in range(10)}, baseline="base")

# --- checks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_route", "strict", "outcome", "what"),
    [
        (GOOD, "proven", CheckOutcome.PASSED, "proven"),
        (CLOSE, None, CheckOutcome.PASSED, "provisional"),
        (CLOSE, "provisional", CheckOutcome.PASSED, "provisional"),
        (CLOSE, "proven", CheckOutcome.FAILED, "provisional"),
        (BELOW, None, CheckOutcome.FAILED, "best available"),
        (BELOW, "provisional", CheckOutcome.FAILED, "best available"),
        (FEW, None, CheckOutcome.SKIPPED, "too few cases"),
        (FEW, "provisional", CheckOutcome.ERROR, "too few cases"),
        (FEW, "proven", CheckOutcome.ERROR, "too few cases"),
        (NOT_RUN, None, CheckOutcome.SKIPPED, "too few cases"),
        (DOWN, None, CheckOutcome.ERROR, "far side"),
        (UNJUDGED, None, CheckOutcome.ERROR, "unscored"),
    ],
)
def test_outcome_of_a_bar(given_route: Route, strict: Strict | None, outcome: CheckOutcome, what: str) -> None:
    """Quality, a far side that is down and too few cases are three outcomes; what strict asks for is the least."""
    (check,) = checks_of(table(given_route), None, strict=strict)
    assert (check.outcome, check.what, check.kind) == (outcome, what, "bar")
    assert check.reason


@pytest.mark.parametrize(("strict", "outcome"), [(None, CheckOutcome.SKIPPED), ("provisional", CheckOutcome.ERROR)])
def test_candidates_that_were_not_asked_are_no_lack_of_cases(strict: Strict | None, outcome: CheckOutcome) -> None:
    """Nothing but proof counts since the run: the top rung serves, and who might be proven was not run."""
    close = evidence("small", Verdict.PROVISIONAL, passes=52, risk=0.128)
    served = replace(route("sums", close), chosen="top", level="best available", when_unproven="top_rung")
    made = replace(table(served), ladder=("small", "mid", "top"))
    (check,) = checks_of(made, None, strict=strict)
    assert (check.outcome, check.what) == (outcome, "not run")
    assert "serves. `routerctl eval` runs the candidates not yet run: mid, top. top was not run." in check.reason
    assert "cases to decide" not in check.reason
    if strict:
        assert str(gate_error([check])) == "not all candidates were run for sums"
        assert next_steps([check]) == ["`routerctl eval` runs the candidates that were not asked"]


@pytest.mark.parametrize(("given_route", "expected"), [(BELOW, False), (FEW, True), (NOT_RUN, True), (CLOSE, True)])
def test_undecided(given_route: Route, expected: bool) -> None:
    """A route is undecided where nothing that was seen speaks against every candidate."""
    assert undecided(given_route) == expected


def test_outcome_of_a_regression() -> None:
    """An alarm fails its class and names its broken cases; other classes pass and name none."""
    checks = {check.name: check for check in checks_of(None, FELL)}
    assert checks["sums: regression"].outcome is CheckOutcome.FAILED
    assert checks["sums: regression"].broken == FELL.classes[0].broke
    assert checks["bad: regression"].outcome is CheckOutcome.PASSED
    assert checks["bad: regression"].broken == ()
    assert checks["all classes: regression"].outcome is CheckOutcome.FAILED
    assert checks["all classes: regression"].broken[0] == "sums: case-000"


@pytest.mark.parametrize(
    ("pairing", "strict", "outcome"),
    [
        (Pairing(pairs=(), failed=9), None, CheckOutcome.ERROR),
        (Pairing(pairs=(), changed=9), None, CheckOutcome.SKIPPED),
        (Pairing(pairs=(), changed=9), "provisional", CheckOutcome.ERROR),
        (pairs(0, n=2), None, CheckOutcome.SKIPPED),
        (pairs(0, n=2), "provisional", CheckOutcome.ERROR),
        (pairs(0, n=2), "proven", CheckOutcome.ERROR),
    ],
)
def test_nothing_to_compare(pairing: Pairing, strict: Strict | None, outcome: CheckOutcome) -> None:
    """No verdict: the far side's fault is an error; a changed set, or too few pairs, are skipped unless strict."""
    check, other = checks_of(None, judge_regression({"a": pairing, "b": pairs()}, baseline="x"), strict=strict)[:2]
    assert (check.outcome, other.outcome) == (outcome, CheckOutcome.PASSED)


def test_a_comparison_of_nothing_is_no_pass() -> None:
    """Where no class at all could be compared, that is an error without strict, too."""
    found = judge_regression({"a": Pairing(pairs=(), changed=9), "b": Pairing(pairs=())}, baseline="x")
    assert [check.outcome for check in checks_of(None, found)] == [CheckOutcome.ERROR, CheckOutcome.ERROR]
    error = gate_error(checks_of(None, found))
    assert error is not None
    assert error.exit_code == 7


def test_a_class_whose_cases_are_missing_is_not_said_to_miss_its_bar() -> None:
    """Five passes in five of sixty: no candidate has been shown to reach the bar, which is not that none does."""
    (check,) = checks_of(table(FEW), None)
    assert check.reason.startswith(
        "Too few cases to decide. No candidate has been shown to reach the bar of 80%; small serves as the best "
        "available, undecided: 5 of 60 planned cases were run."
    )


def test_what_could_not_be_scored_is_named() -> None:
    """A verdict on replies that nobody could score says so, and whose fault it was; so does one on failed calls."""
    (check,) = checks_of(table(UNJUDGED), None)
    assert check.reason.startswith(
        "small: 5\u00a0replies could not be scored: the scorer, not the answers, decided this."
    )
    few = route("few", evidence("small", Verdict.BELOW, passes=1, cases=20, failed=2, unscored=1))
    (check,) = checks_of(table(few), None)
    assert check.outcome is CheckOutcome.FAILED
    assert check.reason.endswith("Counted as not passed: 2\u00a0calls failed, 1\u00a0reply could not be scored.")


@pytest.mark.parametrize(
    ("routes", "regression", "strict", "code", "line"),
    [
        ((GOOD,), None, "proven", 0, ""),
        ((GOOD, CLOSE, FEW), None, None, 0, ""),
        ((GOOD, CLOSE), None, "provisional", 0, ""),
        ((GOOD, CLOSE), None, "proven", 3, "provisional, not proven: close"),
        ((GOOD, CLOSE, FEW), None, "provisional", 7, "too few cases to decide for few"),
        ((GOOD, FEW), None, "proven", 7, "too few cases to decide for few"),
        ((DOWN, FEW), None, "proven", 5, "the calls failed for down; too few cases to decide for few"),
        ((UNJUDGED,), None, "proven", 7, "the replies could not be scored for unjudged"),
        ((CLOSE, BELOW), None, "proven", 3, "provisional, not proven: close; no candidate reaches the bar of bad"),
        (
            (DOWN, BELOW),
            FELL,
            None,
            3,
            "no candidate reaches the bar of bad; worse than run 7: sums; the calls failed for down",
        ),
        ((), POOLED, None, 3, "worse than base: all classes together"),
    ],
)
def test_the_error_of_a_gate(
    routes: tuple[Route, ...], regression: Regression | None, strict: Strict | None, code: int, line: str
) -> None:
    """The gravest check gives the exit code, the line names all; nothing stands against what passed."""
    baseline = regression.baseline if regression else ""
    error = gate_error(checks_of(table(*routes), regression, strict=strict), baseline=baseline)
    assert (error.exit_code if error else 0, str(error or "")) == (code, line)


def test_latencies() -> None:
    """Latencies are summed by class and candidate; a failed call has none."""
    made = Result(
        task_class="sums",
        candidate="small",
        case_id="a",
        index=0,
        input="",
        expected="",
        status=Status.SCORED,
        passed=True,
        score=1.0,
        extracted=None,
        explanation="",
        reply="",
        stop_reason=StopReason.END,
        served_model=None,
        calls=1,
        input_tokens=0,
        output_tokens=0,
        cost_usd=Decimal(0),
        latency_s=1.5,
        cached=False,
    )
    results = [made, made, replace(made, latency_s=None), replace(made, candidate="large")]
    assert latencies_of(results) == {("sums", "small"): 3.0, ("sums", "large"): 1.5}


# --- JUnit ------------------------------------------------------------------------------------------------------------

# Elements with their attributes (required ones with *) and children: the Jenkins schema, junit-10.xsd.
SCHEMA = {
    "testsuites": ({"name", "time", "tests*", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name*", "tests*", "failures*", "errors*", "time", "skipped", "timestamp"},
        {"testcase"},
    ),
    "testcase": ({"name*", "classname*", "time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def check_junit(text: str) -> ElementTree.Element:
    """Hold a file against the schema and against its own counts; return its root."""
    root = ElementTree.fromstring(text.encode())  # noqa: S314 - our own file
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        allowed = {name.rstrip("*") for name in attributes}
        assert {name[:-1] for name in attributes if name.endswith("*")} <= set(element.attrib) <= allowed
        assert {child.tag for child in element} <= children
        for number in set(element.attrib) & {"tests", "failures", "errors", "skipped"}:
            assert element.attrib[number].isdigit()
        if "time" in element.attrib:
            assert float(element.attrib["time"]) >= 0
    for suite in [root, *root]:
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(suite.iter("error")))
        assert float(suite.attrib["time"]) == pytest.approx(sum(float(case.attrib["time"]) for case in cases))
        assert int(suite.attrib.get("skipped", 0)) in (0, len(list(suite.iter("skipped"))))
    return root


def test_junit() -> None:
    """One suite a candidate that serves, one case a check, failures and errors apart, names that stay the same."""
    made = table(GOOD, BELOW, FEW, DOWN, route("plan", evidence("large"), chosen="large"))
    checks = checks_of(made, FELL, latencies_s={("sums", "small"): 12.5})
    root = check_junit(junit_xml(checks, created_at="2026-11-24T04:00:00Z"))
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == ["small", "large", "all candidates"]
    kinds = {case.attrib["name"]: [child.tag for child in case] for case in suites["small"]}
    assert kinds == {
        "sums: bar": ["system-out"],
        "bad: bar": ["failure"],
        "few: bar": ["skipped"],
        "down: bar": ["error"],
        "sums: regression": ["failure"],
        "bad: regression": ["system-out"],
    }
    assert suites["small"].attrib["time"] == "12.500"
    assert suites["small"].attrib["timestamp"] == "2026-11-24T04:00:00Z"
    broken = next(case for case in suites["small"] if case.attrib["name"] == "sums: regression")
    assert "  case-000\n" in broken.findtext("failure", "")


def test_junit_strict() -> None:
    """Under strict, too few cases are an error, not a skip, and what is only provisional is a failure."""
    root = check_junit(junit_xml(checks_of(table(FEW, CLOSE), None, strict="proven")))
    assert (root.attrib["errors"], root.attrib["failures"], root[0].attrib["skipped"]) == ("1", "1", "0")
    failure = next(root.iter("failure"))
    assert (failure.attrib["message"], failure.attrib["type"]) == ("close: bar: provisional", "provisional")
    assert (failure.text or "").startswith("Not proven, which --strict asks for")
    root = check_junit(junit_xml(checks_of(table(CLOSE), None, strict="provisional")))
    assert (next(root.iter("system-out")).text or "").startswith(
        "small: Provisional: 52 of 60 cases passed (60 planned)"
    )


def test_junit_without_anything() -> None:
    """No table and no comparison is an empty, valid file."""
    assert check_junit(junit_xml(())).attrib["tests"] == "0"


# A class name of an imported run, a candidate's and a case's: each may be anything.
@settings(max_examples=150, deadline=None)
@given(task_class=anything, candidate=anything, case=anything, baseline=anything)
def test_hostile_text(task_class: str, candidate: str, case: str, baseline: str) -> None:
    """Whatever names say: the XML parses and keeps its shape, and a command stays one command on one line."""
    made = table(route(task_class, evidence(candidate, Verdict.BELOW, passes=1, cases=20), chosen=candidate))
    assume(task_class != "x")
    found = judge_regression({task_class: pairs(20, name=case), "x": pairs(1)}, baseline=baseline)
    checks = checks_of(made, found)
    root = check_junit(junit_xml(checks, created_at=baseline))
    assert len(list(root.iter("testcase"))) == 4
    for line in annotation_lines(checks, files={task_class: case}):
        assert re.fullmatch(r"::error (file=[^:,]*,)?title=[^:,]*::.*", line)
        assert not any(ord(character) < 0x20 or character in "\x7f\x85\u2028\u2029" for character in line)
        assert re.fullmatch(r"(?:[^%]|%25|%3A|%2C)*", line)
        line.encode()
    check_summary(step_summary(made, found, checks), {"routerctl: not passed"})
    json.dumps(to_json(found), allow_nan=False)


# --- the summary ------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Collects every element with its attributes, and the headings' text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[tuple[str, tuple[tuple[str, str | None], ...]]] = set()
        self.texts: list[str] = []
        self.headings: set[str] = set()
        self._last = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add((tag, tuple(attrs)))
        self._last = tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._last == "h2":
            self.headings.add(data)
            self._last = ""


def check_summary(markdown: str, headings: Collection[str]) -> str:
    """Render a summary as GitHub's kind of Markdown and see that nothing but our own elements comes out."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    tags = Tags()
    tags.feed(page)
    allowed = {
        "h2",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "details",
        "summary",
        "ul",
        "li",
        "strong",
    }
    assert {name for name, _ in tags.tags} <= allowed
    assert {attrs for _, attrs in tags.tags} <= {(), (("style", "text-align:right"),)}
    assert tags.headings == headings
    assert len(markdown.encode()) < 1024 * 1024
    widths = {row.count("|") for row in markdown.splitlines() if row.startswith("| ")}
    assert len(widths) <= 1
    return "".join(tags.texts)


def summary(made: Table | None, found: Regression | None = None, *, baseline_days: float | None = None) -> str:
    """The summary of all checks of a table and a comparison."""
    return step_summary(made, found, checks_of(made, found), baseline_days=baseline_days)


def test_summary() -> None:
    """A row a class with verdict, score, interval, cost and change; broken cases by name; what did not pass."""
    text = check_summary(summary(table(GOOD, CLOSE, BELOW), FELL, baseline_days=200), {"routerctl: not passed"})
    assert "3 passed, 3 failed" in text
    assert "provisional, risk 13%" in text
    assert "52/60" in text
    assert "-19.0, 20 newly broken" in text
    assert "$0.10" in text
    assert "it may reach above a bar that is missed." in text
    assert "sums: 20\u00a0newly broken cases" in text
    assert "case-000" in text
    assert "The baseline is 200 days old" in text
    assert "bad: bar: No candidate reaches the bar of 80%; small serves as the best available." in text


def test_summary_of_a_table_alone() -> None:
    """Without a comparison there are no columns for it."""
    markdown = summary(table(GOOD))
    assert "change" not in check_summary(markdown, {"routerctl: passed"})


def test_summary_of_a_comparison_alone() -> None:
    """Without a table there is no column for it, and who was compared is named."""
    markdown = summary(None, FELL)
    assert "| class | candidate | before | now | change | p |" in markdown
    assert "| <code>sums</code> | <code>small</code> | 99.0% |" in markdown
    check_summary(markdown, {"routerctl: not passed"})
    down = judge_regression({"a": Pairing(pairs=(), failed=9), "b": pairs()}, baseline="x")
    text = check_summary(summary(None, down), {"routerctl: not passed"})
    assert "a: regression: a: not compared; 9 cases left out because the calls failed" in text


def test_summary_has_names_a_reader_can_copy() -> None:
    """Rendered, a hostile name reads as it was written, apart from controls and spaces."""
    name = "a|b <b>*x*</b> `y` [z](q) \\ & 1_000"
    assert name in check_summary(summary(table(route(name))), {"routerctl: passed"})


def test_summary_stays_below_the_limit() -> None:
    """Many classes with many long names: whole parts are left out, and that is said."""
    found = judge_regression({f"class-{k}": pairs(100, name="\u2620" * 300) for k in range(150)}, baseline="x")
    text = check_summary(summary(None, found), {"routerctl: not passed"})
    assert "and 50 more" in text
    many = table(*(route("[" * 115 + f"{k}") for k in range(2000)))
    assert "more classes" in check_summary(summary(many), {"routerctl: passed"})


# --- annotations ------------------------------------------------------------------------------------------------------


def test_annotations() -> None:
    """Failures and errors are errors, too few cases a warning, what passed nothing; the file is named where known."""
    lines = annotation_lines(checks_of(table(GOOD, BELOW, FEW, DOWN), None), files={"bad": "evals/a,b:c%.yaml"})
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert lines[0].startswith(
        "::error file=evals/a%2Cb%3Ac%25.yaml,title=bad%3A bar%3A best available::No candidate reaches"
    )
    assert "80%25" in lines[0]
    assert lines[1].startswith("::error title=down%3A bar%3A far side::small: 19 calls failed: the provider")


def test_strict_annotations() -> None:
    """Under strict, too few cases are an error, and so is what is provisional unless that is all strict asks for."""
    assert annotation_lines(checks_of(table(FEW), None, strict="provisional"))[0].startswith("::error ")
    (line,) = annotation_lines(checks_of(table(CLOSE), None, strict="proven"))
    assert line.startswith("::error title=close%3A bar%3A provisional::Not proven, which --strict asks for")
    levels: tuple[Strict | None, ...] = ("provisional", None)
    for strict in levels:
        assert annotation_lines(checks_of(table(CLOSE), None, strict=strict)) == []


@pytest.mark.parametrize(("classes", "lines"), [(10, 10), (11, 10), (40, 10)])
def test_no_more_annotations_than_are_shown(classes: int, lines: int) -> None:
    """GitHub shows ten of a level: the tenth counts and names the rest."""
    found = annotation_lines(checks_of(table(*(replace(BELOW, task_class=f"c{k}") for k in range(classes))), None))
    assert len(found) == lines
    assert (f"{classes - 9} more: c9: bar" in found[-1]) == (classes > 10)


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json() -> None:
    """The comparison as plain values that survive JSON unchanged."""
    values = to_json(FELL)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["alarm"] is True
    assert values["classes"]["sums"]["broke"][0] == "case-000"
    assert to_json(judge_regression({"a": Pairing(pairs=())}, baseline="x"))["classes"]["a"]["before"] is None

"""`routerctl check`: a table that follows from its evidence passes, and what has changed since is named."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from routerctl.classify.classifier.files import file_text
from routerctl.errors import GateError, InputError
from routerctl.evaluation.assemble import assemble
from routerctl.evaluation.check import check_project
from routerctl.evaluation.policy import policy_warnings
from routerctl.evaluation.project import load_project
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.session import EvalOptions, plan_run, run_eval
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider
from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Judgement, Objective, Request, Result, Routing, Strategy, Table, Verdict

TODAY = date(2026, 11, 23)
KEY = "sk-0123456789-very-secret"
PROJECT = """\
schema_version: 1
ladder: main
risk: 0.1
seed: 1
providers:
  far: {kind: fake, api_key_env: FAR_KEY}
candidates:
  small: {provider: far, model: m-small}
  large: {provider: far, model: m-large}
ladders:
  main: [small, large]
  short: [large]
prices:
  - {provider: far, model: m-small, date: 2026-01-01, source: paper, input_mtok_usd: 1, output_mtok_usd: 2}
  - {provider: far, model: m-large, date: 2026-01-01, source: paper, input_mtok_usd: 10, output_mtok_usd: 20}
rules:
  - {name: short, class: sums, max_chars: 9}
default_class: query
"""
SUMS = """\
schema_version: 1
description: Sums.
scorer: {name: exact}
bar: 0.8
cases:
""" + "".join(f"  - {{id: s{number}, input: sum {number}, expected: right}}\n" for number in range(30))
QUERY = """\
schema_version: 1
description: Queries.
scorer: {name: sql, setup: shop.sql}
bar: 0.8
cases:
""" + "".join(f"  - {{id: q{number}, input: query {number}, expected: SELECT 1}}\n" for number in range(3))


class Quiet:
    """Watches nothing."""

    def testing(self, task_class: str, candidate: str, needed: Callable[[], int]) -> None:
        pass

    def result(self, result: Result) -> None:
        pass

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        pass


def scripted(request: Request) -> str:
    """The small model knows sums, the large one everything."""
    asked = request.prompt.messages[-1].content
    if asked.startswith("sum"):
        return "right"
    return "SELECT 1" if request.model == "m-large" else "no idea"


def run(root: Path, moment: str = "2026-11-23T00:00:00", **options: Any) -> str:
    """Run `eval` in-process with the scripted provider; give the run's id."""
    planned = plan_run(root, EvalOptions(**options), lambda: datetime.fromisoformat(moment).replace(tzinfo=UTC))
    outside = Outside(env={"FAR_KEY": KEY})
    provider = FakeProvider(planned.project.providers["far"], outside, scripted)
    ended = run_eval(
        planned,
        Quiet(),
        outside,
        spending=Spending(),
        now=lambda: datetime(2026, 11, 23, tzinfo=UTC),
        ready={"far": provider},
    )
    return asyncio.run(ended).header.run_id


def build(
    root: Path, *, ladder: str | None = None, wanted: tuple[str, ...] = (), previous: Table | None = None
) -> Table:
    """Run `build-table`: assemble and write."""
    table, _ = assemble(root, ladder=ladder, wanted=wanted, previous=previous)
    (root / "routes.yaml").write_text(table_text(table), encoding="utf-8")
    return table


def edit(path: Path, old: str, new: str) -> None:
    """Replace one text in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def rewrite(root: Path, change: Callable[[Table], Table]) -> None:
    """Edit routes.yaml as somebody does who knows how to make its digest right."""
    table = load_table(root / "routes.yaml")
    (root / "routes.yaml").write_text(table_text(with_digest(change(table))), encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was evaluated once and has its table."""
    root = tmp_path_factory.mktemp("made")
    (root / "evals").mkdir()
    (root / "routerctl.yaml").write_text(PROJECT, encoding="utf-8")
    (root / "evals" / "sums.yaml").write_text(SUMS, encoding="utf-8")
    (root / "evals" / "query.yaml").write_text(QUERY, encoding="utf-8")
    (root / "evals" / "shop.sql").write_text("CREATE TABLE t (a);\n", encoding="utf-8")
    run(root)
    build(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    for path in made.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(made)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path


def refused(root: Path, kind: type[GateError | InputError] = GateError) -> str:
    """Give the first line with which `check` says no."""
    checked = check_project(root, TODAY)
    assert all(isinstance(one, kind) and "\n" not in str(one) for one in checked.problems)
    assert checked.exit_code == (3 if kind is GateError else 2)
    return str(checked.problems[0])


_OF_95 = (
    "for one that is right 95% of the time it takes 44 (37 to prove it 8 times in 10 instead of 9). "
    "Below that it can still be provisional."
)
TOO_FEW = (
    f"query: 3 cases cannot prove 80%, not even with a perfect score; {_OF_95}",
    f"sums: 30 cases can prove 80% only for a model that is right 96.2% of the time; {_OF_95}",
)

# --- what is well -----------------------------------------------------------------------------------------------------


def test_all_is_well(root: Path) -> None:
    """A table just built follows from its evidence; a set too small to prove anything is a warning."""
    checked = check_project(root, TODAY)
    assert checked.notes == (
        "2 candidates on 2 ladders, pinned and priced",
        "2 eval sets, 33 cases",
        "routes.yaml: version 1 follows from its evidence",
    )
    assert checked.warnings == TOO_FEW


def test_a_class_in_which_nobody_reaches_the_bar_is_a_warning(root: Path) -> None:
    """Who serves it is the best available; that a class is provisional is no warning."""
    assert load_table(root / "routes.yaml").routes["query"].level == "provisional"
    edit(root / "evals/query.yaml", "expected: SELECT 1", "expected: SELECT 2")
    run(root, "2026-11-24T00:00:00")
    build(root)
    assert load_table(root / "routes.yaml").routes["query"].level == "best available"
    assert check_project(root, TODAY).warnings == (*TOO_FEW, "routes.yaml: query: no candidate reaches the bar")


def test_without_a_table(root: Path) -> None:
    """A project without a table is checked as far as it goes."""
    (root / "routes.yaml").unlink()
    checked = check_project(root, TODAY)
    assert checked.warnings == (
        *TOO_FEW,
        "routes.yaml: not there yet; `routerctl build-table` writes it",
    )
    assert len(checked.notes) == 2


def test_built_again_the_bytes_are_the_same(root: Path) -> None:
    """The same evidence gives the same bytes and version; a second run of the same outcome changes the run id alone."""
    before = (root / "routes.yaml").read_bytes()
    build(root, previous=load_table(root / "routes.yaml"))
    assert (root / "routes.yaml").read_bytes() == before
    run_id = run(root, "2026-11-24T00:00:00")
    old = load_table(root / "routes.yaml")
    again = build(root, previous=old)
    assert again.table_version == 2
    assert again.routes == {name: replace(route, run_id=run_id) for name, route in old.routes.items()}


def test_a_table_holds_no_path_and_no_secret(root: Path) -> None:
    """Neither the project's folder nor a key is in the table or in the run's files; they may all be committed."""
    files = [root / "routes.yaml", *(root / "reports").rglob("*.json*")]
    assert len(files) == 3
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert KEY not in text
        assert str(root) not in text
        assert re.search(r"[\s\"'](/|~/|[A-Za-z]:\\)[\w.]", text) is None


def test_what_plays_no_part(root: Path) -> None:
    """Descriptions, tags, comments, an unused candidate and a newer run do not spoil a table."""
    edit(root / "evals" / "sums.yaml", "expected: right}", "expected: right, tags: [easy]} # a comment")
    edit(root / "routerctl.yaml", "candidates:\n", "candidates:\n  spare: {provider: far, model: m-small}\n")
    run(root, "2026-11-24T00:00:00", only=("sums",))
    assert check_project(root, TODAY).notes[2] == "routes.yaml: version 1 follows from its evidence"


# --- all that is wrong, at once ---------------------------------------------------------------------------------------


def said(root: Path) -> list[str]:
    """All that `check` says is wrong."""
    return [str(one) for one in check_project(root, TODAY).problems]


def test_every_file_and_every_part_of_it_is_checked(root: Path) -> None:
    """Types, names, ranges and references, of the project and of each eval set, and what follows from none of them."""
    edit(root / "routerctl.yaml", "{kind: fake,", "{kind: fake, concurency: 2, timeout_s: soon,")
    edit(root / "routerctl.yaml", "model: m-large}", "model: m-large, effort: hihg, max_tokens: 0}")
    edit(root / "routerctl.yaml", "main: [small, large]", "main: [smal, large, large]")
    edit(root / "routerctl.yaml", "max_chars: 9}", "max_char: 9}")
    edit(root / "evals/sums.yaml", "input: sum 3, expected: right}", "input: 7, expected: right, weight: 0}")
    edit(root / "evals/sums.yaml", "{id: s5,", "{id: s4,")
    edit(root / "evals/sums.yaml", "bar: 0.8", "bar: 80")
    edit(root / "evals/query.yaml", "name: sql", "name: sqll")
    edit(root / "routes.yaml", "schema_version: 2\n", "")
    assert said(root) == [
        "routerctl.yaml:6: providers.far.concurency: unknown key; did you mean 'concurrency'?",
        "routerctl.yaml:6: providers.far.timeout_s: expected a number, got 'soon'",
        "routerctl.yaml:9: candidates.large.effort: 'hihg' is not known here; did you mean 'high'?",
        "routerctl.yaml:17: rules.0.max_char: unknown key; did you mean 'max_chars'?",
        "routerctl.yaml:9: candidates.large.max_tokens: expected a whole number from 1",
        "routerctl.yaml:11: ladders.main.0: no candidate 'smal'; did you mean 'small'?",
        "routerctl.yaml:11: ladders.main.2: 'large' stands on the ladder twice",
        "evals/query.yaml:3: scorer.name: no scorer 'sqll'; did you mean 'sql'?",
        "evals/sums.yaml:4: bar: expected a pass rate above 0 and up to 1, got 80; did you mean 0.8?",
        "evals/sums.yaml:9: weight: expected a number above 0",
        "evals/sums.yaml:9: input: expected a text (quote it) or a mapping, got 7",
        "evals/sums.yaml:11: duplicate case id 's4' (first on line 10)",
        "routes.yaml:2: 'schema_version' is missing",
    ]


def test_one_kind_of_error_hides_no_other(root: Path) -> None:
    """A value that cannot be, one that cannot be read, kinds and classes that there are not: all in one reading."""
    edit(root / "routerctl.yaml", "{kind: fake,", "{kind: fake, timeout_s: -5,")
    edit(
        root / "routerctl.yaml",
        "candidates:",
        "  near: {kind: anthropc}\n  slow: {kind: fake, concurrency: many}\ncandidates:",
    )
    edit(root / "routerctl.yaml", "ladders:", "  spare: {provider: far, model: m-none}\nladders:")
    edit(root / "routerctl.yaml", "default_class: query", "default_class: querry")
    assert [line.partition(" on 2026")[0].partition("; expected one")[0] for line in said(root)] == [
        "routerctl.yaml:8: providers.slow.concurrency: expected a whole number, got 'many'",
        "routerctl.yaml:6: providers.far.timeout_s: expected a number of seconds above 0",
        "routerctl.yaml:7: providers.near.kind: no provider kind 'anthropc'; did you mean 'anthropic'?",
        "routerctl.yaml:12: candidates.spare.model: no price is known for model 'm-none' of provider 'far'",
        "routerctl.yaml:21: default_class names the class 'querry', which has no eval set; did you mean 'query'?",
    ]


def test_what_the_parts_ask_of_each_other_is_checked_too(root: Path) -> None:
    """Kinds, prices and classes that there are not, and bars against a model that is on no ladder."""
    edit(root / "routerctl.yaml", "ladders:", "  spare: {provider: near, model: m-none}\nladders:")
    edit(root / "routerctl.yaml", "candidates:", "  near: {kind: fake}\n  odd: {kind: ollama}\ncandidates:")
    edit(root / "routerctl.yaml", "class: sums", "class: sum")
    edit(root / "routerctl.yaml", "default_class: query", "default_class: nobody")
    edit(root / "evals/sums.yaml", "bar: 0.8", "bar: {within: 0.02, of: larg}\ntoday: huge")
    assert [line.partition("; expected one of")[0].partition(" on 2026")[0] for line in said(root)] == [
        "routerctl.yaml:8: providers.odd.kind: no provider kind 'ollama'",
        "routerctl.yaml:12: candidates.spare.model: no price is known for model 'm-none' of provider 'near'",
        "evals/sums.yaml:4: bar.of: no candidate 'larg' on ladder 'main'; did you mean 'large'?",
        "evals/sums.yaml:5: today: no candidate 'huge' on ladder 'main'",
        "routerctl.yaml:20: rule 'short' names the class 'sum', which has no eval set; did you mean 'sums'?",
        "routerctl.yaml:21: default_class names the class 'nobody', which has no eval set",
    ]


def test_all_that_a_table_does_not_follow_is_said(root: Path) -> None:
    """Every class, with the exit code of the gate; a file that is wrong is graver, and the table waits for it."""
    edit(root / "evals/sums.yaml", "bar: 0.8", "bar: 0.7")
    edit(root / "evals/query.yaml", "bar: 0.8", "bar: 0.7")
    assert [line.split(" rests on")[0] for line in said(root)] == ["routes.yaml: query", "routes.yaml: sums"]
    assert check_project(root, TODAY).exit_code == 3
    edit(root / "routerctl.yaml", "risk: 0.1", "risk: 10")
    checked = check_project(root, TODAY)
    assert (checked.exit_code, len(checked.problems)) == (2, 1)
    assert any(text.startswith("routes.yaml: not compared with its evidence") for text in checked.warnings)


def test_rows_beside_an_eval_set_are_all_checked(root: Path) -> None:
    """JSON lines and CSV: each row that is wrong is named with its own file and line."""
    head = SUMS.split("cases:")[0]
    (root / "evals/sums.yaml").write_text(f"{head}cases: sums.jsonl\n", encoding="utf-8")
    rows = [{"id": "a", "input": "x", "expected": "y"}, {"id": "b", "input": 1, "expected": "y"}, {"id": "c"}]
    (root / "evals/sums.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert said(root) == [
        "evals/sums.jsonl:3: 'input' is missing",
        "evals/sums.jsonl:3: 'expected' is missing",
        "evals/sums.jsonl:2: input: expected a text (quote it) or a mapping, got 1",
    ]
    (root / "evals/sums.jsonl").write_text('{"id": 1\n\n{"id": NaN}\n', encoding="utf-8")
    assert [line.split(": ")[0] for line in said(root)] == ["evals/sums.jsonl:1", "evals/sums.jsonl:3"]
    (root / "evals/sums.yaml").write_text(f"{head}cases: sums.csv\n", encoding="utf-8")
    (root / "evals/sums.csv").write_text("id,input,expected,weight\na,x,y,heavy\nb,x,y,1\nb,x,y,0\n", encoding="utf-8")
    assert [line.split(": ")[0] for line in said(root)] == [f"evals/sums.csv:{line}" for line in (2, 4, 4)]


# --- each way in which it is not --------------------------------------------------------------------------------------


def judged(table: Table, **changes: Any) -> Table:
    """The table with another judgement of sums' first candidate."""
    route = table.routes["sums"]
    first = route.evidence[0]
    evidence = (replace(first, judgement=replace(first.judgement, **changes)), *route.evidence[1:])
    return routed(table, evidence=evidence)


def routed(table: Table, name: str = "sums", **changes: Any) -> Table:
    """The table with another route."""
    return replace(table, routes={**table.routes, name: replace(table.routes[name], **changes)})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda table: judged(table, verdict=Verdict.BELOW), "routes.sums.evidence.0.judgement.verdict is below, the"),
        (lambda table: judged(table, passes=1), "routes.sums.evidence.0.judgement.passes is 1, the evidence says "),
        (lambda table: judged(table, interval=(0.9, 1.0)), "routes.sums.evidence.0.judgement.interval.0 is 0.9, the"),
        (lambda table: routed(table, chosen="large"), "routes.sums.chosen is large, the evidence says small"),
        (
            lambda table: routed(table, rungs=("small",)),
            'routes.sums.rungs is ["small"], the evidence says ["small", "large"]',
        ),
        (lambda table: routed(table, bar=0.7), "routes.sums.bar is 0.7, the evidence says 0.8"),
        (
            lambda table: routed(table, "query", level="proven"),
            "routes.query.level is proven, the evidence says provisional",
        ),
        (
            lambda table: routed(table, when_unproven="top_rung"),
            "routes.sums.when_unproven is top_rung, the project says provisional",
        ),
        (lambda table: routed(table, today="large"), "routes.sums.today is large, the project says none"),
        (
            lambda table: replace(table, objective=Objective(within=0.1, of="best")),
            'objective is {"within": 0.1, "of": "best"}, routerctl.yaml says none',
        ),
        (lambda table: judged(table, stopped_at=5), "routes.sums.evidence.0.judgement.stopped_at is 5, the evidence "),
        (lambda table: judged(table, risk=0.01), "routes.sums.evidence.0.judgement.risk is 0.01, the evidence says "),
        (
            lambda table: routed(table, evidence=()),
            'routes.sums.evidence is [], the evidence says [{"candidate": "small"',
        ),
        (lambda table: replace(table, risk=0.2), "risk is 0.2, the evidence says 0.1"),
        (
            lambda table: replace(table, rules=()),
            'rules is [], routerctl.yaml says [{"name": "short", "class": "sums", "max_chars": 9}',
        ),
        (lambda table: replace(table, default_class=None), "default_class is none, routerctl.yaml says query"),
        (lambda table: replace(table, ladder=("large", "small")), "ladder.0 is large, the evidence says small"),
        (
            lambda table: replace(
                table, candidates={**table.candidates, "small": replace(table.candidates["small"], model="m-other")}
            ),
            "candidates.small.model is m-other, the evidence says m-small",
        ),
        (
            lambda table: replace(table, routes=dict(reversed(table.routes.items()))),
            'the order of routes is ["sums", "query"], the evidence says ["query", "sums"]',
        ),
    ],
)
def test_edited_with_the_digest_made_right(root: Path, change: Callable[[Table], Table], where: str) -> None:
    """A table edited by who can make a digest is unmasked by its evidence, which names the value."""
    rewrite(root, change)
    line = refused(root)
    assert line.startswith(f"routes.yaml does not follow from its evidence: {where}")
    assert line.endswith("; run `routerctl build-table`")


def test_many_edits_are_not_all_listed(root: Path) -> None:
    """Five differences are named, then it is enough; long values are shortened."""
    rewrite(
        root, lambda table: judged(routed(table, description="x" * 999), cases=9, passes=9, n=9, bar=0.5, alpha=0.5)
    )
    line = refused(root)
    assert line.count("the evidence says") == 5
    assert "; and more; run" in line
    assert len(line) < 900


def test_the_setting_comes_before_what_follows_from_it(root: Path) -> None:
    """Then choices and numbers; sentences are named only where nothing else of their class, or of all, differs."""

    def edit(table: Table) -> Table:
        changed = routed(
            table, when_unproven="top_rung", rule="Other.", verdict="Other.", level="provisional", rungs=()
        )
        return routed(judged(changed, passes=1), "query", verdict="Other.")

    rewrite(root, edit)
    assert re.findall(r"(?:evidence:|;) (routes\S+) is ", refused(root)) == [
        "routes.sums.when_unproven",
        "routes.sums.level",
        "routes.sums.rungs",
        "routes.sums.evidence.0.judgement.passes",
        "routes.query.verdict",
    ]


def test_a_setting_of_all_classes_explains_every_sentence(root: Path) -> None:
    """Another risk is in the rule of each class: only the risk is named."""
    rewrite(root, lambda table: replace(routed(table, rule="Other."), risk=0.2))
    assert refused(root).endswith("evidence: risk is 0.2, the evidence says 0.1; run `routerctl build-table`")


def test_of_long_texts_the_part_that_differs_is_shown(root: Path) -> None:
    """With a few words before it, whatever comes before that."""
    table = load_table(root / "routes.yaml")
    rule = table.routes["sums"].rule
    rewrite(root, lambda made: routed(made, rule=f"{rule[:-9]}otherwise"))
    line = refused(root)
    kept = rule[:-9][-20:]
    assert line.startswith("routes.yaml does not follow from its evidence: routes.sums.rule is \u2026")
    assert f"{kept}otherwise, the evidence says \u2026" in line
    assert f"{kept}{rule[-9:]}; run `routerctl build-table`" in line
    assert len(line) < 300


def test_only_the_version_is_free(root: Path) -> None:
    """The version counts tables; evidence cannot tell it, and a digest alone is no edit."""
    rewrite(root, lambda table: replace(table, table_version=9))
    assert check_project(root, TODAY).notes[2].startswith("routes.yaml: version 9 follows")


def test_edited_without_a_digest(root: Path) -> None:
    """An edit that leaves the old digest is what the user wrote wrong, found before any evidence is read."""
    edit(root / "routes.yaml", "chosen: small", "chosen: large")
    assert "does not match the digest" in refused(root, InputError)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("evals/sums.yaml", "bar: 0.8", "bar: 0.7"),
        ("evals/sums.yaml", "input: sum 7,", "input: sum seven,"),
        ("evals/sums.yaml", "expected: right", "expected: wrong"),
        ("evals/sums.yaml", "name: exact", "name: exact, case_sensitive: true"),
        ("evals/sums.yaml", "  - {id: s29, input: sum 29, expected: right}\n", ""),
        ("evals/query.yaml", "bar: 0.8", "bar: 0.8\nreply: {max_tokens: 9}"),
        ("evals/shop.sql", "(a)", "(a, b)"),
    ],
)
def test_another_eval_set(root: Path, file: str, old: str, new: str) -> None:
    """An eval set, or a file of its scorer, that changed since is named."""
    edit(root / file, old, new)
    name = "query" if "query" in file or "shop" in file else "sums"
    assert refused(root) == (f"routes.yaml: {name} rests on another version of evals/{name}.yaml; run `routerctl eval`")


def test_other_classes(root: Path) -> None:
    """A class without a route, and a route without a class, are named."""
    (root / "evals" / "topic.yaml").write_text(SUMS, encoding="utf-8")
    message = "routes.yaml and evals/ do not have the same classes: topic; run `routerctl build-table`"
    assert refused(root) == message
    (root / "evals" / "topic.yaml").unlink()
    (root / "evals" / "sums.yaml").unlink()
    edit(root / "routerctl.yaml", "class: sums", "class: query")
    assert refused(root) == message.replace("topic", "sums")


def folder_of(root: Path) -> Path:
    """The one run's folder."""
    [folder] = (root / "reports").iterdir()
    return folder


def test_a_missing_run(root: Path) -> None:
    """A run that is not there any more is named: numbers without evidence are none."""
    folder = folder_of(root)
    folder.rename(root / "elsewhere")
    line = refused(root)
    assert line == f"routes.yaml: the evidence of query, sums cannot be read: reports/: no run '{folder.name}'"


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("results.jsonl", '"passed": true', '"passed": false', "routes.sums.level is proven, the evidence says best"),
        (
            "results.jsonl",
            '"status": "scored"',
            '"status": "scred"',
            "results.jsonl:1: status: 'scred' is not known here",
        ),
        ("results.jsonl", "\n", "", "results.jsonl:1: not JSON"),
        ("run.json", '"risk": 0.1', '"risk": 0.2', "risk is 0.1, the evidence says 0.2"),
        ("run.json", '"bar": 0.8', '"bar": 0.5', "bar is 0.8, the evidence says 0.5"),
        ("run.json", '"bar": 0.8', '"bar": 5', "class query: a test needs n >= 1, 0 < bar <= 1"),
        ("run.json", '"n": 30', '"n": 3', "class sums: "),
        ("run.json", '"schema_version": 1', '"schema_version": 2', "2 is newer than this routerctl knows"),
        ("run.json", '"finished": true', '"finished": false', "which did not finish that class"),
        ("run.json", '"sums": {', '"sum": {', "which did not finish that class"),
        ("run.json", "{", "", "not JSON"),
    ],
)
def test_edited_evidence(root: Path, file: str, old: str, new: str, part: str) -> None:
    """Evidence that was edited or damaged no longer carries the table."""
    edit(folder_of(root) / file, old, new)
    line = refused(root)
    assert line.startswith("routes.yaml")
    assert part in line


def test_results_cut_off(root: Path) -> None:
    """Evidence that lost its last lines carries less than the table says."""
    path = folder_of(root) / "results.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:9]))
    assert "judgement" in refused(root)


def test_the_run_of_another_class(root: Path) -> None:
    """A route that names a run without its class is refused, not met with a traceback."""
    other = run(root, "2026-11-24T00:00:00", only=("query",))
    rewrite(root, lambda table: routed(table, run_id=other))
    assert refused(root) == f"routes.yaml: sums rests on run {other}, which did not finish that class"


def test_runs_that_do_not_agree(root: Path) -> None:
    """A table over runs of different settings cannot be built, so it does not follow."""
    edit(root / "routerctl.yaml", "seed: 1", "seed: 2")
    other = run(root, "2026-11-24T00:00:00", only=("query",))
    rewrite(root, lambda table: routed(table, "query", run_id=other))
    assert "were made with different seed" in refused(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: m-large}\nladders", "model: m-large, effort: low}\nladders", "candidate 'large' is not what"),
        ("model: m-small}", "model: m-large}", "candidate 'small' is not what"),
        (
            "large: {provider: far, model: m-large}",
            "large: {provider: far, model: m-large, max_tokens: 9}",
            "candidate 'la",
        ),
        ("risk: 0.1", "risk: 0.2", "risk is now 0.2, routes.yaml was built with 0.1"),
        ("risk: 0.1", "mode: point", "mode is now point, routes.yaml was built with proven"),
        ("seed: 1", "seed: 2", "seed is now 2, routes.yaml was built with 1"),
        ("main: [small, large]", "main: [large, small]", "ladder 'main' is not what"),
        ("main: [small, large]", "main: [large]", "ladder 'main' is not what"),
        ("ladder: main", "ladder: short", None),
        ("kind: fake,", "kind: fake, base_url: 'https://other.example',", "provider 'far' is not what"),
        (
            "source: paper, input_mtok_usd: 1,",
            "source: paper, input_mtok_usd: 5,",
            "price of small: changed since routes.yaml was built",
        ),
        ("max_chars: 9", "max_chars: 8", "routes.yaml does not follow from its evidence: rules.0.max_chars is 9, rou"),
        ("class: sums", "class: query", "routes.yaml does not follow from its evidence: rules.0.class is sums, rout"),
        ("rules:\n", "rules:\n  - {name: new, class: sums, is_json: true}\n", "routes.yaml does not follow from its"),
        (
            "default_class: query",
            "default_class: sums",
            "routes.yaml does not follow from its evidence: default_class is",
        ),
    ],
)
def test_a_changed_project(root: Path, old: str, new: str, message: str | None) -> None:
    """A candidate, ladder, setting, provider, price or rule that changed since the evidence was made is named."""
    edit(root / "routerctl.yaml", old, new)
    if message is None:  # which ladder is the usual one is no part of a table that names its own
        check_project(root, TODAY)
        return
    line = refused(root)
    assert line.startswith(message)
    assert "; run `routerctl " in line


def cloudy(root: Path) -> None:
    """Let the small model be asked in a cloud as well."""
    edit(root / "routerctl.yaml", "model: m-small}", "model: m-small, also: [{provider: cloud}]}")
    edit(root / "routerctl.yaml", "candidates:\n", "  cloud: {kind: fake}\ncandidates:\n")
    price = "{provider: cloud, model: m-small, date: 2026-01-01, source: paper, input_mtok_usd: 3, output_mtok_usd: 4}"
    edit(root / "routerctl.yaml", "prices:\n", f"prices:\n  - {price}\n")


POLICIES: dict[str, tuple[Callable[[Path], object] | tuple[str, str], str]] = {
    "another place": (cloudy, 'providers.cloud is none, routerctl.yaml says {"kind": "fake", "concurrency": 8, '),
    "its price": (
        ("input_mtok_usd: 3", "input_mtok_usd: 1.5"),
        "price of small@cloud: changed since routes.yaml was built",
    ),
    "its address": (
        ("cloud: {kind: fake}", "cloud: {kind: fake, region: eu}"),
        "providers.cloud.region is none, routerctl.yaml says eu",
    ),
    "its limits": (
        ("cloud: {kind: fake}", "cloud: {kind: fake, concurrency: 9}"),
        "providers.cloud.concurrency is 8, routerctl.yaml says 9",
    ),
    "its region": (
        ("{provider: cloud}]", "{provider: cloud, region: us}]"),
        "candidates.small.also.0.region is none, routerctl.yaml says us",
    ),
    "no place": ((", also: [{provider: cloud}]", ""), "providers.cloud is {"),
    "concurrency": (
        ("kind: fake, a", "kind: fake, concurrency: 99, a"),
        "providers.far.concurrency is 8, routerctl",
    ),
    "timeout": (("kind: fake, a", "kind: fake, timeout_s: 9, a"), "providers.far.timeout_s is 60.0, routerctl.yaml"),
    "attempts": (("kind: fake, a", "kind: fake, max_attempts: 1, a"), "providers.far.max_attempts is 4, routerc"),
    "key": (("FAR_KEY", "OTHER_KEY"), "providers.far.api_key_env is FAR_KEY, routerctl.yaml says OTHER_KEY"),
}


@pytest.mark.parametrize("policy", list(POLICIES))
def test_what_changes_no_answer_needs_no_new_run(root: Path, policy: str) -> None:
    """Other places, their prices and limits: `build-table` takes them from routerctl.yaml, until then `check` tells."""
    change, words = POLICIES[policy]
    if callable(change):
        change(root)
    else:
        cloudy(root)
        build(root, previous=load_table(root / "routes.yaml"))
        edit(root / "routerctl.yaml", *change)
    before = load_table(root / "routes.yaml")
    line = refused(root)
    assert line.removeprefix("routes.yaml does not follow from its evidence: ").startswith(words)
    assert line.endswith("; run `routerctl build-table`")
    after = build(root, previous=before)
    assert after.table_version == before.table_version + 1
    assert after.routes == before.routes
    check_project(root, TODAY)


@pytest.mark.parametrize("with_table", [True, False])
def test_a_rule_for_no_class(root: Path, with_table: bool) -> None:
    """A rule for a class that has no eval set is what the user wrote wrong, with or without a table."""
    edit(root / "routerctl.yaml", "class: sums", "class: sum")
    if not with_table:
        (root / "routes.yaml").unlink()
    line = refused(root, InputError)
    assert line == "routerctl.yaml:17: rule 'short' names the class 'sum', which has no eval set; did you mean 'sums'?"


def test_odd_rules_are_warnings(root: Path) -> None:
    """A rule that can never hold or is never reached is named before the table; the check goes on."""
    odd = (
        "  - {name: shorter, class: query, max_chars: 5}\n  - {name: none, class: query, is_json: true, max_chars: 1}\n"
    )
    edit(root / "routerctl.yaml", "default_class:", odd + "default_class:")
    build(root)
    checked = check_project(root, TODAY)
    assert checked.warnings == (
        "rules.shorter: is never reached: rule short before it holds whenever it does",
        "rules.none: can never hold: no prompt has at most 1 character and is JSON",
        *TOO_FEW,
    )


def learned(*classes: str) -> str:
    """A classifier's file that knows no word."""
    return file_text(
        {
            "classes": classes,
            "priors": dict.fromkeys(classes, 0.5),
            "temperature": 1.0,
            "unknown": {"least_known": 0.6},
            "bias": [0.0] * (len(classes) + 1),
            "scale": 1.0,
            "keys": "",
            "weights": "",
        }
    )


@pytest.mark.parametrize(
    ("content", "priors", "line"),
    [
        ("", "", "classifier.json: not a classifier: expected the JSON that `routerctl train` writes"),
        ("{}", "", "classifier.json: not a classifier: schema_version or features_version is missing"),
        (learned("query", "sums")[:-20], "", "classifier.json: not a classifier: expected the JSON that"),
        (learned("query", "sums").replace('_version": 1', '_version": 9'), "", "classifier.json: schema_version 9"),
        (
            learned("query").replace("ngrams", "embedding"),
            "",
            "classifier.json: of family 'embedding', and this routerctl",
        ),
        (learned("query", "sums", "gone"), "", "classifier.json: names the class 'gone', which has no eval set; run"),
        (learned("query"), ", priors: {sums: 0.5}", "routerctl.yaml: classifier.priors: no class 'sums' in the"),
    ],
)
def test_a_classifier_that_could_not_serve(root: Path, content: str, priors: str, line: str) -> None:
    """What every `route` would end with is said by `build-table`, before it pins the file, and by `check`."""
    edit(root / "routerctl.yaml", "rules:\n", f"classifier: {{file: classifier.json{priors}}}\nrules:\n")
    (root / "classifier.json").write_text(content, encoding="utf-8")
    assert refused(root, InputError).startswith(line)
    with pytest.raises(InputError) as caught:
        build(root)
    assert str(caught.value).startswith(line)


def test_a_class_that_the_classifier_does_not_know(root: Path) -> None:
    """It would take its prompts for another's: a warning, since a rule or the caller may name them all."""
    edit(root / "routerctl.yaml", "rules:\n", "classifier: {file: classifier.json}\nrules:\n")
    (root / "routes.yaml").unlink()
    assert "classifier.json: not there yet; `routerctl train` writes it" in check_project(root, TODAY).warnings
    (root / "classifier.json").write_text(learned("query"), encoding="utf-8")
    build(root)
    assert check_project(root, TODAY).warnings[0].startswith("classifier.json: does not know the class 'sums': ")
    (root / "classifier.json").write_text(learned("query", "sums"), encoding="utf-8")
    build(root)
    assert check_project(root, TODAY).warnings == TOO_FEW


ROUTING = """\
routing:
  thresholds:
    default: {judge: 0.5, agreement: 0.6}
    sums: {logprob: 0.5}
  successors: {m-smal: large, m-small: large}
default_class:"""


def test_a_policy_that_does_nothing(root: Path) -> None:
    """Signals that can never be told never escalate; a successor of nobody's model redirects nobody."""
    edit(root / "routerctl.yaml", "default_class:", ROUTING)
    build(root)
    found = [line for line in check_project(root, TODAY).warnings if line.startswith("routing.")]
    assert found == [
        "routing.thresholds.default: judge never escalates for query, whose scorer is no judge",
        "routing.thresholds.default: agreement never escalates for small: only self_consistency has samples that agree",
        (
            "routing.thresholds.sums: logprob never escalates for small: it takes a provider with `options: "
            "{logprobs: true}` (kinds openai and local) and a strategy of one reply"
        ),
        "routing.successors: no candidate has the model 'm-smal', nothing is redirected; did you mean 'm-small'?",
    ]


def test_a_signal_that_can_be_told_is_well(root: Path) -> None:
    """With samples that agree, a provider that gives log-probabilities or one of a plug-in, nothing is said."""
    project = load_project(root)
    voting = replace(project.candidates["small"], strategy=Strategy(name="self_consistency", samples=3))
    asked = replace(project.providers["far"], kind="openai", options={"logprobs": True})
    routing = Routing(thresholds={"default": {"logprob": 0.5, "judge": 0.5}, "query": {"agreement": 0.6}})
    of_sums = replace(project, routing=routing, providers={"far": asked})
    of_query = replace(of_sums, candidates={**project.candidates, "small": voting})
    scorers = {"sums": "judge", "query": "exact"}
    told = [[line.split(" ")[1] for line in policy_warnings(one, scorers)] for one in (of_sums, of_query)]
    assert told == [["agreement"], ["logprob"]]
    mine = replace(of_sums, providers={"far": replace(asked, kind="mine", options={})})
    assert len(list(policy_warnings(mine, scorers))) == 1


@pytest.mark.parametrize(("today", "words"), [("2026-01-01", "retires on"), ("2199-01-01", "was retired on")])
def test_retirement_is_a_warning(root: Path, today: str, words: str) -> None:
    """A model that retires is named with its day, before it is too late and after."""
    model, end = "claude-opus-4-5-20251101", date(2027, 1, 22)
    add = f"candidates:\n  old: {{provider: vendor, model: {model}}}\n"
    edit(root / "routerctl.yaml", "candidates:\n", add)
    edit(root / "routerctl.yaml", "providers:\n", "providers:\n  vendor: {kind: anthropic}\n")
    amounts = "date: 2026-01-01, source: x, input_mtok_usd: 1, output_mtok_usd: 1"
    edit(root / "routerctl.yaml", "prices:\n", f"prices:\n  - {{provider: vendor, model: {model}, {amounts}}}\n")
    warnings = check_project(root, date.fromisoformat(today)).warnings
    assert warnings[0].startswith(f"candidates.old: {model} {words} {end.isoformat()}")


# --- the runs that are taken ------------------------------------------------------------------------------------------


def test_each_class_rests_on_its_newest_fitting_run(root: Path) -> None:
    """The newest finished run on the set as it is now counts; `wanted` names others."""
    old = folder_of(root).name
    new = run(root, "2026-11-24T00:00:00", only=("sums",))
    assert {name: route.run_id for name, route in build(root).routes.items()} == {"query": old, "sums": new}
    assert build(root, wanted=(old,)).routes["sums"].run_id == old
    edit(root / "reports" / new / "run.json", '"finished": true', '"finished": false')
    assert build(root).routes["sums"].run_id == old


def test_no_fitting_run(root: Path) -> None:
    """Without a run of the ladder on the set as it is now, the error names the command that makes one."""
    with pytest.raises(InputError) as caught:
        assemble(root, ladder="short", wanted=(), previous=None)
    assert str(caught.value) == (
        "evals/query.yaml: no finished run of ladder 'short' was made on the present version of this eval set; "
        "`routerctl eval --ladder short --class query` makes one (replies already paid for cost nothing)"
    )
    edit(root / "evals" / "sums.yaml", "bar: 0.8", "bar: 0.9")
    with pytest.raises(InputError, match=r"^evals/sums\.yaml: no finished run of ladder 'main'"):
        assemble(root, ladder=None, wanted=(), previous=None)
    with pytest.raises(InputError, match=r"^reports/: no run 'nosuch'"):
        assemble(root, ladder=None, wanted=("nosuch",), previous=None)


def test_the_project_is_read_first(root: Path) -> None:
    """A wrong ladder is named before any run is read; the project keeps its folder."""
    (folder_of(root) / "run.json").write_text(json.dumps({"broken": True}))
    with pytest.raises(InputError, match="no ladder 'mian'; did you mean 'main'"):
        assemble(root, ladder="mian", wanted=(), previous=None)
    assert load_project(root).root == root


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        ("{kind: faek}", "no provider kind 'faek'; did you mean 'fake'?"),
        ("{kind: ollama}", "no provider kind 'ollama'"),
        ("{kind: imported}", "a model whose outcomes were imported cannot be called"),
        ("{kind: fake, options: {reply: x.json}}", "provider 'spare': no option 'reply'; did you mean 'replies'?"),
        ("{kind: fake, options: {latency_s: soon}}", "provider 'spare': option 'latency_s' must be of type float"),
        ("{kind: openai, options: {logprob: true}}", "provider 'spare': no option 'logprob'; did you mean 'logprobs'?"),
        ("{kind: anthropic, options: {prompt_cache: 1}}", "provider 'spare': option 'prompt_cache' must be"),
        ("{kind: local, options: {thread: 2}}", "provider 'spare': no option 'thread'; did you mean 'threads'?"),
    ],
)
def test_a_provider_that_nobody_uses_is_checked_too(root: Path, provider: str, line: str) -> None:
    """Its kind and its options, with the place and the nearest right name."""
    edit(root / "routerctl.yaml", "candidates:\n", f"  spare: {provider}\ncandidates:\n")
    place = ".options" if "options" in provider else ".kind"
    said = refused(root, InputError)
    assert said.startswith("routerctl.yaml:")
    assert f"providers.spare{place}: {line}" in said

"""A newcomer's first run on a small set, whole line: who is nearly always right serves, provisional, with its risk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.eval_sets import load_eval_sets
from routerctl.evaluation.selection import planned_order
from routerctl.table import load_table
from routerctl.testing.emulator import Body
from routerctl.types import Verdict
from tests.conftest import SECRET, Done, Far, Project, text_of

pytestmark = pytest.mark.usefixtures("in_process")

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
RISK = float(f"{stats.binom.sf(22, 24, 0.8):.3g}")  # P(Bin(24, 0.8) >= 23) = 3.31 %


@dataclass(slots=True)
class Desk:
    """The project that `routerctl init` makes, its models on a local server; right but where `wrong` says."""

    project: Project
    far: Far
    wrong: dict[str, set[int]] = field(default_factory=dict)  # model -> places in the planned order

    def run(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run a command with the key at hand."""
        return self.project.run(*arguments, stdin=stdin, env={"ANTHROPIC_API_KEY": SECRET})

    def asked(self) -> dict[str, int]:
        """Calls by model."""
        models = [received.body["model"] for received in self.far.emulator.received]
        return {model: models.count(model) for model in models}


@pytest.fixture
def desk(project: Project, far: Far) -> Desk:
    """A first project as it is scaffolded, but for the address of the server."""
    made = Desk(Project(project.root / "desk"), far)
    made.project.root.mkdir()
    assert made.run("init").code == 0
    config = (made.project.root / "routerctl.yaml").read_text()
    served = config.replace("kind: anthropic\n", f"kind: anthropic\n    base_url: {far.url}\n")
    assert served != config
    made.project.write("routerctl.yaml", served)
    (tickets,) = load_eval_sets(made.project.root)
    order = {str(case.input): place for place, case in enumerate(planned_order(tickets.cases, 1))}
    expected = {str(case.input): str(case.expected) for case in tickets.cases}
    assert len(order) == 24

    def answer(body: Body) -> str:
        ticket = text_of(body).removeprefix("Ticket: ").partition("\n")[0]
        right = order[ticket] not in made.wrong.get(body["model"], set())
        return expected[ticket] if right else "other" if expected[ticket] != "other" else "billing"

    far.answer = answer
    return made


@pytest.mark.parametrize(
    "place", [0, pytest.param(9, marks=pytest.mark.slow), pytest.param(19, marks=pytest.mark.slow)]
)
def test_wrong_on_one_of_24_the_cheapest_serves_provisional(desk: Desk, place: int) -> None:
    """Haiku misses one ticket early enough to be proven no more: it serves at its risk, and nobody dearer is asked."""
    desk.wrong = {HAIKU: {place}}
    ran = desk.run("eval")
    assert ran.code == 0, ran.err
    assert desk.asked() == {HAIKU: 24}
    assert "ticket: 24 cases can prove 80% only for a model that is right 99.5% of the time" in ran.err
    assert "haiku: Provisional: 23 of 24 cases passed (24 planned), so the score reaches 80%; not proven: " in ran.err
    assert "a candidate at 80% would do as well with 3.31% probability, and proof takes 1.67% or less" in ran.err
    (row,) = [line.split() for line in ran.out.splitlines() if line.startswith("ticket ")]
    assert row[1:5] == ["haiku", "provisional,", "3.3%", "23/24"]

    again = json.loads(desk.run("eval", "--json").out)
    assert again["paid_calls"] == 0
    found = again["classes"]["ticket"]
    assert (found["chosen"], found["level"]) == ("haiku", "provisional")
    (one,) = found["candidates"]
    assert (one["passes"], one["cases"], one["verdict"]) == (23, 24, "provisional")
    assert one["risk"] == RISK == 0.0331

    assert desk.run("build-table").code == 0
    route = load_table(desk.project.root / "routes.yaml").routes["ticket"]
    assert (route.chosen, route.level, route.rungs) == ("haiku", "provisional", ("haiku", "sonnet", "opus"))
    (evidence,) = route.evidence
    judgement = evidence.judgement
    assert (judgement.verdict, judgement.passes, judgement.cases) == (Verdict.PROVISIONAL, 23, 24)
    assert (judgement.risk, judgement.needed_cases) == (RISK, one["needed_cases"])
    assert judgement.needed_cases is not None
    assert judgement.needed_cases > 24
    assert f"{judgement.needed_cases} cases in all would prove it" in route.verdict
    assert desk.run("check").code == 0
    assert desk.asked() == {HAIKU: 24}


def test_the_reason_line_says_the_same(desk: Desk) -> None:
    """Who routes by that table is told level and risk without a call, and with each answer that it is provisional."""
    desk.wrong = {HAIKU: {3}}
    for command in ("eval", "build-table"):
        assert desk.run(command).code == 0
    explained = desk.run("route", "--explain", stdin=b"Where is my refund?")
    assert explained.code == 0
    assert f"rung 1: haiku ({HAIKU}, low), provisional, risk 3.3%: 23 of 24 cases" in explained.out
    assert desk.asked() == {HAIKU: 24}
    answered = desk.run("route", stdin=b"Are you hiring designers at the moment?")
    assert (answered.code, answered.out) == (0, "other\n"), answered.err
    assert "ticket (by default) -> haiku, provisional for this class, " in answered.err
    assert desk.asked() == {HAIKU: 25}


def test_strictness_tells_the_levels_apart(desk: Desk) -> None:
    """--strict asks for proof, --strict=provisional for the bar: CI may choose which."""
    desk.wrong = {HAIKU: {3}}
    assert desk.run("eval").code == 0
    strict = desk.run("build-table", "--strict")
    assert strict.code == 3
    assert "ticket" in strict.last
    assert desk.run("build-table", "--strict=provisional").code == 0


def test_a_miss_after_the_proof_counts_and_undoes_nothing(desk: Desk) -> None:
    """Twenty in a row prove it; the ticket that was missed among those in flight is counted in every place."""
    desk.wrong = {HAIKU: {23}}
    assert desk.run("eval", "--full").code == 0
    assert desk.run("build-table").code == 0
    route = load_table(desk.project.root / "routes.yaml").routes["ticket"]
    haiku = route.evidence[0].judgement
    assert (route.chosen, route.level) == ("haiku", "proven")
    assert (haiku.passes, haiku.cases, haiku.stopped_at, haiku.risk) == (23, 24, 20, None)
    assert route.verdict.startswith("Proven: 23 of 24 cases passed (24 planned); ")


def test_where_quality_is_critical_nothing_but_proof_counts(desk: Desk) -> None:
    """`stakes.quality_critical`: one miss leaves Haiku unproven, so the next rung serves, which proves it."""
    path = desk.project.root / "evals/ticket.yaml"
    path.write_text(path.read_text().replace("scorer:", "stakes: {quality_critical: true}\nscorer:", 1))
    desk.wrong = {HAIKU: {3}}
    for command in ("eval", "build-table"):
        assert desk.run(command).code == 0
    route = load_table(desk.project.root / "routes.yaml").routes["ticket"]
    assert (route.chosen, route.level, route.when_unproven) == ("sonnet", "proven", "top_rung")
    assert OPUS not in desk.asked()


def test_where_nobody_reaches_the_bar_the_dearest_is_not_chosen_for_its_price(desk: Desk) -> None:
    """All three are right on the same 18 of 24: the cheapest serves, as the best available, on all of their cases."""
    missed = {0, 4, 8, 12, 16, 20}
    desk.wrong = {HAIKU: missed, SONNET: missed, OPUS: missed}
    for command in ("eval", "build-table"):
        assert desk.run(command).code == 0
    assert desk.asked() == {HAIKU: 24, SONNET: 24, OPUS: 24}
    route = load_table(desk.project.root / "routes.yaml").routes["ticket"]
    assert (route.chosen, route.level) == ("haiku", "best available")
    assert {one.judgement.passes for one in route.evidence} == {18}


def test_a_set_that_can_prove_nothing_says_so_before_the_run_and_truly_after(project: Project) -> None:
    """Quality is critical and 9 cases prove nothing: the top rung alone is run, in the estimate too."""
    project.eval_set("sums", 9, stakes={"quality_critical": True})
    project.replies({"model-small": 1.0, "model-large": 0.9})
    head = "sums: 9 cases cannot prove 80%, not even with a perfect score; for one that is right 95% of the time it "
    then = "Nothing but proof counts here, so the top rung serves, and it alone is run."
    for command in (("check",), ("eval", "--dry-run")):
        told = project.run(*command).err
        assert head in told
        assert then in told
    (small, large) = json.loads(project.run("eval", "--dry-run", "--json").out)
    assert (small["chance"], large["chance"], large["likely"]["calls"]) == (0, 1, 9)
    done = project.run("eval")
    assert "sums: large is provisional, 8/9; " in done.err
    assert "cases in all would prove large if its accuracy is what was seen" in done.err
    for false in (
        "would prove no candidate",
        "before the first case",
        "$0; the run has spent",
        "after a test had ended",
    ):
        assert false not in done.err
    assert project.run("build-table").code == project.run("check").code == 0
    route = load_table(project.root / "routes.yaml").routes["sums"]
    assert (route.chosen, route.level, [one.candidate for one in route.evidence]) == ("large", "provisional", ["large"])
    assert route.rule.endswith("so the top rung serves, unproven; it is run so that its score is known.")


def test_where_the_top_rung_too_misses_the_bar_it_is_the_best_available(project: Project) -> None:
    """Of a set that can prove nothing, likewise with its score."""
    project.eval_set("sums", 9, when_unproven="top_rung")
    project.replies({"model-small": 1.0, "model-large": 0.5})
    done = project.run("eval")
    assert "No candidate is proven to reach the bar of 80%; the top rung, large, serves, 4/9; " in done.err
    assert "before the first case" not in done.err

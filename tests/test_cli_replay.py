"""`routerctl replay` on logs whose truth is known, on recorded outcomes, and on what is neither."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routerctl.files.writing import write_atomically
from routerctl.routing.tenants import DECISIONS_FILE, TENANTS_FOLDER
from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Classifier, Condition, Rule, Table, Tenant
from tests.conftest import Done, Project
from tests.test_warehouse import NOW, WEEK, Traffic, usual, write_log

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 knows DuckDB 1
Run = Callable[..., Done]
ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two classes and the evidence of both candidates, made by the real commands."""
    project = Project.with_fake(tmp_path_factory.mktemp("made"))
    project.eval_set("dates", 60)
    project.replies({"model-small": 0.2, "model-large": 1.0}, ("sums", "dates"))
    assert project.run("eval", "--full").code == project.run("build-table").code == 0
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A copy of it, to change; the fixture `run` works in it."""
    shutil.copytree(made, tmp_path / "copy")
    return Project(tmp_path / "copy")


def change(project: Project, choices: dict[str, str], **more: Any) -> Table:
    """Write `new.yaml`: the table with other choices."""
    table = load_table(project.root / "routes.yaml")
    routes = {name: replace(route, chosen=choices.get(name, route.chosen)) for name, route in table.routes.items()}
    changed = with_digest(replace(table, routes=routes, **more))
    write_atomically(project.root / "new.yaml", table_text(changed))
    return changed


def log(project: Project, traffic: Sequence[Traffic], where: str = DECISIONS_FILE) -> None:
    """Write the project's log."""
    write_log(project.root / where, traffic)


def replayed(run: Run, *options: str) -> dict[str, Any]:
    """Run the command and give what it says as JSON."""
    done = run("replay", "--table", "new.yaml", "--json", *options)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def of(found: dict[str, Any], name: str) -> dict[str, Any]:
    """One class of it."""
    (one,) = [item for item in found["classes"] if item["task_class"] == name]
    return dict(one)


# --- a log ------------------------------------------------------------------------------------------------------------


def test_the_same_choices_are_measured(project: Project, run: Run) -> None:
    """A log made by the very choices of the table gives their own cost and quality, all of it measured."""
    change(project, {"sums": "small", "dates": "small"})
    log(project, usual(seed=2))
    found = replayed(run)
    assert found["cost_basis"]["matched"] == found["requests"] == 3000
    assert float(found["cost_usd"][0]) == pytest.approx(float(found["logged_usd"]), rel=1e-6)
    sums = of(found, "sums")
    assert sums["score"]["low"] < 0.9 < sums["score"]["high"]
    assert sums["score"]["value"] == pytest.approx(sums["logged_score"])


def test_another_model_under_the_same_name_is_another_candidate(project: Project, run: Run) -> None:
    """What a candidate did before its pin changed says nothing of its quality now."""
    table = load_table(project.root / "routes.yaml")
    changed = {**table.candidates, "small": replace(table.candidates["small"], model="model-newer")}
    change(project, {"sums": "small", "dates": "small"}, candidates=changed)
    log(project, usual())
    found = replayed(run)
    assert found["score"] is None
    assert found["cost_basis"]["matched"] == 0
    assert any("small by model-small in sums 1,500" in line for line in found["words"])


def _logged_here(project: Project) -> None:
    digest = load_table(project.root / "routes.yaml").digest
    log(project, usual(("sums",), digest=digest))


def test_a_price_that_moved_moves_the_cost(project: Project, run: Run) -> None:
    """Where the table that decided is at hand, its prices are known: a hundredfold price is a hundredfold cost."""
    table = load_table(project.root / "routes.yaml")
    price = table.prices["small"]
    times = {name: 100 * getattr(price, name) for name in ("input_mtok_usd", "output_mtok_usd")}
    change(project, {"sums": "small"}, prices={**table.prices, "small": replace(price, **times)})
    _logged_here(project)
    found = replayed(run)
    assert float(found["cost_usd"][0]) == pytest.approx(100 * float(found["logged_usd"]), rel=1e-6)
    assert of(found, "sums")["score"]["value"] == pytest.approx(of(found, "sums")["logged_score"])
    assert any("small at 100 times the price 1,500 requests" in line for line in found["words"])


def test_another_prompt_is_another_answer(project: Project, run: Run) -> None:
    """What a candidate answered to another prompt tells neither its cost nor its quality now."""
    table = change(project, {"sums": "small"})
    route = table.routes["sums"]
    longer = replace(route, prompt=replace(route.prompt, system="Think. " * 500))
    changed = with_digest(replace(table, routes={**table.routes, "sums": longer}))
    write_atomically(project.root / "new.yaml", table_text(changed))
    _logged_here(project)
    found = replayed(run)
    assert (of(found, "sums")["score"], found["cost_basis"]["matched"]) == (None, 0)
    assert any("small with another prompt in sums 1,500 requests" in line for line in found["words"])


def test_a_table_that_is_gone_is_said(project: Project, run: Run) -> None:
    """Of decisions of another table only the model is compared, which a reader is told."""
    change(project, {"sums": "small", "dates": "small"})
    log(project, usual())
    assert any("3,000 requests were decided by tables that are not here" in line for line in replayed(run)["words"])


def test_both_arms_of_an_experiment_overlap(project: Project, run: Run) -> None:
    """What one arm tried on a quarter of the traffic is known, weighted by its chance, for all of it."""
    change(project, {"sums": "large"})
    log(
        project,
        [
            *usual(("sums",), arm="try:A", propensity=0.75, digest="sha256:a"),
            *usual(
                ("sums",), arm="try:B", propensity=0.25, digest="sha256:b", chosen="large", cost_usd=0.004, good=0.6
            ),
        ],
    )
    sums = of(replayed(run), "sums")
    assert sums["cost_basis"]["weighted"] == 1500
    assert sums["cost_usd"]["low"] < 0.004 * 1.133 < sums["cost_usd"]["high"]  # the mean of what write_log draws
    assert sums["score"]["low"] < 0.6 < sums["score"]["high"]


def test_what_was_never_chosen_is_modelled_and_its_quality_unknown(project: Project, run: Run) -> None:
    """Cost follows from the eval sets' ratio and says so; quality is not known and says so."""
    change(project, {"sums": "large", "dates": "small"})
    log(project, usual())
    found = replayed(run)
    assert of(found, "sums")["cost_basis"]["modelled"] == 1500
    assert of(found, "sums")["score"] is None
    assert of(found, "dates")["score"] is not None
    words = " ".join(found["words"])
    assert "Quality cannot be known from this log in sums" in words
    assert "modelled from the eval sets" in words


def test_the_table_is_for_eyes(project: Project, run: Run) -> None:
    """Everything is said in 80 columns."""
    change(project, {"sums": "large", "dates": "small"})
    log(project, usual())
    done = run("replay", "--table", "new.yaml")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "class mix is the logged one" in " ".join(done.out.split())
    rows = {line.split()[0]: line for line in done.out.splitlines()[2:4]}
    assert "unknown" in rows["sums"]
    assert "modelled" in rows["sums"]
    assert "measured" in rows["dates"]


def test_only_what_is_asked_for(project: Project, run: Run) -> None:
    """A class, a stretch of time."""
    change(project, {"sums": "small", "dates": "small"})
    log(project, usual())
    assert [one["task_class"] for one in replayed(run, "--class", "sums")["classes"]] == ["sums"]
    assert replayed(run, "--since", (NOW - WEEK).isoformat())["requests"] == 600


def test_kept_prompts_are_decided_anew(project: Project, run: Run) -> None:
    """Where prompts were kept, the changed table's rules name the class; what a caller named stays."""
    rules = (Rule(name="days", task_class="dates", when=Condition(keywords=("monday",))),)
    change(project, {"sums": "small", "dates": "small"}, rules=rules)
    log(
        project,
        [
            *usual(("sums",), prompt="which day is monday", cost_usd=0.001),
            *usual(("sums",), prompt="which day is monday", decided_by="caller", seed=2),
            *usual(("sums",), prompt="1+1", seed=3),
            *usual(("sums",), seed=4),
        ],
    )
    found = replayed(run)
    assert {one["task_class"]: one["requests"] for one in found["classes"]} == {"dates": 1500, "sums": 4500}
    assert "1,500 change class (sums -> dates 1,500); 3,000 others keep the class" in " ".join(found["words"])
    kept = replayed(run, "--keep-classes")
    assert {one["task_class"]: one["requests"] for one in kept["classes"]} == {"sums": 6000}


def test_a_model_that_classifies_is_not_asked(project: Project, run: Run) -> None:
    """The command calls nobody: without a rule the class stays as it was logged."""
    change(project, {"sums": "small"}, rules=(), classifier=Classifier(candidate="large"))
    log(project, usual(("sums",), prompt="1+1"))
    assert of(replayed(run), "sums")["requests"] == 1500


def test_a_tenants_own_log(project: Project, run: Run) -> None:
    """A tenant's decisions are in its own file, and nobody else's are."""
    table = load_table(project.root / "routes.yaml")
    routing = replace(table.routing, tenants={"acme": Tenant(name="acme")})
    write_atomically(project.root / "routes.yaml", table_text(with_digest(replace(table, routing=routing))))
    change(project, {"sums": "small"})
    log(project, usual(("sums",)))
    log(project, usual(("dates",), tenant="acme"), f"{TENANTS_FOLDER}/acme/{DECISIONS_FILE}")
    assert [one["task_class"] for one in replayed(run, "--tenant", "acme")["classes"]] == ["dates"]
    done = run("replay", "--table", "new.yaml", "--tenant", "acne")
    assert (done.code, done.last) == (2, "routerctl: no tenant 'acne'; did you mean 'acme'?")


def test_hostile_names_are_harmless(project: Project, run: Run) -> None:
    """What stands in a log cannot steer the terminal."""
    change(project, {})
    log(project, usual((f"sums {ESCAPE}",), chosen=f"small {ESCAPE}"))
    done = run("replay", "--table", "new.yaml")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out
    assert "no route" in done.out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], ".routerctl/decisions.sqlite: no decision log here yet: `routerctl route` writes it"),
        (
            ["--log", "x.parquet"],
            "x.parquet: no Parquet file there; `routerctl log export --format parquet` writes one",
        ),
        (["--outcomes", "x.csv"], "x.csv: neither a file nor a run in reports/"),
        (
            ["--outcomes", "x.csv", "--since", "7d"],
            "--outcomes replaces the log: leave out --log, --since and --tenant",
        ),
        (["--as", "a=b"], "--as names a model of --outcomes"),
        (["--since", "soon"], "--since: expected 30m, 2h, 7d, 2w or a moment"),
    ],
)
def test_what_is_wrong_is_one_line(project: Project, run: Run, options: list[str], problem: str) -> None:
    """Where there is nothing to replay, or too much is asked for at once."""
    change(project, {})
    done = run("replay", "--table", "new.yaml", *options)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert problem in done.err


def test_an_empty_log_says_so(project: Project, run: Run) -> None:
    """A log without a decision of this kind is not a replay of nothing."""
    change(project, {})
    log(project, usual(("sums",)))
    done = run("replay", "--table", "new.yaml", "--class", "nothing")
    assert (done.code, done.last) == (
        2,
        "routerctl: .routerctl/decisions.sqlite: no decision there can be replayed",
    )


# --- recorded outcomes ------------------------------------------------------------------------------------------------

CSV = "task_class,case_id,model,score,cost_usd\n" + "".join(
    f"{name},{case},{model},{score},{cost}\n"
    for name in ("sums", "dates")
    for case in range(100)
    for model, score, cost in (("model-small", int(case % 10 < 7), 0.001), ("large", 1, 0.01), ("other", 0, 0.5))
)


def test_recorded_outcomes_of_a_file(project: Project, run: Run) -> None:
    """Each class is answered by the table's choice; beside it, what each single model would have done."""
    change(project, {"sums": "small", "dates": "large"})
    project.write("outcomes.csv", CSV)
    found = replayed(run, "--outcomes", "outcomes.csv")
    assert of(found, "sums")["score"]["value"] == pytest.approx(0.7)
    assert of(found, "dates")["score"]["value"] == 1
    assert float(found["cost_usd"][0]) == pytest.approx(100 * 0.001 + 100 * 0.01)
    assert found["score_basis"]["matched"] == found["requests"] == 200
    assert "Always small: $0.20, quality 70.0% on 200 recorded cases." in found["words"]


@pytest.mark.parametrize("cases", [1, 12, 29, 30])
def test_recorded_costs_are_not_replaced_by_a_model(cases: int, project: Project, run: Run) -> None:
    """What the same candidate cost on the very cases is known, however few they are, and adds up to the cent."""
    change(project, {"sums": "small", "dates": "large"})
    kept = [line for line in CSV.splitlines() if line.startswith("task") or int(line.split(",")[1]) < cases]
    project.write("outcomes.csv", "\n".join(kept) + "\n")
    found = replayed(run, "--outcomes", "outcomes.csv")
    assert float(found["cost_usd"][0]) == pytest.approx(cases * 0.001 + cases * 0.01)
    assert found["cost_basis"]["matched"] == found["requests"] == 2 * cases


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (lambda case: 0.001 if case % 4 else "", "each reply of small cost; the others' mean is taken"),
        (lambda case: 0.001 * (1 + case % 2) if case >= 90 else "", "each reply of small cost; the others' mean"),
        (lambda _: "", "small cost; taken from the table's evidence"),
        (lambda _: 0.001, ""),
    ],
    ids=["some lack it", "most lack it", "all lack it", "none lacks it"],
)
def test_costs_of_the_same_candidate_stand_for_those_that_are_not_there(
    cost: Callable[[int], float | str], told: str, project: Project, run: Run
) -> None:
    """The file's own come before the table's evidence, which may be of other prices and other prompts."""
    change(project, {"sums": "small"})
    costs = [cost(case) for case in range(100)]
    rows = "".join(f"sums,{case},model-small,1,{costs[case]}\n" for case in range(100))
    project.write("outcomes.csv", f"task_class,case_id,model,score,cost_usd\n{rows}")
    done = run("replay", "--table", "new.yaml", "--outcomes", "outcomes.csv", "--json")
    known = [one for one in costs if isinstance(one, float)]
    (one,) = [
        each.cost_per_case_usd
        for each in load_table(project.root / "new.yaml").routes["sums"].evidence
        if each.candidate == "small"
    ]
    assert one is not None
    mean = sum(known) / len(known) if known else float(one)
    assert float(json.loads(done.out)["cost_usd"][0]) == pytest.approx(100 * mean, rel=1e-6)
    assert f"sums: the file does not say what {told}" in done.err if told else "does not say" not in done.err


def test_a_run_is_recorded_outcomes_too(project: Project, run: Run) -> None:
    """A run of the project, by its id."""
    change(project, {"sums": "small", "dates": "large"})
    run_id = load_table(project.root / "routes.yaml").routes["sums"].run_id
    found = replayed(run, "--outcomes", run_id, "--class", "sums")
    assert found["requests"] == 60
    assert of(found, "sums")["score"]["value"] == pytest.approx(12 / 60)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_of_weighted_cases_is_replayed_as_the_table_has_it(epochs: int, project: Project, run: Run) -> None:
    """Heavy cases count more, in the score and in money, as in the table that rests on the run."""
    cases = [
        {"id": f"case-{k}", "input": f"sums: 1+{k}", "expected": str(k + 1), "weight": 9 if k % 3 else 1}
        for k in range(60)
    ]
    project.eval_set("sums", 60, cases=cases, epochs=epochs)
    assert run("eval", "--full").code == run("build-table").code == 0
    route = load_table(project.root / "routes.yaml").routes["sums"]
    (one,) = [each for each in route.evidence if each.candidate == route.chosen]
    project.write("new.yaml", (project.root / "routes.yaml").read_text())
    told = of(replayed(run, "--outcomes", route.run_id, "--class", "sums"), "sums")
    assert one.cost_per_case_usd is not None
    assert told["score"]["value"] == pytest.approx(one.judgement.score, abs=1e-6)
    assert float(told["cost_usd"]["value"]) == pytest.approx(float(one.cost_per_case_usd), rel=1e-6)
    low, high = told["score"]["low"], told["score"]["high"]
    assert low < told["score"]["value"] < high or told["score"]["value"] == 1


def test_a_run_may_be_named_by_its_path(project: Project, run: Run) -> None:
    """As a shell completes it."""
    change(project, {"sums": "small"})
    run_id = load_table(project.root / "routes.yaml").routes["sums"].run_id
    by_path, by_id = (replayed(run, "--outcomes", name) for name in (f"reports/{run_id}/", run_id))
    assert by_path == by_id | {"source": f"reports/{run_id}/"}


def test_a_column_of_a_file_that_is_not_used_is_said(project: Project, run: Run) -> None:
    """As `import` says it."""
    change(project, {"sums": "small"})
    project.write("outcomes.csv", CSV.replace("cost_usd", "costs"))
    done = run("replay", "--table", "new.yaml", "--outcomes", "outcomes.csv")
    assert "columns not used: costs (did you mean cost?)" in done.err


def test_a_choice_without_outcomes_is_not_known(project: Project, run: Run) -> None:
    """Where nobody recorded the table's choice, its quality is unknown, and the models that are nobody are named."""
    change(project, {"sums": "small", "dates": "large"})
    project.write("outcomes.csv", CSV.replace("model-small", "tiny"))
    done = run("replay", "--table", "new.yaml", "--outcomes", "outcomes.csv", "--json")
    assert of(json.loads(done.out), "sums")["score"] is None
    assert "not in the table: tiny, other" in done.err
    named = replayed(run, "--outcomes", "outcomes.csv", "--as", "tiny=small")
    assert of(named, "sums")["score"]["value"] == pytest.approx(0.7)


def test_costs_that_a_file_does_not_have(project: Project, run: Run) -> None:
    """Then the table's evidence stands for them, which is said; where that has none either, it is an error."""
    change(project, {"sums": "small", "dates": "large"})
    rows = [line.rpartition(",")[0] for line in CSV.splitlines() if ",other," not in line]
    project.write("outcomes.csv", "\n".join(rows))
    done = run("replay", "--table", "new.yaml", "--outcomes", "outcomes.csv")
    assert done.code == 0
    assert "sums: the file does not say what small cost; taken from the table's evidence" in done.err
    said = done.out.splitlines()
    (place,) = [k for k, line in enumerate(said) if line.endswith("in brackets 95% intervals (those of")]
    assert said[place + 1] == "a table hold whenever its test ends, so they are wider)"
    assert max(map(len, said[place:])) < 80
    project.write("outcomes.csv", "\n".join(rows).replace("model-small", "tiny"))
    done = run("replay", "--table", "new.yaml", "--outcomes", "outcomes.csv")
    assert done.code == 2
    assert "the cost of tiny is not known" in done.last

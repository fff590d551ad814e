"""`routerctl drift` on a log whose disturbance is known, and on one without any."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routerctl.evaluation.run_files import read_run
from routerctl.files.writing import write_atomically
from routerctl.routing.decision_log.export import write_parquet
from routerctl.routing.decision_log.reader import LogReader, Wanted
from routerctl.routing.decision_log.rows import stamp
from routerctl.routing.tenants import DECISIONS_FILE, TENANTS_FOLDER
from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Tenant
from tests.conftest import Done, Project
from tests.test_warehouse import NOW, WEEK, Traffic, usual, write_log

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 knows DuckDB 1
Run = Callable[..., Done]
ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e"
NAMES = ("sums", "dates")
SINCE = (NOW - WEEK).isoformat()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two classes, both served by `large`, made by the real commands."""
    project = Project.with_fake(tmp_path_factory.mktemp("made"))
    project.eval_set("dates", 60)
    project.replies({"model-small": 0.2, "model-large": 1.0}, NAMES)
    assert project.run("eval").code == project.run("build-table").code == 0
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A copy of it, to change; the fixture `run` works in it."""
    shutil.copytree(made, tmp_path / "copy")
    return Project(tmp_path / "copy", json.loads((made / "routerctl.yaml").read_text()))


def quiet(**more: Any) -> list[Traffic]:
    """Five undisturbed weeks of both classes."""
    return usual(NAMES, chosen="large", **more)


def disturbed(**more: Any) -> list[Traffic]:
    """The same, but for what is said of the last week of `sums`."""
    return [
        replace(kind, **more) if (kind.task_class, kind.end) == ("sums", NOW) else kind for kind in quiet(refused=0.01)
    ]


def log(project: Project, traffic: Sequence[Traffic], where: str = DECISIONS_FILE) -> None:
    """Write the project's log."""
    write_log(project.root / where, traffic)


def looked(run: Run, *options: str) -> tuple[Done, dict[str, Any]]:
    """Look at the last week and give what is said as JSON."""
    done = run("drift", "--since", SINCE, "--json", *options)
    assert done.code in (0, 3), done.err
    return done, json.loads(done.out)


# --- what moved -------------------------------------------------------------------------------------------------------


def test_undisturbed_traffic_is_no_drift(project: Project, run: Run) -> None:
    """Four weeks and one more like them: exit 0."""
    log(project, quiet(refused=0.01))
    done, found = looked(run)
    assert done.code == 0
    assert found["moved"] == []
    assert (found["requests"], found["earlier_requests"]) == (600, 2400)
    assert found["against_eval_sets"] == []


@pytest.mark.parametrize(
    ("disturbance", "moved"),
    [
        pytest.param({"served_model": "model-large-0613"}, {"sums served model"}, marks=pytest.mark.slow),
        pytest.param({"refused": 0.1}, {"sums refusals"}, marks=pytest.mark.slow),
        ({"latency_s": 1.0}, {"sums latency p50", "sums latency p95"}),
        ({"cost_usd": 0.002}, {"sums cost p50", "sums cost p95"}),
        pytest.param({"cost_usd": 0.0005}, {"sums lower cost p50"}, marks=pytest.mark.slow),
        ({"good": 0.5, "rated": 0.9}, {"sums (feedback) score"}),
        ({"served": "small", "cost_usd": 0.01, "latency_s": 9.0}, {"sums served by another"}),
        (
            {"served": "small", "served_model": "model-evil"},
            {"sums served by another", "sums (by small) served model"},
        ),
    ],
)
def test_what_moved_is_named(project: Project, run: Run, disturbance: dict[str, Any], moved: set[str]) -> None:
    """Exit 3, and the last line names the class and what moved of it, and nothing else."""
    log(project, disturbed(**disturbance))
    done, found = looked(run)
    assert done.code == 3
    assert set(found["moved"]) == moved
    assert done.last == f"routerctl: moved: {', '.join(found['moved'])}"


@pytest.mark.parametrize("options", [(), ("--against", "0d")])
def test_a_class_that_nobody_answers(project: Project, run: Run, options: tuple[str, ...]) -> None:
    """Requests without a reply have no latency and no cost, and are found all the same; also without earlier ones."""
    log(project, quiet())
    with sqlite3.connect(project.root / DECISIONS_FILE) as database:
        database.execute(
            "UPDATE decisions SET served = NULL, served_model = NULL, pinned_model = NULL, latency_s = NULL "
            "WHERE at >= ? AND task_class = 'sums'",
            (stamp(SINCE),),
        )
    database.close()
    done, found = looked(run, *options)
    assert done.code == 3
    assert "sums unanswered" in found["moved"]
    assert options or len(found["moved"]) == 1  # an eval set's latency and cost are not these
    assert any("sums: unanswered moved from 0.0% to 100.0%" in line for line in found["words"])


def test_escalations_that_are_as_usual_are_no_drift(project: Project, run: Run) -> None:
    """What another candidate served all along is not news; nor is it against an eval set, which has no escalations."""
    log(project, [*quiet(), *quiet(served="small", seed=2)])
    with sqlite3.connect(project.root / DECISIONS_FILE) as database:
        database.execute("UPDATE decisions SET escalations = 1, fallbacks = 0 WHERE served <> chosen")
    database.close()
    assert looked(run)[1]["moved"] == []
    assert "served by another" not in str(looked(run, "--against", "0d")[1]["moved"])


@pytest.mark.parametrize("options", [("--since", "1500-01-01"), ("--since", "0001-01-01"), ("--against", "90000w")])
def test_any_past_can_be_looked_at(project: Project, run: Run, options: tuple[str, ...]) -> None:
    """A moment before there was anything is a moment."""
    log(project, quiet())
    done = run("drift", *options)
    assert done.code in (0, 3), done.err


def test_a_class_that_is_asked_more_often(project: Project, run: Run) -> None:
    """The mix of classes moved; of two classes each moved as far."""
    log(project, disturbed(number=1200))
    done, found = looked(run)
    assert done.code == 3
    assert found["moved"] in (["class mix (sums)"], ["class mix (dates)"])


def test_one_request_of_another_model_is_enough(project: Project, run: Run) -> None:
    """A served id that is not the pin is an alarm at the first request."""
    traffic = quiet()
    other = replace(traffic[1], number=1, served_model="model-large-0613", seed=9)
    log(project, [*traffic, other])
    done, found = looked(run)
    assert found["moved"] == ["sums served model"]
    assert any("model-large-0613 served instead of model-large" in line for line in found["words"])
    assert done.code == 3


def test_requests_under_another_pin_are_another_tables(project: Project, run: Run) -> None:
    """What was asked of another model id, before the pin changed, is no drift of this one."""
    log(project, disturbed(pin="model-large-older", latency_s=5.0))
    done, found = looked(run)
    assert done.code == 0
    assert "sums: 300 requests served under another pin than the table's, not counted." in found["words"]


def test_parquet_says_the_same(project: Project, run: Run) -> None:
    """The report on an export is the report on the log."""
    log(project, disturbed(latency_s=1.0, refused=0.1))
    with LogReader(project.root / DECISIONS_FILE) as decisions, (project.root / "log.parquet").open("wb") as file:
        write_parquet(decisions.every(Wanted()), file)
    _, local = looked(run, "--against", "4w")
    _, exported = looked(run, "--against", "4w", "--log", "log.parquet")
    assert local | {"source": ""} == exported | {"source": ""}


# --- against what -----------------------------------------------------------------------------------------------------


def test_without_earlier_traffic_only_a_doubling_counts(project: Project, run: Run) -> None:
    """Against the eval set, whose prompts have other lengths, nearly twice as much is no alarm; six times is."""
    run_id = load_table(project.root / "routes.yaml").routes["sums"].run_id
    results = read_run(project.root / "reports" / run_id).results
    large = [one for one in results if (one.task_class, one.candidate) == ("sums", "large")]
    usual_usd = sorted(float(one.cost_usd) for one in large)[len(large) // 2]
    usual_s = sorted(one.latency_s or 0.0 for one in large)[len(large) // 2]
    for times, code in ((0.8, 0), (6.0, 3)):  # its p95 is 1.8 times the eval set's, which is all of one length
        (project.root / DECISIONS_FILE).unlink(missing_ok=True)
        log(project, [replace(kind, cost_usd=usual_usd * times, latency_s=usual_s / 100) for kind in quiet()[1::2]])
        done, found = looked(run)
        assert done.code == code, found["moved"]
        assert set(found["against_eval_sets"]) == set(NAMES)
    assert "dates cost p50" in found["moved"]
    assert any("only more than twice the latency or cost counts" in line for line in found["words"])


def test_how_far_back_is_compared(project: Project, run: Run) -> None:
    """--against 0d leaves the log's past alone; a stretch takes so much of it."""
    log(project, quiet())
    assert looked(run, "--against", "0d")[1]["earlier_requests"] == 0
    assert looked(run, "--against", "1w")[1]["earlier_requests"] == 600


def test_new_runs_of_the_eval_sets_are_compared(project: Project, run: Run) -> None:
    """A run newer than the table shows that its candidate fell, on the same cases."""
    log(project, quiet())
    assert run("eval", "--baseline", "routes.yaml", "--max-age", "0").code == 0
    _, same = looked(run)
    assert set(same["shadow_runs"]) == set(NAMES)
    assert same["moved"] == []
    project.replies({"model-small": 0.2, "model-large": 0.6}, ("sums",))
    run("eval", "--baseline", "routes.yaml", "--max-age", "0")
    done, found = looked(run)
    assert "sums score" in found["moved"]
    assert done.code == 3


def test_replies_from_the_cache_say_nothing_of_today(project: Project, run: Run) -> None:
    """A run that was answered from the cache is no new measurement."""
    log(project, quiet())
    assert run("eval", "--full").code == run("build-table").code == run("eval", "--full").code == 0
    assert looked(run)[1]["shadow_runs"] == {}


# --- how it is said ---------------------------------------------------------------------------------------------------


def test_the_report_is_for_eyes(project: Project, run: Run) -> None:
    """A row a class with marks where it moved, then sentences, in 80 columns."""
    log(project, disturbed(latency_s=1.0, served_model="model-large-0613"))
    done = run("drift", "--since", SINCE)
    assert max(map(len, done.out.splitlines())) <= 80
    rows = {line.split()[0]: line for line in done.out.splitlines()[2:4]}
    assert rows["sums!"].count("!") == 3
    assert "!" not in rows["dates"]
    assert "sums: latency p50 moved from 0.5" in " ".join(done.out.split())


def test_the_steps_summary(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under GitHub Actions the page of the run says it too, in a fence that no name can leave."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "summary.md"))
    log(project, disturbed(served_model=f"```\n# owned {ESCAPE}"))
    assert run("drift", "--since", SINCE).code == 3
    text = (project.root / "summary.md").read_text()
    assert text.startswith("## routerctl drift: moved\n\n```text\n")
    assert text.count("```") == 2
    assert "\x1b" not in text


def test_hostile_names_are_harmless(project: Project, run: Run) -> None:
    """What stands in a log cannot steer the terminal."""
    log(project, [*disturbed(served_model=f"model {ESCAPE}"), *usual((f"other {ESCAPE}",), chosen=f"who {ESCAPE}")])
    done = run("drift", "--since", SINCE)
    assert done.code == 3
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out + done.err


def test_a_tenants_own_log(project: Project, run: Run) -> None:
    """What moved for one tenant is not seen in another's log."""
    table = load_table(project.root / "routes.yaml")
    tenants = {name: Tenant(name=name) for name in ("acme", "zeta")}
    changed = with_digest(replace(table, routing=replace(table.routing, tenants=tenants)))
    write_atomically(project.root / "routes.yaml", table_text(changed))
    log(project, disturbed(latency_s=1.0, tenant="acme"), f"{TENANTS_FOLDER}/acme/{DECISIONS_FILE}")
    log(project, quiet(tenant="zeta"), f"{TENANTS_FOLDER}/zeta/{DECISIONS_FILE}")
    assert looked(run, "--tenant", "acme")[0].code == 3
    assert looked(run, "--tenant", "zeta")[0].code == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], ".routerctl/decisions.sqlite: no decision log here yet: `routerctl route` writes it"),
        (["--table", "none.yaml"], "none.yaml: no such file here; `routerctl build-table` writes it"),
        (["--tenant", "acme"], "no tenant 'acme'"),
        (["--against", "soon"], "expected 30m, 2h, 7d, 2w or a moment"),
        (["--log", "nosuch://me:p4ss@host"], "nosuch://***@host: "),
    ],
)
def test_what_is_wrong_is_one_line(project: Project, run: Run, options: list[str], problem: str) -> None:
    """Where there is nothing to look at, one line says why."""
    done = run("drift", *options)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert problem in done.err
    assert "p4ss" not in done.err


def test_a_quiet_week_is_no_undisturbed_one(project: Project, run: Run) -> None:
    """Without a decision in the window nothing is said to be well."""
    log(project, quiet())
    done = run("drift", "--since", "2030-01-01")
    assert (done.code, done.last) == (
        2,
        "routerctl: .routerctl/decisions.sqlite: no decision since 2030-01-01T00:00:00.000Z",
    )

"""Two tenants of one project: each command is walked in the name of the one, and nothing of the other is met."""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from routerctl import Router
from routerctl.cli import made_app
from routerctl.errors import InputError
from routerctl.routing.tenants import DECISIONS_FILE, TENANTS_FOLDER
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing.emulator import HANG_UP, Fault
from tests.conftest import SECRET, Done, Far, Project, right_answer

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 knows DuckDB 1
Run = Callable[..., Done]
ENV = {"TEST_KEY": SECRET, "ACME_KEY": "sk-acme-own", "ZETA_KEY": "sk-zeta-own"}
# Whatever zeta has: its name, its user's, its prompts and replies, its experiment, its key, its tier's table.
OF_ZETA = re.compile(r"zeta|zoe|zebra|zooming|zinc", re.IGNORECASE)
NEW_SECRET = re.compile(r"rk_[\w-]+")  # random: any letters may meet in it
WITH_TENANT = {  # every command that can be asked in a tenant's name: a new one has to be walked, too
    "route": ["--class", "sums", "--user", "ann"],
    "log list": [],
    "log show": ["{decision}"],
    "log tail": [],
    "log stats": [],
    "log export": ["--format", "jsonl"],
    "log feedback": ["{decision}", "good"],
    "health": ["--generate"],
    "budget": ["--past"],
    "replay": ["--table", "routes.yaml"],
    "drift": [],
    "experiment start": ["apart", "--table", "routes.b.yaml", "--slow-s", "9"],
    "experiment status": [],
    "experiment abort": [],
    "experiment promote": ["--force"],
    "log prune": ["--all"],
    "keys create": ["app"],
}
# Without --json, or with a name that is taken the second time.
ONCE = {"experiment start", "experiment promote", "experiment abort", "log export", "keys create"}


@pytest.fixture
def shared(vendors: Project, far: Far, run: Run, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that serves acme and zeta; zeta has been here, with everything that a tenant can have."""
    for name, secret in ENV.items():
        monkeypatch.setenv(name, secret)
    far.emulator.know(("model-small", "model-large"))
    far.answer = lambda body: "zebra stripes" if "zoe" in json.dumps(body) else right_answer(body)
    assert run("eval").code == run("build-table").code == 0
    own = {name: {provider: f"{name.upper()}_KEY" for provider in ("anthropic", "openai")} for name in ("acme", "zeta")}
    vendors.config["routing"] = {
        "log_prompts": True,
        "tiers": {"zinc": {"table": "routes.zinc.yaml"}},
        "tenants": {"acme": {"keys": own["acme"]}, "zeta": {"keys": own["zeta"], "tier": "zinc"}},
        "budgets": [
            {"name": "each", "cap_usd": 1, "period": "day", "per": "tenant"},
            {"name": "of-zeta", "cap_usd": 1, "period": "day", "tenant": ["zeta"], "per": "user"},
            {"name": "everybody", "cap_usd": 9, "period": "day"},
        ],
    }
    vendors.save()
    assert run("build-table").code == 0
    table = load_table(vendors.root / "routes.yaml")
    route = table.routes["sums"]
    other = with_digest(replace(table, routes={"sums": replace(route, rungs=route.rungs[::-1], chosen="large")}))
    vendors.write("routes.zinc.yaml", table_text(other))
    vendors.write("routes.b.yaml", table_text(other))
    vendors.write("routes.c.yaml", table_text(table))
    started = ("experiment", "start", "zooming", "--table", "routes.c.yaml", "--tenant", "zeta", "--slow-s", "9")
    assert run(*started).code == 0
    lines = "".join(
        json.dumps({"prompt": f"zoe asks {number}", "class": "sums", "user": "zoe", "id": f"zebra-{number}"}) + "\n"
        for number in range(20)
    )
    assert run("route", "--jsonl", "--tenant", "zeta", stdin=lines).code == 0
    assert run("route", "--class", "sums", "--tenant", "acme", stdin="hello").code == 0
    return vendors


def _takes_tenant(app: typer.Typer, above: str = "") -> Iterator[str]:
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from _takes_tenant(group.typer_instance, f"{above}{group.name} ")
    for command in app.registered_commands:
        assert command.callback is not None
        if "tenant" in inspect.signature(command.callback).parameters:
            yield f"{above}{command.name or command.callback.__name__.strip('_')}"


def _decision(project: Project, tenant: str) -> str:
    with sqlite3.connect(project.root / TENANTS_FOLDER / tenant / DECISIONS_FILE) as log:
        return str(log.execute("SELECT id FROM decisions LIMIT 1").fetchone()[0])


def _rows(project: Project, tenant: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(project.root / TENANTS_FOLDER / tenant / DECISIONS_FILE) as log:
        return [*log.execute("SELECT * FROM decisions ORDER BY number"), *log.execute("SELECT * FROM feedback")]


def _asked(run: Run, command: str, tenant: str, decision: str, *more: str) -> Done:
    arguments = [one.format(decision=decision) for one in WITH_TENANT[command]]
    stdin = "hello" if command == "route" else ""
    return run(*command.split(), *arguments, *more, "--tenant", tenant, stdin=stdin)


def test_every_command_with_a_tenant_is_walked() -> None:
    """Whoever adds a command that takes a tenant adds it to the walk."""
    assert sorted(_takes_tenant(made_app([]))) == sorted(WITH_TENANT)


def test_in_the_name_of_one_nothing_of_the_other_is_met(shared: Project, far: Far, run: Run) -> None:
    """Every command, as text and as JSON; none finds anything of zeta's, and none changes anything of it."""
    before, decision = _rows(shared, "zeta"), _decision(shared, "acme")
    told = json.loads(run("experiment", "status", "--tenant", "zeta", "--json").out)
    for command in WITH_TENANT:
        if command == "experiment promote":  # of the one that follows what was aborted
            again = ("again", "--table", "routes.b.yaml", "--slow-s", "9", "--tenant", "acme")
            assert run("experiment", "start", *again).code == 0
            shy = run("experiment", "promote", "--tenant", "acme")
            assert (shy.code, "routes.yaml serves everybody without a tier as well" in shy.err) == (3, True)
        for form in ((), ("--json",)):
            if form and command in ONCE:
                continue
            far.emulator.received.clear()
            done = _asked(run, command, "acme", decision, *form)
            assert done.code in (0, 3), (command, done.err)
            assert "Traceback" not in done.err
            found = OF_ZETA.findall(NEW_SECRET.sub("", done.out + done.err))
            assert not found, (command, form, done.out, done.err)
            sent = json.dumps([[dict(one.headers), one.body] for one in far.emulator.received])
            assert "sk-zeta-own" not in sent
            assert SECRET not in sent
            assert ("sk-acme-own" in sent) == (command in {"route", "health"})
    assert _rows(shared, "zeta") == before
    assert json.loads(run("experiment", "status", "--tenant", "zeta", "--json").out) == told
    assert load_table(shared.root / "routes.zinc.yaml").routes["sums"].chosen == "large"


def test_another_tenants_decision_is_unknown(shared: Project, run: Run) -> None:
    """Its number opens nothing: not to be read, not to be rated, and the words are those of a number never given."""
    decision, unknown = _decision(shared, "zeta"), "0" * 32
    before = _rows(shared, "zeta")
    for command in ("log show", "log feedback"):
        done, never = (_asked(run, command, "acme", one) for one in (decision, unknown))
        assert (done.code, done.out) == (never.code, never.out) == (2, "")
        assert done.err.replace(decision, unknown) == never.err
    assert _rows(shared, "zeta") == before


def test_what_one_breaks_is_not_broken_for_the_other(shared: Project, far: Far, run: Run) -> None:
    """Zeta's key may be blocked where acme's is not: each has a circuit breaker of its own."""
    far.emulator.play(*[HANG_UP] * 200)
    for _ in range(4):
        assert run("route", "--class", "sums", "--tenant", "zeta", stdin="x").code == 4
    far.emulator.forget()
    done = run("route", "--class", "sums", "--tenant", "acme", "--explain", stdin="x")
    assert done.code == 0
    assert not re.search(r"open|shut|skipped", done.out + done.err), done.out


def test_a_tenants_health_can_be_seen(shared: Project, far: Far, run: Run) -> None:
    """Its own breakers, probed by its own keys and for its own table; a name that nobody has is a slip."""
    far.emulator.play(Fault(401))
    assert run("route", "--class", "sums", "--tenant", "zeta", stdin="x").code == 0
    errors = {}
    for who in ("zeta", "acme", None):
        done = run("health", "--json", *(["--tenant", who] if who else []))
        errors[who] = [place["error"]["name"] for place in json.loads(done.out)["places"] if place["error"]]
    assert errors == {"zeta": ["KeyRefused"], "acme": [], None: []}
    done = run("health", "--tenant", "zet")
    assert (done.code, done.last) == (2, "routerctl: no tenant 'zet'; did you mean 'zeta'?")


def test_a_tenant_is_a_name_and_no_path(shared: Project, run: Run) -> None:
    """Nobody walks into another's folder by what a name says."""
    decision = _decision(shared, "zeta")
    for name in ("../zeta", "acme/../zeta", ".", "", "ZETA"):
        for command in ("log list", "log show", "log export", "replay", "drift", "budget", "experiment status"):
            done = _asked(run, command, name, decision)
            assert not OF_ZETA.search(done.out), (name, command, done.out)
        assert run("route", "--class", "sums", "--tenant", name, stdin="hello").code in (0, 2)
    assert sorted(path.name for path in Path(shared.root / TENANTS_FOLDER).iterdir()) == ["acme", "zeta"]


def test_a_misspelt_tenant_is_refused(shared: Project, run: Run) -> None:
    """Served with the project's key, table and log it would be a silent fault; `--explain` says the same."""
    for more in ((), ("--explain",)):
        done = run("route", "--class", "sums", "--tenant", "acmee", *more, stdin="hello")
        assert (done.code, done.out) == (2, "")
        assert done.last.startswith("routerctl: no tenant 'acmee'; did you mean 'acme'?"), done.err
    assert not (shared.root / DECISIONS_FILE).exists()
    assert run("route", "--class", "sums", stdin="hello").code == 0
    for command in (["list"], ["stats"], ["export"], ["tail", "-n", "1"]):
        done = run("log", *command, "--tenant", "acmee")
        assert (done.code, done.last) == (2, "routerctl: no tenant 'acmee'; did you mean 'acme'?"), command


def test_a_misspelt_tenant_costs_no_other_prompt_its_answer(shared: Project, run: Run) -> None:
    """In a stream of prompts it is one that failed."""
    names = ("acme", "acmee", None, "zeta")
    lines = "".join(json.dumps({"prompt": "hello", "class": "sums", "tenant": name}) + "\n" for name in names)
    done = run("route", "--jsonl", "--json", stdin=lines)
    failed = ["error" in json.loads(line) for line in done.out.splitlines()]
    assert (done.code, failed) == (2, [False, True, False, False])
    assert "stdin:2: no tenant 'acmee'; did you mean 'acme'?" in done.err


def test_an_unknown_tenant_can_be_served(shared: Project, far: Far, run: Run) -> None:
    """`unknown_tenant: warn` serves it with the project's own key, and says so once; an unknown word is no setting."""
    shared.config["routing"]["unknown_tenant"] = "warn"
    shared.save()
    assert run("build-table").code == 0
    far.emulator.received.clear()
    done = run("route", "--lines", "--class", "sums", "--tenant", "acmee", stdin="hello\nagain\n")
    assert (done.code, done.err.count("no tenant 'acmee'; did you mean 'acme'?")) == (0, 1)
    assert SECRET in json.dumps([dict(one.headers) for one in far.emulator.received])
    shared.config["routing"]["unknown_tenant"] = "serve"
    shared.save()
    assert run("check").code == 2


def test_who_a_rule_or_a_budget_names_is_known(shared: Project, run: Run) -> None:
    """Not every tenant needs keys and a tier of its own; with no tenants at all a name is a label."""
    shared.config["rules"] = [{"name": "trials", "class": "sums", "any_of": [{"tenant": ["trial"]}]}]
    shared.config["routing"]["budgets"].append({"name": "of-big", "cap_usd": 1, "period": "day", "tenant": ["big"]})
    shared.save()
    assert run("build-table").code == 0
    for name, code in (("trial", 0), ("big", 0), ("bigg", 2)):
        assert run("route", "--class", "sums", "--tenant", name, stdin="hello").code == code
    del shared.config["routing"]["tenants"]
    shared.save()
    assert run("build-table").code == 0
    assert run("route", "--class", "sums", "--tenant", "bigg", stdin="hello").code == 0


async def test_a_program_hears_of_a_misspelt_tenant(shared: Project) -> None:
    """As an InputError, before anybody is asked."""
    async with Router.open(shared.root / "routes.yaml") as router:
        with pytest.raises(InputError, match="no tenant 'acmee'; did you mean 'acme'"):
            await router.route("hello", task_class="sums", tenant="acmee")
        with pytest.raises(InputError, match="no tenant 'acmee'"):
            router.explain("hello", task_class="sums", tenant="acmee")


def test_users_stand_in_no_book_by_name(shared: Project, run: Run) -> None:
    """`budget` shows a digest of each; `--user` finds one's own, and nobody else's."""
    done = run("budget", "--json")
    (of_zoe,) = [one for one in json.loads(done.out) if one["per"] == "user"]
    assert re.fullmatch(r"zeta/user-[0-9a-f]{24}", of_zoe["value"])
    assert b"zoe" not in b"".join(path.read_bytes() for path in shared.root.glob(".routerctl/state.sqlite*"))
    (found,) = json.loads(run("budget", "--tenant", "zeta", "--user", "zoe", "--json").out)
    assert (found["value"], found["spent_usd"]) == ("zeta/zoe", of_zoe["spent_usd"])
    for who in (("--user", "zoe"), ("--tenant", "zeta", "--user", "zo"), ("--tenant", "acme", "--user", "zoe")):
        assert json.loads(run("budget", *who, "--json").out) == []

"""What routerctl.yaml says of serving: refused in one line where it names nobody, compiled into the table where not."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Budget, Tenant, Tier
from tests.conftest import PRICE, Project

pytestmark = pytest.mark.usefixtures("in_process")

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"routing": {"deadline_s": 0}}, "expected a number of seconds above 0"),
    ({"routing": {"log_days": 0}}, "expected a whole number of days from 1"),
    ({"routing": {"thresholds": {"default": {"lenght": 0.5}}}}, "no signal 'lenght'; did you mean 'length'?"),
    ({"routing": {"thresholds": {"default": {"length": 0}}}}, "expected a number above 0 and up to 1"),
    ({"routing": {"thresholds": {"sumz": {"length": 0.5}}}}, "routing.thresholds names the class 'sumz'"),
    ({"routing": {"successors": {"old": "smal"}}}, "no candidate 'smal'; did you mean 'small'?"),
    ({"routing": {"successors": {"model-small": "small"}}}, "'small' is this very model"),
    ({"routing": {"residency": [{"name": "eu", "regions": []}]}}, "expected at least one region"),
    ({"routing": {"residency": [{"name": "eu", "regions": ["eu"]}]}}, "no provider or candidate is in region 'eu'"),
    ({"routing": {"deadline": 3}}, "did you mean 'deadline_s'?"),
    ({"classifier": {}}, "expected either file"),
    ({"classifier": {"file": "a.json", "candidate": "small"}}, "expected either file"),
    ({"classifier": {"candidate": "smal"}}, "did you mean 'small'?"),
    ({"classifier": {"file": "a.json", "priors": {"sums": 0}}}, "expected a number above 0"),
    ({"classifier": {"file": "a.json", "digest": "sha256:1"}}, "build-table pins the file"),
    ({"classifier": {"file": "a.json"}}, "no file 'a.json' here; `routerctl train` writes one"),
]


@pytest.mark.parametrize(("changes", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_a_wrong_policy_is_one_clear_line(changes: dict[str, Any], problem: str, project: Project) -> None:
    """Exit code 2 and what was expected, before a call."""
    assert project.run("eval").code == 0
    project.config.update(changes)
    project.save()
    done = project.run("build-table")
    assert (done.code, problem in done.last) == (2, True), done.err


@pytest.mark.parametrize(
    ("also", "problem"),
    [
        ([{"provider": "fakes"}], "no provider 'fakes'; did you mean 'fake'?"),
        ([{"provider": "fake"}], "'fake' is named twice"),
        ([{"provider": "mine"}], "a local model is pinned by its weights"),
    ],
)
def test_a_wrong_place_is_one_clear_line(also: list[dict[str, str]], problem: str, project: Project) -> None:
    """Where else a model may be asked has to be somewhere else."""
    project.config["providers"]["mine"] = {"kind": "local"}
    project.config["candidates"]["small"]["also"] = also
    project.save()
    done = project.run("eval")
    assert (done.code, problem in done.last) == (2, True), done.err


def test_the_policy_is_compiled_into_the_table(project: Project) -> None:
    """`route` needs nothing else: places with their providers and prices, successors with theirs."""
    project.config["providers"]["cloud"] = {"kind": "fake", "region": "eu", "options": {"replies": "replies.json"}}
    project.config["candidates"]["small"]["also"] = [{"provider": "cloud"}]
    project.config["candidates"]["heir"] = {"provider": "cloud", "model": "model-heir"}
    project.config["prices"] += [
        {"provider": "cloud", "model": name, **PRICE} for name in ("model-small", "model-heir")
    ]
    project.config["routing"] = {
        "deadline_s": 30,
        "successors": {"model-small": "heir"},
        "residency": [{"name": "eu", "tenant": ["acme"], "regions": ["eu"]}],
        "thresholds": {"sums": {"complete": 0.5}},
    }
    project.save()
    assert project.run("eval").code == project.run("build-table").code == 0
    table = load_table(project.root / "routes.yaml")
    assert table.routing.deadline_s == 30
    assert table.routing.residency[0].when.tenant == ("acme",)
    assert {"cloud", "fake"} <= table.providers.keys()
    assert {"small@cloud", "heir"} <= table.prices.keys()
    assert "heir" in table.candidates
    assert project.run("check").code == 0
    project.config["routing"]["deadline_s"] = 31
    project.save()
    done = project.run("check")
    assert done.code == 3
    assert "routing.deadline_s is 30" in done.last


def test_a_tier_has_its_own_table(project: Project) -> None:
    """Built for the tier's ladder, numbered by itself, checked like routes.yaml, served to the tier's tenants only."""
    project.config["ladders"]["frontier"] = ["large"]
    project.config["routing"] = {
        "tiers": {"gold": {"table": "routes.gold.yaml", "ladder": "frontier"}},
        "tenants": {"acme": {"tier": "gold"}},
    }
    project.save()
    project.replies({"model-small": 1.0, "model-large": 1.0})
    assert project.run("eval").code == project.run("build-table").code == 0
    done = project.run("check")
    assert "routes.gold.yaml: not there yet; `routerctl build-table --tier gold` writes it" in done.err
    done = project.run("build-table", "--tier", "gold")
    assert (done.code, "`routerctl eval --ladder frontier --class sums` makes one" in done.last) == (2, True)
    assert project.run("eval", "--ladder", "frontier").code == 0
    done = project.run("build-table", "--tier", "gold")
    assert (done.code, done.last.partition(";")[0]) == (0, "routes.gold.yaml: version 1")
    chosen = {
        name: load_table(project.root / name).routes["sums"].chosen for name in ("routes.yaml", "routes.gold.yaml")
    }
    assert chosen == {"routes.yaml": "small", "routes.gold.yaml": "large"}
    done = project.run("check")
    assert (done.code, "routes.gold.yaml: version 1 follows from its evidence" in done.out) == (0, True)
    for tenant, model in ((["--tenant", "acme"], "model-large"), ([], "model-small")):
        assert project.run("route", "--class", "sums", *tenant, stdin=b"hi").out == f"I am {model}.\n"
    done = project.run("build-table", "--tier", "golf")
    assert (done.code, "did you mean 'gold'?" in done.last) == (2, True)
    assert project.run("build-table", "--tier", "gold", "--ladder", "main").code == 2
    (project.root / "routes.gold.yaml").write_text((project.root / "routes.yaml").read_text())
    done = project.run("check")
    assert done.code == 3
    assert (
        "routes.gold.yaml is of ladder 'main', its tier has 'frontier'; run `routerctl build-table --tier gold`"
        in done.last
    )
    for taken in ("routes.yaml", "routerctl.yaml"):
        project.config["routing"]["tiers"]["gold"]["table"] = taken
        project.save()
        done = project.run("build-table", "--tier", "gold")
        assert (done.code, "expected a file name such as routes.gold.yaml" in done.last) == (2, True)


@pytest.mark.parametrize(
    "state",
    [
        "redis://127.0.0.1:7391/0?password=hunter2",
        "redis://127.0.0.1:7391?password=hunter2#shop",
        "redis://:hunter2@127.0.0.1:7391/0",
        "redis://127.0.0.1:7391/hunter2",
    ],
)
def test_a_password_does_not_get_into_the_table(state: str, project: Project) -> None:
    """Wherever in the address of the shared state it stands; the line that refuses it does not show it."""
    project.config["routing"] = {"state": state}
    project.save()
    done = project.run("check")
    assert done.code == 2
    assert "routing.state: expected redis://HOST:PORT/0#PROJECT without a password and without options" in done.last
    assert "hunter2" not in done.err


def test_a_tier_s_table_older_than_the_cheap_candidates_serves_without_them(served: Project) -> None:
    """Who is not in it cannot serve there: that is said once, with the command that mends it."""
    table = load_table(served.root / "routes.yaml")
    served.write("routes.gold.yaml", table_text(table))
    mini = replace(table.candidates["small"], name="mini")
    routing = replace(
        table.routing,
        budgets=(Budget(name="all", cap_usd=Decimal(0), over="cheap", cheap=("mini", "small")),),
        tiers={"gold": Tier(name="gold", table="routes.gold.yaml")},
        tenants={"acme": Tenant(name="acme", tier="gold"), "zeta": Tenant(name="zeta")},
    )
    candidates = {**table.candidates, "mini": mini}
    prices = {**table.prices, "mini": table.prices["small"]}
    newer = replace(table, routing=routing, candidates=candidates, prices=prices)
    served.write("routes.yaml", table_text(with_digest(newer)))
    done = served.run("route", "--class", "sums", "--tenant", "acme", stdin=b"hi")
    assert (done.code, done.out) == (0, "I am model-small.\n"), done.err
    assert done.err.count("budget all: its cheap candidate mini is not in the table of tenant acme") == 1
    assert "routerctl build-table --tier gold" in done.err
    done = served.run("route", "--class", "sums", "--tenant", "zeta", stdin=b"hi")
    assert (done.code, "warning" in done.err) == (0, False)


def test_whatever_a_user_is_called_the_line_after_is_served(served: Project) -> None:
    """Half a character in a name is a name; `budget` shows each as a digest in 80 columns, and finds it by the name."""
    table = load_table(served.root / "routes.yaml")
    budgets = (Budget(name="everybody-of-the-shop", cap_usd=Decimal(1), per="user"),)
    served.write(
        "routes.yaml", table_text(with_digest(replace(table, routing=replace(table.routing, budgets=budgets))))
    )
    users = ["Jürgen Müller", "\ud800x", "somebody with a name that is quite long"]
    lines = "".join(json.dumps({"prompt": "sums: 1+3", "class": "sums", "user": user}) + "\n" for user in users)
    done = served.run("route", "--jsonl", stdin=lines.encode())
    assert (done.code, done.out.count("\n")) == (0, 3), done.err
    shown = served.run("budget").out
    assert "Jürgen" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    found = json.loads(served.run("budget", "--json").out)
    assert len({one["value"] for one in found}) == len(users)
    for user in users[::2]:
        (own,) = json.loads(served.run("budget", "--user", user, "--json").out)
        assert (own["value"], own["spent_usd"]) == (user, found[0]["spent_usd"])

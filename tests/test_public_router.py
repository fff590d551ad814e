"""`from routerctl import Router`: the door to the request line for programs, and what it shares with the command."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pydoc
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import routerctl
from routerctl import Router, notices
from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, Overloaded, RouterctlError
from routerctl.routing.decision_log.reader import LogReader, Wanted
from routerctl.routing.router import SyncRouter, prompt_problem
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing import FixedClock, scripted
from routerctl.types import Budget, Classifier, Reply, Request, StopReason, Table, Tenant, Tier, Usage
from tests.conftest import Project

TABLE = "routes.yaml"
NOT_OPEN = "the router is not open: use it inside `with Router.open_sync(...)`"


@pytest.fixture
def table(served: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a table that scripted models serve."""
    monkeypatch.chdir(served.root)
    return served.root / TABLE


def _changed(path: Path, table: Table, name: str = TABLE) -> Path:
    """Write a table beside another."""
    written = path.with_name(name)
    written.write_text(table_text(with_digest(table)), encoding="utf-8")
    return written


def _other_choice(table: Table) -> Table:
    """The same table with the other candidate first."""
    route = table.routes["sums"]
    other = "small" if route.chosen == "large" else "large"
    return replace(table, routes={"sums": replace(route, chosen=other, rungs=(other, route.chosen))})


async def test_a_prompt_is_routed_and_its_decision_kept(table: Path) -> None:
    """Text, candidate and cost are at hand; what was said with the prompt is in the log beside the table."""
    async with Router.open(table) as router:
        routed = await router.route(
            "What is 1+7?", task_class="sums", tenant="acme", id="q-1", features={"plan": "pro"}
        )
    assert (routed.text, routed.decision.candidate, routed.decision.decided_by) == (
        "I am model-large.",
        "large",
        "caller",
    )
    assert routed.cost_usd == routed.decision.cost_usd > 0
    with LogReader(table.parent / ".routerctl/decisions.sqlite") as log:
        (row,) = log.every(Wanted())
    assert (row["id"], row["tenant"], row["inquiry_id"]) == (routed.decision.id, "acme", "q-1")


async def test_prompts_are_served_side_by_side(table: Path) -> None:
    """One router serves as many as are asked at once; a template's fields are a prompt, too."""
    async with Router.open(table) as router:
        answers = await asyncio.gather(*(router.route({"input": f"1+{k}"}, task_class="sums") for k in range(20)))
    assert len({one.decision.id for one in answers}) == 20


async def test_without_await_the_same_is_served(table: Path) -> None:
    """A script and a notebook, whose own loop is running, get the same answers from the same code."""
    with Router.open_sync(table) as router:
        here = router.route("1+7", task_class="sums", user="ann")
        explained = router.explain("1+7", user="ann")
        with pytest.raises(InputError, match="no task class 'sum'; did you mean 'sums'"):
            router.route("1+7", task_class="sum")
    assert (here.text, explained.decision.candidate) == ("I am model-large.", None)
    assert explained.decision.rungs == here.decision.rungs


PROBLEMS: list[tuple[Any, Mapping[str, Any], str]] = [
    (None, {}, "expected a text or an object"),
    (b"bytes", {}, "expected a text or an object"),
    ([{"role": "user"}], {}, "expected a text or an object"),
    (" \n", {}, "expected a text or an object"),
    ({"input": {1, 2}}, {}, "expected JSON values"),
    ("hello", {"klass": "sums"}, "no argument 'klass'"),
    ("hello", {"tenent": "acme"}, "no argument 'tenent'; did you mean 'tenant'"),
    ("hello", {"task_class": 3}, "task_class: expected a text, got 3"),
    ("hello", {"features": ["x"]}, "features: expected a mapping"),
    ("hello", {"features": {"x": {1}}}, "features: expected a mapping of JSON values"),
    ("hello", {"attachments": "pdf"}, "attachments: expected a list of kinds"),
    ("", {}, "expected a text or an object"),
    ({}, {}, "expected a text or an object"),
    ("half a pair \ud800", {}, "half of a surrogate pair"),
    ({"input": json.loads("[" * 200 + "]" * 200)}, {}, "nested too deeply"),
    ("hello", {"task_class": "sumz"}, "no task class 'sumz'; did you mean 'sums'"),
]


@pytest.mark.parametrize(("prompt", "said", "problem"), PROBLEMS)
async def test_what_cannot_be_meant_is_refused_in_one_line(
    prompt: Any, said: Mapping[str, Any], problem: str, table: Path
) -> None:
    """By `route` and by `explain` alike, before anybody is asked or anything is opened."""
    async with Router.open(table) as router:
        for ask in (lambda: router.route(prompt, **said), lambda: asyncio.to_thread(router.explain, prompt, **said)):
            with pytest.raises(InputError, match=problem):
                await ask()


async def test_a_router_that_is_not_open_says_so(table: Path) -> None:
    """Before its block and after it, with and without `await`; none hangs, and none is entered twice unnoticed."""
    router, sync = Router.open(table), Router.open_sync(table)
    with pytest.raises(RouterctlError, match="the router is not open"):
        await router.route("1+7")
    with pytest.raises(RouterctlError, match="the router is not open"):
        sync.route("1+7")
    async with router:
        assert (await router.route("1+7")).text
    with sync:
        assert sync.route("1+7").text
    with pytest.raises(RouterctlError, match="the router is not open"):
        await router.route("1+7")
    with pytest.raises(RouterctlError, match="the router is not open"):
        sync.route("1+7")
    with pytest.raises(RouterctlError, match="open another one"), sync:
        pass
    with pytest.raises(RouterctlError, match="open another one"):
        async with router:
            pass


def test_closing_ends_the_calls_of_other_threads(table: Path) -> None:
    """A thread that waits for an answer is told that the router was closed; it does not wait for ever."""
    begun, ended = threading.Event(), list[str]()

    class Slow:
        """Begins, and does not end by itself."""

        async def reply(self, request: Request) -> Reply:
            begun.set()
            await asyncio.sleep(60)
            raise AssertionError(request)

        async def close(self) -> None:
            """Nothing is open."""

    def ask(router: SyncRouter) -> None:
        try:
            router.route("1+7")
        except RouterctlError as error:
            ended.append(str(error))

    with Router.open_sync(table, providers={"fake": Slow()}) as router:
        threads = [threading.Thread(target=ask, args=(router,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait(10)
    for thread in threads:
        thread.join(10)
    assert len(ended) == 4
    assert set(ended) <= {"the router was closed before the answer came", NOT_OPEN}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"keys": {"fake": "x"}}, "keys: expected texts, by variables"),
        ({"keys": {"ANTHROPIC_API_KEY": 3}}, "keys: expected texts, by variables"),
        ({"providers": {"fkae": 1}}, "no provider 'fkae' in the table; did you mean 'fake'"),
    ],
)
def test_names_that_would_be_ignored_are_refused(given: dict[str, Any], problem: str, table: Path) -> None:
    """A test's provider that replaces none would let the real one be paid."""
    with pytest.raises(InputError, match=problem):
        Router.open(table, **given)


def test_help_shows_no_environment() -> None:
    """What `help(Router)` and a documentation tool print holds no key: none is a default of a signature."""
    assert os.environ["PATH"] not in pydoc.render_doc(Router)


async def test_an_alarm_is_in_the_answer_and_a_notice(table: Path) -> None:
    """Another model than the pin served: a program that never looks at `alarms` hears of it, too."""
    other = Reply(
        text="4", stop_reason=StopReason.END, served_model="another", usage=Usage(input_tokens=1), latency_s=0.1
    )
    heard: list[tuple[str, str]] = []
    before = notices.take(lambda text, level: heard.append((text, level)))
    try:
        async with Router.open(table, providers=scripted(table, lambda _request: other)) as router:
            routed = await router.route("2+2")
    finally:
        notices.take(before)
    assert heard == [(routed.alarms[0], "alarm")]
    assert "another" in routed.alarms[0]


def test_what_is_no_prompt_is_told_by_its_kind() -> None:
    """The command's JSON lines and the library ask the same question."""
    given: list[Any] = [None, 7, [], "a", {"a": 1}]
    assert [bool(prompt_problem(one)) for one in given] == [True, True, True, False, False]


async def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Opening finds it, not the first prompt."""
    with pytest.raises(InputError, match=r"routes\.yaml"):
        Router.open(tmp_path / TABLE)


async def test_what_no_rung_answers_tells_each_hop(table: Path) -> None:
    """The error is of the project's own tree, and carries the decision that is in the log."""
    providers = scripted(table, lambda _request: Overloaded("busy", provider="fake"))
    async with Router.open(table, providers=providers, clock=FixedClock()) as router:
        with pytest.raises(EveryRungFailed) as caught:
            await router.route("1+7")
    decision = caught.value.decision
    assert decision is not None
    assert {hop.outcome for hop in decision.hops} == {"Overloaded"}


async def test_a_scripted_provider_and_a_clock_that_stands_still(table: Path) -> None:
    """`routerctl.testing`: no file, no wait; a budget's period begins anew when the clock is moved."""
    made = load_table(table)
    cost = made.routes["sums"].evidence[0].cost_per_case_usd
    assert cost is not None
    budget = Budget(name="day", cap_usd=cost * 40, period="day")
    path = _changed(table, replace(made, routing=replace(made.routing, budgets=(budget,))))
    clock, providers = FixedClock(datetime(2026, 11, 30, 12, tzinfo=UTC)), scripted(path, {"*": "42"})
    async with Router.open(path, providers=providers, clock=clock) as router:
        assert (await router.route("6*7", task_class="sums")).text == "42"
        asked = [router.route("6*7", task_class="sums") for _ in range(200)]
        spent = [one for one in await asyncio.gather(*asked, return_exceptions=True) if isinstance(one, BudgetSpent)]
        assert "budget day" in str(spent[0])
        clock.forward(86_400)
        assert (await router.route("6*7", task_class="sums")).text == "42"
    with LogReader(path.parent / ".routerctl/decisions.sqlite") as log:
        assert max(row["at"] for row in log.every(Wanted())).startswith("2026-12-01T12:00")


async def test_keys_are_given_to_the_router_alone(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key given by its variable is used and stands in no file, no environment and no text of the router."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    secret = "sk-given-to-the-router"  # noqa: S105 - made up
    seen: list[str | None] = []

    class Provider:
        """Looks at the environment that it is given."""

        def __init__(self, spec: Any, outside: Any) -> None:
            seen.append(outside.env.get("OPENAI_API_KEY"))
            self._fake = scripted(table, {"*": "42"})[spec.name]

        async def reply(self, request: Any) -> Any:
            return await self._fake.reply(request)

        async def close(self) -> None:
            await self._fake.close()

    monkeypatch.setattr("routerctl.providers.fake.FakeProvider", Provider)
    async with Router.open(table, keys={"OPENAI_API_KEY": secret}) as router:
        monkeypatch.undo()
        assert secret not in repr(router)
    assert Project(table.parent).holds(secret) == []


# --- one truth with the command and with experiments ------------------------------------------------------------------


@pytest.fixture
def trying(served: Project, in_process: None, table: Path) -> Project:
    """An experiment that serves half of the users by the other candidate."""
    _changed(table, _other_choice(load_table(table)), "routes.b.yaml")
    begun = served.run("experiment", "start", "cheaper", "--table", "routes.b.yaml", "--share", "0.5", "--slow-s", "9")
    assert begun.code == 0, begun.err
    return served


async def test_explaining_and_routing_tell_the_same_while_an_experiment_is_on(trying: Project, table: Path) -> None:
    """Of every user the same table, arm, unit and chance, by the library and by `route --explain`."""
    users = [f"user-{k}" for k in range(12)]
    async with Router.open(table) as router:
        told = [router.explain("1+7", user=user).decision for user in users]
        done = [(await router.route("1+7", user=user)).decision for user in users]
    assert {one.arm for one in done} == {"cheaper:A", "cheaper:B"}
    for explained, routed in zip(told, done, strict=True):
        for name in ("arm", "unit", "propensity", "rungs", "table_digest", "level"):
            assert getattr(explained, name) == getattr(routed, name), name
        assert routed.candidate == explained.rungs[0]
    lines = "".join(json.dumps({"prompt": "1+7", "user": user}) + "\n" for user in users)
    shown = [
        json.loads(line)
        for line in trying.run("route", "--jsonl", "--explain", "--json", stdin=lines.encode()).out.splitlines()
    ]
    assert [one["arm"] for one in shown] == [one.arm for one in done]
    assert shown[0]["reasons"][0].startswith(f"experiment cheaper: arm {done[0].arm[-1]} (by user; 50%")


async def test_the_first_prompts_of_a_process_are_in_the_experiment_too(trying: Project, table: Path) -> None:
    """Those that come while the shared state is still being read wait for what it says."""
    async with Router.open(table) as router:
        routed = await asyncio.gather(*(router.route("1+7", user=f"user-{k}") for k in range(60)))
    assert {one.decision.arm for one in routed} == {"cheaper:A", "cheaper:B"}


async def test_a_prompt_without_a_user_is_explained_by_chance_and_says_so(trying: Project, table: Path) -> None:
    """Which arm would serve it is drawn for each prompt, as `route` draws it."""
    async with Router.open(table) as router:
        told = [router.explain("1+7") for _ in range(40)]
    assert {one.decision.arm for one in told} == {"cheaper:A", "cheaper:B"}
    assert all("by chance, without user" in one.reasons[0] for one in told)


async def test_an_experiment_whose_table_is_gone_is_left_by_both(trying: Project, table: Path) -> None:
    """A serves, and it is said once."""
    (trying.root / "routes.b.yaml").unlink()
    said: list[str] = []
    notices.take(lambda text, _level: said.append(text))
    try:
        async with Router.open(table) as router:
            assert router.explain("1+7", user="ann").decision.arm == ""
            assert (await router.route("1+7", user="ann")).decision.arm == ""
    finally:
        notices.take(notices.log)
    assert [one for one in said if "takes no part" in one] == said[:1]


@pytest.mark.parametrize("spoilt", ["gone", "changed"])
async def test_an_experiment_whose_classifier_is_not_the_pinned_one_is_left(
    spoilt: str, trying: Project, table: Path
) -> None:
    """As one whose table is gone: A serves every prompt, each is in the log, and nothing stays open of the attempt."""
    assert trying.run("experiment", "abort").code == 0
    file = trying.write("classifier.json", "{}")
    pinned = Classifier(file="classifier.json", digest=f"sha256:{'0' * 64}")
    _changed(table, replace(_other_choice(load_table(table)), classifier=pinned), "routes.b.yaml")
    given = ("--table", "routes.b.yaml", "--share", "0.5", "--slow-s", "9")
    assert trying.run("experiment", "start", "other", *given).code == 0
    if spoilt == "gone":
        file.unlink()
    before = notices.take(lambda _text, _level: None)
    try:
        async with Router.open(table) as router:
            told = [router.explain("1+7", user=f"user-{k}").decision.arm for k in range(9)]
            routed = [await router.route("1+7", user=f"user-{k}") for k in range(9)]
            assert len([task for task in asyncio.all_tasks() if "probe" in repr(task)]) == 1
    finally:
        notices.take(before)
    assert set(told) == {one.decision.arm for one in routed} == {""}


async def test_what_is_being_served_is_waited_for(table: Path) -> None:
    """Leaving the block while calls are in flight: they are answered, and in the log."""
    async with Router.open(table) as router:
        flying = [asyncio.ensure_future(router.route("1+7")) for _ in range(4)]
        await asyncio.sleep(0)
    ids = {(await one).decision.id for one in flying}
    with LogReader(table.parent / ".routerctl/decisions.sqlite") as log:
        assert {row["id"] for row in log.every(Wanted())} == ids


def test_another_loop_and_another_process_are_told(table: Path) -> None:
    """What belongs to the loop that it was opened in is not used in another; a forked child does not wait for ever."""
    router = Router.open(table)

    async def ask() -> None:
        await router.__aenter__()
        await router.route("1+7")

    asyncio.run(ask())
    with pytest.raises(RouterctlError, match="another event loop"):
        asyncio.run(ask())
    with Router.open_sync(table) as sync:
        sync.route("1+7")
        sync._process = os.getpid() + 1  # as a fork leaves it
        with pytest.raises(RouterctlError, match="after the fork"):
            sync.route("1+7")
        sync._process = os.getpid()


@pytest.mark.parametrize("address", ["$NOT_SET_HERE", "redis://?"])
def test_explaining_needs_no_shared_state(address: str, served: Project, table: Path, in_process: None) -> None:
    """Where its address is not known here, the reasons are told, and that an experiment may be on."""
    made = load_table(table)
    _changed(table, replace(made, routing=replace(made.routing, state=address)))
    done = served.run("route", "--explain", stdin=b"1+7")
    assert (done.code, "rung 1" in done.out) == (0, True), done.err
    assert done.err.count("it is not known whether an experiment is running") == 1


def test_explaining_writes_nothing(served: Project) -> None:
    """No state, no log: what calls nobody leaves no trace."""
    before = {path.name for path in (served.root / ".routerctl").iterdir()}
    assert served.run("route", "--explain", stdin=b"hi").code == 0
    assert {path.name for path in (served.root / ".routerctl").iterdir()} == before


def test_the_reason_is_of_the_table_that_served(served: Project, table: Path, in_process: None) -> None:
    """A tenant's tier may have another level for the class than the project's table: the line tells the tier's."""
    made = load_table(table)
    route = replace(made.routes["sums"], level="best available")
    tier = replace(made, routes={"sums": route, "more": replace(route, task_class="more")})
    _changed(table, tier, "routes.gold.yaml")
    tenants = {"acme": Tenant(name="acme", tier="gold")}
    routing = replace(
        made.routing,
        tiers={"gold": Tier(name="gold", table="routes.gold.yaml")},
        tenants=tenants,
    )
    _changed(table, replace(made, routing=routing))
    plain = served.run("route", "--class", "sums", stdin=b"1+7")
    of_tier = served.run("route", "--class", "sums", "--tenant", "acme", stdin=b"1+7")
    only_there = served.run("route", "--class", "more", "--tenant", "acme", stdin=b"1+7")
    assert "best available for this class" not in plain.err
    assert "best available for this class" in of_tier.err
    assert (only_there.code, "best available for this class" in only_there.err) == (0, True), only_there.err


# --- a good guest -----------------------------------------------------------------------------------------------------

HEAVY = ("typer", "rich", "pandas", "numpy", "scipy", "anthropic", "openai", "asyncio", "sqlite3", "jinja2", "yaml")


def test_importing_the_router_loads_nothing_heavy() -> None:
    """No command line, no SDK, no number cruncher, no event loop; importing the package alone loads nothing at all."""
    code = (
        "import sys; before = set(sys.modules); import routerctl; "
        "own = {name for name in set(sys.modules) - before}; from routerctl import Router; "
        f"print(sorted(own), [name for name in {HEAVY[:-1]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("['routerctl', 'routerctl.version'] []", "")


@pytest.fixture
def broken_log(table: Path) -> Path:
    """A table whose decision log cannot be written."""
    (table.parent / ".routerctl/decisions.sqlite").write_bytes(b"no database " * 100)
    return table


async def test_it_prints_nothing(
    broken_log: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a person should hear goes to the logger `routerctl`."""
    with caplog.at_level(logging.INFO, logger="routerctl"):
        async with Router.open(broken_log) as router:
            assert (await router.route("1+7")).text
    heard = [(one.name, one.levelname) for one in caplog.records]
    assert ("routerctl", "WARNING") in heard
    assert "the decision log cannot be written" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_without_logging_it_is_silent(broken_log: Path) -> None:
    """A host that configured no logging gets no line of Python's last resort."""
    code = "from routerctl import Router\nwith Router.open_sync() as router: print(router.route('1+7').text)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=broken_log.parent
    )
    assert (done.stdout, done.stderr) == ("I am model-large.\n", "")


async def test_a_host_may_take_the_notices(broken_log: Path) -> None:
    """They come with their level, in place of the logger."""
    heard: list[tuple[str, str]] = []
    notices.take(lambda text, level: heard.append((text, level)))
    try:
        async with Router.open(broken_log) as router:
            await router.route("1+7")
    finally:
        notices.take(notices.log)
    assert heard[0][1] == "warning"


def test_the_package_has_these_names() -> None:
    """What is public is listed, each name is there, and a misspelt one is an ordinary AttributeError."""
    assert routerctl.__all__ == ["Explanation", "Routed", "Router", "__version__"]
    assert all(getattr(routerctl, name) for name in routerctl.__all__)
    with pytest.raises(AttributeError, match="Ruoter"):
        routerctl.Ruoter  # noqa: B018 - the access is the test

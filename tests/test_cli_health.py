"""`routerctl health`: every place that may serve, probed; and probes beside the traffic of a process that runs on."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import NoReturn

import pytest

from routerctl import errors
from routerctl.providers.base import Probed
from routerctl.routing.health import Health
from routerctl.routing.health.probes import Probable, places_of, probe_every
from routerctl.routing.state import open_state
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing.emulator import EMPTY, REFUSAL, SILENT, Fault
from routerctl.types import Classifier, Escalation, Json, OtherPlace, PlaceKey, ProviderSpec, Reply, Request, Table
from tests.conftest import Done, Far, Project

BOTH = ("model-small", "model-large")
FULL = Fault(529)
Run = Callable[..., Done]


@pytest.fixture
def serving(project: Project, built: Path, far: Far, key: str) -> Project:
    """A class that is served by `small` at Anthropic's API, then `large` at OpenAI's; both have their model."""
    far.emulator.know(BOTH)
    table, specs = load_table(built / "routes.yaml"), []
    for name, url in (("anthropic", far.url), ("openai", f"{far.url}/v1")):
        specs.append(ProviderSpec(name=name, kind=name, base_url=url, api_key_env="TEST_KEY", max_attempts=1))
    small, large = (
        replace(table.candidates[name], provider=spec.name)
        for name, spec in zip(("small", "large"), specs, strict=True)
    )
    made = replace(
        table,
        providers={spec.name: spec for spec in specs},
        candidates={"small": small, "large": large},
        routes={"sums": replace(table.routes["sums"], rungs=("small", "large"), chosen="small")},
    )
    project.write("routes.yaml", table_text(with_digest(made)))
    return project


def places(done: Done) -> dict[str, Mapping[str, Json]]:
    """What --json says, by provider."""
    return {place["provider"]: place for place in json.loads(done.out)["places"]}


# --- one round --------------------------------------------------------------------------------------------------------


def test_all_well(serving: Project, far: Far, run: Run) -> None:
    """Each place is asked about its model and for no reply: nothing is paid for."""
    posts, gets = far.emulator.posts, far.emulator.gets
    done = run("health")
    assert done.code == 0
    assert [done.out.count(text) for text in ("anthropic/model-small", "openai/model-large", "closed", "ok")] == [
        1,
        1,
        2,
        2,
    ]
    assert (far.emulator.posts - posts, far.emulator.gets - gets) == (0, 2)


def test_a_model_that_a_place_does_not_have_is_down(serving: Project, far: Far, run: Run) -> None:
    """By Anthropic's question about one model, and by the list of a server that speaks OpenAI's API."""
    far.emulator.know({"model-larger"})
    done = run("health", "--json")
    found = places(done)
    assert done.code == 5
    assert json.loads(done.out)["well"] is False
    assert {name: place["probe"]["error"] for name, place in found.items()} == {
        "anthropic": "ModelNotFound",
        "openai": "ModelNotFound",
    }
    assert "did you mean 'model-larger'?" in found["openai"]["probe"]["words"]
    assert done.last == "routerctl: 2 of 2 places down: anthropic/model-small, openai/model-large"


def test_a_deprecated_model_is_well_and_warned_of(serving: Project, far: Far, run: Run) -> None:
    """With the day on which it retires, before it does."""
    far.emulator.know(BOTH, {"model-small": {"lifecycle": "deprecated", "retires_at": "2027-01-31T00:00:00Z"}})
    done = run("health")
    assert done.code == 0
    assert "warning: anthropic: model-small is deprecated and retires on 2027-01-31" in done.err


@pytest.mark.parametrize(("day", "warned"), [("2027-04-01", True), (None, False), (7, False)])
def test_the_shutdown_date_of_an_openai_model_is_told(
    day: object, warned: bool, serving: Project, far: Far, run: Run
) -> None:
    """Its list of models has a field for it, null until the end is announced; nonsense there is no day."""
    far.emulator.know(BOTH, {"model-large": {"shutdown_date": day}})
    done = run("health")
    assert done.code == 0
    assert ("warning: openai: model-large is deprecated and retires on 2027-04-01" in done.err) is warned


def test_a_retired_model_is_down(serving: Project, far: Far, run: Run) -> None:
    """The API still tells of it, but will not serve it."""
    far.emulator.know(BOTH, {"model-small": {"lifecycle": "retired", "retires_at": "2026-11-01T00:00:00Z"}})
    done = run("health", "--json")
    assert done.code == 5
    assert places(done)["anthropic"]["probe"]["words"] == "model-small is retired since 2026-11-01"


def test_traffic_goes_to_the_successor_of_what_a_probe_found_retired(serving: Project, far: Far, run: Run) -> None:
    """The Models API's word is enough: nobody is asked for a model that a place has retired."""
    made = load_table(serving.root / "routes.yaml")
    heir = replace(made.candidates["large"], name="heir", model="model-heir")
    made = replace(
        made,
        candidates={**made.candidates, "heir": heir},
        prices={**made.prices, "heir": made.prices["large"]},
        routing=replace(made.routing, successors={"model-small": "heir"}),
    )
    serving.write("routes.yaml", table_text(with_digest(made)))
    far.emulator.know((*BOTH, "model-heir"), {"model-small": {"lifecycle": "retired"}})
    assert json.loads(run("route", "--json", stdin="1+2").out)["candidate"] == "small"
    assert run("health").code == 5
    far.emulator.received.clear()
    served = json.loads(run("route", "--json", stdin="1+2").out)
    assert [(hop["candidate"], hop["outcome"], hop["why"]) for hop in served["hops"]] == [
        ("small", "skipped", "first"),
        ("heir", "served", "redirect"),
    ]
    assert "model-small is retired at anthropic: small is redirected to heir" in served["alarms"][0]
    assert [one.body["model"] for one in far.emulator.received] == ["model-heir"]
    far.emulator.know((*BOTH, "model-heir"))
    assert run("health").code == 0
    assert json.loads(run("route", "--json", stdin="1+2").out)["candidate"] == "small"


def test_an_alias_is_warned_of(serving: Project, far: Far, run: Run) -> None:
    """What answers under it may change any day."""
    far.emulator.know(BOTH, {"model-small": {"id": "model-small-20261001"}})
    assert "model-small is an alias there for model-small-20261001" in run("health").err


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(401), "KeyRefused"), (Fault(500), "ServerFault"), (Fault(402), "BillingProblem"), (FULL, "Overloaded")],
)
def test_a_place_that_fails_a_probe_is_skipped_by_traffic(
    fault: Fault, error: str, serving: Project, far: Far, run: Run
) -> None:
    """Before any request meets it: the next rung serves at once."""
    far.emulator.play_gets("anthropic", fault, fault)
    found = places(run("health", "--json"))["anthropic"]
    assert (found["breaker"], found["error"]["name"], found["probe"]["error"]) == ("open", error, error)
    posts = far.emulator.posts
    done = run("route", "--json", stdin="1+2")
    assert [hop["outcome"] for hop in json.loads(done.out)["hops"]] == ["skipped", "served"]
    assert far.emulator.posts == posts + 1


def test_one_lost_answer_is_no_outage(serving: Project, far: Far, run: Run) -> None:
    """A probe is made twice before it says anything."""
    far.emulator.play_gets("anthropic", Fault(500))
    assert run("health").code == 0


def test_a_server_without_a_list_of_models_answers_all_the_same(serving: Project, far: Far, run: Run) -> None:
    """Whether it has the model only a reply can tell."""
    far.emulator.play_gets("openai", Fault(404))
    done = run("health", "--json")
    assert places(done)["openai"]["probe"]["words"] == "ok; it answers, but has no list of models"


def test_a_key_that_is_not_set_is_this_machines_trouble(
    serving: Project, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said with the code of what the user must set, but does not shut the place for those who have the key."""
    monkeypatch.delenv("TEST_KEY")
    done = run("health", "--json")
    assert done.code == 2
    assert {place["breaker"] for place in places(done).values()} == {"closed"}
    assert "TEST_KEY" in places(done)["anthropic"]["probe"]["words"]


def test_what_a_place_says_cannot_draw_on_the_terminal(serving: Project, far: Far, run: Run) -> None:
    """No escape sequence and no key gets through, in any form of output."""
    for more in ((), ("--json",)):
        far.emulator.play_gets("openai", Fault(400, message="\x1b[2Jgone sk-ant-api03-THE5ECRETKEY"))
        done = run("health", *more)
        assert "\x1b" not in done.out + done.err
        assert "THE5ECRET" not in done.out + done.err


# --- letting it reply -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [EMPTY, REFUSAL])
def test_a_model_that_thinks_or_declines_is_alive(fault: Fault, serving: Project, far: Far, run: Run) -> None:
    """It had room to think, and no text is not the same as no answer."""
    far.emulator.received.clear()
    far.emulator.play(fault, fault)
    assert run("health", "--generate").code == 0
    given = [one.body.get("max_tokens", one.body.get("max_completion_tokens")) for one in far.emulator.received]
    assert len(given) == 2
    assert all(tokens is not None and tokens >= 1024 for tokens in given)


def test_a_place_that_only_lists_models_is_found_out(serving: Project, far: Far, run: Run) -> None:
    """It says it has the model, and fails to reply."""
    assert run("health").code == 0
    far.emulator.play(FULL, FULL)
    done = run("health", "--generate", "--json")
    assert done.code == 5
    assert {place["probe"]["error"] for place in places(done).values()} == {"Overloaded"}


# --- what traffic found -----------------------------------------------------------------------------------------------


def test_it_shows_what_traffic_found(serving: Project, far: Far, run: Run) -> None:
    """Five failures of five commands shut the place for all; its own probe says that it is up again."""
    for _ in range(5):
        far.emulator.play(FULL)
        assert json.loads(run("route", "--json", stdin="1+2").out)["candidate"] == "large"
    done = run("health", "--json")
    found = places(done)
    assert done.code == 5
    assert (found["anthropic"]["breaker"], found["anthropic"]["error"]["name"]) == ("open", "Overloaded")
    assert found["anthropic"]["probe"]["well"] is True
    assert found["anthropic"]["until"] > found["anthropic"]["since"]
    assert (found["openai"]["breaker"], found["openai"]["latency"]["calls"]) == ("closed", 5)
    assert found["openai"]["latency"]["p50_s"] is not None
    assert "open for" in run("health").out


def test_a_reply_closes_what_was_shut(serving: Project, far: Far, run: Run) -> None:
    """Two replies to --generate are two tries that went well."""
    far.emulator.play(FULL)
    assert places(run("health", "--generate", "--json"))["anthropic"]["breaker"] in ("open", "closed")
    run("health", "--generate")
    assert run("health", "--generate").code == 0
    assert {place["breaker"] for place in places(run("health", "--json")).values()} == {"closed"}


def test_a_state_that_cannot_be_kept_is_said_and_no_obstacle(serving: Project, run: Run) -> None:
    """The probes are made, and traffic is served."""
    for path in (serving.root / ".routerctl").glob("state.sqlite*"):
        path.unlink()
    serving.write(".routerctl/state.sqlite", "no database at all" * 100)
    done = run("health")
    assert done.code == 0
    assert done.err.count("the shared state cannot be used") == 1
    assert "move it away" in done.err
    done = run("route", stdin="1+2")
    assert done.code == 0
    assert done.err.count("the shared state cannot be used") == 1


# --- going on ---------------------------------------------------------------------------------------------------------


def test_watching_goes_on_until_it_is_interrupted(served: Project) -> None:
    """A round a second here, each a line; Ctrl-C ends it."""
    process = served.start("health", "--watch", "--interval", "1", "--json")
    assert process.stdout is not None
    for _ in range(2):
        assert json.loads(process.stdout.readline())["well"] is True
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_there_is_nothing_to_probe_without_a_table(project: Project, run: Run) -> None:
    """It says so as every command does."""
    done = run("health")
    assert done.code == 2
    assert "routes.yaml" in done.last


def test_a_scripted_place_fails_where_its_script_says_so(served: Project) -> None:
    """It is one place; the model that no route is served by is none."""
    script = {"model-large": {"probe": {"error": "ConnectionFailed"}, "*": "hi"}}
    served.write("replies.json", json.dumps(script))
    done = served.run("health")
    assert done.code == 5
    assert done.last == "routerctl: 1 of 1 place down: fake/model-large"


# --- which places -----------------------------------------------------------------------------------------------------


@pytest.fixture
def table(built: Path) -> Table:
    """One class, served by `small`."""
    made = load_table(built / "routes.yaml")
    return replace(made, routes={"sums": replace(made.routes["sums"], rungs=("small",), chosen="small")})


def test_places_are_those_that_may_serve(table: Table) -> None:
    """Rungs, their other providers, where a cascade ends, successors, the model that classifies; nobody else."""
    assert [place.key for place in places_of(table)] == [PlaceKey("fake", "model-small")]
    more = {
        name: replace(table.candidates["large"], name=name, model=f"model-{name}")
        for name in ("end", "heir", "sorter", "idle")
    }
    small = replace(
        table.candidates["small"],
        also=(OtherPlace(provider="cloud", model="s-1", region="eu"),),
        escalation=Escalation(to="end", below={}),
    )
    whole = replace(
        table,
        candidates={"small": small, "twin": replace(small, name="twin", also=(), escalation=None), **more},
        providers={**table.providers, "cloud": ProviderSpec(name="cloud", kind="openai")},
        routes={"sums": replace(table.routes["sums"], rungs=("small", "twin"))},
        routing=replace(table.routing, successors={"model-old": "heir"}),
        classifier=Classifier(candidate="sorter"),
        retirements={"s-1": "2027-01-31"},
    )
    assert [(place.key.model, place.region, place.candidates) for place in places_of(whole)] == [
        ("model-small", None, ("small", "twin")),
        ("s-1", "eu", ("small",)),
        ("model-end", None, ("end",)),
        ("model-heir", None, ("heir",)),
        ("model-sorter", None, ("sorter",)),
    ]
    assert places_of(whole)[1].retires_on == "2027-01-31"


# --- beside traffic ---------------------------------------------------------------------------------------------------


class Asked:
    """A wire that fails every probe of `down`, and knows nothing of `imported`."""

    def __init__(self) -> None:
        self.probed: list[str] = []

    async def probe(self, provider: str, model: str) -> Probed | None:
        self.probed.append(model)
        if model == "imported":
            raise errors.InputError("nobody can be asked")
        if model == "down":
            raise errors.ConnectionFailed("refused", provider=provider)
        return Probed(model=model)

    async def call(self, provider: str, request: Request, *, until: float) -> Reply:
        raise AssertionError("a probe beside traffic asks for no reply")


async def test_of_all_processes_one_probes_each_place_each_minute(tmp_path: Path) -> None:
    """Three processes run for ten minutes; what fails is shut, what cannot be asked is left alone."""
    now = [1_000_000.0]
    asleep: list[tuple[float, asyncio.Future[None]]] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        """Time passes only while all three sleep."""
        asleep.append((now[0] + seconds, mine := asyncio.get_running_loop().create_future()))
        if len(asleep) == 3:
            asleep.sort(key=itemgetter(0))
            now[0], first = asleep.pop(0)
            if now[0] > 1_000_600.0:
                over.set()
            else:
                first.set_result(None)
        await mine

    known = [Probable(key=PlaceKey("far", name), region=None, candidates=()) for name in ("up", "down", "imported")]
    fleet = []
    for seed in range(3):
        store = open_state(tmp_path / "state.sqlite", warn=pytest.fail)
        rng = random.Random(seed)  # noqa: S311 - no secrets
        fleet.append((Asked(), Health(store, clock=lambda: now[0], rng=rng, every_s=None), rng))
    tasks = [
        asyncio.ensure_future(probe_every(wire, health, known, rng=rng, sleep=sleep)) for wire, health, rng in fleet
    ]
    await over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    probed = [model for wire, _, _ in fleet for model in wire.probed]
    assert 8 <= probed.count("up") <= 12
    assert 8 <= probed.count("down") <= 12
    assert 1 <= probed.count("imported") <= 3
    for _, health, _ in fleet:
        health.sync()
    _, health, _ = fleet[0]
    assert health.allows(known[0].key)
    assert health.shown(known[1].key).error == "ConnectionFailed"
    for _, health, _ in fleet:
        health.close()


async def test_a_place_that_says_nothing_is_given_up_in_time(far: Far) -> None:
    """By the provider's own time limit, which is below a probe's."""
    from routerctl.providers.base import Outside
    from routerctl.providers.wire import Wire

    spec = ProviderSpec(name="far", kind="openai", base_url=f"{far.url}/v1", timeout_s=0.2)
    far.emulator.play_gets("openai", SILENT, SILENT)

    async def at_once(_: float) -> None:
        """Wait for nothing."""

    def no_price(*_: object) -> NoReturn:
        raise AssertionError("a probe has no price")

    async with Wire([spec], Outside(env={}, sleep=at_once), no_price) as wire:
        with pytest.raises((errors.TimedOut, errors.ConnectionFailed)):
            await wire.probe("far", "model-small")
    assert far.emulator.gets == 2

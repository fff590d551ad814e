"""Ten thousand prompts through `route --jsonl` while everything goes wrong: none lost, none doubled, all logged."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from routerctl.testing.emulator import CUT, HANG_UP, NOT_JSON, OK, SILENT, Body, Emulator, Fault
from tests.conftest import PRICE, SECRET, Project, right_answer, text_of

PROMPTS = 10_000
DEADLINE_S = 60.0
TIMEOUT_S = 1.0
CONCURRENCY = 24
ENV = {"TEST_KEY": SECRET}


class Weather:
    """What happens to the n-th call: the stated shares of faults, and none of it by chance between runs."""

    def __init__(self, seed: int, *, dies: bool) -> None:
        self._rng, self._dies, self.met = random.Random(seed), dies, Counter[str]()  # noqa: S311 - no secret
        self.on = False
        self.answered = 0  # of the prompts; the provider that dies does so for the middle third of them

    def __call__(self, _number: int) -> Fault:
        """Decide one call."""
        if not self.on:
            return OK
        if self._dies and PROMPTS / 3 <= self.answered < 2 * PROMPTS / 3 and not self._survived():
            return HANG_UP
        draw = self._rng.random()
        for share, name, faults in _FAULTS:
            if draw < share:
                self.met[name] += 1
                return self._rng.choice(faults)
            draw -= share
        return OK

    def _survived(self) -> bool:
        self.met["dead"] += 1
        return False


_FAULTS = (
    (0.10, "429", [Fault(429, headers={"retry-after-ms": "20"}), Fault(429)]),
    (0.05, "500/529", [Fault(500), Fault(529)]),
    (0.02, "broken", [CUT, NOT_JSON]),
    (0.01, "hang", [SILENT]),
)


@contextmanager
def _vendor(weather: Weather, counts: Weather) -> Iterator[str]:
    """Serve an emulator from a thread of its own; `counts`: whom its good answers are told."""

    def answer(body: Body) -> str:
        counts.answered += 1
        return f"{body['model']}: {text_of(body)}" if counts.on else right_answer(body)

    loop, up, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def run() -> None:
        async with Emulator(answer, record=False, chance=weather) as emulator:
            urls.append(emulator.url)
            up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert up.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def _project(project: Project, first: str, second: str) -> Project:
    """Two vendors of the small model, one of the large; attempts as many as a provider has unless it says otherwise."""
    common = {"api_key_env": "TEST_KEY", "concurrency": CONCURRENCY, "timeout_s": TIMEOUT_S}
    project.config["providers"] |= {
        "one": {"kind": "anthropic", "base_url": first, **common},
        "two": {"kind": "openai", "base_url": f"{second}/v1", **common},
    }
    project.config["candidates"] = {
        "small": {"provider": "one", "model": "model-small", "also": [{"provider": "two"}]},
        "large": {"provider": "two", "model": "model-large"},
    }
    project.config["prices"] = [
        {"provider": name, "model": f"model-{size}", **PRICE} for name in ("one", "two") for size in ("small", "large")
    ]
    project.config["routing"] = {"deadline_s": DEADLINE_S}
    project.save()
    return project


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_prompts_in_bad_weather(project: Project) -> None:
    """10 % 429, 5 % 500 or 529, 2 % broken replies, 1 % hangs, and one provider dead for a third of the run."""
    # Every prompt has its own answer, in order; each decision is logged once; no prompt took longer than its deadline.
    stormy, breezy = Weather(2, dies=True), Weather(3, dies=False)
    with _vendor(stormy, stormy) as first, _vendor(breezy, stormy) as second:
        made = _project(project, first, second)
        assert made.run("eval", env=ENV).code == made.run("build-table", env=ENV).code == 0
        stormy.answered, stormy.on, breezy.on = 0, True, True
        lines = "".join(
            json.dumps({"id": f"p{number}", "prompt": f"question {number}", "class": "sums"}) + "\n"
            for number in range(PROMPTS)
        )
        done = made.run("route", "--jsonl", "--json", stdin=lines.encode(), env=ENV, timeout=800)
    assert done.code == 0, done.err[-2000:]
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [one["id"] for one in answers] == [f"p{number}" for number in range(PROMPTS)]
    for number, one in enumerate(answers):
        assert one["answer"] == f"model-{one['candidate']}: question {number}"
    with sqlite3.connect(made.root / ".routerctl/decisions.sqlite") as database:
        rows = database.execute("SELECT id, total_s FROM decisions").fetchall()
    assert len(rows) == PROMPTS
    assert {row[0] for row in rows} == {one["decision"] for one in answers}
    slowest = max(row[1] for row in rows)
    assert slowest <= DEADLINE_S + TIMEOUT_S, "an inquiry outlived its deadline"
    assert all(stormy.met[name] > 0 for name in ("429", "500/529", "broken", "hang", "dead")), stormy.met
    hops = Counter(hop["outcome"] for one in answers for hop in one["hops"])
    places = Counter(hop["provider"] for one in answers for hop in one["hops"] if hop["outcome"] == "served")
    print(f"{stormy.met + breezy.met}; hops {dict(hops)}; served by {dict(places)}; slowest {slowest:.1f} s")  # noqa: T201

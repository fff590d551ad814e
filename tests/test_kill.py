"""An eval that is killed again and again: nothing paid is lost or paid twice, and the evidence comes out the same."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from routerctl.evaluation.build import evidence_of
from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.testing.emulator import Body, Received
from routerctl.types import Evidence
from tests.conftest import SECRET, Far, Project

KILLS = 50
CASES = 240
CLASSES = ("first", "second", "third")
ENV = {"TEST_KEY": SECRET}


def _large(vendors: Project) -> None:
    for name in CLASSES:
        vendors.eval_set(name, CASES)
    (vendors.root / "evals/sums.yaml").unlink(missing_ok=True)
    vendors.config.update(rules=[], default_class="first")
    vendors.save()


def _key(received: Received) -> str:
    return json.dumps([received.path, received.body], sort_keys=True)


def _kept(root: Path) -> int:
    if not (root / ".routerctl/cache.sqlite").exists():
        return 0
    with sqlite3.connect(root / ".routerctl/cache.sqlite") as database:
        return int(database.execute("SELECT count(*) FROM replies").fetchone()[0])


def _notes(root: Path) -> int:
    """Calls that the killed process had made and not seen the end of."""
    path = root / ".routerctl/cache.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as database:
        return int(database.execute("SELECT count(*) FROM under_way").fetchone()[0])


def _evidence(root: Path) -> dict[str, tuple[Evidence, ...]]:
    """The newest run's evidence without its seconds, the only thing in it that no two runs have in common."""
    run = read_run(run_folders(root)[0])
    assert run.header.finished
    return {
        name: tuple(replace(one, latency_p50_s=None, latency_p95_s=None) for one in evidence_of(run, name))
        for name in run.header.classes
    }


def _said(err: bytes) -> int:
    """How many calls a start says that killed runs had on their way."""
    found = re.search(rb"(\d+) calls? (?:was|were) in flight when an earlier run was killed", err)
    return int(found[1]) if found else 0


def _kill_at_a_random_moment(project: Project, far: Far, rng: random.Random) -> tuple[bool, int, bytes]:
    """Start the eval and kill it, sometimes while it starts, else some calls later.

    Returns whether it was still running, how many replies had been sent to it when it was killed, and its stderr.
    """
    process = project.start("eval", "--full", env=ENV, stdout=subprocess.DEVNULL)
    before, calls = far.emulator.posts, rng.randrange(60)
    if rng.random() < 0.1:
        time.sleep(rng.random())
    else:
        while far.emulator.posts < before + calls and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.05)
    alive, sent = process.poll() is None, len(far.emulator.delivered)
    process.kill()
    _, err = process.communicate()
    return alive, sent, err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_eval_survives_being_killed(vendors: Project, far: Far, tmp_path: Path) -> None:
    """Killed 50 times at random moments, an eval ends with the evidence of an undisturbed one, asking no call twice."""
    # The one exception is told: a call on its way at the moment of death has no reply to keep. Each such call leaves a
    # note, is asked again, and is counted by the next run. Every repeated call is one of these.
    _large(vendors)
    far.emulator._latency_s = 0.03

    def partly_right(body: Body) -> str:
        number = int(body["messages"][-1]["content"].rpartition("+")[2])
        return str(number + 1) if number % 7 or body["model"] == "model-large" else "wrong"

    far.answer = partly_right
    rng, noted, said, unread, kept = random.Random(8), 0, 0, 0, 0  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        first = len(far.emulator.delivered)
        alive, sent, err = _kill_at_a_random_moment(vendors, far, rng)
        assert alive, "the eval ended before it was killed often enough"
        said += _said(err)
        noted += _notes(vendors.root)
        replies = len({_key(one) for one in far.emulator.delivered[first:sent]})
        unread += max(0, replies - (_kept(vendors.root) - kept))  # sent before the kill, and not in the cache
        kept = _kept(vendors.root)
    last = vendors.run("eval", "--full", env=ENV)
    assert last.code == 0, last.err
    said += _said(last.err.encode())

    asked = Counter(_key(one) for one in far.emulator.received)
    delivered = Counter(_key(one) for one in far.emulator.delivered)
    distinct = 2 * CASES * len(CLASSES)
    assert len(asked) == len(delivered) == _kept(vendors.root) == distinct
    repeated = sum(asked.values()) - distinct
    assert repeated <= said, "a call was repeated that nobody said was in flight"
    told = f"{KILLS} kills, {distinct} calls; in flight {noted}, said {said}, asked again {repeated}"
    print(f"{told}; of these sent before the kill: {unread}")  # noqa: T201 - shown with -s

    disturbed = _evidence(vendors.root)
    undisturbed = Project(tmp_path / "again", vendors.config)
    _large(undisturbed)
    assert undisturbed.run("eval", "--full", env=ENV).code == 0
    assert _evidence(undisturbed.root) == disturbed

"""What a run says while it goes, beside what is written down of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from routerctl.cli.output.run_view import EVERY_S, RunView
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.evaluation.selection import verdict_words
from routerctl.table import load_table
from routerctl.types import Run
from routerctl.words import grouped, usd
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.mark.parametrize("share", [0.72, 0.83, 0.9])
def test_a_verdict_reads_alike_as_the_run_goes_and_in_the_table(share: float, project: Project) -> None:
    """The same digits: a figure that is rounded in two places becomes two figures."""
    project.replies({"model-small": share, "model-large": 0.95})
    done = project.run("eval", "--full")
    assert project.run("build-table").code == 0
    for one in load_table(project.root / "routes.yaml").routes["sums"].evidence:
        assert f" sums, {one.candidate}: {grouped(verdict_words(one.judgement))} Its replies are worth " in done.err


def test_a_verdict_tells_its_own_cost_and_the_run_s(project: Project) -> None:
    """What its replies are worth, from the cache or not, and what the run has spent by then."""
    first, again = project.run("eval", "--full"), project.run("eval", "--full")
    results = read_run(run_folders(project.root)[0]).results
    costs = [sum((one.cost_usd for one in results if one.candidate == name), Decimal(0)) for name in ("small", "large")]
    spent = [costs[0], sum(costs, Decimal(0))]
    for done, at in ((first, spent), (again, [Decimal(0), Decimal(0)])):
        lines = [line for line in done.err.splitlines() if " are worth " in line]
        assert len(lines) == 2
        for line, cost, by_then in zip(lines, costs, at, strict=True):
            assert line.endswith(f" Its replies are worth {usd(cost)}; the run has spent {usd(by_then)} so far.")


# --- while it goes on -------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(built: Path) -> Run:
    """A run whose results can be told again, at a pace of one's own."""
    return read_run(run_folders(built)[0])


class Beats:
    """A sleeper that lets so much be told between two of its sleeps, and then ends."""

    def __init__(self, view: RunView, run: Run, first: int = 0) -> None:
        self.now_s, self.turns, self.slept, self._view = 0.0, 3, list[float](), view
        self._results = iter([one for one in run.results if one.candidate == "large"][first:])

    async def __call__(self, wait_s: float) -> None:
        if not self.turns:
            raise asyncio.CancelledError
        self.turns -= 1
        self.slept.append(wait_s)
        self.now_s += wait_s
        for _ in range(5 if len(self.slept) > 1 else 0):
            self._view.result(replace(next(self._results), cached=False, cost_usd=Decimal("0.01")))


def test_every_half_minute_a_line_tells_how_far_it_is(seen: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing moves: also while nothing comes, and then with the time that the least it needs will take."""
    view = RunView(seen.header, Spending(), clock=lambda: beats.now_s)
    beats, left = Beats(view, seen), iter((20, 15, 10))
    with view:
        view.testing("sums", "large", lambda: next(left))
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(view.tell(beats))
    assert beats.slept == [EVERY_S] * 3 == [30.0] * 3
    assert capsys.readouterr().err.splitlines() == [
        "sums: large 0/60 cases, 0 passed, 20+ to go, $0",
        "sums: large 5/60 cases, 5 passed, 15+ to go, $0.05, 3:00 left",
        "sums: large 10/60 cases, 10 passed, 10+ to go, $0.10, 1:30 left",
    ]


def test_a_class_with_its_verdict_is_told_no_more(seen: Run, built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test that goes on later takes up its cases, at its new pace."""
    view = RunView(seen.header, Spending(), clock=lambda: beats.now_s)
    beats = Beats(view, seen, 10)
    judgement = load_table(built / "routes.yaml").routes["sums"].evidence[-1].judgement
    with view:
        view.testing("sums", "large", lambda: 6)
        for result in [one for one in seen.results if one.candidate == "large"][:10]:
            view.result(result)
        view.verdict("sums", "large", judgement)
        assert capsys.readouterr().err.startswith("+ sums, large: ")
        beats.slept.append(0.0)
        for said in ("", "sums: large 15/60 cases, 15 passed, 6+ to go, $0.05, 0:36 left\n"):
            beats.turns = 1
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(view.tell(beats))
            assert capsys.readouterr().err == said
            view.testing("sums", "large", lambda: 6)

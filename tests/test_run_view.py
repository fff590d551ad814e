"""What a run says while it goes, beside what is written down of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.evaluation.selection import verdict_words
from routerctl.table import load_table
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

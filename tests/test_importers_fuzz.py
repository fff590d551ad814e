"""Damaged files of every format: one line or a run whose books add up, never a traceback."""

from __future__ import annotations

import sys
from contextlib import chdir
from pathlib import Path

import pytest

from tests.importers_fuzz import Endings, Seed, fuzz, imported, rows_of, seeds, told, wrong_books

SEEDS = seeds()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_whole_file_is_imported_with_its_numbers(seed: Seed, tmp_path: Path) -> None:
    """Before it is damaged: the replies and passes that the tool's own file has."""
    path = tmp_path / seed.name
    path.write_bytes(seed.content)
    with chdir(tmp_path):
        found = imported(path)
    assert not wrong_books(found, rows_of(path))
    assert sum(one["replies"] for one in found["outcomes"]) == seed.replies
    assert sum(one["passed"] for one in found["outcomes"]) == seed.passed


def ended_well(endings: Endings, count: int) -> None:
    """No traceback, no books that do not add up, and both endings were reached in every format."""
    sys.stdout.write(f"{told(endings)}\n")
    assert not endings.faults, "\n".join(endings.faults[:3])
    assert endings.kinds.total() == count
    assert {kind for _, kind in endings.by_seed} == {"imported", "refused"}


def test_damaged_files_end_in_a_line_or_a_run(tmp_path: Path) -> None:
    """Twenty inputs of each; `python -m tests.importers_fuzz` counts more of them by kind."""
    ended_well(fuzz(260, 0, tmp_path), 260)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_damaged_files_end_in_a_line_or_a_run(tmp_path: Path) -> None:
    """Thousands of inputs."""
    ended_well(fuzz(4_000, 1_000, tmp_path), 4_000)

"""Checks on every shipped eval set (evals/, examples/): counts, ids, keys, labels, difficulty and near-duplicates."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from routerctl.evaluation.run.session import EvalOptions, plan_run

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = [ROOT / "evals", *sorted(ROOT.glob("examples/*/evals"))]
SCAFFOLD = ROOT / "routerctl/scaffold/evals/ticket.yaml"
# The scaffold's set is small on purpose: it shows what few cases can tell.
EVAL_FILES = [path for folder in FOLDERS for path in sorted(folder.glob("*.yaml")) if path.name != SCAFFOLD.name]

TOP_KEYS = {"schema_version", "description", "prompt", "reply", "scorer", "bar", "cases"}
PROMPT_KEYS = {"system", "template", "examples"}
EXAMPLE_KEYS = {"input", "reply"}
REPLY_KEYS = {"max_tokens", "choices", "json_schema"}
CASE_KEYS = {"id", "input", "expected", "tags"}
DIFFICULTIES = ("easy", "medium", "hard")

MIN_CASES = 120
NEW = {"code": 30}  # sets of a new class, which show what few cases can tell
MIN_PLANNED = 60  # of a set that a demo of minutes uses in part
NEAR_DUPLICATE = 0.5  # Jaccard similarity over sets of character 5-grams
MAX_NEAR_DUPLICATE_SHARE = 0.02
MAX_LABEL_SHARE = 0.6
MIN_DIFFICULTY_SHARE = 0.1

every_eval = pytest.mark.parametrize("path", EVAL_FILES, ids=lambda path: path.stem)


@cache
def load_spec(path: Path) -> dict[str, Any]:
    """The eval set in a YAML file."""
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


@cache
def load_cases(path: Path) -> list[dict[str, Any]]:
    """The cases that belong to a YAML file."""
    lines = (path.parent / load_spec(path)["cases"]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def as_text(value: object) -> str:
    """The text of an input; of a mapping, its values in order of key."""
    if isinstance(value, dict):
        return "\n".join(str(value[key]) for key in sorted(value))
    return str(value)


def grams(value: object) -> frozenset[str]:
    """The set of character 5-grams of a lower-cased input."""
    text = as_text(value).lower()
    return frozenset(text[i : i + 5] for i in range(max(1, len(text) - 4)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """The Jaccard similarity of two sets."""
    return len(a & b) / len(a | b)


def near_duplicates(cases: list[dict[str, Any]]) -> tuple[set[int], tuple[float, int, int]]:
    """The places of cases that have a near-duplicate, and the worst pair as (similarity, place, place)."""
    sets = [grams(case["input"]) for case in cases]
    pairs = [(jaccard(sets[i], sets[j]), i, j) for i, j in combinations(range(len(cases)), 2)]
    return {place for similarity, *pair in pairs if similarity >= NEAR_DUPLICATE for place in pair}, max(pairs)


every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)


@every_folder
def test_eval_files_are_found(folder: Path) -> None:
    """A folder of eval sets holds at least one, so that the tests below do test something."""
    assert list(folder.glob("*.yaml")), f"no *.yaml in {folder}"


@every_folder
def test_no_case_file_is_left_over(folder: Path) -> None:
    """Every case file in a folder is named by exactly one eval set."""
    named = [cases for path in folder.glob("*.yaml") if isinstance(cases := load_spec(path)["cases"], str)]
    assert sorted(named) == sorted(path.name for path in folder.glob("*.jsonl"))


@every_folder
def test_the_project_loads(folder: Path) -> None:
    """The project around a folder of eval sets loads, and a run on its ladder can be planned."""
    planned = plan_run(folder.parent, EvalOptions(), lambda: datetime(2026, 11, 30, tzinfo=UTC))
    assert set(planned.header.classes) == {path.stem for path in folder.glob("*.yaml")}


@every_eval
def test_spec_has_only_known_keys(path: Path) -> None:
    """The YAML file has all top-level keys of the format and no unknown key at any checked level."""
    spec = load_spec(path)
    assert TOP_KEYS <= set(spec) <= TOP_KEYS | {"max_cases"}
    assert spec.get("max_cases", MIN_CASES) >= MIN_PLANNED
    assert {"template"} <= set(spec["prompt"]) <= PROMPT_KEYS
    assert set(spec["reply"]) <= REPLY_KEYS
    for example in spec["prompt"].get("examples", []):
        assert set(example) == EXAMPLE_KEYS
    assert "name" in spec["scorer"]
    assert 0 < spec["bar"] <= 1


@every_eval
def test_cases_have_exactly_the_allowed_keys(path: Path) -> None:
    """Each case has an id, an input (text or flat mapping), an expected answer and tags, and nothing else."""
    for case in load_cases(path):
        assert set(case) == CASE_KEYS, case
        assert isinstance(case["id"], str), case
        assert case["id"].strip(), case
        assert isinstance(case["input"], (str, dict)), case
        assert as_text(case["input"]).strip(), case
        if isinstance(case["input"], dict):
            assert not any(isinstance(value, (dict, list)) for value in case["input"].values()), case
        assert case["expected"] not in (None, ""), case
        assert isinstance(case["tags"], list), case
        assert all(isinstance(tag, str) for tag in case["tags"]), case


@every_eval
def test_there_are_enough_cases(path: Path) -> None:
    """An eval set has at least 120 cases, but for one that is small on purpose."""
    assert len(load_cases(path)) >= NEW.get(path.stem, MIN_CASES)


@every_eval
def test_ids_are_unique(path: Path) -> None:
    """No id occurs twice in a class."""
    repeated = [key for key, count in Counter(case["id"] for case in load_cases(path)).items() if count > 1]
    assert not repeated


@every_eval
def test_near_duplicates_are_rare(path: Path) -> None:
    """At most 2 % of the cases have a near-duplicate in their class."""
    cases = load_cases(path)
    found, (similarity, *worst) = near_duplicates(cases)
    first, second = (cases[place] for place in worst)
    share = len(found) / len(cases)
    assert share <= MAX_NEAR_DUPLICATE_SHARE, (
        f"{share:.1%} of the cases have a near-duplicate: {[cases[i]['id'] for i in sorted(found)]}\n"
        f"worst pair, Jaccard similarity {similarity:.2f}:\n"
        f"  {first['id']}: {as_text(first['input'])}\n"
        f"  {second['id']}: {as_text(second['input'])}"
    )


@every_eval
def test_no_input_is_given_away_by_an_example(path: Path) -> None:
    """No input equals, or nearly equals, a few-shot example of its class."""
    for example in load_spec(path)["prompt"].get("examples", []):
        shown = grams(example["input"])
        for case in load_cases(path):
            similarity = jaccard(shown, grams(case["input"]))
            assert similarity < NEAR_DUPLICATE, (
                f"Jaccard similarity {similarity:.2f}:\n"
                f"  example: {as_text(example['input'])}\n"
                f"  {case['id']}: {as_text(case['input'])}"
            )


@pytest.mark.parametrize(
    "path", [path for path in EVAL_FILES if "choices" in load_spec(path)["reply"]], ids=lambda path: path.stem
)
def test_labels_are_choices_and_balanced(path: Path) -> None:
    """Where replies are choices, each answer is one of them, each is used, and none makes up over 60 % of the cases."""
    spec, cases = load_spec(path), load_cases(path)
    choices = spec["reply"]["choices"]
    assert len(set(choices)) == len(choices)
    counts = Counter(case["expected"] for case in cases)
    assert set(counts) == set(choices)
    assert {example["reply"] for example in spec["prompt"].get("examples", [])} <= set(choices)
    label, count = counts.most_common(1)[0]
    assert count / len(cases) <= MAX_LABEL_SHARE, f"{label}: {count} of {len(cases)}"


@every_eval
def test_difficulty_is_tagged_and_spread(path: Path) -> None:
    """The first tag of each case is its only difficulty, and each difficulty has at least 10 % of the cases."""
    cases = load_cases(path)
    for case in cases:
        assert case["tags"][:1] in [[difficulty] for difficulty in DIFFICULTIES], case["id"]
        assert not set(case["tags"][1:]) & set(DIFFICULTIES), case["id"]
    counts = Counter(case["tags"][0] for case in cases)
    for difficulty in DIFFICULTIES:
        assert counts[difficulty] / len(cases) >= MIN_DIFFICULTY_SHARE, (
            f"{difficulty}: {counts[difficulty]} of {len(cases)}"
        )


def test_the_scaffolds_set_is_what_init_writes() -> None:
    """The demo shows the eval set that a new project starts with."""
    shown, written = (
        path.read_text(encoding="utf-8").partition("\n")[2] for path in (ROOT / "evals/ticket.yaml", SCAFFOLD)
    )
    assert shown == written
    assert len(yaml.safe_load(written)["cases"]) == 24

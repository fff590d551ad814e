"""What of a project has changed since its table was built, told without reading a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routerctl.evaluation.eval_sets import load_eval_sets
from routerctl.evaluation.outdated import (
    TableFile,
    other_classes,
    other_evidence,
    other_labels,
    other_policy,
    other_sets,
    places,
)
from routerctl.evaluation.project import load_project
from routerctl.table import load_table
from routerctl.types import Stakes, Tier
from tests.conftest import PRICE, Project

AT = TableFile(file="routes.yaml")


def found(served: Project) -> list[str]:
    """Everything that is told of the project as it is now."""
    project, sets, table = load_project(served.root), load_eval_sets(served.root), load_table(served.root / AT.file)
    return [
        *other_classes(table, sets, (), AT),
        *other_sets(table, sets, (), AT),
        *other_labels(table, table.routes, served.root, AT),
        *other_evidence(project, table, AT, own_ladder=False),
        *other_policy(project, table, sets, AT),
    ]


@pytest.fixture
def fresh(served: Project) -> Project:
    """A project whose table was just built, to be changed."""
    served.config.update(Project.with_fake(served.root).config)
    return served


def test_a_table_just_built_is_not_outdated(fresh: Project) -> None:
    """Nothing is told where nothing has changed."""
    assert found(fresh) == []


@pytest.mark.parametrize(
    ("part", "change", "line"),
    [
        (
            "providers",
            {"fake": {"concurrency": 9}},
            "settings of provider fake: changed since routes.yaml was built; run",
        ),
        ("candidates", {"small": {"effort": "low"}}, "candidate 'small' is not what routes.yaml was built with; run `"),
        ("providers", {"fake": {"region": "eu"}}, "provider 'fake' is not what routes.yaml was built with; run `route"),
        (
            "candidates",
            {"small": {"also": [{"provider": "other"}]}},
            "other places of small: changed since routes.yaml",
        ),
        (None, {"default_class": None}, "default_class: changed since routes.yaml was built; run `routerctl build-tab"),
        (None, {"rules": []}, "rules: changed since routes.yaml was built; run `routerctl build-table`"),
        (None, {"routing": {"deadline_s": 3}}, "routing: changed since routes.yaml was built; run `routerctl build-t"),
        (
            None,
            {"when_unproven": "top_rung"},
            "when_unproven of sums: changed since routes.yaml was built; run `routerct",
        ),
        (None, {"today": "large"}, "today of sums: changed since routes.yaml was built; run `routerctl build-table`"),
        (
            None,
            {"objective": {"within": 0.01, "of": "best"}},
            "objective: changed since routes.yaml was built; run `routerctl build-table`",
        ),
        (None, {"seed": 9}, "seed is now 9, routes.yaml was built with 0; run `routerctl eval`"),
        (
            None,
            {"ladders": {"main": ["small"]}},
            "ladder 'main' is not what routes.yaml was built with; run `routerctl",
        ),
    ],
)
def test_each_change_is_told(part: str | None, change: dict[str, object], line: str, fresh: Project) -> None:
    """With the command that follows it: `build-table` where no evidence rests on it, else `eval`."""
    if part is None:
        fresh.config.update(change)
    else:
        for name, more in change.items():
            fresh.config[part][name] |= more
    fresh.config["providers"]["other"] = {"kind": "fake"}
    fresh.config["prices"].append({"provider": "other", "model": "model-small", **PRICE})
    fresh.save()
    (told,) = found(fresh)
    assert told.startswith(line)


def test_another_price_is_told(fresh: Project) -> None:
    """Costs are counted anew at no cost; who is priced by time is told once for the price and once for the provider."""
    fresh.config["prices"][0]["input_mtok_usd"] = 9
    fresh.save()
    assert found(fresh) == ["price of small: changed since routes.yaml was built; run `routerctl build-table`"]
    fresh.config["prices"].pop(0)
    fresh.config["providers"]["fake"]["usd_per_hour"] = 2
    fresh.save()
    assert found(fresh) == [
        "settings of provider fake: changed since routes.yaml was built; run `routerctl build-table`",
        "price of small: changed since routes.yaml was built; run `routerctl build-table`",
    ]


def test_eval_sets_and_labels_are_compared(fresh: Project) -> None:
    """An edited set, a new one, labels and stakes: each is told."""
    fresh.eval_set("sums", 61)
    fresh.eval_set("more", 9)
    digest = "sha256:" + "0" * 64
    fresh.write("evals/sums.labels.jsonl", f'{{"case": "a", "candidate": "b", "reply": "{digest}", "passed": true}}\n')
    assert found(fresh) == [
        "routes.yaml and evals/ do not have the same classes: more; run `routerctl build-table`",
        "routes.yaml: sums rests on another version of evals/sums.yaml; run `routerctl eval`",
        "routes.yaml: the human labels of sums have changed; run `routerctl build-table`",
    ]
    project, table = load_project(fresh.root), load_table(fresh.root / AT.file)
    sets = [replace(one, stakes=Stakes(requests_per_month=9)) for one in load_eval_sets(fresh.root)]
    told = "stakes of sums: changed since routes.yaml was built; run `routerctl build-table`"
    assert list(other_policy(project, table, sets, AT)) == [told]


def test_an_imported_class_needs_no_eval_set(fresh: Project) -> None:
    """Where both are there, which of them it rests on was said with the build."""
    table = load_table(fresh.root / AT.file)
    assert not list(other_classes(table, (), ("sums",), AT))
    fresh.eval_set("sums", 61)
    assert not list(other_sets(table, load_eval_sets(fresh.root), ("sums",), AT))


def test_every_tier_has_its_table(fresh: Project) -> None:
    """With the commands that make it and its evidence."""
    project = load_project(fresh.root)
    tiers = {"gold": Tier(name="gold", table="gold.yaml", ladder="main"), "free": Tier(name="free", table="free.yaml")}
    tiered = replace(project, routing=replace(project.routing, tiers=tiers))
    assert [(one.file, one.build, one.eval) for one in places(tiered)] == [
        ("routes.yaml", "routerctl build-table", "routerctl eval"),
        ("gold.yaml", "routerctl build-table --tier gold", "routerctl eval --ladder main"),
        ("free.yaml", "routerctl build-table --tier free", "routerctl eval"),
    ]

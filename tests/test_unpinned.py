"""Evidence of another model than the pin: told by every command, by both vendors, and refused where strict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.table import load_table
from tests.conftest import Done, Far, Project

Run = Callable[..., Done]
SMALL = "small is pinned to model-small, but the provider says it served model-small-2"
LARGE = "large is pinned to model-large, but the provider says it served model-large-2"


@pytest.fixture
def measured(vendors: Project, far: Far, key: str, run: Run) -> Callable[..., Done]:
    """Run a command against vendors that answer as other models do; `serves`: model -> who answers."""

    def command(*arguments: str, serves: dict[str, str] | None = None) -> Done:
        far.emulator.serves = serves or {}
        return run(*arguments)

    return command


def _inspect_logs(project: Project, served: dict[str, list[str]]) -> list[str]:
    """Write a log of Inspect for each model, right on 60 cases, answered by the ids given, in turn."""
    for number, (model, ids) in enumerate(served.items()):
        samples = [
            {"id": k, "epoch": 1, "scores": {"m": {"value": "C"}}, "output": {"model": ids[k % len(ids)]}}
            for k in range(60)
        ]
        header = {"task": "talk", "model": model, "task_id": f"t{number}"}
        project.write(f"{number}.json", json.dumps({"status": "success", "eval": header, "samples": samples}))
    return [f"{number}.json" for number in range(len(served))]


def _model_checks(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    return [line for line in text.splitlines() if ": model" in line]


@pytest.mark.parametrize(
    ("serves", "said"), [({"model-small": "model-small-2"}, SMALL), ({"model-large": "model-large-2"}, LARGE)]
)
def test_another_model_is_told_and_refused_where_strict(
    serves: dict[str, str], said: str, measured: Run, vendors: Project
) -> None:
    """Anthropic's and OpenAI's reply alike, also of a candidate that is not chosen: a warning, 3 under --strict."""
    vendors.eval_set("sums", 60)
    loose = measured("eval", "--full", serves=serves)
    assert loose.code == 0
    assert f"warning: sums: {said}; pin the id that is served" in loose.err
    strict = measured("eval", "--full", "--strict", "--junit", "gate.xml", serves=serves)
    assert strict.code == 3
    assert strict.last == "routerctl: another model than the pin answered for sums"
    assert "next: pin the id that is served" in strict.err
    assert _model_checks(vendors.root / "gate.xml")
    built = measured("build-table")
    assert (built.code, f"warning: sums: {said}" in built.err) == (0, True)
    assert measured("build-table", "--strict").code == 3
    checked = measured("check")
    assert (checked.code, said in checked.last) == (3, True)
    report = max((vendors.root / "reports").glob("*/report.html")).read_text("utf-8")
    assert "sums: another model" in report


def test_asked_anew_of_the_right_model_all_is_well(measured: Run, vendors: Project) -> None:
    """The advice helps: replies of the wrong model are in the cache until they are asked for anew."""
    vendors.eval_set("sums", 60)
    serves = {"model-small": "model-small-2"}
    measured("eval", serves=serves)
    assert "warning: sums: small is pinned" in measured("eval").err
    anew = measured("eval", "--max-age", "0", "--strict")
    assert (anew.code, "warning: sums" in anew.err) == (0, False)
    assert measured("build-table", "--strict").code == 0
    assert measured("check").code == 0


@pytest.mark.parametrize("when", ["now", "before"])
def test_a_comparison_tells_of_another_model_on_either_side(when: str, measured: Run, vendors: Project) -> None:
    """`eval --baseline`: who answered now, and who had answered then."""
    vendors.eval_set("sums", 60)
    serves = {"model-small": "model-small-2"}
    measured("eval", serves=serves if when == "before" else None)
    measured("build-table")
    ask = ("eval", "--baseline", "routes.yaml", "--max-age", "0")
    loose = measured(*ask, "--json", serves=serves if when == "now" else None)
    assert loose.code == 0
    said = SMALL + (" (in the baseline)" if when == "before" else "")
    assert f"warning: sums: {said}" in loose.err
    assert json.loads(loose.out)["classes"]["sums"]["another_model"] == [said]
    strict = measured(*ask, "--strict", serves=serves if when == "now" else None)
    assert (strict.code, "another model than the pin answered for sums" in strict.last) == (3, True)


def test_one_of_many_calls_is_enough(measured: Run, vendors: Project) -> None:
    """A vote of which one sample came from another model is evidence of it; so is a cascade's first reply."""
    vendors.config["candidates"]["small"]["strategy"] = {"name": "self_consistency", "samples": 3}
    vendors.save()
    vendors.eval_set("sums", 60)
    measured("eval", "--full", "--candidate", "small")
    vendors.config["candidates"]["small"]["strategy"]["samples"] = 5
    vendors.save()
    mixed = measured("eval", "--full", "--candidate", "small", serves={"model-small": "model-small-2"})
    assert f"warning: sums: {SMALL}" in mixed.err


def test_a_cascade_may_be_answered_by_both_of_its_models_and_no_third(measured: Run, vendors: Project) -> None:
    """Whom it escalates to is a pin, too."""
    then = {"escalation": {"to": "large", "below": {"length": 1}}}
    vendors.config["candidates"]["both"] = {**vendors.config["candidates"]["small"], **then}
    vendors.config["ladders"]["main"] = ["both", "large"]
    vendors.save()
    vendors.eval_set("sums", 60)
    assert "is pinned to" not in measured("eval", "--full").err
    other = measured("eval", "--full", "--max-age", "0", serves={"model-large": "model-large-2"})
    assert "both is pinned to model-small, but the provider says it served model-large-2" in other.err


def test_a_judge_that_is_another_model_is_told(measured: Run, vendors: Project, far: Far) -> None:
    """Its verdicts are evidence like any reply."""
    far.answer = lambda body: json.dumps({"reason": "r", "score": "pass"}) if body["model"] == "model-judge" else "42"
    vendors.config["candidates"]["referee"] = {"provider": "anthropic", "model": "model-judge"}
    vendors.config["prices"].append({**vendors.config["prices"][0], "model": "model-judge"})
    vendors.save()
    vendors.eval_set("sums", 60, scorer={"name": "judge", "candidate": "referee", "rubric": "Is it right?"})
    judged = measured("eval", "--strict", serves={"model-judge": "model-judge-2"})
    said = "referee is pinned to model-judge, but the provider says it served model-judge-2"
    assert (judged.code, f"warning: sums: {said}" in judged.err) == (3, True)
    measured("build-table")
    assert load_table(vendors.root / "routes.yaml").routes["sums"].evidence[0].judge_served == ("model-judge-2",)
    assert said in measured("check").last


def test_a_gateways_prefix_is_no_other_model(measured: Run, vendors: Project) -> None:
    """A gateway may name the vendor before the id, in the request or in the reply."""
    vendors.eval_set("sums", 60)
    done = measured("eval", "--strict", serves={"model-small": "acme/model-small"})
    assert (done.code, "is pinned to" in done.err) == (0, False)
    results = read_run(run_folders(vendors.root)[0]).results
    assert {one.served_model for one in results if one.candidate == "small"} == {"model-small"}


@pytest.mark.parametrize(
    ("served", "code", "said"),
    [
        ({"small": ["model-small"], "large": ["acme/model-large"]}, 0, ""),
        ({"small": ["model-small-2"], "large": ["model-large"]}, 3, SMALL),
        ({"small": ["model-small"], "large": ["model-large", "model-large-2"]}, 3, LARGE),
    ],
)
def test_an_import_onto_our_own_candidates_is_held_to_their_pins(
    served: dict[str, list[str]], code: int, said: str, project: Project, run: Run
) -> None:
    """What a runner recorded as served is compared with the pin of the candidate that it is imported as."""
    (project.root / "evals/sums.yaml").unlink()
    project.config.update({"rules": [], "default_class": "talk"})
    project.save()
    done = run("import", *_inspect_logs(project, served))
    assert (done.code, f"warning: talk: {said}" in done.err) == (0, bool(said)), done.err
    assert run("build-table", "--strict=provisional").code == code
    assert run("check").code == code


def test_an_imported_name_is_pinned_by_what_was_served(project: Project, run: Run) -> None:
    """Nobody can call it, so the one id that was served stands for it; two ids are two models."""
    (project.root / "evals/sums.yaml").unlink()
    done = run("import", *_inspect_logs(project, {"far/tiny": ["tiny-1"], "far/vast": ["vast-1", "vast-2"]}))
    assert "tiny" not in "".join(line for line in done.err.splitlines() if line.startswith("warning"))
    assert "far/vast is one model in the imported outcomes, but was served by vast-1, vast-2" in done.err

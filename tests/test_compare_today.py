"""`eval --compare-today`: who serves now is asked every case, so that money and risk are told against it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from tests.conftest import Project


@pytest.fixture
def served(project: Project) -> Project:
    """A project where the small model passes everything and the large one, which serves today, costs ten times more."""
    project.config["today"] = "large"
    project.config["prices"][1] |= {"input_mtok_usd": 10, "output_mtok_usd": 20}
    project.save()
    project.replies({"model-small": 1.0, "model-large": 0.9})
    return project


def asked(project: Project) -> Counter[str]:
    """How many cases each candidate has in the newest run, each once."""
    results = read_run(run_folders(project.root)[0]).results
    assert len({(one.candidate, one.index) for one in results}) == len(results)
    return Counter(one.candidate for one in results)


def test_who_serves_today_is_asked_every_case(served: Project) -> None:
    """Without it the dearer model is never asked; with it all 60 cases, and the money is told against it."""
    assert served.run("eval").code == 0
    assert asked(served)["large"] == 0
    done = served.run("eval", "--compare-today")
    assert done.code == 0, done.err
    assert asked(served)["large"] == 60
    assert asked(served)["small"] < 60
    assert served.run("build-table").code == 0
    worth = json.loads(served.run("build-table", "--json").out)["worth"]
    assert (worth["against"]["candidate"], worth["against"]["today"]) == ("large", True)
    assert float(worth["against"]["saved_usd"]) > 0


def test_the_reference_of_a_relative_bar_is_not_asked_twice(served: Project) -> None:
    """Today's model that is the reference, too, has run on every case already."""
    served.eval_set("sums", 60, bar={"within": 0.05, "of": "large"})
    assert served.run("eval", "--compare-today").code == 0
    assert asked(served)["large"] == 60


def test_where_it_serves_in_the_table_too_nothing_is_added(served: Project) -> None:
    """The candidate that the tests end with is asked the rest of its cases, once."""
    served.config["today"] = "small"
    served.save()
    assert served.run("eval", "--compare-today").code == 0
    assert asked(served) == Counter({"small": 60})


def test_the_estimate_knows_it(served: Project) -> None:
    """All its cases are likely then, where hardly any was before."""
    before, after = (
        {
            row["candidate"]: row["likely"]["calls"]
            for row in json.loads(served.run("eval", "--dry-run", "--json", *more).out)
        }
        for more in ((), ("--compare-today",))
    )
    assert after["large"] == 60
    assert before["large"] < 60


@pytest.mark.parametrize(
    ("today", "said"),
    [(None, "--compare-today: write `today: CANDIDATE`"), ("larg", "no candidate 'larg'; did you mean 'large'?")],
)
def test_nobody_to_compare_with_is_refused(today: str | None, said: str, served: Project) -> None:
    """One line says what to write."""
    served.config.pop("today")
    served.config.update({"today": today} if today else {})
    served.save()
    done = served.run("eval", "--compare-today")
    assert done.code == 2
    assert said in done.last


def _tabled(served: Project) -> Project:
    served.run("eval", "--compare-today")
    assert served.run("build-table").code == 0
    return served


def _against_today(served: Project, *options: str) -> dict[str, object] | None:
    done = served.run("eval", "--baseline", "routes.yaml", *options, "--json")
    found: dict[str, object] | None = json.loads(done.out)["against_today"]
    return found


def test_a_comparison_with_the_table_tells_money_and_risk_against_today(served: Project) -> None:
    """Who serves is asked again and is right as before: as cheap, and fewer wrong than today's model."""
    done = _tabled(served).run("eval", "--baseline", "routes.yaml")
    assert done.code == 0, done.err
    assert "Against today's large, the table saves" in done.out
    found = _against_today(served)
    assert found is not None
    assert (found["candidate"], found["today"]) == ("large", True)
    assert float(str(found["more_wrong_per_1000"])) < 0


def test_a_model_that_fell_is_told_as_it_answers_now(served: Project) -> None:
    """The recorded replies of who serves were right; by the newer ones it is far more often wrong than today's."""
    _tabled(served).replies({"model-small": 0.3, "model-large": 0.9})
    found = _against_today(served, "--max-age", "0")
    assert found is not None
    assert float(str(found["more_wrong_per_1000"])) > 300


@pytest.mark.parametrize("today", ["small", None])
def test_nothing_is_said_where_today_serves_or_is_not_known(today: str | None, served: Project) -> None:
    """Against itself, or nobody, there is nothing to tell."""
    del served.config["today"]
    served.config.update({"today": today} if today else {})
    served.save()
    served.run("eval", "--full")
    assert served.run("build-table").code == 0
    assert _against_today(served) is None


def test_a_model_that_was_never_asked_is_not_compared_with(served: Project) -> None:
    """Without `--compare-today` the table rests on no reply of it."""
    assert served.run("eval").code == 0
    assert served.run("build-table").code == 0
    assert _against_today(served) is None


def test_both_sides_of_a_comparison_have_the_prices_of_now(served: Project) -> None:
    """Today's replies were made at another price: they are told at the present one, or not at all with the reason."""
    dear = _against_today(_tabled(served))
    served.config["prices"][1] |= {"input_mtok_usd": 1, "output_mtok_usd": 2}
    served.save()
    level = _against_today(served)
    assert dear is not None
    assert level is not None
    assert float(str(dear["saved_usd"])) > 0
    assert abs(float(str(level["saved_usd"]))) < 0.1 * float(str(dear["saved_usd"]))
    served.config["prices"][1] |= {"cache_read_mtok_usd": 0.5}
    served.save()
    done = served.run("eval", "--baseline", "routes.yaml", "--json")
    assert (done.code, json.loads(done.out)["against_today"]) == (0, None)
    assert "warning: today's model is left out: the price of 'large' has changed" in done.err

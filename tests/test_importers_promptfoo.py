"""promptfoo's rows -> models and cases: no two models become one, and no outcome is dropped for its place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.importers import read_outcomes
from routerctl.evaluation.importers.base import Columns
from routerctl.evaluation.importers.cases import Arranged, arrange, by_plain_names
from routerctl.types import Status
from tests.test_importers import ROW, read


def row(number: Any = 0, **more: Any) -> dict[str, Any]:
    """One row; without promptIdx where `number` is None."""
    found = ROW | {"promptIdx": number} | more
    return found if number is not None else {key: value for key, value in found.items() if key != "promptIdx"}


def whole(folder: Path, rows: list[dict[str, Any]], name: str = "r.json", **results: Any) -> Path:
    """All of them in one object."""
    path = folder / name
    path.write_text(json.dumps({"evalId": "e", "results": {"results": rows} | results, "config": {}}))
    return path


def passes(found: Arranged) -> dict[str, tuple[int, int]]:
    """Passes and replies by model."""
    counts = {model: Counter[bool]() for model in found.models}
    for (model, _), replies in found.replies.items():
        counts[model].update(record.score == 1 for record in replies)
    return {model: (of[True], of.total()) for model, of in counts.items()}


def arranged(path: Path) -> Arranged:
    """The one class of a file."""
    (found,) = arrange([read(path)], None)
    return found


TESTS: list[dict[str, Any]] = [
    {"vars": {"q": place}, "prompt": {"raw": f"say {place}", "label": "say {{q}}"}} for place in range(6)
]


@pytest.mark.parametrize("lines", [False, True], ids=["whole", "lines"])
def test_rows_without_promptidx_are_told_apart_by_provider(lines: bool, tmp_path: Path) -> None:
    """Results of version 2: two providers stay two models, in either output."""
    rows = [
        row(None, **test, provider={"id": name}, success=name == "b:m" or place < 3)
        for place, test in enumerate(TESTS)
        for name in ("a:m", "b:m")
    ]
    path = whole(tmp_path, rows, version=2)
    if lines:
        path = tmp_path / "r.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
    assert passes(arranged(path)) == {"a:m": (3, 6), "b:m": (6, 6)}


def test_results_of_before_there_was_an_id_are_known(tmp_path: Path) -> None:
    """By the keys that they had then."""
    path = tmp_path / "r.json"
    rows = [row(None, **test) for test in TESTS]
    path.write_text(json.dumps({"results": {"version": 2, "results": rows}, "config": {}, "shareableUrl": None}))
    assert passes(arranged(path)) == {"p": (6, 6)}


def test_rows_without_promptidx_are_told_apart_by_prompt(tmp_path: Path) -> None:
    """Of one provider, by their prompt's label."""
    rows = [
        row(None, **test | {"prompt": {"raw": "x", "label": label}}, success=label == "brief")
        for test in TESTS
        for label in ("brief", "long")
    ]
    assert sorted(passes(arranged(whole(tmp_path, rows))).values()) == [(0, 6), (6, 6)]


def test_ways_that_no_row_tells_apart_are_refused(tmp_path: Path) -> None:
    """The head names two settings of a provider, the rows do not: they must not become repeats."""
    rows = [row(None, **test, success=bool(place)) for test in TESTS for place in range(2)]
    head = {"prompts": [{"provider": "p", "label": "say {{q}}"}] * 2}
    with pytest.raises(InputError, match=r"p was asked in 2 ways, and the rows do not say in which \(no promptIdx\)"):
        read(whole(tmp_path, rows, table={"head": head}))
    assert passes(arranged(whole(tmp_path, rows, table={"head": {"prompts": head["prompts"][:1]}}))) == {"p": (6, 12)}


@pytest.mark.parametrize("number", [None, "0", True, 1.5])
def test_a_row_without_the_number_that_others_have_is_refused(number: Any, tmp_path: Path) -> None:
    """It may be anyone's, so it is nobody's."""
    rows = [row(**test) for test in TESTS] + [row(1) | {"promptIdx": number}]
    with pytest.raises(InputError, match="row 7 has no promptIdx, as the others have"):
        read(whole(tmp_path, rows))


def test_one_number_of_two_providers_is_two_models(tmp_path: Path) -> None:
    """As in results that were put together from two runs."""
    rows = [row(0, **test, provider={"id": name}, success=name == "a") for test in TESTS for name in "ab"]
    assert passes(arranged(whole(tmp_path, rows))) == {"a": (6, 6), "b": (0, 6)}


def test_a_label_that_looks_like_a_way_stays_a_model_of_its_own(tmp_path: Path) -> None:
    """A provider called `p #1` is not the first prompt of p."""
    rows = [row(k, **TESTS[0] | {"prompt": {"raw": str(k)}}, provider={"id": "p"}) for k in range(2)]
    rows.append(row(2, **TESTS[0], provider={"id": "x", "label": "p #1"}, success=False))
    assert passes(arranged(whole(tmp_path, rows))) == {"p ##1": (1, 1), "p #2": (1, 1), "p #1": (0, 1)}


def test_tests_with_the_same_words_are_cases_of_their_own(tmp_path: Path) -> None:
    """Two equal tests, pass and fail, and another: two of three, whichever row comes first."""
    same, other = TESTS[0], TESTS[1]
    rows = [row(**same), row(**same, success=False), row(**other)]
    for order in (rows, rows[::-1], [rows[1], rows[2], rows[0]]):
        assert passes(arranged(whole(tmp_path, order))) == {"p": (2, 3)}


def test_of_equal_tests_none_is_chosen_by_its_place(tmp_path: Path) -> None:
    """Where another model has fewer of them, and they differ, the file is refused."""
    rows = [row(**TESTS[0]), row(**TESTS[0], success=False), row(1, **TESTS[0], provider={"id": "q"})]
    rows += [row(k, **TESTS[1], provider={"id": name}) for k, name in enumerate("pq")]
    with pytest.raises(InputError, match=r"class r: p has 2 replies to one case where 1 would count, and their scores"):
        arranged(whole(tmp_path, rows))


def filtered(overlap: int = 1) -> list[dict[str, Any]]:
    """Two models and eight prompts; each test was restricted to `overlap` of the prompts."""
    rows = []
    for test in range(16):
        for prompt in sorted({(test + more) % 8 for more in range(overlap)}):
            for place, name in enumerate(("gpt-4o-mini", "gpt-4o")):
                more: dict[str, Any] = {"promptId": f"id{prompt}", "prompt": {"raw": f"P{prompt} {test}"}}
                rows.append(
                    row(2 * prompt + place, vars={"q": test}, provider={"id": name}, success=bool(place), **more)
                )
    return rows


def test_a_prompt_that_a_test_is_restricted_to_belongs_to_the_case(tmp_path: Path) -> None:
    """Each case was asked in one way, so the models are compared on all of them; a note says so."""
    path = whole(tmp_path, filtered())
    assert passes(arranged(path)) == {"gpt-4o-mini": (0, 16), "gpt-4o": (16, 16)}
    assert "each case was asked with one of the prompts, so the prompt is a part of the case" in read(path).notes


def test_prompts_that_overlap_are_models_and_can_be_taken_together(tmp_path: Path) -> None:
    """No case is everyone's: the error names two models that share some; plain names take a prompt into the case."""
    reading = read(whole(tmp_path, filtered(2)))
    with pytest.raises(InputError, match=r"; 4 cases in common have --order 'gpt-4o-mini #1,gpt-4o #1'"):
        arrange([reading], None)
    (found,) = arrange(by_plain_names([reading], {"gpt-4o-mini", "gpt-4o"}), None)
    assert passes(found) == {"gpt-4o-mini": (0, 32), "gpt-4o": (32, 32)}
    assert (len(found.cases), found.epochs, found.left) == (32, 1, {})


def test_settings_of_a_prompt_are_no_parts_of_cases(tmp_path: Path) -> None:
    """The same prompt under two numbers is one provider in two settings, even on different tests."""
    rows = [row(place % 2, vars={"q": place}, promptId="one") for place in range(4)]
    assert {one.model for one in read(whole(tmp_path, rows)).records} == {"p #1", "p #2"}


def test_ways_of_two_files_are_not_mixed(tmp_path: Path) -> None:
    """`p #1` is another prompt in the other file: two models of one name."""
    paths = [
        whole(
            tmp_path,
            [row(k, **TESTS[0], promptId=name) for k, name in enumerate(prompts)],
            name=f"{prompts}.json",
        )
        for prompts in ("ab", "ba")
    ]
    with pytest.raises(InputError, match=r"ba.json: p #1 was asked in another way .* than in .*ab.json"):
        read_outcomes(paths, "auto", Columns())


def test_a_graders_tokens_are_not_the_candidates(tmp_path: Path) -> None:
    """Those of the response count, not those of the row or of its grading; a failed call's count as well."""
    tokens: dict[str, Any] = {"response": {"tokenUsage": {"prompt": 7, "completion": 3}}, "tokenUsage": {"prompt": 999}}
    tokens["gradingResult"] = {"tokensUsed": {"prompt": 500}}
    rows = [row(**TESTS[0], **tokens), row(**TESTS[1], **tokens, failureReason=2, error="500", success=False)]
    found = read(whole(tmp_path, rows)).records
    assert [(one.input_tokens, one.output_tokens, one.status) for one in found] == [
        (7, 3, Status.SCORED),
        (7, 3, Status.FAILED),
    ]

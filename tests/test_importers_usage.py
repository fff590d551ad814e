"""What a sample of Inspect used -> the candidate's tokens and cost alone, and what is said of the others'."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.evaluation.importers.base import Reading
from routerctl.evaluation.importers.prices import StatedModel, cost
from tests.test_importers import HEADER, SAMPLE, read
from tests.test_importers_arranging import DAY

OWN = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110, "total_cost": 0.0002}
GRADER = {"input_tokens": 5000, "output_tokens": 400, "total_tokens": 5400, "total_cost": 0.01}
BOTH = {"input_tokens": 5100, "output_tokens": 410, "total_tokens": 5510, "total_cost": 0.0102}
RIGHT = {"scores": {"s": {"value": "C"}}}


def log(folder: Path, *samples: dict[str, Any], **head: Any) -> Path:
    """A .json log of these samples; `head`: more of its `eval`."""
    rows = [SAMPLE | RIGHT | {"id": str(place)} | sample for place, sample in enumerate(samples)]
    path = folder / "log.json"
    path.write_text(json.dumps(HEADER | {"eval": {"task": "t", "model": "m"} | head, "samples": rows}))
    return path


def packed(folder: Path, summaries: list[dict[str, Any]] | None, samples: list[dict[str, Any]]) -> Path:
    """An .eval; without summaries where they are None."""
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(HEADER))
        if summaries is not None:
            archive.writestr("summaries.json", json.dumps(summaries))
        for place, sample in enumerate(samples):
            archive.writestr(f"samples/{place}_epoch_1.json", json.dumps(sample))
    return path


def used(reading: Reading) -> list[tuple[int, int, Decimal | None]]:
    """Tokens in, tokens out and cost of each record."""
    return [(one.input_tokens, one.output_tokens, one.cost_usd) for one in reading.records]


def call(span: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A call in a transcript."""
    return {"event": "model", "span_id": span, "model": "m", "output": {"usage": usage}} | more


SPANS = [
    {"event": "span_begin", "id": "a", "type": "solver", "name": "generate"},
    call("a", OWN),
    {"event": "span_begin", "id": "b", "type": "scorers", "name": "scorers"},
    {"event": "span_begin", "id": "c", "type": "scorer", "parent_id": "b", "name": "model_graded_qa"},
    {"event": "span_begin", "id": "d", "type": None, "parent_id": "c", "name": "inner"},
    call("d", GRADER),
    call("d", GRADER, cache="read"),
    call("d", GRADER, model="another"),
]
STEPS = [
    call("", OWN),
    {"event": "step", "action": "begin", "type": "scorer", "name": "model_graded_qa"},
    call("", GRADER),
    {"event": "step", "action": "end", "type": "scorer", "name": "model_graded_qa"},
]
GRADED = [
    ({"model_usage": {"m": OWN, "openai/grader": GRADER}}, {}, "are those of m alone, not of openai/grader"),
    ({"model_usage": {"m": BOTH}, "events": SPANS}, {}, "what scorers asked of m is left out"),
    ({"model_usage": {"m": BOTH}, "events": STEPS}, {}, "what scorers asked of m is left out"),
    (
        {"model_usage": {"m": BOTH}, "role_usage": {"grader": GRADER}},
        {"model_roles": {"grader": {"model": "m"}}},
        "what scorers asked of m is left out",
    ),
    ({"model_usage": {"m": OWN, "n": GRADER}, "role_usage": {"grader": GRADER}}, {}, "not of n"),
]


@pytest.mark.parametrize(("sample", "head", "note"), GRADED, ids=["another", "spans", "steps", "role", "role, another"])
def test_a_graders_tokens_are_not_the_candidates(
    sample: dict[str, Any], head: dict[str, Any], note: str, tmp_path: Path
) -> None:
    """Another model's, and the same model's in a scorer, as the transcript or the roles tell; each time it is said."""
    found = read(log(tmp_path, sample, **head))
    assert used(found) == [(100, 10, Decimal("0.0002"))]
    assert any(note in told for told in found.notes)


def test_what_the_candidate_asks_of_itself_in_a_role_is_its_own(tmp_path: Path) -> None:
    """Where the transcript shows that no scorer asked: a solver's critic, say."""
    sample = {"model_usage": {"m": BOTH}, "role_usage": {"critic": GRADER}, "events": [*SPANS[:2], call("a", GRADER)]}
    found = read(log(tmp_path, sample, model_roles={"critic": {"model": "m"}}))
    assert used(found) == [(5100, 410, Decimal("0.0102"))]
    assert found.notes == ()


def test_where_no_transcript_tells_a_grader_apart_it_is_said(tmp_path: Path) -> None:
    """The scorer's name tells that it asks a model."""
    sample = {"model_usage": {"m": BOTH}, "scores": {"model_graded_qa": {"value": "C"}}}
    found = read(log(tmp_path, sample))
    assert "what model_graded_qa asked of m, if anything, is among its tokens: no transcript tells" in found.notes


def test_a_cost_that_is_known_in_part_is_not_known(tmp_path: Path) -> None:
    """The whole less a grader's call without a cost would be too much."""
    unpriced = {name: value for name, value in GRADER.items() if name != "total_cost"}
    found = read(log(tmp_path, {"model_usage": {"m": BOTH}, "events": [*SPANS[:5], call("d", unpriced)]}))
    assert used(found) == [(100, 10, None)]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input_tokens": 15235, "output_tokens": 281, "input_tokens_cache_read": 9088, "total_tokens": 15516}, 15235),
        ({"input_tokens": 6147, "output_tokens": 281, "input_tokens_cache_read": 9088, "total_tokens": 15516}, 15235),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 115,
                "input_tokens_cache_read": 60,
                "input_tokens_cache_write": 40,
            },
            110,
        ),
        ({"input_tokens": 10, "output_tokens": 5, "input_tokens_cache_read": 60}, 70),
        ({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, 10),
    ],
    ids=["within", "beside", "read and written", "no total", "no cache"],
)
def test_cached_tokens_count_once(usage: dict[str, Any], tokens: int, tmp_path: Path) -> None:
    """Whether the input tokens have them or not: the total tells."""
    (record,) = read(log(tmp_path, {"model_usage": {"m": usage}})).records
    assert record.input_tokens == tokens
    assert record.cached_tokens == usage.get("input_tokens_cache_read", 0)


def test_a_call_that_failed_after_its_reply_costs_what_it_used(tmp_path: Path) -> None:
    """Two of six samples raise once the model has answered: they failed, and they are paid for."""
    fine, raised = {"model_usage": {"m": OWN}}, {"model_usage": {"m": OWN}, "scores": {}, "error": {"message": "boom"}}
    found = read(log(tmp_path, *[fine] * 4, raised, raised, {"scores": {}, "error": {"message": "no connection"}}))
    by_price = cost([found], {"m": StatedModel(input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(10))}, DAY)
    assert [by_price.cost_usd(one) for one in found.records] == [Decimal("0.0002")] * 6 + [Decimal(0)]
    by_case = cost([found], {"m": StatedModel(cost_usd=Decimal(3))}, DAY)
    assert [by_case.cost_usd(one) for one in found.records] == [Decimal(3)] * 6 + [Decimal(0)]
    assert [cost([found], {}, DAY).cost_usd(one) for one in found.records] == [Decimal("0.0002")] * 6 + [Decimal(0)]


def test_what_a_prompt_cache_had_is_said_where_it_is_priced_in_full(tmp_path: Path) -> None:
    """The share of the input tokens, by model; the project's own price knows the price of cached ones."""
    usage = {"input_tokens": 40, "output_tokens": 1, "input_tokens_cache_read": 60, "total_tokens": 101}
    found = read(log(tmp_path, {"model_usage": {"m": usage}}))
    stated = cost([found], {"m": StatedModel(input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(1))}, DAY)
    assert stated.at_full_price == {"m": 0.6}
    own = {"m": StatedModel(project=lambda usage, _seconds: Decimal(usage.cache_read_tokens))}
    priced = cost([found], own, DAY)
    assert (priced.at_full_price, priced.cost_usd(found.records[0])) == ({}, Decimal(60))


OLD = {"id": "1", "epoch": 1, "input": "x", "target": "y", "scores": {"s": {"value": "C"}}}  # before April 2025
WHOLE = OLD | {
    "model_usage": {"m": OWN},
    "output": {"model": "m-1", "time": 0.5, "choices": [{"message": {"content": "hi"}, "stop_reason": "stop"}]},
}


@pytest.mark.parametrize(
    ("summaries", "samples", "tokens"),
    [
        ([OLD], [WHOLE], [100]),
        (None, [WHOLE], [100]),
        ([OLD | {"id": "2"}], [WHOLE], [0, 100]),
        ([OLD], [], [0]),
        ([OLD | {"model_usage": {"m": GRADER}}], [WHOLE | {"model_usage": {"m": BOTH}, "events": SPANS}], [100]),
        ([OLD], [WHOLE | {"model_usage": {}, "output": {"usage": OWN}}], [100]),
    ],
    ids=["old", "no summaries", "one each", "no samples", "transcript", "usage of the output"],
)
def test_an_old_log_is_read_from_what_it_has(
    summaries: list[dict[str, Any]] | None, samples: list[dict[str, Any]], tokens: list[int], tmp_path: Path
) -> None:
    """Summaries had scores alone: tokens, replies and latency stand in the samples; each sample counts once."""
    found = read(packed(tmp_path, summaries, samples))
    assert [one.input_tokens for one in found.records] == tokens
    assert found.rows == len(tokens)
    if samples == [WHOLE]:
        last = found.records[-1]
        assert (last.reply, last.latency_s, last.served_model) == ("hi", 0.5, "m-1")


def test_samples_that_are_too_large_to_read_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The summaries then say what they do, and it is said that replies are not read."""
    monkeypatch.setattr("routerctl.evaluation.importers.inspect_log._MOST_SAMPLES", 10)
    found = read(packed(tmp_path, [OLD | {"model_usage": {"m": OWN}}], [WHOLE]))
    assert [(one.input_tokens, one.reply) for one in found.records] == [(100, "")]
    assert "replies and refusals are not read" in found.notes[-1]


ODD_CALL = {"event": "model", "span_id": [1], "model": {}, "output": {"usage": OWN}}


@pytest.mark.parametrize(
    "odd",
    [
        {"model_usage": [1]},
        {"model_usage": {"m": None}},
        {"model_usage": {"m": {"input_tokens": "many", "total_tokens": 10**400}}},
        {"events": {"event": "model"}},
        {"events": [None, 1, "x", {"event": "model", "output": 5}, {"event": "step", "type": "scorer"}]},
        {"role_usage": 7, "model_usage": {"m": {}}},
        {"model_usage": {"m": {}}, "events": [{"event": "span_begin", "id": [1], "parent_id": {}}, ODD_CALL]},
    ],
    ids=str,
)
def test_usage_of_another_shape_is_none(odd: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is made of it, and nothing breaks."""
    assert used(read(log(tmp_path, odd))) == [(0, 0, None)]

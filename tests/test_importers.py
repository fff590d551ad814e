"""Each format, read from a file that its own tool wrote."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.importers import FORMATS, read_outcomes
from routerctl.evaluation.importers.base import Columns, Reading, open_source
from routerctl.evaluation.importers.cases import arrange
from routerctl.evaluation.importers.values import read_scale
from routerctl.types import Status, StopReason

MADE = Path(__file__).parent / "fixtures" / "import"


def read(path: Path, chosen: str = "auto", scale: str | None = None, **columns: str) -> Reading:
    """Read one file."""
    (found,) = read_outcomes([path], chosen, Columns(**columns, scale=read_scale(scale)))
    return found


def by_case(reading: Reading) -> dict[tuple[str, str], list[Any]]:
    """Group a reading's records by model and case."""
    found: dict[tuple[str, str], list[Any]] = {}
    for record in reading.records:
        found.setdefault((record.model, record.case), []).append(record)
    return found


# file, format, records, passed, failed, task, model of the first record, scorer
FILES = [
    ("inspect/addition_mini.eval", "inspect", 16, 6, 2, "addition", "openai/gpt-4o-mini", "includes"),
    ("inspect/addition_4o.eval", "inspect", 16, 14, 0, "addition", "openai/gpt-4o", "includes"),
    ("inspect/second.json.gz", "inspect", 3, 2, 0, "second", "openai/gpt-4o-mini", "includes"),
    ("promptfoo/results.json.gz", "promptfoo", 32, 21, 2, "", "openai:chat:small", "success"),
    ("promptfoo/results.jsonl.gz", "promptfoo", 32, 21, 2, "", "openai:chat:small", "success"),
    ("openai-evals/small.jsonl", "openai-evals", 8, 3, 1, "sums", "small", "correct"),
    ("openai-evals/large.jsonl", "openai-evals", 8, 7, 0, "sums", "large", "correct"),
]


@pytest.mark.parametrize("row", FILES, ids=lambda row: row[0])
def test_a_file_is_recognised_and_read(row: tuple[Any, ...]) -> None:
    """The format is found by the content; replies, passes, failed calls, task and model are the tool's own."""
    file, kind, records, passed, failed, task, model, scorer = row
    found = read(MADE / file)
    assert (found.format, len(found.records), found.scorer) == (kind, records, scorer)
    assert sum(record.score == 1 for record in found.records) == passed
    assert sum(record.status is Status.FAILED for record in found.records) == failed
    assert (found.records[0].task, found.records[0].model) == (task, model)
    assert found.digest.startswith("sha256:")


def test_inspect_tells_epochs_errors_tokens_and_cost() -> None:
    """A sample's epochs stay together; an errored sample has no score; tokens and cost are the summary's."""
    cases = by_case(read(MADE / "inspect/addition_mini.eval", cluster="page"))
    sums = {case: records for (_, case), records in cases.items()}
    assert sorted(sums) == sorted(f"sum-{a}" for a in (3, 4, 5, 6, 8, 11, 17, 20))
    assert {len(records) for records in sums.values()} == {2}
    assert [[record.score for record in sums[case]] for case in ("sum-3", "sum-4")] == [[0.0, 0.0], [1.0, 1.0]]
    failed, right = sums["sum-11"][0], sums["sum-4"][0]
    assert (failed.status, failed.score, failed.latency_s) == (Status.FAILED, None, None)
    assert "refused by the gateway" in failed.error
    assert (right.input_tokens, right.output_tokens, right.cost_usd) == (20, 3, Decimal("0.000011"))
    assert (right.input, right.expected, right.extracted, right.cluster) == ("What is 4 + 2?", "6", "6", "page 0")
    assert "\x1b" in (sums["sum-8"][0].extracted or "")  # hostile text is kept as it came


def test_inspect_json_log_has_replies_and_the_calls_own_latency() -> None:
    """A .json log holds what the summaries leave out: the reply, the stop reason, the served model, the call's time."""
    first = read(MADE / "inspect/second.json.gz").records[0]
    assert (first.reply, first.stop_reason, first.served_model) == ("44", StopReason.END, "gpt-4o-mini-2026-10-01")
    assert first.latency_s is not None
    assert first.latency_s < 1


def test_promptfoo_tells_a_failed_call_from_a_failed_assertion() -> None:
    """Both stand in `error`; only failureReason 2 is a failed call, and a refusal is a reply."""
    records = read(MADE / "promptfoo/results.json.gz").records
    failed = [record for record in records if record.status is Status.FAILED]
    wrong = [record for record in records if record.score == 0]
    assert {record.input for record in failed} == {"What is 11 + 2? Answer with the number alone."}
    assert all(record.error and record.stop_reason is None for record in failed)
    assert wrong
    assert all(not record.error for record in wrong)
    refused = [record for record in records if record.stop_reason is StopReason.REFUSAL]
    assert {record.reply for record in refused} == {"I cannot help with that."}
    assert len(refused) == 4


def test_promptfoo_repeats_share_a_case() -> None:
    """`testIdx` runs on over repeats, so the case is the test's variables: 8 cases, each twice per provider."""
    found = read(MADE / "promptfoo/results.jsonl.gz")
    (of_class,) = arrange([found], None)
    assert (len(of_class.cases), of_class.epochs, of_class.left) == (8, 2, {})
    cases = by_case(found)
    assert all(record.cost_usd is None for records in cases.values() for record in records)  # 0 is not a price
    assert all(0 < record.latency_s < 60 for records in cases.values() for record in records if record.latency_s)


@pytest.mark.parametrize("column", [{}, {"case": "q"}], ids=["digest", "column"])
def test_promptfoo_compares_prompts(column: dict[str, str], tmp_path: Path) -> None:
    """Two prompts of one provider are two models with the same cases, which are their variables."""
    rows = [
        ROW | {"promptIdx": prompt, "prompt": {"raw": f"{words} {q}"}, "vars": {"q": q}}
        for q in ("one", "two")
        for prompt, words in enumerate(("Be brief:", "Think:"))
    ]
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (found,) = arrange([read(path, **column)], None)
    assert found.models == ("p #1", "p #2")
    assert [case.input for case in found.cases] == [{"q": "one"}, {"q": "two"}]


def test_promptfoo_both_outputs_say_the_same() -> None:
    """The lines hold what the one object does."""
    whole, lines = (read(MADE / f"promptfoo/results.{name}.gz") for name in ("json", "jsonl"))
    told = [[(one.model, one.case, one.score, one.reply) for one in found.records] for found in (whole, lines)]
    assert sorted(told[0], key=str) == sorted(told[1], key=str)


@pytest.mark.parametrize(
    ("column", "passed"), [(None, 5), ("exact_match", 5), ("exact_match,flexible-extract", 6)], ids=str
)
def test_lm_eval_counts_each_document_once(column: str | None, passed: int) -> None:
    """A document has a row a filter: the first counts unless another is named; the model comes from the results."""
    (file,) = (MADE / "lm-eval/small").glob("samples*")
    found = read(file, **({"score": column} if column else {}))
    assert len(found.records) == 9
    assert sum(record.score == 1 for record in found.records) == passed
    assert {(record.task, record.model) for record in found.records} == {("sums", "small")}
    assert found.records[0].input == {"question": "What is 3 + 2?", "answer": "5"}
    assert any("left out" in note for note in found.notes)


def lm_samples(folder: Path, *rows: dict[str, Any], metrics: tuple[str, ...]) -> Path:
    """Samples of one task with these values of the metrics."""
    path = folder / "samples_t_2026-11-24T04-30-00.1.jsonl"
    own = {"doc": "q", "resps": [["r"]], "filter": "none", "metrics": metrics}
    path.write_text("\n".join(json.dumps({"doc_id": place} | own | row) for place, row in enumerate(rows)))
    return path


@pytest.mark.parametrize(
    ("metrics", "scorer"),
    [
        ({"perplexity": 12.5, "exact_match": 1}, "exact_match,none"),
        ({"brier_score": 0.3, "acc": 0}, "acc,none"),
        ({"word_perplexity": [-3.5, 2], "acc": 1}, "acc,none"),
        ({"acc": 1, "acc_norm": 0}, "acc,none"),
        ({"f1": [[0, 1], 2], "exact_match": 1, "bleu": [["a"], "b"]}, "exact_match,none"),
    ],
    ids=str,
)
def test_lm_eval_takes_a_metric_that_is_a_score(metrics: dict[str, Any], scorer: str, tmp_path: Path) -> None:
    """The first, or where that is none the only one; what is left out is said."""
    found = read(lm_samples(tmp_path, metrics, metrics, metrics=tuple(metrics)))
    assert (found.scorer, len(found.records), found.rows) == (scorer, 2, 2)
    others = ", ".join(name for name in metrics if name != scorer.partition(",")[0])
    assert found.notes == (f"scores are those of {scorer}; left out: {others} (--score-column)",)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"ppl": 12.5, "em": 1, "acc": 1}], "ppl is no score; name the metric with --score-column: em, acc"),
        ([{"perplexity": 0.5, "bits": 7}], "perplexity is no score; its metrics are perplexity, bits (--score-column)"),
        ([{"ppl": 12.5, "bits": 3}], "metric ppl (--score-column): expected a score from 0 to 1"),
        ([{"acc": 1, "em": 1}, {"acc": 7, "em": 1}], ":2: metric acc (--score-column): expected a score"),
        ([{"acc": 1, "em": 1, "metrics": []}, {"acc": None, "metrics": ["acc"]}], None),
    ],
    ids=str,
)
def test_lm_eval_names_the_metrics_that_may_be_meant(
    rows: list[dict[str, Any]], problem: str | None, tmp_path: Path
) -> None:
    """Several may be: the user says which; one bad value does not make another metric count."""
    path = lm_samples(tmp_path, *rows, metrics=tuple(rows[0]))
    if problem is None:
        assert [one.score for one in read(path).records] == [1.0, None]
        return
    with pytest.raises(InputError) as found:
        read(path)
    assert problem in str(found.value)


@pytest.mark.parametrize(
    ("values", "scorer"), [({"acc": 1.0}, "acc"), ({"ppl": 8.5, "acc": 0.0}, "acc"), ({"acc": 1, "acc_norm": 0}, "acc")]
)
def test_lm_eval_reads_rows_of_before_metrics_were_named(values: dict[str, Any], scorer: str, tmp_path: Path) -> None:
    """Before 0.4.3 a metric was any other key with a number: the only score, or the first."""
    path = lm_samples(tmp_path, values, values, metrics=())
    path.write_text(path.read_text().replace('"metrics": [], ', "").replace('"filter": "none", ', ""))
    found = read(path)
    assert (found.scorer, [one.score for one in found.records]) == (f"{scorer},", [values[scorer]] * 2)


def test_lm_eval_counts_the_rows_of_other_filters() -> None:
    """Each row of the file is a record or left out with its reason."""
    (file,) = (MADE / "lm-eval/small").glob("samples*")
    found = read(file)
    assert (found.rows, len(found.records), found.left) == (18, 9, {"of other filters": 9})


def test_lm_eval_takes_the_model_from_the_folder_where_the_results_are_gone(tmp_path: Path) -> None:
    """The folder has the model's name, with __ for the slash."""
    (file,) = (MADE / "lm-eval/small").glob("samples*")
    folder = tmp_path / "meta__tiny-1"
    folder.mkdir()
    shutil.copy(file, folder)
    assert read(folder / file.name).records[0].model == "meta/tiny-1"


def test_openai_evals_joins_the_match_to_the_sampling() -> None:
    """Question and reply come from the sampling; asked but never matched is unscored, an error is a failed call."""
    records = {record.case: record for record in read(MADE / "openai-evals/small.jsonl").records}
    assert (records["sums.dev.4"].input, records["sums.dev.4"].reply) == ("What is 4 + 2?", "6")
    assert records["sums.dev.20"].status is Status.UNSCORED
    assert records["sums.dev.11"].status is Status.FAILED
    assert any("no final report" in note for note in read(MADE / "openai-evals/small.jsonl").notes)
    assert not read(MADE / "openai-evals/large.jsonl").notes


def graded(folder: Path, *data: dict[str, Any], kind: str = "metrics") -> Path:
    """A record of samples that were asked, then graded by a second call, with these values."""
    rows: list[dict[str, Any]] = [{"spec": {"completion_fns": ["m"], "base_eval": "t"}}]
    for number, values in enumerate(data):
        event = {"run_id": "r", "event_id": 0, "sample_id": f"t.{number}"}
        asked = {"prompt": f"question {number}", "sampled": ["a reply"]}
        rows.append(event | {"type": "sampling", "data": asked})
        rows.append(event | {"type": "sampling", "data": {"prompt": "is it right?", "sampled": ["Y"]}})
        rows.append(event | {"type": kind, "data": values})
    path = folder / "graded.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("values", "column", "scores"),
    [
        ([{"accuracy": 1.0}, {"accuracy": 0.0}], None, [1.0, 0.0]),
        ([{"choice": "Y", "score": 1.0}, {"choice": "N"}], None, [1.0, None]),
        ([{"accuracy": 1.0, "f1_score": 0.5}, {"accuracy": 1.0, "f1_score": 0.25}], "f1_score", [0.5, 0.25]),
    ],
    ids=["includes", "model-graded", "named"],
)
def test_openai_evals_metrics_decide_where_nothing_was_matched(
    values: list[dict[str, Any]], column: str | None, scores: list[float | None], tmp_path: Path
) -> None:
    """Includes and model-graded evaluations record no match; the question is the first sampling's, not the grader's."""
    found = read(graded(tmp_path, *values), **({"score": column} if column else {}))
    assert [record.score for record in found.records] == scores
    assert (found.records[0].input, found.records[0].reply) == ("question 0", "a reply")
    assert found.scorer == (column or next(name for name in values[0] if name != "choice"))


def test_a_folder_stands_for_its_logs_and_samples() -> None:
    """A folder is searched for what Inspect and lm-eval leave there; the results beside the samples are no outcomes."""
    assert len(read_outcomes([MADE / "lm-eval"], "auto", Columns())) == 2
    assert len(read_outcomes([MADE / "inspect"], "auto", Columns())) == 2


def test_openai_evals_counts_the_candidates_tokens(tmp_path: Path) -> None:
    """Those of its own sampling, not the grader's; cached ones are a part of them."""
    path = graded(tmp_path, {"accuracy": 1})
    usage = {"prompt_tokens": 50, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 20}}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, event in enumerate(line for line in lines if line.get("type") == "sampling"):
        event["data"]["usage"] = usage if number == 0 else {"prompt_tokens": 999, "completion_tokens": 99}
    path.write_text("\n".join(map(json.dumps, lines)))
    (record,) = read(path).records
    assert (record.input_tokens, record.cached_tokens, record.output_tokens) == (50, 20, 5)


# --- broken files -----------------------------------------------------------------------------------------------------


def _inspect_zip(**members: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "log.eval", "w") as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.json", json.dumps(content))
        return folder / "log.eval"

    return write


def _file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(raw)
        return folder / name

    return write


def _cut(name: str, keep: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        raw = (MADE / name).read_bytes()
        path = folder / Path(name).name
        path.write_bytes(raw[: int(keep * len(raw))])
        return path

    return write


def _damaged(folder: Path) -> Path:
    path = folder / "log.eval"
    raw = bytearray((MADE / "inspect/addition_mini.eval").read_bytes())
    with zipfile.ZipFile(MADE / "inspect/addition_mini.eval") as archive:  # its directory is not packed
        start = archive.getinfo("summaries.json").header_offset + len("summaries.json") + 60
    raw[start : start + 20] = bytes(20)
    path.write_bytes(raw)
    return path


HEADER = {"status": "success", "eval": {"task": "t", "model": "m"}, "results": {"scores": [{"name": "s"}]}}
SAMPLE = {"id": "1", "epoch": 1, "input": "x", "target": "y"}
ROW = {"promptIdx": 0, "testIdx": 0, "success": True, "provider": {"id": "p"}, "vars": {"a": 1}, "failureReason": 0}
COSTLY = SAMPLE | {"scores": {"s": {"value": 1}}, "model_usage": {"m": {"total_cost": -1}}}
BROKEN = [
    ("missing", lambda folder: folder / "none.csv", {}, "no such file"),
    ("a folder without logs", lambda folder: folder, {}, "a folder without *.eval"),
    ("empty", _file("a.csv", "  \n"), {}, "the file is empty"),
    ("cut zip", _cut("inspect/addition_mini.eval", 0.5), {}, "not a whole zip"),
    ("damaged member", _damaged, {}, "summaries.json cannot be unpacked"),
    ("cut gzip", _cut("promptfoo/results.json.gz", 0.9), {}, "not whole gzip"),
    ("no gzip inside", _file("a.json.gz", b"\x1f\x8bno"), {}, "not whole gzip"),
    ("another zip", _inspect_zip(other={}), {}, "not a finished log of Inspect"),
    ("no samples", _inspect_zip(header=HEADER, summaries={}), {}, "expected eval.model and samples"),
    (
        "several values",
        _inspect_zip(header=HEADER, summaries=[SAMPLE | {"scores": {"s": {"value": {"a": 1, "b": 0}}}}]),
        {},
        "name one with --score-column: s.a, s.b",
    ),
    (
        "score of 7",
        _inspect_zip(header=HEADER, summaries=[SAMPLE | {"scores": {"s": {"value": 7}}}]),
        {},
        "sample 1, scorer s: expected a score from 0 to 1",
    ),
    (
        "no such scorer",
        _inspect_zip(header=HEADER, summaries=[SAMPLE | {"scores": {"s": {"value": 1}}}]),
        {"score": "f1"},
        "no scorer 'f1' in it; it has: s",
    ),
    (
        "a negative cost",
        _inspect_zip(header=HEADER, summaries=[COSTLY]),
        {},
        "sample 1, total_cost: expected an amount of USD",
    ),
    ("a device", lambda _folder: Path("/dev/zero"), {}, "/dev/zero: expected a file or a pipe"),
    ("promptfoo without rows", _file("r.json", '{"evalId": "e", "results": {}}'), {}, "expected results.results"),
    (
        "promptfoo without success",
        _file("r.jsonl", json.dumps(ROW) + "\n" + json.dumps(ROW | {"success": "yes"})),
        {},
        "r.jsonl:2: not a row of promptfoo's results",
    ),
    (
        "torn line",
        _file("r.jsonl", json.dumps(ROW) + "\n" + json.dumps(ROW)[:30]),
        {},
        "r.jsonl:2: not JSON",
    ),
    ("lm-eval results", _file("r.json", '{"results": {}, "configs": {}, "versions": {}}'), {}, "made by --log_samples"),
    (
        "lm-eval metric",
        _file("samples_t_2026-11-24T04-30-00.1.jsonl", '{"doc_id": 0, "resps": [], "metrics": ["acc"], "acc": 1}'),
        {"score": "ac"},
        "no metric 'ac'; did you mean 'acc'?",
    ),
    (
        "lm-eval without metrics",
        _file("samples_t_2026-11-24T04-30-00.1.jsonl", '{"doc_id": 0, "resps": [], "metrics": 5, "acc": "1"}'),
        {},
        "no row names its metrics, and none",
    ),
    (
        "openai evals without a spec",
        _file("e.jsonl", '{"run_id": "r", "event_id": 0, "sample_id": "s", "type": "match", "data": {}}'),
        {},
        "which names the model",
    ),
    (
        "openai evals without a score",
        lambda folder: graded(folder, {"choice": "Y"}),
        {},
        "graded.jsonl:2: no sample has a score: expected `correct` in a match or `accuracy`",
    ),
    (
        "no such value",
        lambda folder: graded(folder, {"accuracy": 1}),
        {"score": "acuracy"},
        "graded.jsonl:2: no sample has a value 'acuracy'; did you mean 'accuracy'?",
    ),
    ("not UTF-8", _file("a.csv", b"id,m\n1,\xff\n"), {}, "a.csv:2: not UTF-8"),
    ("deep JSON", _file("a.json", "[" * 100_000), {}, "nested too deeply"),
    ("a list of numbers", _file("a.json", "[1, 2]"), {}, "expected a JSON object with a value for each column"),
]


@pytest.mark.parametrize(("make", "columns", "problem"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_named(
    make: Callable[[Path], Path], columns: dict[str, str], problem: str, tmp_path: Path
) -> None:
    """One clear error with the file, the line where there is one, and what was expected."""
    with pytest.raises(InputError) as found:
        read(make(tmp_path), **columns)
    assert problem in str(found.value)


UNSCORED = [
    ("inspect", _inspect_zip(header=HEADER, summaries=[SAMPLE]), "no sample has a score"),
    (
        "inspect, null",
        _inspect_zip(header=HEADER, summaries=[SAMPLE | {"scores": {"s": {"value": None}}}]),
        "no reply of m on t has a score (s); `inspect score` scores a log",
    ),
    ("promptfoo", _file("r.jsonl", json.dumps(ROW | {"namedScores": {"s": None}})), "of p has"),
    ("lm-eval", lambda folder: lm_samples(folder, {"acc": None}, metrics=("acc",)), "on t has a score (acc,none)"),
    ("openai evals", lambda folder: graded(folder, {"choice": "Y"}), "no sample has a score"),
]


@pytest.mark.parametrize(("make", "problem"), [row[1:] for row in UNSCORED], ids=[row[0] for row in UNSCORED])
def test_a_log_that_nobody_scored_is_refused(make: Callable[[Path], Path], problem: str, tmp_path: Path) -> None:
    """A share of 0 % would be a verdict, and nobody gave one."""
    wanted = {"score": "s"} if problem == "of p has" else {}
    with pytest.raises(InputError) as found:
        read(make(tmp_path), **wanted)
    assert problem in str(found.value)


@pytest.mark.parametrize(
    ("value", "status", "score"),
    [("C", Status.SCORED, 1.0), ("I", Status.SCORED, 0.0), (None, Status.FAILED, None)],
)
def test_a_sample_with_an_error_and_a_score_counts_by_its_score(
    value: Any, status: Status, score: float | None, tmp_path: Path
) -> None:
    """As in Inspect, which scores it on demand; without a score it is a call that failed."""
    scores = {"s": {"value": value}} if value else {}
    odd = SAMPLE | {"id": "2", "error": {"message": "boom"}, "scores": scores}
    found = read(_inspect_zip(header=HEADER, summaries=[SAMPLE | {"scores": {"s": {"value": "C"}}}, odd])(tmp_path))
    assert (found.records[1].status, found.records[1].score) == (status, score)
    assert any("has an error and a score: the score counts" in note for note in found.notes) is bool(value)


FIELDS = [
    ("inspect/addition_mini.eval", {"cluster": "pagee"}, "no field 'pagee'; did you mean 'page'?"),
    ("inspect/second.json.gz", {"case": "idd"}, "no field 'idd'; did you mean 'id'?"),
    ("promptfoo/results.json.gz", {"task_class": "kin"}, "no field 'kin'; did you mean 'kind'?"),
    ("promptfoo/results.json.gz", {"score": "scores"}, "no score 'scores'; did you mean 'score'?"),
    ("lm-eval/small", {"cluster": "documents"}, "no field 'documents'; expected one of: "),
    ("openai-evals/small.jsonl", {"task_class": "kind"}, "small.jsonl: no field 'kind'"),
    (
        "promptfoo/results.json.gz",
        {"cost": "cost"},
        "--cost-column is for tables; this format has a cost field of its own",
    ),
    ("inspect/addition_mini.eval", {"model": "model"}, "--model-column is for tables"),
]


@pytest.mark.parametrize(("file", "columns", "problem"), FIELDS, ids=lambda value: str(value)[:40])
def test_a_field_that_a_file_does_not_have_is_named(file: str, columns: dict[str, str], problem: str) -> None:
    """A class or a cluster that is not found would pass for none, a cluster's cases for independent ones."""
    with pytest.raises(InputError) as found:
        read(MADE / file, **columns)
    assert problem in str(found.value)


def test_an_unknown_format_is_named() -> None:
    """With the nearest right one."""
    with pytest.raises(InputError, match="did you mean 'promptfoo'"):
        read_outcomes([MADE / "promptfoo/results.json.gz"], "promptfo", Columns())
    assert list(FORMATS)[-1] == "table"  # it takes what no other claims, so it must come last


def test_the_same_file_does_not_count_twice(tmp_path: Path) -> None:
    """The same content under two names is refused: its outcomes would look like a repeat."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in (first, second):
        path.write_text("id,m\n1,1\n")
    with pytest.raises(InputError, match="would count twice"):
        read_outcomes([first, second], "auto", Columns())


def test_a_log_that_did_not_finish_says_so(tmp_path: Path) -> None:
    """The samples that are there are read, and a note says how many were planned."""
    header = HEADER | {"status": "error", "results": {"total_samples": 5, "scores": [{"name": "s"}]}}
    path = _inspect_zip(header=header, summaries=[SAMPLE | {"scores": {"s": {"value": "C"}}}])(tmp_path)
    found = read(path)
    assert len(found.records) == 1
    assert any('status is "error": 1 of 5 samples' in note for note in found.notes)


@pytest.mark.parametrize("scores", [5, "abc", [1], {"x": 1}, None], ids=str)
def test_a_log_with_scores_of_another_shape_is_read_without_them(scores: Any, tmp_path: Path) -> None:
    """What is no list of scorers names none, what is no mapping of scores has none."""
    header = HEADER | {"results": {"scores": scores}}
    other = SAMPLE | {"id": "2", "scores": scores if scores != {"x": 1} else 5}
    path = _inspect_zip(header=header, summaries=[SAMPLE | {"scores": {"s": {"value": "C"}}}, other])(tmp_path)
    assert [record.score for record in read(path).records] == [1.0, None]


def test_a_small_archive_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks beyond the bound is refused, gzip and zip alike."""
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(b"a,b\n" + b"0" * 5_000_000))
    log = tmp_path / "log.eval"
    with zipfile.ZipFile(log, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"pad": "0" * 5_000_000}))
        archive.writestr("summaries.json", "[]")
    monkeypatch.setattr("routerctl.evaluation.importers.base.MAX_BYTES", 1_000_000)  # a gigabyte takes long to reach
    monkeypatch.setattr("routerctl.evaluation.importers.inspect_log.MAX_BYTES", 1_000_000)
    with pytest.raises(InputError, match="unpacks to more than"):
        open_source(bomb)
    with pytest.raises(InputError, match="unpacks to more than"):
        read(log)
    plain = tmp_path / "plain.csv"
    plain.write_bytes(b"a,b\n" + b"0" * 5_000_000)
    with pytest.raises(InputError, match="larger than"):
        open_source(plain)

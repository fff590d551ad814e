"""Tables: long and wide, in every file type, with columns found by name or named by the user."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.importers import read_outcomes
from routerctl.evaluation.importers.base import Columns, Reading, Record
from routerctl.evaluation.importers.values import read_scale
from routerctl.types import Status

LONG: list[dict[str, Any]] = [
    {"task": "a", "id": "1", "model": "small", "score": 1, "cost_usd": 0.001, "latency_ms": 250, "prompt": "p"},
    {"task": "a", "id": "1", "model": "large", "score": 0.5, "cost_usd": 0.02, "latency_ms": 800, "prompt": "p"},
    {"task": "a", "id": "2", "model": "small", "score": None, "cost_usd": None, "latency_ms": None, "prompt": "q"},
]
WIDE: list[dict[str, Any]] = [
    {"subject": "a", "prompt": "p", "small": 1, "large": 0, "difficulty": 5},
    {"subject": "b", "prompt": "q", "small": 0, "large": 1, "difficulty": 3},
    {"subject": "b", "prompt": "r", "small": None, "large": 1, "difficulty": 3},
]


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    """Write rows as CSV, nothing as an empty cell."""
    lines = [delimiter.join(rows[0])]
    lines += [delimiter.join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    """Write rows as a file of a kind."""
    path = folder / f"outcomes.{kind}"
    if kind == "parquet":
        import pyarrow  # type: ignore[import-untyped]  # ships no type information
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    text = {
        "csv": as_csv(rows),
        "csv.gz": as_csv(rows),
        "tsv": as_csv(rows, "\t"),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "json": json.dumps(rows, indent=1),
    }[kind]
    path.write_bytes(gzip.compress(text.encode()) if kind.endswith(".gz") else text.encode())
    return path


def read(path: Path, scale: str | None = None, **columns: str) -> Reading:
    """Read one table."""
    (found,) = read_outcomes([path], "auto", Columns(**columns, scale=read_scale(scale)))
    assert found.format == "table"
    return found


def told(record: Record) -> tuple[Any, ...]:
    """What a record says."""
    return record.task, record.case, record.model, record.status, record.score, record.cost_usd, record.latency_s


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "json", "parquet"])
def test_a_long_table_is_the_same_in_every_file_type(kind: str, tmp_path: Path) -> None:
    """A row a case and model; milliseconds become seconds; an empty score is unscored."""
    assert [told(record) for record in read(write(tmp_path, kind, LONG)).records] == [
        ("a", "1", "small", Status.SCORED, 1.0, Decimal("0.001"), 0.25),
        ("a", "1", "large", Status.SCORED, 0.5, Decimal("0.02"), 0.8),
        ("a", "2", "small", Status.UNSCORED, None, None, None),
    ]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=90), "0:01:30"),
        (b"text", "text"),
        (b"\xff\x00", "ff00"),
        (Decimal("1.50"), "1.50"),
        (float("inf"), None),
        ({"at": [date(2026, 1, 2)], "n": float("nan")}, {"at": ["2026-01-02"], "n": None}),
    ],
    ids=str,
)
def test_a_parquet_cell_of_any_kind_can_be_written_down(cell: Any, told: Any, tmp_path: Path) -> None:
    """What JSON does not have becomes text, a number that is none nothing."""
    (record,) = read(write(tmp_path, "parquet", [{"id": "1", "model": "m", "score": 1, "input": cell}])).records
    assert record.input == told


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "json", "parquet"])
def test_a_wide_table_is_the_same_in_every_file_type(kind: str, tmp_path: Path) -> None:
    """A column of scores is a model; an empty cell is unscored; a column of other numbers is left out and named."""
    found = read(write(tmp_path, kind, WIDE))
    assert [(one.task, one.input, one.model, one.score) for one in found.records] == [
        ("a", "p", "small", 1.0),
        ("a", "p", "large", 0.0),
        ("b", "q", "small", 0.0),
        ("b", "q", "large", 1.0),
        ("b", "r", "small", None),
        ("b", "r", "large", 1.0),
    ]
    assert found.records[-2].status is Status.UNSCORED
    assert found.notes == (
        "columns left out, as they hold no scores from 0 to 1: difficulty",
        "cells without a score: small 1 (if a case was not asked, leave out its whole row)",
    )


@pytest.mark.parametrize("word", ["NaN", "NA", "null", "none", "nan"])
def test_a_word_for_no_score_does_not_cost_the_column(word: str, tmp_path: Path) -> None:
    """What counts as missing in a long table does so in a wide one."""
    path = tmp_path / "a.csv"
    path.write_text(f"id,small,large\n1,1,1\n2,{word},0\n")
    assert [(one.model, one.score) for one in read(path).records] == [
        ("small", 1.0),
        ("large", 1.0),
        ("small", None),
        ("large", 0.0),
    ]


def test_a_model_without_any_score_in_a_class_had_no_part_in_it(tmp_path: Path) -> None:
    """Tables of several tasks side by side: a model that one of them never asked is not below its bar."""
    path = tmp_path / "a.csv"
    path.write_text("task,id,small,large\na,1,1,\na,2,1,\nb,3,,1\nb,4,1,0\n")
    assert [(one.task, one.model, one.score) for one in read(path).records] == [
        ("a", "small", 1.0),
        ("a", "small", 1.0),
        ("b", "small", None),
        ("b", "large", 1.0),
        ("b", "small", 1.0),
        ("b", "large", 0.0),
    ]


def test_the_users_columns_go_before_the_usual_ones(tmp_path: Path) -> None:
    """Every role can be named, and a usual name then means nothing."""
    path = tmp_path / "a.csv"
    path.write_text("id,who,right,kind,key,usd,took,doc,score\n9,m,true,k,1,0.5,2.5,d,7\n")
    columns = {"task_class": "kind", "case": "key", "model": "who", "score": "right", "cost": "usd", "latency": "took"}
    (record,) = read(path, cluster="doc", **columns).records
    assert told(record) == ("k", "1", "m", Status.SCORED, 1.0, Decimal("0.5"), 2.5)
    assert record.cluster == "d"


def test_an_error_column_makes_failed_calls(tmp_path: Path) -> None:
    """A row with an error is a failed call whatever its score says."""
    path = tmp_path / "a.csv"
    path.write_text("id,model,score,error,reply\n1,m,0,timed out,\n2,m,1,,\x1b[31mfine\n")
    failed, fine = read(path).records
    assert (failed.status, failed.score, failed.error) == (Status.FAILED, None, "timed out")
    assert (fine.status, fine.reply) == (Status.SCORED, "\x1b[31mfine")


def test_a_cost_may_have_a_dollar_sign(tmp_path: Path) -> None:
    """It is read exactly as written; a word for nothing is no cost."""
    path = tmp_path / "a.csv"
    path.write_text("id,model,score,cost\n1,m,1,$0.10\n2,m,1, 1e-5\n3,m,1,NA\n4,m,1,\n")
    assert [record.cost_usd for record in read(path).records] == [Decimal("0.10"), Decimal("0.00001"), None, None]


def test_words_for_right_and_wrong_are_scores(tmp_path: Path) -> None:
    """True and False, yes and no, correct and incorrect, in any case."""
    path = tmp_path / "a.csv"
    path.write_text("id,model,score\n" + "".join(f"{n},m,{word}\n" for n, word in enumerate(["True", "no", "Correct"])))
    assert [record.score for record in read(path).records] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ([{"costs": 0.1, "mood": "fine"}] * 2, "columns not used: costs (did you mean cost?), mood"),
        ([{"latency": 0.1}] * 2, "columns not used: latency (did you mean latency_s?)"),
        ([{"tasks": "a"}] * 2, "columns not used: tasks (did you mean task?)"),
        ([{"passed": True}] * 2, "columns not used: passed"),
        ([dict.fromkeys("abcdefgh", 1)] * 2, "columns not used: a, b, c, d, e, f and 2 more"),
        ([{"topic": topic} for topic in "aabb"], "columns not used: topic (--class-column topic would make 2 classes)"),
        ([{"topic": topic} for topic in "abcd"], "columns not used: topic"),
        ([{"vendor": "x", "model": "m"}, {"vendor": "y", "model": "n", "id": "0"}], "columns not used: vendor"),
    ],
    ids=str,
)
def test_a_column_that_is_not_used_is_named(kind: str, rows: list[dict[str, Any]], note: str, tmp_path: Path) -> None:
    """With the name that it nearly has, or the classes that it would make: else a cost or a class is lost unseen."""
    full = [{"id": str(place), "model": "m", "score": 1} | row for place, row in enumerate(rows)]
    assert read(write(tmp_path, kind, full)).notes == (note,)


def test_a_wide_table_says_so_too(tmp_path: Path) -> None:
    """What a long table has a reply is no model here, whatever its numbers."""
    path = tmp_path / "a.csv"
    path.write_text("topic,id,m,cost,error\n" + "".join(f"{t},{t}{n},1,0.1,0\n" for t in "ab" for n in range(3)))
    found = read(path)
    assert {one.model for one in found.records} == {"m"}
    (note,) = found.notes
    assert note.startswith("columns left out, as they hold no scores from 0 to 1: topic (--class-column topic")
    assert note.endswith("would make 2 classes), cost, error")


def test_columns_are_known_in_any_case(tmp_path: Path) -> None:
    """As spreadsheets head them."""
    path = tmp_path / "a.csv"
    path.write_text("Task,Case ID,Model,Score,Cost-USD\nt,1,m,1,0.5\n")
    found = read(path)
    assert [told(one) for one in found.records] == [("t", "1", "m", Status.SCORED, 1.0, Decimal("0.5"), None)]
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    ["id,prompt_v1,response1\n1,1,0\n", "id,model,other\n1,1,0\n", "id,m,n\n1,0.5,1\n2,1,1\n", "id,m\n1,1\n1,0\n"],
    ids=["names like a question's", "called model", "some whole", "asked twice"],
)
def test_a_wide_table_stays_one(text: str, tmp_path: Path) -> None:
    """Columns of outcomes are models whatever texts they are called after."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    found = read(path)
    assert list(dict.fromkeys(one.model for one in found.records)) == text.splitlines()[0].split(",")[1:]
    assert found.notes == ()


def test_a_prompt_may_be_long_and_have_lines(tmp_path: Path) -> None:
    """More than the csv module's 128 KiB in one cell, and line breaks; the error after it names the right line."""
    path = tmp_path / "a.csv"
    path.write_text('prompt,m\n"' + "x\n" * 100_000 + '",1\nshort,1,2\n')
    with pytest.raises(InputError, match=r"a.csv:100003: expected 2 values as in the header, got 3"):
        read(path)


TWICE = "1,a,1\n1,b,0\n2,a,1\n2,b,0\n"  # two cases of two models
PROBLEMS = [
    ("two columns", "id,m,m\n1,1,1\n", {}, "a.csv:1: two columns are named 'm'"),
    ("only a header", "id,m\n", {}, "it has no rows"),
    ("no score", "id,text\n1,hello\n", {}, "no column holds only scores from 0 to 1"),
    ("percents", "id,model,score\n1,m,90\n", {}, 'got "90"; the scores go up to 90: give --scale 100'),
    ("marked percents", "id,model,score\n1,m,0.5%\n", {}, 'got "0.5%"; scores in percent need --scale 100'),
    ("no percent", "id,model,score\n1,m,1200\n", {}, '(or true, false), got "1200"'),
    ("percents of models", "id,m,n\n1,90,40\n2,1,80\n", {}, "; column m goes from 1 to 90: give --scale 100, if these"),
    (
        "marked percents of models",
        "id,m\n1,90%\n2,40%\n",
        {},
        "; column m goes from 40 to 90: give --scale 100, if these",
    ),
    (
        "a word for a failed call",
        "id,model,score\n1,m,ERROR\n",
        {},
        'got "ERROR"; leave the score empty for a failed c',
    ),
    ("a score of 2", "id,model,score\n1,m,1\n2,m,2\n", {}, "a.csv:3: column score: expected a score from 0 to 1"),
    (
        "a score of words",
        "id,model,score\n1,m,fine\n",
        {},
        'a.csv:2: column score: expected a score from 0 to 1 (or true, false), got "fine"',
    ),
    ("a negative score", "id,model,score\n1,m,-1\n", {}, "a.csv:2"),
    ("no model", "id,model,score\n1,,1\n", {}, "a.csv:2: column model: expected a model's name"),
    ("no case", "model,score\nm,1\n", {}, "name it with --case-column"),
    ("no case, which", "model,score,qid,day\nm,1,a,x\nm,0,b,x\n", {}, "name it with --case-column (qid?)"),
    ("no case, misspelt", "model,score,n,case_ids\nm,1,1,7\nm,0,2,8\n", {}, "--case-column (case_ids?)"),
    ("no model and no case", f"qid,llm,score\n{TWICE}", {}, "name it with --model-column (llm?)"),
    ("no such column", "id,model,score\n1,m,1\n", {"case": "idd"}, "a.csv:1: no column 'idd'; did you mean 'id'?"),
    ("model without score", "id,who,text\n1,m,x\n", {"model": "who"}, "name it with --score-column"),
    ("score without model", "id,text,right\n1,x,1\n", {"score": "right"}, "name it with --model-column"),
    ("one slip", "id,m,n\n" + "1,1,1\n" * 9 + "2,error,1\n", {}, "a.csv:11: column m: expected a score from 0 to 1"),
    ("one slip, what to do", "id,m\n" + "1,1\n" * 9 + "2,error\n", {}, 'got "error"; leave the score empty for a fail'),
    ("one percent", "id,m\n" + "1,1\n" * 9 + "2,90\n", {}, 'got "90"; if its scores are in percent, --scale 100; if'),
    ("decimal commas", "id;m;n\n1;0,5;1\n2;0,7;1\n", {}, 'as in its other cells, got "0,5"; if it is not a model'),
    ("a negative cost", "id,model,score,cost\n1,m,1,-1\n", {}, "a.csv:2: column cost: expected an amount of USD"),
    ("a cost of words", "id,model,score,cost\n1,m,1,cheap\n", {}, 'like 0.0247, got "cheap"'),
    ("scores misspelt", "id,model,pased,n\n1,m,1,9\n", {}, "column model names the model; which one holds the score?"),
    ("scores misspelt, which", "id,model,pased,x\n1,m,1,0\n", {}, "name it with --score-column (pased?)"),
    ("scores called otherwise", "id,model,result,cost\n1,m,1,0.1\n", {}, "--score-column (result?)"),
    ("models misspelt", "id,modle,score\n1,m,1\n", {}, "column score holds the score; which one names the model?"),
    ("models misspelt, which", "id,modle,score\n1,m,1\n", {}, "name it with --model-column (modle?)"),
    ("models called otherwise", f"id,llm,score\n{TWICE}", {}, "name it with --model-column (llm?)"),
    ("one model's scores", "id,passed\n1,1\n", {}, "if all scores are one model's, head their column with its name"),
    ("models and scores misspelt", "id,modle,pased\n1,m,1\n", {}, "column modle: expected a model's scores or a kn"),
    ("a long table of other names", f"id,llm,grade\n{TWICE}", {}, "(--model-column llm --score-column grade)"),
    (
        "ids of two classes",
        "topic,id,m,n\na,1,1,0\na,2,1,1\nb,1,0,1\nb,2,1,1\n",
        {},
        "the class (--class-column topic)?",
    ),
    (
        "costs in a wide table",
        "id,m,costs\n1,1,0.1\n2,0,0.1\n",
        {},
        "column costs: expected a model's scores or a known",
    ),
    ("costs in a wide table, which", "id,m,costs\n1,1,0.1\n", {}, "did you mean 'cost'? else rename it"),
    ("a difficulty", "id,m,n\n1,1,0.3\n2,0,0.7\n", {}, "a.csv:2: column n: expected 0 or 1 (or true, false) as in the"),
    ("a cost column of a wide table", "id,m,usd\n1,1,2\n", {"cost": "usd"}, "in this one, give --cost MODEL=..."),
    ("open quote", 'id,m\n"1,1\n', {}, "not CSV"),
    ("not Parquet", "PAR1 and so on", {}, "not Parquet that can be read"),
]


@pytest.mark.parametrize(
    ("text", "columns", "problem"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS]
)
def test_what_is_wrong_with_a_table_is_named(text: str, columns: dict[str, str], problem: str, tmp_path: Path) -> None:
    """File, line, column and what was expected."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError) as found:
        read(path, **columns)
    assert problem in str(found.value)

"""A table's header, its words for nothing and the scale of its scores: read as they were meant, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.importers.cases import arrange
from routerctl.evaluation.importers.values import read_scale
from routerctl.types import Status
from tests.test_importers_tables import read, write

BOM = "\ufeff"
HEADERS = [
    "ID,Model,Score,Cost",
    "Id , MODEL,score ,cost",
    f"{BOM}id,model,score,cost",
    f"{BOM}{BOM}id,model,score,cost",
    '"ID","Model","Score","Cost USD"',
    "Case ID,Model Name,Is Correct,Cost-USD",
    "Question-Id,Model.ID,PASSED,cost usd",
    "\u00a0id\u00a0,mo\u200bdel,score\u200b,cost",
    "\uff29\uff24,\uff2dodel,\uff33core,\uff23ost",  # full width
    "sample  id,Candidate,outcome,COST_USD",
]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("header", HEADERS)
def test_a_header_is_known_however_it_is_written(header: str, kind: str, tmp_path: Path) -> None:
    """Capitals, blanks, marks that nobody sees and the usual other words make no model of a column."""
    names = [name.strip('"') for name in header.split(",")]
    rows = [dict(zip(names, values, strict=True)) for values in (("1", "a", 1, 0.5), ("2", "a", 0, 0.5))]
    path = write(tmp_path, kind, rows)
    if kind == "csv":
        path.write_text(f"{header}\n1,a,1,0.5\n2,a,0,0.5\n")
    found = read(path)
    assert [(one.case, one.model, one.score, str(one.cost_usd)) for one in found.records] == [
        ("1", "a", 1.0, "0.5"),
        ("2", "a", 0.0, "0.5"),
    ]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Score,score,id,model\n1,0,1,a\n", "a.csv:1: two columns are called alike: 'Score' and 'score'; rename one"),
        ("id,model,Model Name,score\n1,a,b,1\n", None),
        ("id,Accuracy\n1,1\n2,0\n", "a.csv:1: column Accuracy holds scores; whose?"),
        ("id,grade,small\n1,1,1\n", "a.csv:1: column grade holds scores; whose?"),
        ("id,LLM,Verdict\n1,a,1\n2,a,0\n", "a.csv:1: column LLM: does it name the model (--model-column LLM --score-c"),
        ("id,provider,small\n1,x,1\n", "a.csv:1: column provider: does it name the model"),
        (f"id,{BOM}id,m\n1,1,1\n", "a.csv:1: two columns are named 'id'"),
        ("id,,m,\n1,,1,\n", "a.csv:1: two columns are named ''"),
    ],
)
def test_a_header_that_may_mean_another_thing_is_refused(text: str, problem: str | None, tmp_path: Path) -> None:
    """A column of scores must be somebody's: neither a model called `Accuracy` nor the later of two names."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    if problem is None:
        assert {one.model for one in read(path).records} == {"a"}
        return
    with pytest.raises(InputError) as found:
        read(path)
    assert problem in str(found.value)


@pytest.mark.parametrize("content", [BOM, f"{BOM}\n \n", BOM * 2, f"{BOM}id,model,score\n"])
def test_a_file_of_a_mark_alone_is_empty(content: str, tmp_path: Path) -> None:
    """Said in a line, as of any file without a row."""
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a.csv: (the file is empty|it has no rows)"):
        read(path)


NOTHING = [
    "",
    "N/A",
    "n/a",
    "NA",
    "-",
    "--",
    "\u2013",
    "\u2014",
    "\u2212",
    "null",
    "NULL",
    "None",
    "#N/A",
    "<NA>",
    "nil",
    " nan ",
]


@pytest.mark.parametrize("word", NOTHING)
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "long"])
def test_a_word_for_nothing_costs_no_model(word: str, wide: bool, tmp_path: Path) -> None:
    """However often it stands in a column: each is a reply without a score, and the model stays."""
    scores = [word if case % 3 == 0 else 1 for case in range(12)]
    path = tmp_path / "a.csv"
    if wide:
        path.write_text("id,haiku,sonnet\n" + "".join(f'{case},"{score}",1\n' for case, score in enumerate(scores)))
    else:
        rows = [f'{case},haiku,"{score}"\n{case},sonnet,1\n' for case, score in enumerate(scores)]
        path.write_text("id,model,score\n" + "".join(rows))
    found = read(path)
    (of_class,) = arrange([found], None)
    assert of_class.models == ("haiku", "sonnet")
    assert (found.rows, len(found.records), of_class.left) == (24, 24, {})
    assert sum(one.status is Status.UNSCORED for one in found.records) == 4


@pytest.mark.parametrize("word", ["TIMEOUT", "refused", "#DIV/0!", "0,5 points", "?"])
@pytest.mark.parametrize("share", [2, 3, 8])
def test_a_word_among_scores_does_not_drop_the_model(word: str, share: int, tmp_path: Path) -> None:
    """Of whatever share of the cells: the file is refused at the first, and says what to do."""
    path = tmp_path / "a.csv"
    rows = [f'{case},"{word if case % share == 0 else 1}",1\n' for case in range(24)]
    path.write_text("id,haiku,sonnet\n" + "".join(rows))
    with pytest.raises(InputError, match=r"a.csv:2: column haiku: expected a score .* take the column out"):
        read(path)


def test_numbers_of_how_a_case_was_asked_are_no_model(tmp_path: Path) -> None:
    """A temperature lies between 0 and 1, too: left out, and named; a column without a name as well."""
    path = tmp_path / "a.csv"
    path.write_text("id,m,temperature,Seed,\n1,1,0.7,1,x\n2,0,0.7,0,y\n")
    found = read(path)
    assert {one.model for one in found.records} == {"m"}
    assert found.notes == ("columns left out, as they hold no scores from 0 to 1: temperature, Seed, (no name)",)


@pytest.mark.parametrize("cells", [(80, 90), (1, 5), (-1, 1), ("2", "0.5")])
def test_a_model_on_another_scale_is_not_dropped(cells: tuple[Any, Any], tmp_path: Path) -> None:
    """Numbers whose name does not say what they are may be scores: refused; tokens or years are left out."""
    path = tmp_path / "a.csv"
    path.write_text(f"id,gpt-4o,claude\n1,0.5,{cells[0]}\n2,0.7,{cells[1]}\n")
    with pytest.raises(InputError, match=r"a.csv:\d: column claude: expected a score .* as in the other columns, got "):
        read(path)
    for name in ("tokens_out", "Year", "wall seconds", "n_turns", "difficulty", "cost usd"):
        path.write_text(path.read_text().replace(path.read_text().split("\n")[0].split(",")[2], name))
        assert read(path).notes == (f"columns left out, as they hold no scores from 0 to 1: {name}",)


def test_words_of_outcomes_are_scores_in_a_wide_table(tmp_path: Path) -> None:
    """Pass and fail are; yes and no may be the answers to anything."""
    path = tmp_path / "a.csv"
    path.write_text("id,m,flagged\n1,pass,yes\n2,FAIL,no\n")
    found = read(path)
    assert [(one.model, one.score) for one in found.records] == [("m", 1.0), ("m", 0.0)]
    assert found.notes == ("columns left out, as they hold no scores from 0 to 1: flagged",)


# --- no score at all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,model,score\n1,a,1\n1,b,\n2,a,0\n2,b,-\n", "a.csv:3: no reply of b has a score (score)"),
        ("task,id,model,score\nx,1,a,1\ny,1,a,N/A\n", "a.csv:3: no reply of a on y has a score (score)"),
        ('{"id": 1, "model": "a", "score": null}\n', "a.csv:1: no reply of a has a score"),
    ],
)
def test_a_model_without_any_score_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    """That nobody scored it does not mean that it is wrong: 0 % would be a verdict."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError) as found:
        read(path)
    assert problem in str(found.value)


def test_calls_that_all_failed_are_counted(tmp_path: Path) -> None:
    """They are no missing scores: the model was asked and did not answer."""
    path = tmp_path / "a.csv"
    path.write_text("id,model,score,error\n1,a,1,\n1,b,,500\n2,a,1,n/a\n2,b,,500\n")
    assert [one.status for one in read(path).records] == [Status.SCORED, Status.FAILED] * 2


# --- scales -----------------------------------------------------------------------------------------------------------

SCALES = [
    ("10", [0, 7, 10], [0, 0.7, 1]),
    ("1-10", [1, 5.5, 10], [0, 0.5, 1]),
    ("1-5", [1, 4, 5, True], [0, 0.75, 1, 1]),
    ("100", ["85%", 40, "0.5%", "true"], [0.85, 0.4, 0.005, 1]),
    ("-1-1", [-1, 0, 1], [0, 0.5, 1]),
    (" 4 ", ["3", "pass"], [0.75, 1]),
]


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "long"])
@pytest.mark.parametrize(("scale", "given", "scores"), SCALES, ids=[row[0] for row in SCALES])
def test_scores_on_a_scale_become_shares_of_it(
    scale: str, given: list[Any], scores: list[float], wide: bool, tmp_path: Path
) -> None:
    """From the lowest to the highest, in either kind of table; true and false are what they are."""
    rows = [{"id": k, "m": v} if wide else {"id": k, "model": "m", "score": v} for k, v in enumerate(given)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read(path, scale=scale)
    assert [one.score for one in found.records] == pytest.approx(scores)
    assert found.scorer.endswith(f" of {read_scale(scale)}")


@pytest.mark.parametrize(
    ("cells", "scale", "problem"),
    [
        ([1, 7, 10], None, "the scores go from 1 to 10: give --scale 10, or --scale 1-10 where 1 is the worst"),
        ([1, 2, 5], None, "the scores go from 1 to 5: give --scale 5, or --scale 1-5 where 1 is the worst"),
        ([0, 40, 100], None, "the scores go from 0 to 100: give --scale 100"),
        ([0, 3, 250], None, "the scores go from 0 to 250: give --scale 250"),
        ([-1, 0, 1], None, "the scores go from -1 to 1: give --scale LOW-HIGH, as in --scale -1-5"),
        (["85%", 1], None, 'got "85%"; scores in percent need --scale 100'),
        ([0.2, 1, 0], "10", "--scale 10: no score is above 1, so they are from 0 to 1 as it is; leave it out"),
        ([5, 11], "10", "expected a score from 0 to 10 (or true, false), got 11"),
        ([0, 3], "1-5", "expected a score from 1 to 5 (or true, false), got 0"),
    ],
)
def test_a_scale_that_does_not_fit_is_named(cells: list[Any], scale: str | None, problem: str, tmp_path: Path) -> None:
    """With the scale that the file's scores are on and the flag for it; scores from 0 to 1 are not made smaller."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"id": k, "model": "m", "score": v}) + "\n" for k, v in enumerate(cells)))
    with pytest.raises(InputError) as found:
        read(path, scale=scale)
    assert problem in str(found.value)


@pytest.mark.parametrize("text", ["", "ten", "5-1", "3-3", "0", "-4", "nan", "1-inf"])
def test_a_scale_that_is_none_is_refused(text: str) -> None:
    """With the two forms that there are."""
    with pytest.raises(InputError, match="--scale: expected the highest score, as 10, or the lowest and the highest"):
        read_scale(text)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("input_tokens", "1,234"),
        ("output_tokens", "many"),
        ("latency_s", "2.5 s"),
        ("latency_ms", "-1"),
        ("epoch", "x"),
    ],
)
def test_a_number_that_cannot_be_read_is_refused(column: str, cell: str, tmp_path: Path) -> None:
    """Skipped, it would count as not known; a word for nothing is nothing."""
    path = tmp_path / "a.csv"
    path.write_text(f'id,model,score,{column}\n1,m,1,"{cell}"\n')
    with pytest.raises(InputError, match=f"a.csv:2: column {column}: expected a number from 0, like 1250, got "):
        read(path)
    path.write_text(f"id,model,score,{column}\n1,m,1,n/a\n")
    assert len(read(path).records) == 1

"""Eval sets as users write them: each format read, each mistake refused at its line, and what the digest covers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.eval_sets import load_eval_set, load_eval_sets, scorer_at
from routerctl.types import EvalSet

HEAD = """\
schema_version: 1
description: Sums.
scorer: {name: exact}
bar: 0.9
"""
GOOD = (
    HEAD
    + """\
cases:
  - {id: a, input: 1 + 1, expected: two}
  - {id: b, input: 2 + 2, expected: four}
"""
)

Load = Callable[..., EvalSet]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write an eval set and the files beside it, and read it."""
    evals = tmp_path / "evals"
    evals.mkdir()

    def load(text: str | bytes, name: str = "sums", **beside: str | bytes) -> EvalSet:
        for stem, content in {name + "_yaml": text, **beside}.items():
            path = evals / ".".join(stem.rsplit("_", 1))
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_eval_set(evals / f"{name}.yaml", tmp_path)

    return load


def refused(load: Load, *args: str | bytes, **beside: str | bytes) -> str:
    """Give the one line with which an eval set is refused."""
    with pytest.raises(InputError) as caught:
        load(*args, **beside)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("evals/")
    return line


# --- evals/<class>.yaml -----------------------------------------------------------------------------------------------


def test_a_good_set(load: Load) -> None:
    """Cases arrive in the file's order, each with its line; what is left out has its default."""
    found = load(GOOD)
    assert [(case.id, case.input, case.expected, case.line) for case in found.cases] == [
        ("a", "1 + 1", "two", 6),
        ("b", "2 + 2", "four", 7),
    ]
    assert (found.name, found.file, found.bar, found.pass_at, found.max_cases) == (
        "sums",
        "evals/sums.yaml",
        0.9,
        1.0,
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bar: 0.9", "bra: 0.9", "4: bra: unknown key; did you mean 'bar'?"),
        ("bar: 0.9\n", "", "1: 'bar' is missing"),
        ("bar: 0.9", "bar: 0", "4: bar: expected a pass rate above 0 and up to 1, got 0"),
        ("bar: 0.9", "bar: 1.01", "4: bar: expected a pass rate above 0 and up to 1, got 1.01"),
        ("bar: 0.9", "bar: 90", "4: bar: expected a pass rate above 0 and up to 1, got 90; did you mean 0.9?"),
        ("bar: 0.9", "bar: -0.5", "4: bar: expected a pass rate above 0 and up to 1, got -0.5"),
        ("bar: 0.9", "bar: 90%", "4: bar: expected a number, got '90%'"),
        ("bar: 0.9", "bar: 0.9\npass_at: 0", "5: pass_at: expected a score above 0 and up to 1, got 0"),
        ("bar: 0.9", "bar: 0.9\npass_at: 1.5", "5: pass_at: expected a score above 0 and up to 1, got 1.5"),
        ("bar: 0.9", "bar: 0.9\nmax_cases: 0", "5: max_cases: expected a whole number from 1"),
        ("bar: 0.9", "bar: 0.9\nmax_cases: 60000", "5: max_cases: expected a whole number from 1 to 50,000"),
        ("bar: 0.9", "bar: 0.9\nbar: 0.8", "5: duplicate key 'bar' (first on line 4)"),
        ("bar: 0.9", "bar: 0.9\nreply: {max_tokens: 0}", "5: reply.max_tokens: expected a whole number from 1"),
        ("bar: 0.9", "bar: 0.9\nreply: {choices: [a, a]}", "5: reply.choices: two choices are the same"),
        (
            "bar: 0.9",
            "bar: 0.9\nreply: {choices: [a, b], json_schema: {}}",
            "5: reply: choices and json_schema exclude each other",
        ),
        ("schema_version: 1", "schema_version: 7", "1: schema_version: 7 is newer than this routerctl knows (1)"),
        ("schema_version: 1\n", "", "1: 'schema_version' is missing"),
        ("name: exact", "name: exat", "3: scorer.name: no scorer 'exat'; did you mean 'exact'?"),
        ("{name: exact}", "exact", "3: scorer: expected a mapping, got 'exact'"),
        ("name: exact", "nmae: exact", "3: scorer: 'name' is missing"),
        (
            "name: exact",
            "name: exact, case_sensitve: true",
            "3: scorer: unknown parameter 'case_sensitve'; did you mean",
        ),
        ("name: exact", "name: exact, case_sensitive: 1", "3: scorer: case_sensitive: expected true or false, got 1"),
        ("name: exact", "name: choice", "3: scorer: choices: expected a list of at least two labels"),
        ("name: exact", "name: sql, setup: shop.sql", "3: scorer.setup: no file evals/shop.sql"),
        ("name: exact", "name: sql", "3: scorer: setup: expected the name of an SQL script"),
        ("expected: two", "expected: 2", "6: case 'a': expected a text or a list of texts, got 2 (quote it"),
        ("expected: two", "expected: null", "6: expected: scorer exact needs an expected answer, got nothing"),
        (", expected: two", "", "6: cases.0: 'expected' is missing"),
        ("id: b", "id: a", "7: duplicate case id 'a' (first on line 6)"),
        ("id: b", "id: 2", "7: cases.1.id: expected a text (quote it), got 2"),
        ("id: b", "id: b, weigth: 2", "7: cases.1.weigth: unknown key; did you mean 'weight'?"),
        ("id: b", "id: b, weight: 0", "7: weight: expected a number above 0"),
        ("id: b", "id: b, weight: 1e999", "7: cases.1.weight: expected a finite number"),
        ("input: 2 + 2", "input: null", "7: input: expected a text (quote it) or a mapping, got None"),
        ("input: 2 + 2", "input: 4", "7: input: expected a text (quote it) or a mapping, got 4"),
        ("input: 2 + 2", "input: true", "7: input: expected a text (quote it) or a mapping, got True"),
        ("bar: 0.9", "bar: 0.9\nprompt: {template: '{{ inptu }}'}", "7: case 'a': the prompt template does not fit"),
        (
            "bar: 0.9",
            "bar: 0.9\nprompt:\n  template: '{{ input'",
            "6: prompt.template: not a jinja2 template: unexpected",
        ),
        (
            "bar: 0.9",
            "bar: 0.9\nprompt:\n  template: '{{ input | nop }}'",
            "6: prompt.template: not a jinja2 template: No",
        ),
        (
            "bar: 0.9",
            "bar: 0.9\nprompt: {template: '{{ input.__class__ }}'}",
            "7: case 'a': the prompt template does not",
        ),
        (
            "bar: 0.9",
            "bar: 0.9\nprompt:\n  template: '{{ input.q }}'\n  examples:\n    - {input: {p: x}, reply: y}",
            "8: prompt.examples.0: the prompt template does not fit the input: 'dict object' has no attribute 'q'",
        ),
        ("bar: 0.9", "bar: 0.9\nprompt: {tempalte: x}", "5: prompt.tempalte: unknown key; did you mean 'template'?"),
    ],
)
def test_refusals(load: Load, old: str, new: str, message: str) -> None:
    """Each mistake gives one line: file, line, path, what was expected, the nearest right name."""
    assert GOOD.count(old) == 1
    assert refused(load, GOOD.replace(old, new)).startswith(f"evals/sums.yaml:{message}")


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ("cases: []", "5: cases: the eval set is empty: expected at least one case"),
        ("cases:", "5: cases: expected a text or a list, got nothing"),
        ("cases: {a: 1}", "5: cases: expected a text or a list, got a mapping"),
        ("cases: nosuch.jsonl", "5: cases: no file evals/nosuch.jsonl"),
        (
            "cases: sums.xlsx",
            "5: cases: expected a list of cases or the name of a .jsonl or .csv file, got 'sums.xlsx'",
        ),
        ("", "1: 'cases' is missing"),
    ],
)
def test_without_cases(load: Load, cases: str, message: str) -> None:
    """A set without a case is refused where its cases should stand."""
    assert refused(load, HEAD + cases) == f"evals/sums.yaml:{message}"


@pytest.mark.parametrize("file", ["empty_jsonl", "empty_csv"])
@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_beside(load: Load, file: str, content: str) -> None:
    """A file of cases without a case is an empty set, too."""
    message = refused(load, HEAD + f"cases: {file.replace('_', '.')}", **{file: content})
    assert message == "evals/sums.yaml:5: cases: the eval set is empty: expected at least one case"


@pytest.mark.parametrize("name", ["Sums", "my sums", "-x", "ä", "x" * 65])
def test_class_names(load: Load, name: str) -> None:
    """A task class is named so that it fits an address and a command line."""
    assert "a task class is named by a-z, 0-9, _ and -" in refused(load, GOOD, name)


def test_not_text(load: Load) -> None:
    """A file that is not UTF-8 is refused with the line of the first wrong byte."""
    assert refused(load, GOOD.encode() + b"# \xe9\n") == "evals/sums.yaml:8: not UTF-8 (byte 0xe9)"
    message = refused(load, HEAD + "cases: c.jsonl", c_jsonl=b'{"id": "a"}\n\xff')
    assert message == "evals/c.jsonl:2: not UTF-8 (byte 0xff)"


def test_the_project_s_sets(tmp_path: Path, load: Load) -> None:
    """All sets are read, or those asked for; a wrong name gives the nearest right one."""
    with pytest.raises(InputError, match=r"^evals/: no eval set here; `routerctl init` writes one$"):
        load_eval_sets(tmp_path)
    load(GOOD)
    load(GOOD, "topic")
    assert [item.name for item in load_eval_sets(tmp_path)] == ["sums", "topic"]
    assert [item.name for item in load_eval_sets(tmp_path, ("topic",))] == ["topic"]
    with pytest.raises(InputError, match=r"^evals/: no task class 'topik'; did you mean 'topic'\?$"):
        load_eval_sets(tmp_path, ("topik",))


def test_a_set_is_read_before_it_is_judged_by_its_file(load: Load, tmp_path: Path) -> None:
    """The scorer's files are named beside the set and absolute for whoever scores; the set itself keeps the name."""
    text = GOOD.replace("name: exact", "name: sql, setup: shop.sql").replace("two", "SELECT a FROM t")
    found = load(text.replace("four", "SELECT 1"), shop_sql="CREATE TABLE t (a);")
    assert found.scorer.params == {"setup": "shop.sql"}
    assert scorer_at(found, tmp_path).params == {"setup": str(tmp_path / "evals" / "shop.sql")}


# --- .jsonl and .csv --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b"}', "2: 'input' is missing"),
        ('{"id": "b", "input": "x", "expected": "y", "note": 1}', "2: note: unknown key; expected one of: batch"),
        ('{"id": "b", "input": "x", "expected": "y", "tag": 1}', "2: tag: unknown key; did you mean 'tags'?"),
        ('{"id": "a", "input": "x", "expected": "y"}', "2: duplicate case id 'a' (first on line 1)"),
        ('{"id": "b", "id": "c", "input": "x", "expected": "y"}', "2: duplicate key 'id'"),
        ('{"id": "b", "input": "x", "expected": 5}', "2: case 'b': expected a text or a list of texts, got 5"),
        ('{"id": "b", "input": null, "expected": "y"}', "2: input: expected a text (quote it) or a mapping, got None"),
        ('{"id": "b", "input": NaN, "expected": "y"}', "2: NaN is not JSON"),
        ('{"id": "b", "input": {"n": 1e999}, "expected": "y"}', "2: input.n: expected a finite number"),
        (
            '{"id": "b", "input": "\\ud83d", "expected": "y"}',
            "2: case 'b': contains half of a surrogate pair, which is not text",
        ),
        (
            '{"id": "\\ud83d", "input": "x", "expected": "y"}',
            "2: case '\\ud83d': contains half of a surrogate pair, which is not text",
        ),
        ("{'id': 'b'}", "2: not JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('{"id": "b"', "2: not JSON: Expecting ',' delimiter (column 11)"),
        ('["b", "x", "y"]', "2: expected a mapping, got a list"),
    ],
)
def test_json_lines_refused(load: Load, line: str, message: str) -> None:
    """A wrong line of a .jsonl file is named by file and line."""
    beside = '{"id": "a", "input": "x", "expected": "y"}\n' + line + "\n"
    assert refused(load, HEAD + "cases: c.jsonl", c_jsonl=beside).startswith(f"evals/c.jsonl:{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,input\na,x\n", "1: the column 'expected' is missing"),
        ("input,expected\nx,y\n", "1: the column 'id' is missing"),
        ("id,expected\na,y\n", "1: the column 'input' is missing"),
        ("id|input|expected\na|x|y\n", "1: unknown column 'id|input|expected'"),
        ("id;input;expectd\na;x;y\n", "1: unknown column 'expectd'; did you mean 'expected'?"),
        ("id;input;expected\na;x\n", "2: expected 3 values as in the header, got 2"),
        ("ID;Input;Expected\na;x;y\n", "1: unknown column 'ID'; did you mean 'id'?"),
        ("id,input,expectd\na,x,y\n", "1: unknown column 'expectd'; did you mean 'expected'?"),
        ("id,input,input,expected\na,x,z,y\n", "1: two columns are named 'input'"),
        ("id,input,input.q,expected\na,x,z,y\n", "1: the columns 'input' and 'input.…' exclude each other"),
        ("id,input,expected\na,x\n", "2: expected 3 values as in the header, got 2"),
        ("id,input,expected\na,x,y,z\n", "2: expected 3 values as in the header, got 4"),
        ('id,input,expected\n"a","x\nx\nx",y\nb,x\n', "5: expected 3 values as in the header, got 2"),
        ("id,input,expected\n\n\na,x,y\n,x,y\n", "5: 'id' is missing"),
        ("id,input,expected\na,,y\n", "2: 'input' is missing"),
        ('id,input,expected\na,x,"y"z\n', "2: not CSV: ',' expected after '\"'"),
        ('id,input,expected\na,x,"y\n', "2: not CSV: unexpected end of data"),
        ('id,input,expected\na,"x\nx",y\na,z,y\n', "4: duplicate case id 'a' (first on line 2)"),
        ("id,input,expected,weight\na,x,y,heavy\n", "2: weight: expected a number, got 'heavy'"),
        ("id,input,expected,weight\na,x,y,-1\n", "2: weight: expected a number above 0"),
    ],
)
def test_csv_refused(load: Load, text: str, message: str) -> None:
    """A wrong .csv file is named by file and by the line on which the row starts."""
    assert refused(load, HEAD + "cases: c.csv", c_csv=text).startswith(f"evals/c.csv:{message}")


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["id,input,expected", "expected,id,input.a,input.b", '"id","input","expected"'])
def test_csv_parted_by_what_spreadsheets_write(header: str, sign: str, load: Load) -> None:
    """A comma, a semicolon or a tab, found by the columns: the same cases, the same digest."""
    row = ['"a"', '"x, y; z"', '"u\tv"', '"w"'][: header.count(",") + 1]
    text = f"{header.replace(',', sign)}\n{sign.join(row)}\n"
    found = load(HEAD + "cases: c.csv", c_csv=text)
    commas = load(HEAD + "cases: c.csv", c_csv=f"{header}\n{','.join(row)}\n")
    assert (found.cases, found.digest) == (commas.cases, commas.digest)
    assert len(found.cases) == 1


def test_csv_as_spreadsheets_write_it(load: Load) -> None:
    """A byte-order mark, CRLF, quoted newlines, doubled quotes and blank rows are all read; tags split at blanks."""
    text = "\ufeffid,input.q,input.who,expected,tags,cluster,weight\r\n"
    text += 'a,"two\r\nlines, ""so""",,yes,hard  new,,2\r\n\r\nb,x,me,no,,,\r\n'
    first, second = load(HEAD + "cases: c.csv", c_csv=text).cases
    assert (first.input, first.expected, first.tags) == ({"q": 'two\r\nlines, "so"', "who": ""}, "yes", ("hard", "new"))
    assert (first.line, first.weight, first.cluster) == (2, 2.0, None)
    assert (second.id, second.line, second.weight, second.tags) == ("b", 5, 1.0, ())


@pytest.mark.parametrize(
    ("scorer", "cell", "expected"),
    [
        ("{name: exact}", "5", "5"),
        ("{name: exact}", "[1]", "[1]"),
        ("{name: number}", "5", 5),
        ("{name: number}", "0.50", 0.5),
        ("{name: json_fields, fields: {a: exact}}", '"{""a"": ""x""}"', {"a": "x"}),
        ("{name: sql, setup: shop.sql}", "SELECT 1", "SELECT 1"),
    ],
)
def test_csv_cells_follow_the_scorer(load: Load, scorer: str, cell: str, expected: object) -> None:
    """An expected cell is text where the scorer takes text, else what it says as JSON."""
    text = HEAD.replace("{name: exact}", scorer) + "cases: c.csv"
    found = load(text, c_csv=f"id,input,expected\na,x,{cell}\n", shop_sql="CREATE TABLE t (a);")
    assert found.cases[0].expected == expected


@pytest.mark.parametrize("scorer", ["name: numbr", "name: number, absolut: 1"])
def test_csv_with_a_wrong_scorer(load: Load, scorer: str) -> None:
    """A wrong scorer is named at its own line, before any cell is read with it."""
    text = HEAD.replace("name: exact", scorer) + "cases: c.csv"
    message = refused(load, text, c_csv="id,input,expected\na,x,5\n")
    assert message.startswith("evals/sums.yaml:3: scorer")
    assert "did you mean" in message or "expected one of" in message


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "1e999", "five"])
def test_csv_numbers_that_are_none(load: Load, cell: str) -> None:
    """What a number scorer cannot compare with is refused with file and line."""
    text = HEAD.replace("exact", "number") + "cases: c.csv"
    assert refused(load, text, c_csv=f"id,input,expected\na,x,{cell}\n").startswith("evals/c.csv:2: ")


# --- the digest -------------------------------------------------------------------------------------------------------

FULL = """\
schema_version: 1
description: Sums.
prompt: {system: Add., template: "{{ input.q }}", examples: [{input: {q: 1, r: 2}, reply: one}]}
reply: {max_tokens: 9, json_schema: {type: object, properties: {a: {}, b: {}}}}
scorer: {name: sql, setup: shop.sql, ordered: true}
bar: 0.9
pass_at: 0.5
max_cases: 9
cases:
  - {id: a, input: {q: 1 + 1, r: x}, expected: SELECT 1, tags: [easy]}
  - {id: b, input: {q: 2 + 2, r: y}, expected: SELECT 2}
"""
SHOP = "CREATE TABLE t (a);\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Add.", "Add!"),
        ('"{{ input.q }}"', '"{{ input.q }} "'),
        ("reply: one}", "reply: two}"),
        ("{q: 1, r: 2}", "{q: 1, r: 3}"),
        ("{q: 1, r: 2}", "{r: 2, q: 1}"),
        ("max_tokens: 9", "max_tokens: 8"),
        ("{a: {}, b: {}}", "{a: {}, c: {}}"),
        ("{a: {}, b: {}}", "{b: {}, a: {}}"),
        ("ordered: true", "ordered: false"),
        ("bar: 0.9", "bar: 0.91"),
        ("pass_at: 0.5", "pass_at: 0.6"),
        ("max_cases: 9", "max_cases: 8"),
        ("id: a", "id: c"),
        ("1 + 1", "1 +  1"),
        ("{q: 1 + 1, r: x}", "{r: x, q: 1 + 1}"),
        ("SELECT 1", "SELECT 3"),
        ("id: b", "id: b, cluster: k"),
        ("id: b", "id: b, weight: 2"),
        ("  - {id: b, input: {q: 2 + 2, r: y}, expected: SELECT 2}\n", ""),
    ],
)
def test_the_digest_changes_with_whatever_a_verdict_depends_on(load: Load, old: str, new: str) -> None:
    """Prompt, reply, scorer, bar and cases are in the digest, with the order of keys wherever a model sees it."""
    assert FULL.count(old) == 1
    assert load(FULL, shop_sql=SHOP).digest != load(FULL.replace(old, new), shop_sql=SHOP).digest


def test_the_digest_changes_with_the_scorer_s_file(load: Load) -> None:
    """The bytes of a file that the scorer reads are in the digest; its name is, too."""
    before = load(FULL, shop_sql=SHOP).digest
    assert load(FULL, shop_sql=SHOP + "-- more").digest != before
    assert load(FULL, shop_sql=SHOP).digest == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Sums.", "Sums of two numbers."),
        ("[easy]", "[hard, new]"),
        (", tags: [easy]", ""),
        ("bar: 0.9", "bar: 0.90 # a comment"),
        ("bar: 0.9\npass_at: 0.5", "pass_at: 0.5\nbar: 0.9"),
        ("{name: sql, setup: shop.sql, ordered: true}", "{ordered: true, setup: shop.sql, name: sql}"),
        ("{id: a, input: {q: 1 + 1, r: x}", "{input: {q: 1 + 1, r: x}, id: a"),
        ("id: b", "id: b, weight: 1"),
        ("id: b", "id: b, cluster: null"),
        ("system: Add.", "system: 'Add.'"),
        ("\n", "\r\n"),
    ],
)
def test_the_digest_keeps_with_what_no_verdict_depends_on(load: Load, old: str, new: str) -> None:
    """Description, tags, comments, spelled-out defaults and the order of the file's own keys are not in the digest."""
    assert load(FULL, shop_sql=SHOP).digest == load(FULL.replace(old, new), shop_sql=SHOP).digest


def test_the_digest_does_not_know_the_file_format(load: Load) -> None:
    """The same cases inline, as .jsonl and as .csv give the same digest."""
    rows = [("a", {"q": "1 + 1", "r": "x"}, "two"), ("b", {"q": "2,2", "r": ""}, "four")]
    lines = [json.dumps({"expected": right, "id": name, "input": asked}) for name, asked, right in rows]
    sheet = 'id,tags,input.q,input.r,expected\na,t,1 + 1,x,two\nb,,"2,2",,four\n'
    inline = load(HEAD + "cases: [" + ", ".join(lines) + "]")
    as_lines = load(HEAD + "cases: c.jsonl", c_jsonl="\n".join(lines))
    as_sheet = load(HEAD + "cases: c.csv", c_csv=sheet)
    assert inline.digest == as_lines.digest == as_sheet.digest
    assert inline.digest.startswith("sha256:")


def test_a_shape_may_be_written_once(load: Load) -> None:
    """The choices of a reply serve its scorer; spelled out there again they change nothing."""
    once = GOOD.replace("{name: exact}", "{name: choice}\nreply: {choices: [two, four]}")
    twice = once.replace("{name: choice}", "{name: choice, choices: [two, four]}")
    assert load(once).scorer.params == {"choices": ["two", "four"]}
    assert load(once).digest == load(twice).digest

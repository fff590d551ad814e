"""The scorers that compute with what a model wrote in a limited child process: sql, python, regex, json_schema."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.scorers import Unscorable, extract, get_scorer, score_reply
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.scorers.sandbox.sql import difference, has_order
from routerctl.types import Score, ScorerSpec

SETUP = """
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL);
INSERT INTO item VALUES (1, 'lamp', 0.1), (2, 'desk', 0.2), (3, NULL, 0.3);
"""
ALL = "SELECT id, name FROM item"
COUNTING = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT {}"
MANY_TABLES = ", ".join(f"item AS i{number}" for number in range(20))


@pytest.fixture
def setup(tmp_path: Path) -> str:
    """Give the path of a small database's script."""
    path = tmp_path / "shop.sql"
    path.write_text(SETUP)
    return str(path)


def sql(setup: str, reply: str, reference: str = ALL, **params: object) -> Score:
    """Score one reply."""
    return score_reply(ScorerSpec(name="sql", params={"setup": setup, **params}), reply, reference)


# --- sql: finding the query -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "query"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("```sql\nSELECT 1;\n```\nThis works.", "SELECT 1"),
        ("Run:\n```\nselect 1\n```", "select 1"),
        ("```bash\nls\n```\n```SQL\nSELECT 2\n```", "SELECT 2"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("With this query you get it:\nSELECT 1", "SELECT 1"),
        ("The query is: SELECT 1", "SELECT 1"),
        ("Use `SELECT a FROM t` here.", "SELECT a FROM t"),
        ("Select a from t", "Select a from t"),
        ("SELECT 1;\n\nThis query gives one; enjoy.", "SELECT 1"),
        ("SELECT 1\n\nThis query gives one.", "SELECT 1"),
        ("SELECT a\n\nFROM t", "SELECT a\n\nFROM t"),
        ("WITH x AS (SELECT 1),\n\ny AS (SELECT 2)\nSELECT 3", "WITH x AS (SELECT 1),\n\ny AS (SELECT 2)\nSELECT 3"),
        ("SELECT ';' AS a; Done", "SELECT ';' AS a"),
        ("SELECT 1; DROP TABLE t;", "SELECT 1; DROP TABLE t"),
        ("DROP TABLE t", None),
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT 1"),
        ("Let me explain the query: SELECT 1", "SELECT 1"),
        ("CREATE TABLE x AS SELECT 1", "CREATE TABLE x AS SELECT 1"),
        ("PRAGMA x = 1; SELECT 1", "PRAGMA x = 1; SELECT 1"),
        ("```postgresql\nSELECT 1\n```", "SELECT 1"),
        ("~~~sqlite3\nSELECT 1\n~~~", "SELECT 1"),
        ("```sql\nSELECT 1\n```\nAlternatively:\n```sql\nSELECT 2\n```", "SELECT 1"),
        ("```sql\nSELECT 1\n```\n```sql\nSELECT 2\n```", None),
        ("I cannot do that.", None),
    ],
)
def test_query_is_found(reply: str, query: str | None) -> None:
    """The query without what stands around it."""
    assert extract(ScorerSpec(name="sql"), reply) == query


@pytest.mark.parametrize(
    ("query", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order\n by a limit 3", True),
        ("SELECT a FROM t ORDER /* x */ BY a", True),
        ("SELECT * FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT 'ORDER BY' FROM t -- ORDER BY a", False),
        ('SELECT "order" by_x FROM t', False),
        ("SELECT (1) FROM t ORDER BY (a)", True),
        ("SELECT ')' FROM (SELECT 1 ORDER BY 1)", False),
    ],
)
def test_order_is_seen_at_the_top_only(query: str, ordered: bool) -> None:
    """Order matters when the reference's own rows are ordered."""
    assert has_order(query) is ordered


# --- sql: comparing rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "wanted", "ordered", "equal"),
    [
        ([(1,), (2,)], [(2,), (1,)], False, True),
        ([(1,), (2,)], [(2,), (1,)], True, False),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, False),
        ([(3,)], [(3.0,)], False, True),
        ([("3",)], [(3,)], False, False),
        ([(None,)], [(None,)], True, True),
        ([(None,)], [(0,)], False, False),
        ([(0.1 + 0.2,)], [(0.3,)], False, True),
        ([(0.1 + 0.2 - 0.3,)], [(0,)], False, True),
        ([(1.000001,)], [(1,)], False, False),
        ([(2**53 + 1,)], [(2**53,)], False, False),
        ([(1.0 - 1e-13, "b"), (1.0, "a")], [(1.0, "b"), (1.0, "a")], False, True),
        ([(1.0 + 1e-13, 1), (1.0, 2)], [(1.0, 1), (1.0 + 1e-13, 2)], False, True),
        ([(float("inf"),)], [(float("inf"),)], False, True),
        ([(b"a",)], [("a",)], False, False),
        ([("a", 1)], [(1, "a")], False, False),
        ([], [], True, True),
    ],
)
def test_rows_are_compared(
    found: Sequence[tuple[object, ...]], wanted: Sequence[tuple[object, ...]], ordered: bool, equal: bool
) -> None:
    """Multisets or sequences of rows; numbers by value, everything else by type too."""
    assert (difference(found, wanted, ordered=ordered) is None) is equal
    assert (difference(wanted, found, ordered=ordered) is None) is equal


ROWS = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 7, 1e300]), st.sampled_from(["a", None])), max_size=8)


@given(rows=ROWS, data=st.data())
def test_order_and_rounding_do_not_count(rows: list[tuple[float, str | None]], data: st.DataObject) -> None:
    """A shuffled table whose numbers were rounded differently is the same table; without one row it is not."""
    shuffled = data.draw(st.permutations(rows))
    rounded = [(number * (1 + 1e-13), name) for number, name in shuffled]
    assert difference(rounded, rows, ordered=False) is None
    if rows:
        assert difference([*rounded[1:], (5, "z")], rows, ordered=False) is not None


def test_many_nearly_equal_rows_are_quick_to_compare() -> None:
    """The comparison is not quadratic: ten thousand rows that differ by rounding alone come out equal."""
    rows = [(number / 7, number / 3) for number in range(10_000)]
    other = [(one * (1 + 1e-13), two * (1 - 1e-13)) for one, two in reversed(rows)]
    assert difference(other, rows, ordered=False) is None


# --- sql: running -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reference", "value", "said"),
    [
        ("SELECT id AS x, name FROM item ORDER BY id DESC", ALL, 1, "same rows"),
        ("SELECT id, name FROM item ORDER BY id DESC", f"{ALL} ORDER BY id", 0, "row 1 is (3, None)"),
        ("SELECT name, id FROM item", ALL, 0, "no row"),
        ("SELECT id FROM item", ALL, 0, "1 columns, expected 2"),
        ("SELECT id, name FROM item WHERE 0", ALL, 0, "0 rows, expected 3"),
        ("SELECT 1 WHERE 0", f"{ALL} WHERE 0", 0, "1 columns, expected 2"),
        ("SELECT SUM(price) FROM item", "SELECT 0.6", 1, "same rows"),
        ("SELECT value FROM json_each('[1, 2]')", "VALUES (1), (2)", 1, "same rows"),
        ("SELECT id, nam FROM item", ALL, 0, "no such column: nam"),
        ("SELECT id, name FROM items", ALL, 0, "no such table: items"),
        ("SELECT", ALL, 0, "incomplete input"),
    ],
)
def test_sql(setup: str, reply: str, reference: str, value: float, said: str) -> None:
    """The rows decide; what SQLite says against a query is the explanation."""
    made = sql(setup, reply, reference)
    assert made.value == value
    assert said in made.explanation


@pytest.mark.parametrize(("ordered", "value"), [("auto", 0), (False, 1), (True, 0)])
def test_sql_order_can_be_set(setup: str, ordered: object, value: float) -> None:
    """`ordered` overrides what the reference suggests."""
    assert sql(setup, f"{ALL} ORDER BY id DESC", f"{ALL} ORDER BY id", ordered=ordered).value == value


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("```sql\nDROP TABLE item\n```", "not authorized"),
        ("```sql\nATTACH DATABASE '{tmp}/evil.db' AS x\n```", "not authorized"),
        ("```sql\nPRAGMA writable_schema = 1\n```", "not authorized"),
        ("```sql\nVACUUM INTO '{tmp}/evil.db'\n```", "authoriz"),
        ("```sql\nBEGIN\n```", "not authorized"),
        ("```sql\n-- nothing\n```", "not a query"),
        ("SELECT * FROM pragma_table_info('item')", "not authorized"),
        ("SELECT load_extension('x'), 1", "not authorized"),
        ("SELECT random(), 1", "not authorized to use function: random"),
        ("SELECT CURRENT_TIMESTAMP, 1", "not authorized"),
        ("SELECT 1, 2; DROP TABLE item", "one statement at a time"),
        ("SELECT '\x00', 1", "null character"),
        ("SELECT '\ud800', 1", "surrogates not allowed"),
        (COUNTING.format("n, n FROM r"), "more than 3 rows"),
        (COUNTING.format("count(*), 1 FROM r"), "more than 20,000,000 steps"),
        (COUNTING.format("n, zeroblob(900000) AS z FROM r ORDER BY z"), "MemoryError"),
        ("SELECT hex(zeroblob(100000000)), 1", "too big"),
        ("SELECT count(*), 1 FROM {many}", "steps"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + ", 1", ""),
        ("SELECT 1" + " UNION SELECT 1" * 5000, "too many terms"),
    ],
)
def test_hostile_sql_scores_zero(setup: str, tmp_path: Path, reply: str, said: str) -> None:
    """Nothing but reading is allowed, within limits; the reply's fault is its score, never an error."""
    made = sql(setup, reply.replace("{tmp}", str(tmp_path)).replace("{many}", MANY_TABLES))
    assert made.value == 0.0
    assert said in made.explanation
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sql"]


def test_a_broken_reference_is_unscorable(setup: str) -> None:
    """What the author got wrong is not held against the reply."""
    with pytest.raises(Unscorable, match="reference query: no such table: nowhere"):
        sql(setup, ALL, "SELECT 1 FROM nowhere")


@pytest.mark.parametrize(
    ("params", "reference", "said"),
    [
        ({"ordered": "yes"}, None, "ordered: expected true, false or auto"),
        ({}, "SELECT nam FROM item", "reference query: no such column: nam"),
        ({}, "DELETE FROM item", "reference query: not authorized"),
        ({}, "SELECT 1; SELECT 2", "one statement"),
        ({}, 3, "expected the reference query as text"),
    ],
)
def test_sql_is_checked_before_it_is_run(setup: str, params: dict[str, object], reference: object, said: str) -> None:
    """A wrong reference is found while the eval set is read, before money is spent."""
    with pytest.raises(ValueError, match=said):
        get_scorer("sql").check({"setup": setup, **params}, reference)


def test_a_broken_setup_script_is_said(tmp_path: Path) -> None:
    """The script's name and SQLite's message."""
    (tmp_path / "bad.sql").write_text("CREATE TABEL x;")
    with pytest.raises(ValueError, match=r"setup: bad.sql: near .TABEL."):
        get_scorer("sql").check({"setup": str(tmp_path / "bad.sql")}, None)


# --- python -----------------------------------------------------------------------------------------------------------


def python(reply: str, tests: str = "assert double(2) == 4", **params: object) -> Score:
    """Score one reply."""
    return score_reply(ScorerSpec(name="python", params={"cpu_s": 1, "wall_s": 10, **params}), reply, tests)


DATACLASS = """
from __future__ import annotations
import dataclasses

@dataclasses.dataclass
class A:
    x: int

def double(x): return A(2 * x).x
"""
TEMPORARY = """
import pathlib, tempfile

def double(x):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "a").write_text("x")
    return 2 * x
"""


@pytest.mark.parametrize(
    "reply",
    [
        "def double(x): return 2 * x",
        "Sure:\n```python\ndef double(x):\n    return 2 * x\n```\nUse:\n```python\nprint(double(input()))\n```",
        DATACLASS,
        "import asyncio\nasync def go(x): return 2 * x\ndef double(x): return asyncio.run(go(x))",
        "double = lambda x: 2 * x\nif __name__ == '__main__':\n    double(input())",
        TEMPORARY,
        "import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()\ndouble = lambda x: 4",
        "double = lambda x: 4\nprint('x' * 10_000_000)",
    ],
)
def test_right_code_passes(reply: str) -> None:
    """Ordinary code runs, whatever it prints or leaves running."""
    assert python(reply) == Score(
        value=1.0, extracted=extract(ScorerSpec(name="python"), reply), explanation="the tests pass"
    )


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("def double(x): return x", "in the tests, line 1 (assert double(2) == 4): AssertionError"),
        ("def double(x):\n    return x.y", "in the tests, line 1"),
        ("1 / 0", "in the reply, line 1 (1 / 0): ZeroDivisionError: division by zero"),
        ("I cannot.", "in the reply: SyntaxError"),
        ("\x00", "SyntaxError: source code string cannot contain null bytes"),
        ("x = '\ud800'\n1/0", "in the reply"),
        ("(" * 90_000, "in the reply"),
        ("def double(x): return double(x)", "RecursionError"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os; os._exit(0)", "it ended early with exit status 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("while True: pass", "it used more than 1 s of processor time"),
        ("while True: print('x' * 1000)", "it used more than 1 s of processor time"),
        ("x = [0] * 10**10", "MemoryError"),
        ("f = open('a', 'w')\nwhile True: f.write('x' * 10**6)", "OSError: [Errno 27]"),
        ("files = [open('a', 'w') for _ in range(1000)]", "OSError: [Errno 24]"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "in the reply, line 3 (raise E): E"),
        ("class E(Exception):\n    def __str__(self): return 'x' * 10**7\nraise E", "xxx"),
        ("input()", "EOFError"),
        ("import os\nwhile True: os.fork()", "os.fork is not allowed here"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen is not allowed here"),
        ("import os; os.system('true')", "os.system is not allowed here"),
        ("import os; os.kill(os.getppid(), 0)", "os.kill is not allowed here"),
        ("import multiprocessing as m\nm.Process(target=print).start()", "not allowed here"),
        ("import numpy", "No module named 'numpy'"),
        ("import routerctl", "No module named 'routerctl'"),
    ],
)
def test_wrong_and_hostile_code_scores_zero(reply: str, said: str) -> None:
    """Whatever the code does, the score is 0 and the explanation says what stopped it."""
    made = python(reply)
    assert made.value == 0.0
    assert said in made.explanation
    assert len(made.explanation) <= 500


def test_waiting_is_ended_by_the_clock() -> None:
    """Code that computes nothing is stopped too."""
    made = python("import time\ntime.sleep(600)", wall_s=0.5)
    assert (made.value, made.explanation) == (0.0, "it took longer than 0.5 s")


@pytest.mark.parametrize(
    "code",
    [
        "open({path!r}, 'w')",
        "import os; os.remove({path!r})",
        "import os; os.rename('x', {path!r})",
        "import os; os.chdir('/'); os.remove({path!r}.lstrip('/'))",
        "import pathlib; pathlib.Path({path!r}).unlink()",
        "import shutil; shutil.rmtree(__import__('os').path.dirname({path!r}))",
        "import sqlite3; sqlite3.connect({path!r}).execute('CREATE TABLE a (b)').connection.commit()",
        "import os; os.symlink({path!r}, 'here'); open('here', 'w')",
    ],
)
def test_files_elsewhere_are_left_alone(tmp_path: Path, code: str) -> None:
    """An accident cannot change a file outside the temporary folder."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    made = python(code.format(path=str(precious)))
    assert "outside the temporary folder is not allowed here" in made.explanation
    assert precious.read_text() == "kept"


def test_code_has_no_network() -> None:
    """A server that listens on this very machine is not reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        made = python(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))")
        assert "not allowed here" in made.explanation
        with pytest.raises(TimeoutError):
            server.accept()


def test_code_sees_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in our environment does not reach a model's code."""
    monkeypatch.setenv("SOME_API_KEY", "secret-value")
    assert python("import os\ndouble = lambda x: 4\nassert 'SOME_API_KEY' not in os.environ").value == 1.0


def test_sets_come_in_the_same_order_every_time() -> None:
    """Hashing is fixed, so that a test that depends on it gives one score, not two."""
    reply = "raise ValueError(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    assert len({python(reply).explanation for _ in range(4)}) == 1


def test_installed_packages_are_opt_in() -> None:
    """Where the eval set says so, code may import what is installed beside routerctl."""
    assert python("import jsonschema\ndouble = lambda x: 4", packages=True, cpu_s=10).value == 1.0


# --- regex, json_schema -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "reply", "expected", "value", "extracted"),
    [
        ({"pattern": r"id=(\w+)"}, "The ID=ab12.", "AB12", 1, "ab12"),
        ({"pattern": r"id=(\w+)", "case_sensitive": True}, "The ID=ab12.", "ab12", 0, None),
        ({"pattern": r"a|(b)"}, "xa", None, 1, "a"),
        ({"pattern": r"(a)|(b)"}, "xb", "b", 1, "b"),
        ({}, "2025-05-09", r"^\d{4}-\d\d-\d\d$", 1, "2025-05-09"),
        ({}, "9 May", r"^\d{4}", 0, "9 May"),
    ],
)
def test_regex(params: dict[str, object], reply: str, expected: object, value: float, extracted: str | None) -> None:
    """The pattern extracts what is then compared, or is itself what is expected."""
    made = score_reply(ScorerSpec(name="regex", params=params), reply, expected)
    assert (made.value, made.extracted) == (value, extracted)


def test_a_pattern_that_never_ends_is_unscorable() -> None:
    """The author's pattern is at fault, so the reply is not called wrong."""
    with pytest.raises(Unscorable, match="did not finish on this reply: it used more than 2 s"):
        score_reply(ScorerSpec(name="regex", params={"pattern": "(a+)+$"}), "a" * 40 + "b", "x")


@pytest.mark.parametrize(("reply", "value"), [('{"a": "x1"}', 1), ('{"a": "y"}', 0)])
def test_schema_patterns_are_checked_in_a_child(reply: str, value: float) -> None:
    """A pattern in a schema works, at the price of a process."""
    schema = {"properties": {"a": {"pattern": "^x[0-9]$"}}}
    assert score_reply(ScorerSpec(name="json_schema", params={"schema": schema}), reply, None).value == value


def test_a_schema_pattern_that_never_ends_is_unscorable() -> None:
    """A schema cannot hang the run."""
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    reply = '{"a": "' + "a" * 40 + 'b"}'
    with pytest.raises(Unscorable, match="processor time"):
        score_reply(ScorerSpec(name="json_schema", params={"schema": schema}), reply, None)


# --- the child --------------------------------------------------------------------------------------------------------


def test_a_fault_on_our_side_is_not_a_verdict() -> None:
    """A job that the task cannot read, or a task that is not there, is told apart from a reply's doing."""
    limits = Limits(cpu_s=5, wall_s=30, memory_mb=512)
    ended = run_limited("regex", {"pattern": "a"}, limits)
    assert (ended.verdict, ended.cause, ended.why) == (None, "fault", "KeyError: 'text'")
    assert run_limited("task_nowhere", {}, limits).cause == "fault"

"""Checks on the content of the `sql` eval set: every reference query runs, and its rows tell right from wrong."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

EVALS = Path(__file__).resolve().parent.parent / "examples/harder/evals"
SPEC = yaml.safe_load((EVALS / "sql.yaml").read_text(encoding="utf-8"))
SETUP = (EVALS / SPEC["scorer"]["setup"]).read_text(encoding="utf-8")
CASES = [json.loads(line) for line in (EVALS / SPEC["cases"]).read_text(encoding="utf-8").splitlines() if line.strip()]
EXAMPLES = SPEC["prompt"]["examples"]
QUERIES = [(case["id"], case["expected"]) for case in CASES]
SHOWN = [(example["input"], example["reply"]) for example in EXAMPLES]

MAX_ROWS = 12
MIN_WHERE_MATTERS = 0.9  # share of the cases with WHERE whose result changes without it
PIECE = re.compile(r"'(?:[^']|'')*'|[\w.]+|[^\w\s]")
CLAUSES = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT")
# Reads the clock or draws lots.
UNSTABLE = re.compile(r"\b(?:now|random|current_date|current_time|current_timestamp)\b", re.IGNORECASE)


@cache
def database() -> sqlite3.Connection:
    """The shop, read-only."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SETUP)
    connection.execute("PRAGMA query_only = ON")
    return connection


def rows(query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return database().execute(query).fetchall()


def normalised(query: str) -> str:
    """A query in lower case with single blanks and without a final semicolon; texts in quotes stay as they are."""
    pieces = PIECE.findall(query.strip().rstrip(";"))
    return " ".join(piece if piece.startswith("'") else piece.lower() for piece in pieces)


def clauses(query: str) -> list[tuple[str, str]]:
    """The top level of a query, cut at its clauses: ("", head), then (keyword, clause with its keyword)."""
    depth, start, keyword, found = 0, 0, "", []
    for piece in PIECE.finditer(query):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if depth == 0 and piece[0].upper() in CLAUSES:
            found.append((keyword, query[start : piece.start()]))
            start, keyword = piece.start(), piece[0].upper()
    return [*found, (keyword, query[start:])]


def without(query: str, keyword: str) -> str:
    """A query without one clause of its top level."""
    return "".join(text for name, text in clauses(query) if name != keyword)


def conjuncts(query: str) -> list[str]:
    """The query without each part in turn that AND joins at the top level of its WHERE clause."""
    where = dict(clauses(query)).get("WHERE", "")
    cuts, depth, between = [len("WHERE")], 0, False
    for piece in PIECE.finditer(where):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        word = piece[0].upper()
        if depth == 0 and word == "AND" and not between:
            cuts.append(piece.end())
        between = word == "BETWEEN" or (between and word != "AND")
    if len(cuts) < 2:
        return []
    parts = [re.sub(r"\s*\bAND\s*$", "", where[a:b]) for a, b in zip(cuts, [*cuts[1:], len(where)], strict=True)]
    joined = [" AND ".join(part for part in parts if part is not left) for left in parts]
    return [query.replace(where, f"WHERE {text} ") for text in joined]


def same(query: str, other: str) -> bool:
    """Whether two queries give the same rows, in the same order where the first one orders them."""
    one, two = rows(query), rows(other)
    return one == two if "ORDER" in dict(clauses(query)) else Counter(one) == Counter(two)


@pytest.mark.parametrize(
    ("query", "cut", "parts"),
    [
        ("SELECT a FROM t WHERE b = 'WHERE (' AND c = 1 ORDER BY a", "SELECT a FROM t ORDER BY a", 2),
        ("SELECT a FROM (SELECT a FROM t WHERE b = 1)", "SELECT a FROM (SELECT a FROM t WHERE b = 1)", 0),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2", "SELECT a FROM t ", 0),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2 AND c IN (SELECT 1 AND 2) AND d = 1", "SELECT a FROM t ", 3),
    ],
)  # fmt: skip
def test_rewriting_cuts_only_the_top_level(query: str, cut: str, parts: int) -> None:
    """The rewrites below leave nested queries, quoted words and the AND of BETWEEN alone."""
    assert without(query, "WHERE") == cut
    assert len(conjuncts(query)) == parts


@pytest.mark.parametrize(("name", "query"), QUERIES + SHOWN, ids=[name for name, _ in QUERIES + SHOWN])
def test_reference_gives_a_few_rows(name: str, query: str) -> None:
    """Every reference query, and every example's reply, is one read-only query with 1 to 12 rows, not all NULL or 0."""
    assert re.match(r"(?:SELECT|WITH)\b", query)
    assert ";" not in query
    assert not UNSTABLE.search(query)
    found = rows(query)
    assert 1 <= len(found) <= MAX_ROWS, found
    assert any(value not in (None, 0) for row in found for value in row), found


def test_no_query_occurs_twice() -> None:
    """No two cases, and no case and example, share the same normalised query."""
    counts = Counter(normalised(query) for _, query in QUERIES + SHOWN)
    assert not [query for query, count in counts.items() if count > 1]


def test_few_cases_have_the_same_answer() -> None:
    """No result of more than one value is that of another case, so that a right answer is not right by accident."""
    results = Counter(repr(sorted(rows(query), key=repr)) for _, query in QUERIES if sum(map(len, rows(query))) > 1)
    assert not [result for result, count in results.items() if count > 1]


def test_dropping_where_changes_the_result() -> None:
    """In at least 90 % of the cases with a WHERE clause at top level the result changes without it."""
    filtered = [(name, query) for name, query in QUERIES if "WHERE" in dict(clauses(query))]
    idle = [name for name, query in filtered if same(query, without(query, "WHERE"))]
    assert len(filtered) >= 70
    assert len(idle) <= (1 - MIN_WHERE_MATTERS) * len(filtered), idle


def test_dropping_one_condition_changes_the_result() -> None:
    """In at least 90 % of the cases whose WHERE clause has several conditions, the result needs each of them."""
    filtered = [(name, query) for name, query in QUERIES if conjuncts(query)]
    idle = [name for name, query in filtered if any(same(query, other) for other in conjuncts(query))]
    assert len(filtered) >= 10
    assert len(idle) <= (1 - MIN_WHERE_MATTERS) * len(filtered), idle


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        (r"\bLEFT JOIN\b", "JOIN"),
        (r"\bSELECT DISTINCT\b", "SELECT"),
        (r"\bCOUNT\(DISTINCT ", "COUNT("),
        (r" DESC\b", ""),
        (r"<> '", "= '"),
    ],
)
def test_a_likely_mistake_changes_the_result(pattern: str, other: str) -> None:
    """A plain join for a left join, a forgotten DISTINCT or DESC, or a wrong sign always changes the result."""
    written = [(name, query) for name, query in QUERIES if re.search(pattern, query)]
    assert written
    assert not [name for name, query in written if same(query, re.sub(pattern, other, query))]


def test_having_changes_the_result() -> None:
    """Every HAVING clause at top level leaves something out."""
    written = [(name, query) for name, query in QUERIES if "HAVING" in dict(clauses(query))]
    assert written
    assert not [name for name, query in written if same(query, without(query, "HAVING"))]


def test_an_order_is_total() -> None:
    """Where a reference orders its rows, further sort keys, up or down, change neither their order nor the choice."""
    ordered = [(name, query) for name, query in QUERIES if "ORDER" in dict(clauses(query))]
    assert ordered
    for name, query in ordered:
        order = dict(clauses(query))["ORDER"].rstrip()
        for way in ("", " DESC"):
            keys = ", ".join(f"{column}{way}" for column in range(1, len(rows(query)[0]) + 1))
            assert rows(query.replace(order, f"{order}, {keys}")) == rows(query), name


def test_instruction_names_the_schema() -> None:
    """The instruction lists every table with its columns in the order of the setup script, and no other."""
    shown = dict(re.findall(r"^CREATE TABLE (\w+) \(([^)]*)\);", SPEC["prompt"]["system"], re.MULTILINE))
    tables = [name for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert sorted(shown) == sorted(tables)
    for table in tables:
        columns = [column for (column,) in rows(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid")]  # noqa: S608
        assert shown[table].split(", ") == columns, table


def test_data_holds_together() -> None:
    """The setup script keeps its promises: no dangling reference, only listed labels, no shipping before the order."""
    assert rows("PRAGMA foreign_key_check") == []
    system = SPEC["prompt"]["system"]
    for query in ("SELECT DISTINCT category FROM products", "SELECT DISTINCT status FROM orders"):
        assert all(label in system for (label,) in rows(query))
    assert rows("SELECT id FROM orders WHERE shipped_on < ordered_on") == []
    assert rows("SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.ordered_on < c.joined") == []

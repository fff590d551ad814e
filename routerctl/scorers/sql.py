"""A reply -> the query in it -> whether it gives the rows of the reference query.

`sandbox.sql` runs the queries, in a limited child, in SQLite's dialect. Column names are ignored, their order is not. A
query right on this database may be wrong on another: the setup script's rows must tell right from wrong.
`date('now')` reads the clock and has no place in a reference.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from routerctl.scorers.base import NoAnswer, Params, Scorer, Unscorable, only
from routerctl.scorers.candidates import Candidate, the_one
from routerctl.scorers.reply import fenced
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.scorers.sandbox.sql import FAULTS, has_order, open_database
from routerctl.types import Json

_LIMITS = Limits(cpu_s=10, wall_s=60, memory_mb=512)
_DIALECTS = frozenset({"sqlite", "sqlite3", "postgres", "mariadb", "duckdb", "bigquery", "snowflake", "oracle"})
_START = re.compile(r"^[ \t`]*((?:SELECT|select|WITH|with|VALUES|values)\b)", re.MULTILINE)
_LATER_START = re.compile(r"\b((?:SELECT|WITH)\b)")
_ANY_START = re.compile(r"^[ \t`]*((?:SELECT|WITH|VALUES)\b)", re.MULTILINE | re.IGNORECASE)
_STATEMENTS = "select with values insert update delete replace create drop alter attach pragma begin commit vacuum"
_ANOTHER = re.compile(rf"\s*(?:{'|'.join([*_STATEMENTS.split(), *_STATEMENTS.upper().split()])})\b")
_PIECE = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"[^\"]*\"|;", re.DOTALL)
# After a blank line only these go on with a query; anything else is prose about it.
_GOES_ON = re.compile(
    r"\s*(?:[)(,]|--|/\*|(?:select|from|where|group|order|having|limit|offset|union|except|intersect|window|and|or|on"
    r"|join|left|right|full|inner|cross|natural|as|with|values)\b)",
    re.IGNORECASE,
)


# What makes another statement of the query that follows it: "EXPLAIN SELECT" asks for no rows of the table.
_COMMAND = re.compile(
    r"\b(?:EXPLAIN|ANALYZE|DESCRIBE|BEGIN)\b|(?i:\b(?:pragma\s+\w+\s*[=(;]|create\s+(?:(?:or\s+replace|temp|temporary|unique)\s+)*(?:table|view|index|trigger)\s"
    r"|insert\s+(?:or\s+\w+\s+)?into\s|replace\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|drop\s+(?:table|view|index)\s|alter\s+table\s"
    r"|attach\s+database\s|truncate\s+table\s|set\s+\w+\s*=))|(?i:\b(?:explain|analyze|describe|desc)(?:\s+query\s+plan|\s+analyze|\s+verbose)*\s+)\Z"
)

# What else a query may be a part of, of any dialect: a line that ends as a statement does, a comment, a head in
# capitals ("PREPARE p AS"), with or without a line break behind it.
_CUT_OFF = re.compile(
    r"(?m:^)(?:[^\n]*;[ \t]*(?:--[^\n]*)?\n(?s:.*)|[^\n]*(?:--|\#|/\*)[^\n]*"
    r"|[^\n:]*\b(?:(?!SQL)[A-Z]{3,}[ \t(]*|(?i:for|as|immediate)[\s(]*)|(?!SQL)[A-Z]{3,}\b[^\n:.]*)\Z"
)
_CHANGES = re.compile(r"\s*(?:drop|delete|update|truncate|alter|insert|replace)\b", re.IGNORECASE)


def find_query(text: str) -> str | None:
    """Give the query of a reply, without the final semicolon, or None.

    The SQL (or untagged) block that is the answer; else from the first line that starts with SELECT, WITH or VALUES in
    one case ("With this query" is prose), or from a command before it, to the semicolon, or to the blank line before
    prose. Another statement before or after it is kept: running it fails, as it would for anyone who ran the reply.

    Raises: NoAnswer where several queries differ and none is said to be the answer.
    """
    blocks = [one for one in fenced(text) if _is_sql(one.tag) and one.content.strip()]
    if queries := [one for one in blocks if _ANY_START.match(one.content)]:
        if any(one.start < queries[-1].start and _CHANGES.match(one.content) for one in blocks):
            raise NoAnswer("a block before the query changes the data")
        return the_one(text, [_candidate(one.content, one.start, one.end) for one in queries])
    if blocks:
        return _trimmed(blocks[0].content)
    start = _START.search(text) or _LATER_START.search(text) or _ANY_START.search(text)
    if start is None:
        return None
    begin = start.start(1)
    head = max(0, begin - 2_000)  # bounds the work on a hostile reply
    if command := _COMMAND.search(text[:begin]) or _CUT_OFF.search(text[:begin], head):
        begin = command.start()
    rest = text[begin:]
    if text[begin - 1 : begin] == "`":
        rest = rest.split("`", maxsplit=1)[0]
    query = _first_statement(rest)
    return the_one(text, [_candidate(query, begin, begin + len(query))])


def _is_sql(tag: str) -> bool:
    return not tag or "sql" in tag or tag in _DIALECTS


def _candidate(query: str, start: int, end: int) -> Candidate[str | None]:
    found = _trimmed(query)
    return Candidate(value=found, key=" ".join((found or "").split()), start=start, end=end)


def _trimmed(query: str) -> str | None:
    return query.strip().removesuffix(";").rstrip() or None


def _first_statement(text: str) -> str:
    for piece in _PIECE.finditer(text):
        if piece[0] == ";":
            return text if _ANOTHER.match(text, piece.end()) else text[: piece.start()]
    for blank in re.finditer(r"\n[ \t]*\n", text):
        if not text[: blank.start()].rstrip().endswith((",", "(")) and not _GOES_ON.match(text, blank.end()):
            return text[: blank.start()]
    return text


def _extract(text: str, _: Params) -> str | None:
    return find_query(text)


def _check(params: Params, expected: Json) -> None:
    only(params, "setup", "ordered")
    if params.get("ordered", "auto") not in (True, False, "auto"):
        raise ValueError(f"ordered: expected true, false or auto, got {params['ordered']!r}")
    try:
        connection = open_database(_setup(params))
    except sqlite3.Error as error:
        raise ValueError(f"setup: {Path(params['setup']).name}: {error}") from None
    try:
        if expected is not None:
            _check_reference(connection, expected)
    finally:
        connection.close()


def _check_reference(connection: sqlite3.Connection, expected: Json) -> None:
    if not isinstance(expected, str) or not expected.strip():
        raise ValueError(f"expected the reference query as text, got {expected!r}")
    try:
        connection.execute(f"EXPLAIN {expected}")  # compiles it, so that a wrong name is found before money is spent
    except FAULTS as error:
        raise ValueError(f"the reference query: {error}") from None


def _setup(params: Params) -> str:
    path = params.get("setup")
    if not isinstance(path, str):
        raise ValueError("setup: expected the name of an SQL script")  # noqa: TRY004 - what `check` promises
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"setup: {path}: {error}") from None


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    wish = params.get("ordered", "auto")
    ordered = has_order(expected) if wish == "auto" else bool(wish)
    job = {"setup": _setup(params), "reference": expected, "query": extracted, "ordered": ordered}
    ended = run_limited("sql", job, _LIMITS)
    if ended.cause == "cpu":
        return 0.0, ended.why
    if ended.verdict is None:
        raise Unscorable(f"sql: the comparison did not finish: {ended.why}")
    if ended.verdict["broken"]:
        raise Unscorable(f"sql: the reference query: {ended.verdict['broken']}")
    problem = ended.verdict["problem"]
    return (0.0, problem) if problem else (1.0, "same rows")


SQL = Scorer(name="sql", extract=_extract, score=_score, check=_check, reads=("setup",))

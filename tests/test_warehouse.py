"""A log of any kind of place is counted alike; what is no log is named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa  # type: ignore[import-untyped]  # ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no type information
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.monitoring.warehouse import (
    Histogram,
    ServedRequests,
    Slice,
    counted,
    open_decisions,
    replay_cells,
    shown_place,
)
from routerctl.monitoring.warehouse.columns import KINDS
from routerctl.monitoring.warehouse.histogram import bin_of, width
from routerctl.routing.decision_log.columns import insertion
from routerctl.routing.decision_log.export import write_parquet
from routerctl.routing.decision_log.reader import LogReader, Wanted
from routerctl.routing.decision_log.rows import LoggedAnswer, cells_of, row_of
from routerctl.routing.decision_log.schema import open_log
from routerctl.types import Decision, Hop, Inquiry, StopReason

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 knows DuckDB 1
NOW = datetime(2026, 11, 25, tzinfo=UTC)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How one class is served in a stretch of time."""

    task_class: str
    number: int
    begin: datetime
    end: datetime
    chosen: str = "small"
    served: str | None = None  # None = as chosen
    pin: str | None = None  # None = as conftest's project names the model
    served_model: str | None = None  # None = the pin
    cost_usd: float = 0.001  # the median
    latency_s: float = 0.5  # likewise
    refused: float = 0.0  # share
    good: float = 0.9  # share of what is rated
    rated: float = 0.2  # share
    propensity: float = 1.0
    arm: str = ""
    digest: str = "sha256:a"
    tenant: str | None = None
    prompt: str | None = None  # kept
    decided_by: str = "rule plus"
    seed: int = 1


def write_log(path: Path, traffic: Sequence[Traffic]) -> None:
    """Write a log as the request line does, but in one transaction."""
    database = open_log(path)
    database.execute("BEGIN")
    for kind in traffic:
        rng = random.Random(f"{kind.seed} {kind.task_class} {kind.begin}")  # noqa: S311 - made-up traffic
        for number in range(kind.number):
            _write(database, kind, number, rng)
    database.execute("COMMIT")
    database.close()


def _write(database: sqlite3.Connection, kind: Traffic, number: int, rng: random.Random) -> None:
    who = kind.served or kind.chosen
    pin = kind.pin or f"model-{who}"
    hop = Hop(
        candidate=who,
        provider="fake",
        model=pin,
        served_model=kind.served_model or pin,
        outcome="served",
        cost_usd=Decimal(repr(round(kind.cost_usd * rng.lognormvariate(0, 0.5), 9))),
        latency_s=kind.latency_s * rng.lognormvariate(0, 0.4),
        attempts=1,
    )
    failed = replace(hop, candidate=kind.chosen, outcome="Overloaded", cost_usd=Decimal(0), latency_s=None)
    decision = Decision(
        task_class=kind.task_class,
        decided_by=kind.decided_by,
        rungs=(kind.chosen, "large"),
        hops=(hop,) if who == kind.chosen else (failed, replace(hop, why="fallback")),
        table_version=1,
        table_digest=kind.digest,
        propensity=kind.propensity,
        arm=kind.arm,
    )
    decision_id = f"{kind.task_class}-{kind.arm}-{kind.begin.isoformat()}-{kind.seed}-{number}"
    at = kind.begin + (kind.end - kind.begin) * (number / kind.number)
    stop = StopReason.REFUSAL if rng.random() < kind.refused else StopReason.END
    inquiry = Inquiry(prompt=kind.prompt or "", tenant=kind.tenant)
    row = row_of(
        decision,
        inquiry,
        LoggedAnswer(reply="ok", stop_reason=stop),
        decision_id=decision_id,
        at=at.isoformat(),
        asked=cells_of(inquiry, b""),
        private=True,
    )
    database.execute(insertion(), row)
    if kind.prompt is not None:
        texts = (decision_id, f'"{kind.prompt}"', "ok", "{}", "[]")
        database.execute("INSERT INTO texts VALUES (?, ?, ?, ?, ?)", texts)
    if rng.random() < kind.rated:
        for score in (0.25, float(rng.random() < kind.good)):  # the latest counts
            database.execute(
                "INSERT INTO feedback (decision, at, score, note) VALUES (?, ?, ?, '')", (decision_id, at, score)
            )


def usual(names: Sequence[str] = ("sums", "dates"), **more: Any) -> list[Traffic]:
    """Four undisturbed weeks and one more."""
    stretches = ((NOW - 5 * WEEK, NOW - WEEK, 1200), (NOW - WEEK, NOW, 300))
    return [
        Traffic(**{"task_class": name, "number": number, "begin": begin, "end": end, **more})
        for name in names
        for begin, end, number in stretches
    ]


MIXED = [
    *usual(("sums",), refused=0.03),
    *usual(("dates",), tenant="acme", served="large", served_model="model-large-2"),
    *usual(("names",), arm="try:A", propensity=0.75, digest="sha256:b"),
    *usual(("names",), arm="try:B", propensity=0.25, chosen="large"),
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log as SQLite, as one Parquet file, as a folder of three, and as a table of a DuckDB file."""
    root = tmp_path_factory.mktemp("logs")
    write_log(root / "log.sqlite", MIXED)
    with LogReader(root / "log.sqlite") as log:
        with (root / "log.parquet").open("wb") as file:
            write_parquet(log.every(Wanted()), file)
        (root / "parts").mkdir()
        for name in ("sums", "dates", "names"):
            with (root / "parts" / f"{name}.parquet").open("wb") as file:
                write_parquet(log.every(Wanted(task_class=name)), file)
    with duckdb.connect(str(root / "engine.ddb")) as database:
        database.execute("CREATE SCHEMA other")
        for name in ("decisions", "other.served"):
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM '{root}/log.parquet'")  # noqa: S608 - own names
    return root


WHOLE = ("task_class", "policy", "arm", "candidate", "propensity", "requests", "scored")
REAL = ("cost_usd", "cost_usd_2", "cost_usd_3", "score", "score_2")


def _flat(item: tuple[tuple[str, str], ServedRequests]) -> tuple[Any, ...]:
    key, one = item
    models = sorted(one.models.items())
    return (key, models, one.replies, one.refused, one.rated, one.good, one.latency_us.bins, one.cost_nano_usd.bins)


def everything(where: str, wanted: Slice) -> tuple[Any, ...]:
    """All that is counted of a log, in a form that can be compared."""
    with open_decisions(where, wanted) as decisions:
        periods = counted(decisions, NOW - WEEK)
        found = replay_cells(decisions)
    shown = [
        {name: (one.requests, sorted(map(_flat, one.served.items()))) for name, one in of.items()} for of in periods[:2]
    ]
    cells = [
        (*(getattr(cell, name) for name in WHOLE), *(f"{getattr(cell, name):.9g}" for name in REAL))
        for cell in found.cells
    ]
    return shown, cells, found.left_out


@cache
def of_sqlite(logs: Path, wanted: Slice) -> tuple[Any, ...]:
    """The same of the SQLite log, counted once."""
    return everything(str(logs / "log.sqlite"), wanted)


WANTED = [
    Slice(),
    Slice(task_class="names"),
    Slice(tenant="acme"),
    Slice(since=NOW - timedelta(days=3)),
    Slice(task_class="sums", since=NOW - timedelta(days=10)),
]


@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.parametrize(
    "place", ["log.parquet", "parts", "parts/*.parquet", "duckdb://engine.ddb", "duckdb://engine.ddb#other.served"]
)
def test_every_place_gives_the_same_numbers(
    logs: Path, place: str, wanted: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite, Parquet in its forms and an engine by URL agree in every count, sum and bin."""
    monkeypatch.chdir(logs)
    assert everything(place, wanted) == of_sqlite(logs, wanted)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PySpark 4.0 calls pandas as it was before 3.1
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # and leaves its sockets to the end of the process
@pytest.mark.timeout(600)
def test_spark_gives_the_same_numbers(logs: Path) -> None:
    """The same queries on Spark in local mode agree with DuckDB's."""
    pyspark = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("no Java here")
    options = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC"}
    for wanted in (Slice(), Slice(task_class="names", since=NOW - timedelta(days=10))):
        session = pyspark.SparkSession.builder.master("local[1]").config(map=options).getOrCreate()
        session.read.parquet(str(logs / "log.parquet")).createOrReplaceTempView("decisions")
        assert everything("pyspark://local", wanted) == of_sqlite(logs, wanted)  # ends the session


def test_what_is_counted(logs: Path) -> None:
    """Counts are those of the traffic that was written; a fallback's figures stay apart from what served alone."""
    with open_decisions(str(logs / "log.sqlite"), Slice()) as decisions:
        before, now, _ = counted(decisions, NOW - WEEK)
        cells = replay_cells(decisions).cells
    assert (before["sums"].requests, now["sums"].requests) == (1200, 300)
    sums, fallen = now["sums"].served["small", "model-small"], now["dates"].served["large", "model-large"]
    assert sums.models == {"model-small": 300}
    assert fallen.models == {"model-large-2": 300}
    assert sums.cost_nano_usd.n == 300
    assert fallen.cost_nano_usd.n == fallen.latency_us.n == 0
    assert sums.cost_nano_usd.quantile(0.5) == pytest.approx(1_000_000, rel=0.1)
    assert 0 < sums.good < sums.rated < 100
    arms = {(cell.policy, cell.arm, cell.candidate) for cell in cells if cell.task_class == "names"}
    assert arms == {("experiment try names", "A", "small"), ("experiment try names", "B", "large")}
    assert sum(cell.requests for cell in cells) == 6000


def test_the_latest_feedback_counts(logs: Path) -> None:
    """Each rated decision was first called 0.25: no such score is left."""
    with open_decisions(str(logs / "log.sqlite"), Slice()) as decisions:
        scores = set(decisions.feedback.to_pyarrow().drop_null().to_pylist())
    assert scores == {0.0, 1.0}


def test_requests_of_one_user_are_summed_by_user(tmp_path: Path) -> None:
    """Where an experiment split by user, sums over users are there too; elsewhere each request is its own."""
    write_log(tmp_path / "log.sqlite", [*usual(("sums",), rated=1.0), *usual(("dates",), arm="try:A")])
    with sqlite3.connect(tmp_path / "log.sqlite") as database:
        database.execute("UPDATE decisions SET unit = number % 50 WHERE arm <> ''")
        totals = database.execute(
            "SELECT unit, sum(cost_nano_usd) / 1e9, count(*) FROM decisions WHERE arm <> '' GROUP BY 1"
        ).fetchall()
    database.close()
    with open_decisions(str(tmp_path / "log.sqlite"), Slice()) as decisions:
        dates, sums = replay_cells(decisions).cells
    assert sums.cost_units is sums.score_units is None
    assert dates.cost_units is not None
    assert dates.cost_units.units == 50
    assert dates.cost_units.total_2 == pytest.approx(sum(total**2 for _, total, _ in totals))
    assert dates.cost_units.total_n == pytest.approx(sum(total * n for _, total, n in totals))
    assert dates.cost_usd == pytest.approx(sum(total for _, total, _ in totals))


def test_odd_numbers_are_not_known(tmp_path: Path) -> None:
    """NaN and infinity in Parquet are no latency, no chance and no feedback; a decision without a class is left out."""
    write_log(tmp_path / "log.sqlite", usual(("sums",), rated=1.0))
    with LogReader(tmp_path / "log.sqlite") as log, (tmp_path / "log.parquet").open("wb") as file:
        write_parquet(log.every(Wanted()), file)
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * REPLACE (CASE WHEN number % 4 = 0 THEN 'NaN' WHEN number % 4 = 1 THEN 'inf' "  # noqa: S608 - own file
            "ELSE latency_s END::DOUBLE AS latency_s, CASE WHEN number % 10 = 3 THEN 'NaN' ELSE propensity END::DOUBLE "
            "AS propensity, CASE WHEN number % 10 <> 7 THEN task_class END AS task_class) "
            f"FROM '{tmp_path}/log.parquet') TO '{tmp_path}/odd.parquet'"
        )
    pq.write_table(pq.read_table(tmp_path / "odd.parquet"), tmp_path / "odd.parquet")  # its statistics leave NaN out
    with open_decisions(str(tmp_path / "odd.parquet"), Slice()) as decisions:
        before, now, left_out = counted(decisions, NOW - WEEK)
        cells = replay_cells(decisions)
    assert (left_out, before["sums"].requests + now["sums"].requests) == (150, 1350)
    assert (cells.left_out, sum(cell.requests for cell in cells.cells)) == (300, 1200)
    assert 0 < now["sums"].served["small", "model-small"].latency_us.n < now["sums"].requests


def test_decisions_that_cannot_be_weighted_are_left_out(tmp_path: Path) -> None:
    """A chance above 1 is none; such decisions are counted, not used."""
    write_log(tmp_path / "log.sqlite", [*usual(("sums",)), *usual(("dates",), propensity=1.5)])
    with open_decisions(str(tmp_path / "log.sqlite"), Slice()) as decisions:
        found = replay_cells(decisions)
    assert {cell.task_class for cell in found.cells} == {"sums"}
    assert found.left_out == 1500


# --- bins -------------------------------------------------------------------------------------------------------------

VALUES = st.integers(0, 10**14)


@given(st.lists(VALUES, min_size=1))
def test_a_histogram_keeps_three_digits(values: list[int]) -> None:
    """A quantile is off by less than 1 %, and no value is counted beyond a limit that is not."""
    found = Histogram((value - value % width(value), 1) for value in values)
    exact = sorted(values)[(len(values) + 1) // 2 - 1]
    assert found.quantile(0.5) <= exact <= found.quantile(0.5) * 1.01 + 1e-9
    for limit in values:
        assert found.above(limit) <= sum(value > limit for value in values)
        assert found.below(limit) <= sum(value < limit for value in values)


def test_the_engine_draws_the_same_bins() -> None:
    """At each change of width the expression and the function agree."""
    values = [10**power + off for power in range(15) for off in (-1, 0, 1)]
    table = ibis.memtable(pa.table({"value": values}))
    found = table.mutate(low=bin_of(table.value)).to_pyarrow().to_pylist()
    assert [row["low"] for row in found] == [row["value"] - row["value"] % width(row["value"]) for row in found]


# --- what is no log ---------------------------------------------------------------------------------------------------


def change(logs: Path, to: Path, query: str) -> None:
    """Write Parquet that is the log's but for what the query makes of it."""
    duckdb.sql(f"COPY ({query.format(log=logs / 'log.parquet')}) TO '{to}' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT * EXCLUDE (served) FROM '{log}'", "no column 'served'; did you mean"),
        ("SELECT * REPLACE (served::VARCHAR AS refused) FROM '{log}'", "column 'refused': expected a whole number"),
        ("SELECT * REPLACE (1 AS task_class) FROM '{log}'", "column 'task_class': expected text"),
        ("SELECT * REPLACE (1 AS \"at\") FROM '{log}'", "column 'at': expected a timestamp"),
    ],
)
def test_a_table_of_another_shape_is_named(logs: Path, tmp_path: Path, query: str, problem: str) -> None:
    """Which column is missing or of another kind."""
    change(logs, tmp_path / "odd.parquet", query)
    with pytest.raises(InputError, match=problem), open_decisions(str(tmp_path / "odd.parquet"), Slice()):
        pass


@pytest.mark.parametrize(
    "query",
    [
        'SELECT * REPLACE ("at"::TIMESTAMP AS "at") FROM \'{log}\'',
        "SELECT * REPLACE (strftime(\"at\", '%Y-%m-%dT%H:%M:%S.%gZ') AS \"at\") FROM '{log}'",
        "SELECT * REPLACE (refused::BOOLEAN AS refused, cost_nano_usd::DECIMAL(20, 0) AS cost_nano_usd) FROM '{log}'",
    ],
)
def test_other_engines_kinds_are_the_same(logs: Path, tmp_path: Path, query: str) -> None:
    """Moments without a zone or as text, booleans, whole decimals: the numbers stay."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        sql = query.format(log=logs / "log.parquet")
        database.execute(f"COPY ({sql}) TO '{tmp_path}/kinds.parquet' (FORMAT parquet)")
    wanted = Slice(since=NOW - timedelta(days=3))
    assert everything(str(tmp_path / "kinds.parquet"), wanted) == of_sqlite(logs, wanted)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("none.sqlite", "no decision log here yet"),
        ("none.parquet", "no Parquet file there"),
        ("folder", "no Parquet file there"),
        ("x*.parquet", "no Parquet file there"),
        ("text.parquet", "cannot be read as Parquet"),
        ("text.sqlite", "cannot be read as a decision log"),
        ("nosuch://host/db", "nosuch"),
        ("duckdb://engine.ddb#nowhere", "no table 'nowhere'"),
    ],
)
def test_what_is_no_log_is_one_line(
    tmp_path: Path, logs: Path, where: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing there, something else there, no such engine, no such table."""
    (tmp_path / "folder").mkdir()
    for name in ("text.parquet", "text.sqlite"):
        (tmp_path / name).write_text("no database\n" * 100)
    shutil.copy(logs / "engine.ddb", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=problem) as caught, open_decisions(where, Slice()):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("clickhouse://reader:p4ss@host/llm#decisions", "clickhouse://***@host/llm#decisions"),
        ("postgres://reader@host/llm", "postgres://***@host/llm"),
        ("postgres://host/db?user=a&password=s3cret", "postgres://host/db?***"),
        ("clickhouse://u:se@cret@host/x", "clickhouse://***@host/x"),
        ("archive/*.parquet", "archive/*.parquet"),
    ],
)
def test_a_password_is_not_shown(where: str, shown: str) -> None:
    """A place is printed without the password of its URL."""
    assert shown_place(where) == shown


@pytest.mark.parametrize("where", ["nosuch://me:p4ss-w0rd@host/db", "postgres://me:p4ss-w0rd@127.0.0.1:1/db"])
def test_a_password_is_in_no_error(where: str) -> None:
    """Whatever the engine says of a connection that failed, the password is not in it."""
    with pytest.raises(InputError) as caught, open_decisions(where, Slice()):
        pass
    assert "p4ss-w0rd" not in str(caught.value)


def test_columns_are_the_logs() -> None:
    """Every column that is read is one of the log, or its latest feedback."""
    from routerctl.routing.decision_log.reader import READ_COLUMNS

    assert set(KINDS) <= set(READ_COLUMNS)


def test_a_missing_duckdb_file_is_not_made(tmp_path: Path) -> None:
    """Looking at a log leaves nothing behind."""
    where = f"duckdb://{tmp_path}/none.duckdb"
    with pytest.raises(InputError, match="no such DuckDB file"), open_decisions(where, Slice()):
        pass
    assert not (tmp_path / "none.duckdb").exists()

"""Files as nobody meant to write them: each is in order or refused with file and line, and nothing else ever happens.

Valid files are changed at random, by seeds that a failure names: as texts, and as values at any place in them.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import GateError, InputError, RouterctlError
from routerctl.evaluation.assemble import assemble
from routerctl.evaluation.check import Checked, check_project
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.session import EvalOptions, plan_run, run_eval
from routerctl.files.yaml import dump_yaml, parse_yaml
from routerctl.providers.base import Outside, Provider
from routerctl.providers.fake import FakeProvider
from routerctl.table import load_table, table_text, with_digest
from tests.test_check import KEY, Quiet, scripted

TODAY = date(2026, 11, 23)
PROJECT = """\
schema_version: 1
ladder: main
mode: proven
risk: 0.1
seed: 1
today: large
objective: {within: 0.1, of: today}
providers:
  far: {kind: fake, api_key_env: FAR_KEY, concurrency: 2, region: eu, options: {replies: replies.json}}
  near:
    kind: fake
    base_url: http://127.0.0.1:1
    timeout_s: 3.5
candidates:
  small: {provider: far, model: m-small, effort: low, max_tokens: 64, also: [{provider: near, model: m-small}]}
  voter:
    provider: far
    model: m-small
    strategy: {name: self_consistency, samples: 3}
    sampling: {temperature: 0.7, top_p: 0.9}
  large: {provider: far, model: m-large}
  first:
    provider: near
    model: m-small
    escalation: {to: large, below: {length: 0.5}}
ladders:
  main: [small, large]
  short: [large]
prices:
  - {provider: far, model: m-small, date: 2026-01-01, source: paper, input_mtok_usd: 1, output_mtok_usd: 2}
  - {provider: near, model: m-small, date: 2026-01-01, source: paper, input_mtok_usd: 1, output_mtok_usd: 2}
  - {provider: far, model: m-large, date: 2026-01-01, source: paper, input_mtok_usd: 10, output_mtok_usd: 20}
rules:
  - {name: short, class: sums, max_chars: 9, none_of: [{regex: "a+b"}, {keywords: [plan]}]}
  - name: german
    class: query
    language: [de]
    any_of:
      - {min_words: 3}
      - {features: {lang: [de, at]}}
default_class: query
classifier: {candidate: small}
routing:
  deadline_s: 20
  log_days: 30
  thresholds: {default: {length: 0.2}, sums: {length: 0.3}}
  successors: {m-old: large}
  residency:
    - {name: eu, regions: [eu], class: [query]}
  budgets:
    - {name: month, cap_usd: 5, per: tenant, period: month, over: cheap, cheap: [small], time_zone: Europe/Berlin}
  tiers: {gold: {table: routes.gold.yaml, ladder: short}}
  tenants: {acme: {tier: gold, keys: {far: ACME_KEY}}}
"""
SUMS = """\
schema_version: 1
description: Sums.
prompt:
  system: Be short.
  template: "Add {{ input }}"
  examples:
    - {input: 1+1, reply: "2"}
reply: {max_tokens: 16, choices: [right, wrong]}
scorer: {name: choice}
bar: 0.8
stakes: {requests_per_month: 1000, wrong_answer_usd: 0.5}
cases:
""" + "".join(
    f"  - {{id: s{number}, input: sum {number}, expected: right, tags: [t], cluster: c{number // 2}, weight: 1.5}}\n"
    for number in range(12)
)
QUERY = """\
schema_version: 1
description: Queries.
scorer: {name: sql, setup: shop.sql}
bar: {within: 0.1, of: large}
max_cases: 40
epochs: 2
cases: query.jsonl
"""
ROWS = "".join(f'{{"id": "q{n}", "input": {{"q": {n}.5}}, "expected": "SELECT {n}"}}\n' for n in range(6))
FILES = ("routerctl.yaml", "evals/sums.yaml", "evals/query.yaml", "evals/query.jsonl", "routes.yaml")
PIECES = (
    ": ", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "!!int ", "!x ", "<<: *a", "---\n", "...\n", "%YAML 1.2\n", "#",
    "|\n", ">-\n", "? ", "'", '"', '"\\ud83d"', '"\\x00"', "\x00", "\t", "\r", "\x85", "\u2028", "\ufeff", "\x1b[2J",
    "\U0001f600", "1e999", "-1", "0", "0x1f", "1e-3", ".inf", "9" * 500, "null", "~", "true", "{{ x", "{% for %}",
    "<<<<<<< ours\n", "x" * 3000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**18, 10**30, Decimal("0.5"), Decimal("1e400"), Decimal("-0.1"), "", " ", "x",
    "\0", "a\nb", "\x1b[31m", "small", "large", "default", "../x", "/dev/null", "/", "x" * 5000, "{{ input.x }}", "(",
    [], [[]], [None], ["x"], [1, "1"], {}, {"x": 1}, {"": ""}, {"name": "x"}, {"input": []}, [{}], "2026-13-01",
    "local", "openai", "imported",
)  # fmt: skip


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every section that there is, evaluated, with its table; it is in order."""
    root = tmp_path_factory.mktemp("seed")
    (root / "evals").mkdir()
    texts = {"routerctl.yaml": PROJECT, "evals/sums.yaml": SUMS, "evals/query.yaml": QUERY, "evals/query.jsonl": ROWS}
    texts |= {"evals/shop.sql": "CREATE TABLE t (a);\n", "replies.json": "{}"}
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    planned = plan_run(root, EvalOptions(), lambda: datetime(2026, 11, 23, tzinfo=UTC))
    outside = Outside(env={"FAR_KEY": KEY})
    names = planned.header.providers
    ready: dict[str, Provider] = {
        name: FakeProvider(planned.project.providers[name], outside, scripted) for name in names
    }
    ended = run_eval(
        planned, Quiet(), outside, spending=Spending(), now=lambda: datetime(2026, 11, 23, tzinfo=UTC), ready=ready
    )
    asyncio.run(ended)
    table, _ = assemble(root, ladder=None, wanted=(), previous=None)
    (root / "routes.yaml").write_text(table_text(table), encoding="utf-8")
    checked = check_project(root, TODAY)
    assert (checked.problems, checked.exit_code) == ((), 0)
    return root


# --- how a file is changed --------------------------------------------------------------------------------------------


def changed_text(text: str, rng: random.Random) -> str:
    """Cut, doubled, moved, indented, or with something in it that means something to YAML."""
    if not text.strip():
        return rng.choice(PIECES)
    lines, at = text.splitlines(keepends=True), rng.randrange(len(text))
    line = rng.randrange(len(lines))
    other = rng.randrange(len(lines))
    piece = rng.choice(PIECES)
    kinds: list[Callable[[], str]] = [
        lambda: text[:at],
        lambda: text[:at] + text[at + rng.randint(1, 9) :],
        lambda: text[:at] + piece + text[at:],
        lambda: text[:at] + piece + text[at + len(piece) :],
        lambda: "".join(lines[:line] + lines[line + 1 :]),
        lambda: "".join([*lines[:line], lines[line], *lines[line:]]),
        lambda: "".join([*lines[:line], lines[other], *lines[line + 1 :]]),
        lambda: "".join([*lines[:line], " " * rng.randint(1, 4) + lines[line], *lines[line + 1 :]]),
        lambda: text.replace(rng.choice(text.split()), piece, 1),
    ]
    return rng.choice(kinds)()


def changed_value(text: str, rng: random.Random) -> str:
    """With another value, no value, another key or a second one at some place."""
    value = parse_yaml(text, "seed").value
    places = list(_places(value))
    if not places:
        return text
    around, key = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        del around[key]
    elif kind == 1 and isinstance(around, dict):
        around[rng.choice([f"{key}s", key[1:], key.upper(), "x"])] = around.pop(key)
    elif kind == 2:
        others = list(_places(value))
        from_, other = rng.choice(others)
        around[key] = parse_yaml(dump_yaml(from_[other]), "seed").value
    elif kind == 3 and isinstance(around, list):
        around.append(around[key])
    else:
        around[key] = rng.choice(VALUES)
    return dump_yaml(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each place below a value: what is around it, and its key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def mutate(root: Path, number: int) -> str:
    """Change one file of a project, now and then two, by the seed of this number; name what was done."""
    rng = random.Random(number)  # noqa: S311 - a failure is found again by its seed
    done = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        file = rng.choice(FILES)
        path = root / file
        way = changed_text if (file.endswith("l") and rng.random() < 0.4) or file.endswith(".jsonl") else changed_value
        text = path.read_text(encoding="utf-8")
        try:
            text = way(text, rng)
        except RouterctlError:  # the second change of a file that can be read no more
            continue
        path.write_text(text, encoding="utf-8", newline="")
        done.append(f"{way.__name__} of {file}")
    if any("routes.yaml" in one for one in done) and rng.random() < 0.7:
        _with_its_digest(root / "routes.yaml")
    return ", ".join(done)


def _with_its_digest(path: Path) -> None:
    """Make the digest of a table right, where it can be read at all: what is wrong is found further on then."""
    try:
        table = load_table(path, verify=False)
        path.write_text(table_text(with_digest(table)), encoding="utf-8")
    except RouterctlError:
        return


# --- what becomes of it -----------------------------------------------------------------------------------------------


@contextmanager
def within(limit_s: int) -> Iterator[None]:
    """End what takes longer: a file that nobody comes to the end of is a way to stop a CI."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(checked: Checked) -> str:
    """Say what kind of end it was; every error has its place, and is one line without what draws on a terminal."""
    for problem in checked.problems:
        assert isinstance(problem, InputError | GateError)
        text = str(problem)
        assert text.strip()
        if isinstance(problem, InputError):
            assert problem.file, text
            assert problem.line, text
        assert len(text) < 4000, text
    if not checked.problems:
        return "in order"
    return "input" if checked.exit_code == InputError.exit_code else "evidence"


def fuzz(seed: Path, tmp_path: Path, numbers: range) -> Counter[str]:
    """Check so many changed projects, and count how they ended."""
    ends, failures = Counter[str](), list[str]()
    root = tmp_path / "root"
    shutil.copytree(seed, root)
    for number in numbers:
        done = mutate(root, number)
        try:
            with within(10):
                ends[outcome(check_project(root, TODAY))] += 1
        except Exception as error:  # noqa: BLE001 - the finding, which is told with its seed
            failures.append(f"seed {number} ({done}): {type(error).__name__}: {error}")
        for file in [file for file in FILES if file in done]:
            shutil.copyfile(seed / file, root / file)
    assert not failures, f"{len(failures)} of {len(numbers)}:\n" + "\n".join(failures[:20])
    return ends


def test_changed_files_are_in_order_or_refused(seed: Path, tmp_path: Path) -> None:
    """No traceback, nothing unexpected, no hang; each end is met, so that the changes reach every stage."""
    ends = fuzz(seed, tmp_path, range(200))
    assert all(ends[kind] >= 5 for kind in ("in order", "input", "evidence")), ends
    assert sum(ends.values()) == 200


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_changed_files_are_in_order_or_refused(
    seed: Path, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """The same, ten times as often, by other seeds; the counts go into the report of the suite."""
    ends = fuzz(seed, tmp_path, range(1000, 4200))
    for kind, number in ends.items():
        record_testsuite_property(f"fuzz_yaml_{kind.replace(' ', '_')}", number)
    assert sum(ends.values()) == 3200

"""evals/<class>.yaml, and the .jsonl or .csv beside it -> `EvalSet`s.

Every error names the file and the line. It knows the scorers' own checks and the prompt template, not which candidates
will answer.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, in_percent, nearest
from routerctl.files.codec import check_schema_version, decode, encode
from routerctl.files.yaml import Document, conflict_of, parse_json_lines, parse_yaml, read_text, resolve_plain
from routerctl.scorers import get_scorer
from routerctl.strategies.prompts import check_template, render_input, render_prompt
from routerctl.types import (
    Bar,
    Case,
    EvalSet,
    Measure,
    PromptSpec,
    RelativeBar,
    ReplySpec,
    ScorerSpec,
    Stakes,
    WhenUnproven,
)

EVALS_FOLDER = "evals"
SCHEMA_VERSION = 1
_MOST_CASES = 50_000  # planning the exact test takes half a minute for so many
_CLASS_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
# A scorer's own check takes null for "the parameters alone"; these cannot score without an expected answer.
_NEED_EXPECTED = frozenset(
    ("choice", "contains", "exact", "json_fields", "number", "python", "similarity", "sql", "token_f1")
)
_CSV_COLUMNS = ("id", "input", "expected", "tags", "cluster", "weight", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The schema of evals/<class>.yaml."""

    schema_version: int
    description: str
    scorer: ScorerSpec
    bar: Bar
    cases: str | tuple[Case, ...]  # a file beside this one, or the cases themselves
    prompt: PromptSpec = PromptSpec()
    reply: ReplySpec = ReplySpec()
    pass_at: float = 1.0
    max_cases: int | None = None
    measure: Measure = "pass_rate"
    epochs: int = 1
    grows: bool = False
    stakes: Stakes = Stakes()
    when_unproven: WhenUnproven | None = None
    today: str | None = None


def eval_set_files(root: Path) -> dict[str, Path]:
    """List the eval sets of a project by task class.

    Raises: InputError where there is none.
    """
    files = {path.stem: path for path in sorted((root / EVALS_FOLDER).glob("*.yaml"))}
    if not files:
        raise InputError("no eval set here; `routerctl init` writes one", file=f"{EVALS_FOLDER}/")
    return files


def load_eval_sets(root: Path, only: Sequence[str] = ()) -> tuple[EvalSet, ...]:
    """Read the eval sets of the classes in `only`, all of them for ().

    Raises: InputError naming file, line and what was expected.
    """
    files = eval_set_files(root)
    for name in only:
        if name not in files:
            raise InputError(f"no task class {name!r}{nearest(name, files)}", file=f"{EVALS_FOLDER}/")
    return tuple(load_eval_set(files[name], root) for name in files if not only or name in only)


def load_eval_set(path: Path, root: Path) -> EvalSet:
    """Read one eval set and check every case of it.

    Raises: InputError naming file, line and what was expected.
    """
    shown = path.relative_to(root).as_posix()
    document = parse_yaml(read_text(path, shown), shown)
    check_schema_version(document, SCHEMA_VERSION)
    file = _with_shape(decode(_File, document))
    _check_header(file, path.stem, document)
    _check_prompt(file.prompt, document)
    scorer = _check_scorer(file.scorer, path.parent, document)
    cases = _cases(file, path, document, scorer)
    _check_cases(file, cases, scorer, document)
    return EvalSet(
        name=path.stem,
        description=file.description,
        prompt=file.prompt,
        reply=file.reply,
        scorer=file.scorer,
        bar=file.bar,
        pass_at=file.pass_at,
        cases=tuple(case for case, _ in cases),
        max_cases=file.max_cases,
        digest=_digest(file, [case for case, _ in cases], path.parent),
        file=shown,
        measure=file.measure,
        epochs=file.epochs,
        grows=file.grows,
        stakes=file.stakes,
        when_unproven=file.when_unproven,
        today=file.today,
    )


def scorer_at(eval_set: EvalSet, root: Path) -> ScorerSpec:
    """Give the set's scorer with the files it reads as absolute paths."""
    return _resolved(eval_set.scorer, (root / eval_set.file).parent)


def _resolved(spec: ScorerSpec, folder: Path) -> ScorerSpec:
    paths = {name: str((folder / str(spec.params[name])).resolve()) for name in _file_params(spec)}
    return replace(spec, params={**spec.params, **paths})


def _file_params(spec: ScorerSpec) -> list[str]:
    return [name for name in get_scorer(spec.name).reads if name in spec.params]


def _with_shape(file: _File) -> _File:
    """Let a scorer of the reply's shape take that shape from `reply`, so that it is written once."""
    params = dict(file.scorer.params)
    if file.scorer.name == "choice" and file.reply.choices:
        params.setdefault("choices", list(file.reply.choices))
    if file.scorer.name == "json_schema" and file.reply.json_schema is not None:
        params.setdefault("schema", file.reply.json_schema)
    return replace(file, scorer=replace(file.scorer, params=params))


def _check_header(file: _File, name: str, at: Document) -> None:
    at.require(bool(_CLASS_NAME.match(name)), (), f"a task class is named by a-z, 0-9, _ and -, not {name!r}")
    _check_bar(file.bar, at)
    expected = f"expected a score above 0 and up to 1, got {file.pass_at:g}{in_percent(file.pass_at)}"
    at.require(0 < file.pass_at <= 1, ("pass_at",), expected)
    at.require(file.reply.max_tokens >= 1, ("reply", "max_tokens"), "expected a whole number from 1")
    within = file.max_cases is None or 1 <= file.max_cases <= _MOST_CASES
    at.require(within, ("max_cases",), f"expected a whole number from 1 to {_MOST_CASES:,}")
    at.require(file.epochs >= 1, ("epochs",), "expected a whole number from 1")
    at.require(not (file.grows and file.max_cases), ("grows",), "max_cases is declared: leave `grows` out")
    _check_stakes(file.stakes, at)
    both = bool(file.reply.choices) and file.reply.json_schema is not None
    at.require(not both, ("reply",), "choices and json_schema exclude each other")
    choices = file.reply.choices
    at.require(len(set(choices)) == len(choices), ("reply", "choices"), "two choices are the same")


def _check_bar(bar: Bar, at: Document) -> None:
    if isinstance(bar, RelativeBar):
        expected = "expected a share above 0 and below 1, such as 0.02 for two points"
        at.require(0 < bar.within < 1, ("bar", "within"), f"{expected}, got {bar.within:g}{in_percent(bar.within)}")
    else:
        at.require(0 < bar <= 1, ("bar",), f"expected a pass rate above 0 and up to 1, got {bar:g}{in_percent(bar)}")


def _check_stakes(stakes: Stakes, at: Document) -> None:
    requests, wrong_usd = stakes.requests_per_month, stakes.wrong_answer_usd
    at.require(requests is None or requests >= 0, ("stakes", "requests_per_month"), "expected a number from 0")
    at.require(wrong_usd is None or wrong_usd >= 0, ("stakes", "wrong_answer_usd"), "expected an amount from 0")


def _check_prompt(prompt: PromptSpec, at: Document) -> None:
    """Find what is wrong with the prompt for any case, so that the error points at the prompt."""
    try:
        check_template(prompt.template)
    except InputError as error:
        raise at.error(("prompt", "template"), error.problem) from None
    for place, example in enumerate(prompt.examples):
        try:
            render_input(prompt.template, example.input)
        except InputError as error:
            raise at.error(("prompt", "examples", place), error.problem) from None


def _cases(file: _File, path: Path, at: Document, scorer: ScorerSpec) -> list[tuple[Case, Document]]:
    """Give each case with its document, which knows its line."""
    if not isinstance(file.cases, str):
        lines = [at.line(("cases", number)) or 0 for number in range(len(file.cases))]
        return [
            (replace(case, line=line), Document(file=at.file, value=None, lines={(): line}))
            for case, line in zip(file.cases, lines, strict=True)
        ]
    beside = path.parent / file.cases
    shown = f"{EVALS_FOLDER}/{file.cases}"
    if beside.suffix not in (".jsonl", ".csv"):
        raise at.error(("cases",), f"expected a list of cases or the name of a .jsonl or .csv file, got {file.cases!r}")
    if not beside.exists():
        raise at.error(("cases",), f"no file {shown}")
    text = read_text(beside, shown)
    rows = parse_json_lines(text, shown) if beside.suffix == ".jsonl" else _csv_rows(text, shown, scorer)
    return [(replace(decode(Case, row), line=row.line(()) or 0), row) for row in rows]


def _csv_rows(text: str, shown: str, scorer: ScorerSpec) -> list[Document]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    documents = []
    try:
        header = next(reader, [])
        if header and header[0].startswith("<<<<<<<") and (conflict := conflict_of(text, shown)):
            raise conflict
        _check_columns(header, shown)
        line = reader.line_num + 1  # where the next row starts: quoted values may run over several lines
        for row in reader:
            if row and len(row) != len(header):
                problem = f"expected {len(header)} values as in the header, got {len(row)}"
                raise conflict_of(text, shown) or InputError(problem, file=shown, line=line)
            if row:
                case = _csv_case(dict(zip(header, row, strict=True)), scorer)
                documents.append(Document(file=shown, value=case, lines={(): line}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", file=shown, line=reader.line_num) from None
    return documents


def _delimiter(text: str) -> str:
    """Find what parts the columns of a CSV file: a comma, or what spreadsheets write where that is a decimal sign."""
    header = text.lstrip().splitlines()[0] if text.strip() else ""
    parted = {sign: [name.strip(' "').lower() for name in header.split(sign)] for sign in ",;\t"}
    return max(parted, key=lambda sign: sum(map(_is_column, parted[sign])))  # of equals the first: a comma


def _is_column(name: str) -> bool:
    return name in _CSV_COLUMNS or name.startswith("input.")


def _check_columns(header: Sequence[str], shown: str) -> None:
    """Refuse columns that are unknown, doubled or missing."""
    for place, name in enumerate(header):
        if not _is_column(name):
            raise InputError(
                f"unknown column {name!r}{nearest(name.strip().lower(), _CSV_COLUMNS)}", file=shown, line=1
            )
        if name in header[:place]:
            raise InputError(f"two columns are named {name!r}", file=shown, line=1)
    parts = any(name.startswith("input.") for name in header)
    if parts and "input" in header:
        raise InputError("the columns 'input' and 'input.…' exclude each other", file=shown, line=1)
    missing = [name for name in ("id", "input", "expected") if name not in header and not (parts and name == "input")]
    if header and missing:
        raise InputError(f"the column {missing[0]!r} is missing", file=shown, line=1)


def _csv_case(row: dict[str, str], scorer: ScorerSpec) -> dict[str, Any]:
    case: dict[str, Any] = {key: value for key, value in row.items() if key in ("id", "input", "cluster") and value}
    parts = {key.removeprefix("input."): value for key, value in row.items() if key.startswith("input.")}
    if parts:
        case["input"] = parts
    if row.get("tags"):
        case["tags"] = row["tags"].split()
    for name in ("weight", "batch"):
        if row.get(name):
            case[name] = resolve_plain(row[name])
    case["expected"] = _csv_expected(row["expected"], scorer)
    return case


def _csv_expected(cell: str, scorer: ScorerSpec) -> Any:
    """Read a cell as text where the scorer takes it so, else as JSON (a number, an object)."""
    try:
        get_scorer(scorer.name).check(scorer.params, cell)
    except ValueError:
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def _check_cases(file: _File, cases: list[tuple[Case, Document]], scorer: ScorerSpec, at: Document) -> None:
    at.require(bool(cases), ("cases",), "the eval set is empty: expected at least one case")
    first: dict[str, int] = {}
    for case, row in cases:
        if case.id in first:
            raise row.error((), f"duplicate case id {case.id!r} (first on line {first[case.id]})")
        first[case.id] = case.line
        row.require(case.weight > 0, ("weight",), "expected a number above 0")
        row.require(case.batch >= 1, ("batch",), "expected a whole number from 1")
        has_answer = case.expected is not None or scorer.name not in _NEED_EXPECTED
        row.require(has_answer, ("expected",), f"scorer {scorer.name} needs an expected answer, got nothing")
        is_input = isinstance(case.input, str | dict | list)
        row.require(is_input, ("input",), f"expected a text (quote it) or a mapping, got {case.input!r}")
        row.require(_is_unicode(case), (), f"case {case.id!a}: contains half of a surrogate pair, which is not text")
        try:
            get_scorer(scorer.name).check(scorer.params, case.expected)
            render_prompt(file.prompt, case.input)
        except (ValueError, InputError) as error:
            raise row.error((), f"case {case.id!r}: {error}") from None


def _is_unicode(case: Case) -> bool:
    r"""JSON can write half of a surrogate pair (\ud83d), which no request can carry."""
    return re.search("[\ud800-\udfff]", json.dumps(encode(case), ensure_ascii=False)) is None


def _check_scorer(spec: ScorerSpec, folder: Path, at: Document) -> ScorerSpec:
    try:
        names = _file_params(spec)
    except InputError as error:
        raise at.error(("scorer", "name"), error.problem) from None
    for name in names:
        file = folder / str(spec.params[name])
        at.require(file.is_file(), ("scorer", name), f"no file {EVALS_FOLDER}/{spec.params[name]}")
    resolved = _resolved(spec, folder)
    try:
        get_scorer(spec.name).check(resolved.params, None)
    except ValueError as error:
        raise at.error(("scorer",), str(error)) from None
    return resolved


def _digest(file: _File, cases: Sequence[Case], folder: Path) -> str:
    """Digest everything that a verdict depends on, not how the file is written.

    Descriptions, tags, stakes and what serves, today or where nothing is proven, may change freely. The order of keys
    counts only in what a model sees: an input (a template may iterate over it) and the reply's schema. Fields at their
    default are left out, so that a field added to the format later changes no digest.
    """
    paths = {name: folder / str(file.scorer.params[name]) for name in _file_params(file.scorer)}
    seen = encode([file.prompt, file.reply, *(case.input for case in cases)])
    content: Mapping[str, Any] = {
        "set": encode(replace(file, description="", cases=(), stakes=Stakes(), when_unproven=None, today=None)),
        "cases": [encode(replace(case, tags=())) for case in cases],
        "seen": json.dumps(seen, ensure_ascii=False),
        "files": {name: sha256_of(path.read_bytes()) for name, path in paths.items()},
    }
    return sha256_of(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def sha256_of(content: bytes) -> str:
    """Write a digest as files have it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()

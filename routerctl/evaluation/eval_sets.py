"""evals/<class>.yaml, and the .jsonl or .csv beside it -> `EvalSet`s.

Every error names the file and the line. It knows the scorers' own checks and the prompt template, not which candidates
will answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, in_percent, nearest, raise_all
from routerctl.evaluation.case_rows import csv_rows
from routerctl.files.codec import decode, encode
from routerctl.files.document import Document, Noted, check_schema_version
from routerctl.files.yaml import parse_json_lines, parse_yaml, read_text
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


def eval_set_paths(root: Path) -> list[Path]:
    """List the files of eval sets, in the order of their classes."""
    return sorted((root / EVALS_FOLDER).glob("*.yaml"))


def eval_set_files(root: Path) -> dict[str, Path]:
    """List the eval sets of a project by task class.

    Raises: InputError where there is none.
    """
    files = {path.stem: path for path in eval_set_paths(root)}
    if not files:
        raise InputError("no eval set here; `routerctl init` writes one", file=f"{EVALS_FOLDER}/")
    return files


def load_eval_sets(root: Path, only: Sequence[str] = ()) -> tuple[EvalSet, ...]:
    """Read the eval sets of the classes in `only`, all of them for ().

    Raises: InputError naming file, line and what was expected; all that is wrong is in it and its `more`.
    """
    files = eval_set_files(root)
    for name in only:
        if name not in files:
            raise InputError(f"no task class {name!r}{nearest(name, files)}", file=f"{EVALS_FOLDER}/")
    sets, found = readable_eval_sets(root, [path for name, path in files.items() if not only or name in only])
    raise_all(found)
    return sets


def readable_eval_sets(root: Path, files: Iterable[Path]) -> tuple[tuple[EvalSet, ...], list[InputError]]:
    """Read those eval sets that can be read; and what is wrong with the others."""
    sets, found = list[EvalSet](), list[InputError]()
    for path in files:
        try:
            sets.append(load_eval_set(path, root))
        except InputError as error:
            found += [error, *error.more]
    return tuple(sets), found


def load_eval_set(path: Path, root: Path) -> EvalSet:
    """Read one eval set and check every case of it.

    Raises: InputError naming file, line and what was expected; all that is wrong is in it and its `more`.
    """
    shown = path.relative_to(root).as_posix()
    document = parse_yaml(read_text(path, shown), shown).noting()
    check_schema_version(document, SCHEMA_VERSION)
    file = _with_shape(decode(_File, document))
    _check_header(file, path.stem, document)
    template = _check_prompt(file.prompt, document)
    scorer = _check_scorer(file.scorer, path.parent, document)
    cases = _cases(file, path, document, scorer)
    if document.require(bool(cases), ("cases",), "the eval set is empty: expected at least one case"):
        _check_cases(cases, scorer, template, document)
    document.raise_noted()
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
        lines={path: line for path, line in document.lines.items() if len(path) < 2 or path[0] != "cases"},
    )


def eval_set_error(eval_set: EvalSet, field: str, problem: str) -> InputError:
    """Make the error that points at a setting of an eval set, such as `bar.of`."""
    at = Document(file=eval_set.file, value=None, lines=eval_set.lines)
    return at.error(tuple(field.split(".")), problem)


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


def _check_prompt(prompt: PromptSpec, at: Document) -> PromptSpec | None:
    """Find what is wrong with the prompt for any case, so that the error points at the prompt; None: something is."""
    try:
        check_template(prompt.template)
    except InputError as error:
        at.note(("prompt", "template"), error.problem)
        return None
    for place, example in enumerate(prompt.examples):
        try:
            render_input(prompt.template, example.input)
        except InputError as error:
            at.note(("prompt", "examples", place), error.problem)
            return None
    return None if at.is_unread(("prompt",)) else prompt


def _cases(file: _File, path: Path, at: Document, scorer: ScorerSpec | None) -> list[tuple[Case, Document]]:
    """Give each case that could be read with its document, which knows its line."""
    if at.is_unread(("cases",)) and not file.cases:
        return []
    if not isinstance(file.cases, str):
        lines = [at.line(("cases", number)) or 0 for number in range(len(file.cases))]
        return [
            (replace(case, line=line), Document(file=at.file, value=None, lines={(): line}, noted=Noted()))
            for number, (case, line) in enumerate(zip(file.cases, lines, strict=True))
            if not at.is_unread(("cases", number))
        ]
    rows = _rows_beside(path.parent / file.cases, file.cases, at, scorer)
    read = [(replace(decode(Case, row), line=row.line(()) or 0), row) for row in (one.noting() for one in rows)]
    for _, row in read:
        at.take(row)
    return [(case, row) for case, row in read if not row.is_unread(())]


def _rows_beside(beside: Path, name: str, at: Document, scorer: ScorerSpec | None) -> list[Document]:
    shown = f"{EVALS_FOLDER}/{name}"
    if beside.suffix not in (".jsonl", ".csv"):
        at.note(("cases",), f"expected a list of cases or the name of a .jsonl or .csv file, got {name!r}")
    elif not _is_file(beside):
        at.note(("cases",), f"no file {shown}")
    else:
        try:
            text = read_text(beside, shown)
            return parse_json_lines(text, shown) if beside.suffix == ".jsonl" else csv_rows(text, shown, scorer)
        except InputError as error:
            at.adopt(error)
    at.unreadable(("cases",))
    return []


def _check_cases(
    cases: list[tuple[Case, Document]], scorer: ScorerSpec | None, prompt: PromptSpec | None, at: Document
) -> None:
    """Check each case, with the scorer and the prompt where these are in order."""
    first: dict[str, int] = {}
    for case, row in cases:
        unique = row.require(
            case.id not in first, (), f"duplicate case id {case.id!r} (first on line {first.get(case.id)})"
        )
        first.setdefault(case.id, case.line)
        row.require(case.weight > 0, ("weight",), "expected a number above 0")
        row.require(case.batch >= 1, ("batch",), "expected a whole number from 1")
        if unique and _check_input(case, row):
            _check_answer(case, row, scorer, prompt)
        at.take(row)


def _check_input(case: Case, row: Document) -> bool:
    is_input = isinstance(case.input, str | dict | list)
    return row.require(
        is_input, ("input",), f"expected a text (quote it) or a mapping, got {case.input!r}"
    ) and row.require(_is_unicode(case), (), f"case {case.id!a}: contains half of a surrogate pair, which is not text")


def _check_answer(case: Case, row: Document, scorer: ScorerSpec | None, prompt: PromptSpec | None) -> None:
    try:
        if prompt:
            render_prompt(prompt, case.input)
        if scorer and row.require(
            case.expected is not None or scorer.name not in _NEED_EXPECTED,
            ("expected",),
            f"scorer {scorer.name} needs an expected answer, got nothing",
        ):
            get_scorer(scorer.name).check(scorer.params, case.expected)
    except (ValueError, InputError) as error:
        row.note((), f"case {case.id!r}: {error}")


def _is_unicode(case: Case) -> bool:
    r"""JSON can write half of a surrogate pair (\ud83d), which no request can carry."""
    return re.search("[\ud800-\udfff]", json.dumps(encode(case), ensure_ascii=False)) is None


def _check_scorer(spec: ScorerSpec, folder: Path, at: Document) -> ScorerSpec | None:
    """Give the scorer with its files' places; None where something is wrong with it, which is noted."""
    try:
        names = _file_params(spec)
    except InputError as error:
        at.note(("scorer", "name"), error.problem)
        return None
    there = [
        at.require(_is_file(folder / str(file)), ("scorer", name), f"no file {EVALS_FOLDER}/{file}")
        for name, file in ((name, spec.params[name]) for name in names)
    ]
    if not all(there):
        return None
    resolved = _resolved(spec, folder)
    try:
        get_scorer(spec.name).check(resolved.params, None)
    except ValueError as error:
        at.note(("scorer",), str(error))
        return None
    return resolved


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a NUL in it
        return False


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

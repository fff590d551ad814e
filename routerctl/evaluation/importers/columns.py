"""A table's header and rows -> which column has which role, whether the table is long or wide, and what is not used.

A column with an unexpected name must neither be taken for a model nor be ignored in silence: the choice rests on it. It
makes no records.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from routerctl.evaluation.importers.base import Columns, SourceFile
from routerctl.evaluation.importers.names import (
    MODELS,
    NAMES,
    NUMBERS,
    SCORES,
    SETTINGS,
    SIDE,
    Cells,
    cell,
    close_name,
    usual,
)
from routerctl.evaluation.importers.values import (
    Scores,
    as_number,
    as_text,
    is_missing,
    scale_flags,
    score_of,
    scores_of,
    shown,
)

Rows = Sequence[tuple[int | None, Cells]]
_COMMA = re.compile(r"[01],\d+")  # a score as much of the world writes it
_SLIPS = 0.1  # of the cells of a column: so few that are no scores are mistakes
_MOST_CLASSES = 50  # that a column is said to make
_SHOWN = 6  # columns that are named


# --- long or wide -----------------------------------------------------------------------------------------------------


def is_long(rows: Rows, header: Sequence[str], roles: Mapping[str, str], columns: Columns, source: SourceFile) -> bool:
    """Tell a long table from a wide one.

    Raises: InputError for a part of a long one, whose other columns would else pass for models.
    """
    free = [name for name in header if name and name not in roles.values()]
    if "model" in roles and "score" in roles:
        if "case" not in roles and "input" not in roles:
            hint = _either([name for name in free if _once(rows, name, roles["model"])], "case")
            raise source.error(f"which column names the case? name it with --case-column{hint}", 1)
        return True
    if "model" in roles and (columns.model or not _all_scores(rows, roles["model"])):
        hint = _either([name for name in free if _all_scores(rows, name)], "score")
        problem = (
            f"column {roles['model']} names the model; which one holds the score? name it with --score-column{hint}"
        )
        raise source.error(problem, 1)
    if "score" in roles:
        told = [name for name in free if close_name(name, ("model",))] or _telling(rows, free, roles)
        hint = _either(
            told
            or [
                name
                for name in free
                if _is_text(rows, name) and 2 <= len({row[name] for _, row in rows}) <= len(rows) / 2
            ],
            "model",
        )
        raise source.error(
            f"column {roles['score']} holds the score; which one names the model? name it with --model-column{hint}; "
            "if all scores are one model's, head their column with its name",
            1,
        )
    return False


def _either(names: Sequence[str], role: str) -> str:
    """End an error with the columns that may be meant; where one is called nearly as usual, with that one."""
    close = [name for name in names if close_name(name, (role,))]
    return f" ({' or '.join((close or names)[:3])}?)" if names else ""


def _telling(rows: Rows, names: Sequence[str], roles: Mapping[str, str]) -> list[str]:
    """Name the columns of texts that tell apart the rows of a case, where most cases have several."""
    keys = [_key(row, roles) for _, row in rows]
    if not all(keys) or 3 * len(set(keys)) > 2 * len(keys):
        return []
    return [name for name in names if _is_text(rows, name) and _tells(rows, name, keys)]


def _once(rows: Rows, name: str, model: str) -> bool:
    """Whether a column has each value once with each model, and so may tell the cases."""
    values = [as_text(row.get(name)) for _, row in rows]
    pairs = {(value, as_text(row.get(model))) for value, (_, row) in zip(values, rows, strict=True)}
    return all(values) and len(pairs) == len(rows)


def _tells(rows: Rows, name: str, keys: Sequence[str]) -> bool:
    texts = [as_text(row.get(name)) for _, row in rows]
    return 2 * len(set(texts)) <= len(rows) and len(set(zip(keys, texts, strict=True))) == len(rows)


def _key(row: Cells, roles: Mapping[str, str]) -> str:
    """What tells a row's case from others; "" where nothing does."""
    case = as_text(cell(row, roles, "case")) or as_text(cell(row, roles, "input"))
    return case and f"{as_text(cell(row, roles, 'task_class'))}\n{case}"


def _is_text(rows: Rows, name: str) -> bool:
    return all(isinstance(value := row.get(name), str) and as_number(value) is None for _, row in rows)


# --- the models of a wide table ---------------------------------------------------------------------------------------


def models_of(
    rows: Rows, header: Sequence[str], roles: Mapping[str, str], columns: Columns, source: SourceFile
) -> tuple[list[str], list[str]]:
    """Name the columns of a wide table that hold scores, and say which columns are not used.

    Raises: InputError where a column is nearly called as one of a long table is, or rows of one case differ in another.
    """
    for role in ("cost", "latency"):
        if getattr(columns, role):
            raise source.error(f"--{role}-column is for long tables; in this one, give --{role} MODEL=...", 1)
    taken = {name for role, name in roles.items() if role != "model"}
    free = [name for name in header if name and name not in taken]
    _check_names(rows, free, roles, source)
    scores = scores_of((), source, columns.scale)
    models = [name for name in free if usual(name) not in SETTINGS and _holds_scores(name, rows, scores)]
    if not models:
        raise source.error(
            "no column holds only scores from "
            f"{columns.scale or '0 to 1'}: expected one for each model, or the columns `model` and `score` "
            f"(--model-column, --score-column){'' if columns.scale else _scale_hint(rows, free)}",
            1,
        )
    _check_scores(models, source)
    _check_numbers(rows, [name for name in free if name not in models], scores)
    _check_one_row(rows, [name for name in free if name not in models], models, roles, source)
    _check_alike(rows, models, scores)
    used = {*models, *(name for role, name in roles.items() if role not in (*NUMBERS, "reply", "error"))}
    left = [name for name in header if name not in used]
    return models, unused(
        rows, left, roles, f"columns left out, as they hold no scores from {columns.scale or '0 to 1'}"
    )


def _check_names(rows: Rows, free: Sequence[str], roles: Mapping[str, str], source: SourceFile) -> None:
    """Refuse a column that is called as, or nearly as, one of a long table is: its scores would be nobody's.

    Raises: InputError.
    """
    for name in free:
        scores = _all_scores(rows, name)
        meant = close_name(name, NUMBERS) if scores else close_name(name, ("model",))
        if meant and name not in roles.values():
            problem = (
                f"column {name}: expected a model's scores or a known column; did you mean {meant!r}? else rename it"
            )
            raise source.error(problem, 1)
        if usual(name) in MODELS and not scores:
            score = next((other for other in free if _all_scores(rows, other)), "SCORE")
            raise source.error(
                f"column {name}: does it name the model (--model-column {name} --score-column {score})? else rename it",
                1,
            )


def _check_scores(models: Sequence[str], source: SourceFile) -> None:
    """Refuse a column of scores that is called as scores are, and not as a model is.

    Raises: InputError.
    """
    for name in [name for name in models if usual(name) in SCORES]:
        raise source.error(
            f"column {name} holds scores; whose? name the column of the models with --model-column and this one with "
            "--score-column; if all scores are one model's, head their column with its name",
            1,
        )


def _check_numbers(rows: Rows, others: Sequence[str], scores: Scores) -> None:
    """Refuse a column of other numbers whose name does not say what they are: a model on another scale, say.

    Raises: InputError.
    """
    for name in others:
        cells = _cells(rows, name)
        named = {*usual(name).split("_"), usual(name)} & (SIDE | SETTINGS)
        if cells and not named and all(as_number(value) is not None for _, value in cells):
            line, value = next(pair for pair in cells if _cell_score(pair[1], scores) is None)
            raise scores.source.error(
                f"column {name}: {scores.expected} as in the other columns, got {shown(value)}; if it is a model, give "
                "all scores on one scale (--scale), else take the column out",
                line,
            )


def _scale_hint(rows: Rows, free: Sequence[str]) -> str:
    """End the error where a column may hold scores on another scale."""
    for name in free:
        cells = [
            value.strip().removesuffix("%") if isinstance(value, str) else value for _, value in _cells(rows, name)
        ]
        numbers = [number for value in cells if (number := as_number(value)) is not None]
        if numbers and len(numbers) == len(cells) and min(numbers) >= 0 and usual(name) not in SETTINGS:
            marked = any(str(value).strip().endswith("%") for _, value in _cells(rows, name))
            flags = "give --scale 100" if marked else scale_flags(min(numbers), max(numbers))
            return f"; column {name} goes from {min(numbers):g} to {max(numbers):g}: {flags}, if these are scores"
    return ""


def _check_one_row(
    rows: Rows, others: Sequence[str], models: Sequence[str], roles: Mapping[str, str], source: SourceFile
) -> None:
    """Refuse several rows of one case that differ in another column: they are of several models, or several cases.

    Raises: InputError.
    """
    for name in _telling(rows, others, roles)[:1]:
        raise source.error(
            f"the rows of a case differ in column {name}: is it the model (--model-column {name} --score-column "
            f"{models[0]}) or the class (--class-column {name})?",
            1,
        )


def _check_alike(rows: Rows, models: Sequence[str], scores: Scores) -> None:
    """Refuse a column that has no 0 and no 1 beside one that has nothing else: a cost or a difficulty, say.

    Raises: InputError.
    """
    cells = {name: _cells(rows, name) for name in models}
    whole = {name: [_cell_score(value, scores) in (0, 1) for _, value in found] for name, found in cells.items()}
    if any(map(all, whole.values())):
        for name in [name for name in models if not any(whole[name])][:1]:
            line, value = cells[name][0]
            raise scores.source.error(
                f"column {name}: expected 0 or 1 (or true, false) as in the other columns, got {shown(value)}; if it "
                "is not a model, take the column out, else give a long table, with a row for each case and model",
                line,
            )


def _holds_scores(name: str, rows: Rows, scores: Scores) -> bool:
    """Tell whether every cell that says something is a score.

    Raises: InputError at the first that is not, where nearly all are or where it is a word among scores: a slip, or a
    word for "none" that is not known here, must not remove the whole model.
    """
    cells = _cells(rows, name)
    others = [(line, value) for line, value in cells if _cell_score(value, scores) is None]
    words = [(line, value) for line, value in others if as_number(value) is None]
    slips = len(others) <= _SLIPS * len(cells) or all(_COMMA.fullmatch(str(value)) for _, value in others)
    if words and len(cells) - len(others) > _SLIPS * len(cells):
        others, slips = words, True
    if others and slips:
        line, value = others[0]
        raise scores.source.error(
            f"column {name}: {scores.expected} as in its other cells, got {shown(value)}{_cell_hint(value, scores)}; "
            "if it is not a model, take the column out",
            line,
        )
    return bool(cells) and not others


def _cell_score(value: Any, scores: Scores) -> float | None:
    """A cell's score; yes and no may be the answers to anything."""
    answer = isinstance(value, str) and value.strip().lower() in ("yes", "no")
    return None if answer else score_of(value, scores.scale)


def _cell_hint(value: Any, scores: Scores) -> str:
    number = as_number(value)
    beyond = not scores.scale and number is not None and 1 < number <= 100
    return "; if its scores are in percent, --scale 100" if beyond else scores.hint(value) if number is None else ""


def _cells(rows: Rows, name: str) -> list[tuple[int | None, Any]]:
    """The cells of a column that say something, with their lines."""
    return [(line, value) for line, row in rows if not is_missing(value := row.get(name))]


def _all_scores(rows: Rows, name: str) -> bool:
    cells = _cells(rows, name)
    return bool(cells) and all(_is_score(value) for _, value in cells)


def _is_score(value: Any) -> bool:
    """Whether it is a number from 0 to 1, true or false: an ordinary word, `yes`, may be anything in a long table."""
    number = as_number(value)
    word = isinstance(value, str) and value.strip().lower() in ("true", "false")
    return word or (number is not None and 0 <= number <= 1)


# --- what is not used -------------------------------------------------------------------------------------------------


def unused(rows: Rows, names: Sequence[str], roles: Mapping[str, str], head: str = "columns not used") -> list[str]:
    """Say in one line which columns are not used, first those with which something may be meant."""
    hints = {name or "(no name)": _hint(rows, name, roles) for name in names}
    if not hints:
        return []
    first = sorted(hints, key=lambda name: not hints[name])
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return [f"{head}: {', '.join(name + hints[name] for name in first[:_SHOWN])}{more}"]


def _hint(rows: Rows, name: str, roles: Mapping[str, str]) -> str:
    meant = close_name(name, [role for role in NAMES if role not in roles])
    if meant:
        return f" (did you mean {meant}?)"
    classes = 0 if "task_class" in roles else _classes(rows, name, roles)
    return f" (--class-column {name} would make {classes} classes)" if classes else ""


def _classes(rows: Rows, name: str, roles: Mapping[str, str]) -> int:
    """How many classes a column of texts would make, each case being in one; 0 where it would not split the cases."""
    if not _is_text(rows, name):
        return 0
    cases: dict[str, set[str]] = defaultdict(set)
    for place, (_, row) in enumerate(rows):
        cases[row[name]].add(_key(row, roles) or str(place))
    different = set().union(*cases.values())
    fits = 1 < len(cases) <= _MOST_CLASSES and 2 * len(cases) <= len(different)
    return len(cases) if fits and sum(map(len, cases.values())) == len(different) else 0

"""Other runners' result files -> `Reading`s: the registry of formats, and which one a file has.

Adding a format is one file with `recognises` and `read`, and one line here; `cases` and `as_run` make a run of what was
read. Importing it loads none of the formats.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.evaluation.importers.base import Columns, Reading, Record, SourceFile, open_source, plain_text
from routerctl.evaluation.importers.cases import check_ways, each_once
from routerctl.types import Status

# In the order in which they are tried: a table is whatever nothing else claims.
FORMATS = {
    "inspect": "inspect_log",
    "promptfoo": "promptfoo",
    "lm-eval": "lm_eval",
    "openai-evals": "openai_evals",
    "table": "tables",
}
AUTO = "auto"
_MOST_LEVELS = 100  # of lists and mappings in each other
_TOO_DEEP = "an input or another value is nested too deeply"
_IN_FOLDERS = ("*.eval", "samples_*.jsonl")  # what Inspect and lm-eval leave in a folder


def read_outcomes(paths: Sequence[Path], chosen: str, columns: Columns) -> tuple[Reading, ...]:
    """Read every file, each in the format `chosen` or in its own for "auto"; what was done again counts once.

    Raises: InputError naming the file, and the line where it has lines.
    """
    if chosen not in (AUTO, *FORMATS):
        raise InputError(f"no format {chosen!r}{nearest(chosen, [AUTO, *FORMATS])}")
    sources: dict[str, SourceFile] = {}
    for path in _files(paths):
        source = open_source(path)
        if source.digest in sources:
            first = sources[source.digest].shown
            raise source.error(f"the same content as {first}: its outcomes would count twice")
        sources[source.digest] = source
    readings = [_read(source, chosen, columns) for source in sources.values()]
    check_ways(readings)
    return each_once(readings)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for pattern in _IN_FOLDERS for file in path.rglob(pattern))
        if not found:
            problem = f"a folder without {' and '.join(_IN_FOLDERS)}; name the files themselves"
            raise InputError(problem, file=plain_text(str(path)))
        yield from found


def _read(source: SourceFile, chosen: str, columns: Columns) -> Reading:
    name = chosen if chosen != AUTO else next(name for name in FORMATS if _module(name).recognises(source))
    try:
        reading: Reading = _module(name).read(source, columns)
    except RecursionError:  # what a parser takes may be too deep for what is made of it
        raise source.error(_TOO_DEEP) from None
    _check_depth(reading, source)
    _check_scored(reading, source)
    scale = f" of {columns.scale}" if columns.scale else ""
    return replace(reading, scorer=f"{reading.scorer}{scale}")


def _check_depth(reading: Reading, source: SourceFile) -> None:
    """Refuse questions and answers that are nested so deeply that no run can be written of them.

    Raises: InputError at the first.
    """
    for record in reading.records:
        level: list[Any] = [value for value in (record.input, record.expected) if isinstance(value, dict | list)]
        depth = 0
        while level:
            inside = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
            level, depth = [item for item in inside if isinstance(item, dict | list)], depth + 1
        if depth > _MOST_LEVELS:
            raise source.error(_TOO_DEEP, record.line)


def _check_scored(reading: Reading, source: SourceFile) -> None:
    """Refuse a model without any score on a task: that nobody scored its replies does not mean that they are wrong.

    Raises: InputError at its first reply.
    """
    unscored: dict[tuple[str, str], Record] = {}
    for record in reading.records:
        if record.status is Status.UNSCORED:
            unscored.setdefault((record.task, record.model), record)
    scored = {(one.task, one.model) for one in reading.records if one.status is Status.SCORED} if unscored else set()
    for (task, model), first in unscored.items():
        if (task, model) not in scored:
            what = f" on {task}" if task else ""
            hint = (
                "; `inspect score` scores a log" if reading.format == "inspect" else "; score them, or leave them out"
            )
            raise source.error(f"no reply of {model}{what} has a score ({reading.scorer}){hint}", first.line)


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{FORMATS[name]}")

"""Other runners' result files -> `Reading`s: the registry of formats, and which one a file has.

Adding a format is one file with `recognises` and `read`, and one line here; `cases` and `as_run` make a run of what was
read. Importing it loads none of the formats.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.evaluation.importers.base import Columns, Reading, SourceFile, open_source, plain_text
from routerctl.evaluation.importers.cases import each_once

# In the order in which they are tried: a table is whatever nothing else claims.
FORMATS = {
    "inspect": "inspect_log",
    "promptfoo": "promptfoo",
    "lm-eval": "lm_eval",
    "openai-evals": "openai_evals",
    "table": "tables",
}
AUTO = "auto"
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
    return each_once([_read(source, chosen, columns) for source in sources.values()])


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
    reading: Reading = _module(name).read(source, columns)
    return reading


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{FORMATS[name]}")

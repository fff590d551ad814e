"""reports/<run id>/: run.json (the header) and results.jsonl (a line a result), written as the run goes and read back.

results.jsonl is append-only; a run that was cut off leaves at most one torn last line, which reading drops.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from routerctl.errors import InputError, nearest
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document, check_schema_version
from routerctl.files.writing import write_atomically
from routerctl.files.yaml import conflict_of, json_documents, read_text
from routerctl.redaction import redacted
from routerctl.types import Result, Run, RunHeader

REPORTS_FOLDER = "reports"
SCHEMA_VERSION = 1


def new_run_id(moment: datetime) -> str:
    """Make a run id that sorts by time, also of several runs a second: 20261123-033100-048213 (UTC, microseconds)."""
    return moment.astimezone(UTC).strftime("%Y%m%d-%H%M%S-%f")


def utc_text(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunWriter:
    """Writes one run's folder; what `append` or `extend` was given is with the operating system when it returns."""

    def __init__(self, reports: Path, header: RunHeader) -> None:
        """Make the folder and write the header, last: a folder that has one can be read.

        Raises: InputError where the run exists.
        """
        self.folder = reports / header.run_id
        self.paid_usd = Decimal(0)  # by this run for all that was written, judging included
        self.is_empty = True
        try:
            self.folder.mkdir(parents=True)
        except FileExistsError:
            raise InputError("this run exists already; start it again in a second", file=str(self.folder)) from None
        self._lines = (self.folder / "results.jsonl").open("a", encoding="utf-8")
        self.write_header(header)

    def write_header(self, header: RunHeader) -> None:
        """Write run.json anew, whole or not at all."""
        content = {"schema_version": SCHEMA_VERSION, **encode(header, keep_defaults=True)}
        write_atomically(self.folder / "run.json", json_text(content, indent=1) + "\n")

    def append(self, result: Result) -> None:
        """Write one result."""
        self.extend((result,))

    def extend(self, results: Iterable[Result]) -> None:
        """Write several results at once."""
        for result in results:
            self._lines.write(redacted(json_text(encode(result))) + "\n")
            self.paid_usd += result.spent_usd
            self.is_empty = False
        self._lines.flush()

    def __enter__(self) -> RunWriter:
        """Give the open writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; a run that failed before its first result leaves no folder."""
        self._lines.close()
        if kind is not None and self.is_empty:
            self.discard()

    def discard(self) -> None:
        """Remove the run's folder, and the one around it where nothing else is in it."""
        shutil.rmtree(self.folder)
        with suppress(OSError):  # other runs are there
            self.folder.parent.rmdir()


def read_header(folder: Path) -> RunHeader:
    """Read a run's header.

    Raises: InputError where it is missing, broken or of a future schema.
    """
    shown = f"{REPORTS_FOLDER}/{folder.name}/run.json"
    try:
        value = json.loads(text := read_text(folder / "run.json", shown))
    except json.JSONDecodeError as error:
        broken = InputError(f"not JSON: {error.msg}", file=shown, line=error.lineno)
        raise conflict_of(text, shown) or broken from None
    document = Document(file=shown, value=value, lines={})
    check_schema_version(document, SCHEMA_VERSION)
    value.pop("schema_version")
    return decode(RunHeader, document)


def read_run(folder: Path) -> Run:
    """Read a run back, without the torn last line of one that was cut off.

    Raises: InputError where the header or a line is broken.
    """
    header = read_header(folder)
    shown = f"{REPORTS_FOLDER}/{folder.name}/results.jsonl"
    texts: dict[str, str] = {}
    rows = json_documents(_whole_lines(folder / "results.jsonl", shown), shown)
    return Run(header=header, results=tuple(decode(Result, _shared(row, texts)) for row in rows))


def _whole_lines(path: Path, shown: str) -> Iterator[str]:
    """Read the lines that were written whole; the cut may have come inside a character, so decoding comes after."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _text(line, shown, number)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=shown) from None


def _text(line: bytes, shown: str, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InputError("not UTF-8", file=shown, line=number) from None


# What every candidate's results on a case have in common, and every case's on a candidate.
_COMMON = ("class", "candidate", "case_id", "input", "expected", "cluster", "served_model")


def _shared(row: Document, texts: dict[str, str]) -> Document:
    """Let texts that stand in many lines be one text in memory: a question is read once for each candidate."""
    if isinstance(row.value, dict):
        for key in _COMMON:
            if isinstance(text := row.value.get(key), str):
                row.value[key] = texts.setdefault(text, text)
    return row


def run_folders(root: Path) -> list[Path]:
    """List the folders of all runs, newest first."""
    return sorted((path.parent for path in (root / REPORTS_FOLDER).glob("*/run.json")), reverse=True)


def run_folder(root: Path, run: str) -> Path:
    """Find the folder of a run: of its id, or of the path that a shell makes of it.

    Raises: InputError with the nearest right id.
    """
    folder = _named_folder(root, run)
    if not (folder / "run.json").exists():
        known = [path.name for path in run_folders(root)]
        raise InputError(f"no run {run!r}{nearest(folder.name, known)}", file=f"{REPORTS_FOLDER}/")
    return folder


def is_run(root: Path, run: str) -> bool:
    """Tell whether there is such a run, as `run_folder` finds it."""
    return (_named_folder(root, run) / "run.json").exists()


def _named_folder(root: Path, run: str) -> Path:
    reports = root / REPORTS_FOLDER
    below = (root / run).resolve().parent == reports.resolve()
    return reports / (Path(run).name if below else run)

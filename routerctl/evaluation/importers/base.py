"""The vocabulary of importing: a file's bytes -> a `SourceFile`; what is read from it -> `Record`s in a `Reading`.

It knows gzip and JSON, no runner's format, and nothing of candidates, bars or prices. What stands in a foreign file is
hostile text: it is kept as it is and shown through `words.clean`.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import math
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.types import Json, Status, StopReason

_HALVES = re.compile(r"\\u[dD][89a-fA-F]")  # in JSON: the escape of one half of a surrogate pair
NO_OBJECT = "no JSON objects"
MAX_BYTES = 2**30  # of one file, unpacked: a small archive can hold any amount of nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The lowest and the highest score that a file's scorer can give."""

    low: float
    high: float

    @property
    def flag(self) -> str:
        """As the command line has it."""
        return f"{self.low:g}-{self.high:g}" if self.low else f"{self.high:g}"

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column, field or scorer the user names for a role; None = found by its usual names."""

    task_class: str | None = None
    case: str | None = None
    model: str | None = None
    score: str | None = None  # also: which scorer or metric, where a file has several
    cost: str | None = None  # USD
    latency: str | None = None  # seconds; milliseconds where its name ends in _ms
    cluster: str | None = None
    scale: Scale | None = None  # that the scores are on; None = from 0 to 1


_FIELDS = ("task_class", "case", "cluster")  # roles that the user may have taken from another field of a runner's file
_OF_TABLES = ("model", "cost", "latency")


def check_fields(columns: Columns, known: Iterable[str], source: SourceFile) -> None:
    """Check that a runner's file has the fields that the user names; `known`: those it has.

    Raises: InputError with the nearest right name: a mistyped field must not read as "no class" or "no cluster".
    """
    fields = {name for name in known if isinstance(name, str)}
    for role in _FIELDS:
        given = getattr(columns, role)
        if given is not None and given not in fields:
            raise source.error(f"no field {given!r}{nearest(given, fields)}")
    for role in _OF_TABLES:
        if getattr(columns, role) is not None:
            raise source.error(f"--{role}-column is for tables; this format has a {role} field of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One reply of one model to one case, as a foreign file tells it."""

    task: str  # what the file calls the task; "" = it does not say
    model: str
    case: str  # the file's own id; "" = none, the input has to serve
    status: Status
    score: float | None  # in [0, 1]; None unless SCORED
    input: Json = None
    expected: Json = None
    reply: str = ""
    extracted: str | None = None
    explanation: str = ""
    error: str = ""
    stop_reason: StopReason | None = None
    served_model: str | None = None
    input_tokens: int = 0
    cached_tokens: int = 0  # of input_tokens: those that the vendor's prompt cache had
    output_tokens: int = 0
    cost_usd: Decimal | None = None  # None = the file does not say
    latency_s: float | None = None
    cached: bool = False
    cluster: str | None = None
    retries: int = 0
    line: int | None = None  # 1-based, where the file has lines
    epoch: int = 0  # which repeat of the case it is; 0 = the file does not say
    question: str = ""  # where there is no id: what else than `input` and `expected` tells the case
    plain: str = ""  # the model's name without the way in which it was asked, where its name has one
    way: str = ""  # that way: the prompt, the settings
    work: str = ""  # the same in every file that has this piece of work (again); "" = the runner does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file says; `notes` are for the person who imports it."""

    file: str
    format: str
    digest: str  # sha256:... of the file as it lies on the disk
    scorer: str  # whose scores they are, as the file names it
    records: tuple[Record, ...]
    rows: int  # outcomes that the file has: those of `records` and those that `left` counts
    left: Mapping[str, int] = field(default_factory=dict)  # why some outcomes are left out -> how many
    notes: tuple[str, ...] = ()
    made_at: str = ""  # sorts by time among files of this format; "" = the file does not say

    def without(self, records: tuple[Record, ...], reason: str) -> Reading:
        """Give the same file with some of its records left out, and counted as such."""
        gone = len(self.records) - len(records)
        left = {**self.left, reason: self.left.get(reason, 0) + gone} if gone else self.left
        return replace(self, records=records, left=left)


class SourceFile:
    """A file that was read and, where it is gzip, unpacked."""

    def __init__(self, path: Path, content: bytes, digest: str) -> None:
        self.path, self.content, self.digest = path, content, digest
        self.shown = plain_text(str(path))

    def error(self, problem: str, line: int | None = None) -> InputError:
        """Make the error that points into this file."""
        return InputError(problem, file=self.shown, line=line)

    @cached_property
    def text(self) -> str:
        """The content as text; a byte-order mark is dropped.

        Raises: InputError where it is not UTF-8.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise self.error(f"not UTF-8 (byte 0x{error.object[error.start]:02x})", line) from None

    @cached_property
    def value(self) -> Any:
        """The whole content as JSON.

        Raises: InputError.
        """
        return self.parsed(self.text)

    def parsed(self, text: str | bytes, line: int | None = None) -> Any:
        """Read JSON; NaN, Infinity and numbers beyond all bounds, which no file can take, become null.

        Raises: InputError naming the line: `line`, else where in the text it goes wrong.
        """
        try:
            text = text if isinstance(text, str) else text.decode("utf-8-sig")
            value = json.loads(text, parse_constant=lambda _word: None, parse_float=_finite)
            return plain(value) if _HALVES.search(text) else value  # a walk over every value takes time
        except json.JSONDecodeError as error:
            raise self.error(f"not JSON: {error.msg} (column {error.colno})", line or error.lineno) from None
        except (ValueError, RecursionError):  # a number of thousands of digits, text that is no UTF-8; too deep
            raise self.error("not JSON that can be read: nested too deeply, or a number too long", line) from None

    def lines(self) -> Iterator[tuple[int, Any]]:
        """Give each line's JSON with the line's number; blank ones are skipped.

        Raises: InputError naming the line.
        """
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip():
                yield number, self.parsed(line, number)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the first JSON object, be it the whole file or its first line; none where it is no JSON."""
        start = self.content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith(b"{"):
            return frozenset()
        first, _, rest = self.text.lstrip().partition("\n")
        try:
            found = json.loads(first) if rest.strip() else self.value
        except (ValueError, RecursionError):
            found = self.value
        return frozenset(found) if isinstance(found, dict) else frozenset()


def open_source(path: Path) -> SourceFile:
    """Read a file, unpacking gzip.

    Raises: InputError where it is missing, no file, unreadable, broken or too large.
    """
    shown = plain_text(str(path))
    try:
        content = _content(path, shown)
    except FileNotFoundError:
        raise InputError("no such file", file=shown) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=shown) from None
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if content.startswith(b"\x1f\x8b"):
        content = _unzipped(content, shown)
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError("the file is empty", file=shown)
    return SourceFile(path, content, digest)


def _content(path: Path, shown: str) -> bytes:
    """Read a file or a pipe up to the bound: a device may go on for ever."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError("expected a file or a pipe", file=shown)
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 20} MiB", file=shown)
    return content


def _unzipped(content: bytes, shown: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"not whole gzip: {error}", file=shown) from None
    if len(unpacked) > MAX_BYTES:
        raise InputError(f"unpacks to more than {MAX_BYTES >> 20} MiB", file=shown)
    return unpacked


# --- values -----------------------------------------------------------------------------------------------------------


def plain_text(text: str) -> str:
    """Replace halves of surrogate pairs, which no digest and no file can take."""
    return text.encode("utf-8", "replace").decode()


def plain(value: Any) -> Json:
    """Give any value as JSON can hold it: moments in ISO 8601, bytes as their text or in hex, no NaN, no Infinity."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain_text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return value.isoformat()
    return _bytes_as_text(value) if isinstance(value, bytes) else str(value)


def _finite(digits: str) -> float | None:
    return found if math.isfinite(found := float(digits)) else None


def _bytes_as_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()

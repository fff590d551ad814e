"""Requests that have ended -> a line each on stderr: JSON for log collectors, plain text for a terminal.

A line holds nothing of a prompt or a reply, and of a key only its id. It is formatted where the request ends, and
written by a thread, in pieces that a pipe takes atomically, so that lines of several workers never mix. If stderr is
not read, requests go on, lines are dropped, and a notice says how many.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from routerctl.notices import Level
from routerctl.redaction import redacted
from routerctl.service.request_summary import RequestSummary
from routerctl.words import clean, plain, plural, seconds, usd

LogFormat = Literal["json", "text"]
_EVERY_S = 0.1
_MOST_WAITING = 10_000  # lines; 3 MB
_PIECE = 4096  # PIPE_BUF of Linux: a write of that size to a pipe is atomic
_LONGEST = 100  # characters of one field; a line stays shorter than a piece


def _to_stderr(data: bytes) -> int:
    return os.write(2, data)


class AccessLog:
    """The access log of one process; one thread adds lines, another one writes them."""

    def __init__(
        self,
        shape: LogFormat = "json",
        *,
        requests: bool = True,
        write: Callable[[bytes], int] = _to_stderr,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`requests` False: only notices are written.

        `write`: takes bytes and returns how many it wrote; `clock`: seconds since the epoch.
        """
        self._line = _json_line if shape == "json" else _text_line
        self._notice = _json_notice if shape == "json" else _text_notice
        self._requests, self._write, self._clock = requests, write, clock
        self._waiting: deque[str] = deque()
        self._overflowed = (
            0  # lines that found no room: counted where requests end, the other two where lines are written
        )
        self._lost = self._told = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="routerctl-access-log", daemon=True)
        self._thread.start()

    def note(self, summary: RequestSummary) -> None:
        """Add the line of a request that has ended."""
        if not self._requests:
            return
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(self._line(_stamp(self._clock()), summary))
        else:
            self._overflowed += 1

    def notify(self, text: str, level: Level) -> None:
        """Add a notice in the same format."""
        self._waiting.append(self._notice(_stamp(self._clock()), text, level))

    def close(self) -> None:
        """Write what is waiting, and stop."""
        self._closing.set()
        self._thread.join()
        self._write_all()

    def _keep_writing(self) -> None:
        while not self._closing.wait(_EVERY_S):
            self._write_all()

    def _write_all(self) -> None:
        dropped = self._overflowed + self._lost - self._told
        if dropped:
            self._told += dropped
            missing = plain(plural(dropped, "line"))
            self.notify(f"{missing} of the access log dropped: stderr is not read fast enough", "warning")
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        taken = 0
        try:
            for piece, number in _pieces(lines):
                _write_whole(self._write, redacted(piece).encode(errors="backslashreplace"))
                taken += number
        except OSError:  # nobody reads stderr: the service must go on
            self._lost += len(lines) - taken


def notify(text: str, level: Level) -> None:
    """Write a notice to stderr as a line of JSON, where there is no access log."""
    with suppress(OSError):  # nobody reads stderr
        _write_whole(_to_stderr, _json_notice(_stamp(time.time()), text, level).encode())


def _pieces(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Join lines into pieces that are written at once, each with its number of lines."""
    piece, number, size = "", 0, 0
    for line in lines:
        if number and size + len(line) > _PIECE:
            yield piece, number
            piece, number, size = "", 0, 0
        piece, number, size = piece + line, number + 1, size + len(line)
    if number:
        yield piece, number


def _write_whole(write: Callable[[bytes], int], data: bytes) -> None:
    while data:
        data = data[write(data) :]


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json_line(stamp: str, summary: RequestSummary) -> str:
    """Format a line; by hand, as `json.dumps` of a dict takes three times as long."""
    usage = summary.usage
    tokens = (
        "null"
        if usage is None
        else f'{{"input":{usage.input_tokens},"output":{usage.output_tokens},"cache_read":{usage.cache_read_tokens},'
        f'"cache_write":{usage.cache_write_tokens},"estimated":{_bool(usage.estimated or summary.estimated)}}}'
    )
    return (
        f'{{"ts":"{stamp}","request_id":{_json(summary.request_id)},"method":{_json(summary.method)},'
        f'"path":{_json(summary.path)},"status":{summary.status},"api":{_json(summary.wire)},'
        f'"stream":{_bool(summary.stream)},"tenant":{_json(summary.tenant)},"key_id":{_json(summary.key_id)},'
        f'"class":{_json(summary.task_class)},"candidate":{_json(summary.candidate)},'
        f'"decided_by":{_json(summary.decided_by)},"hops":{summary.hops},"tokens":{tokens},'
        f'"cost_usd":"{summary.cost_usd:f}","first_token_ms":{_ms(summary.first_token_s)},'
        f'"total_ms":{_ms(summary.total_s)},"overhead_ms":{_ms(summary.overhead_s)},'
        f'"cancelled":{_bool(summary.cancelled)},"error":{_json(summary.error)}}}\n'
    )


def _json_notice(stamp: str, text: str, level: Level) -> str:
    return f'{{"ts":"{stamp}","level":"{level}","message":{quoted(text)}}}\n'


def _json(text: str) -> str:
    """Quote a text as ASCII, so that it cannot control a terminal; a text longer than any honest one is cut."""
    return quoted(_cut(text)) if text else "null"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else redacted(text)[:_LONGEST]  # half a key would not be recognised as one


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _ms(length_s: float | None) -> str:
    return "null" if length_s is None else f"{length_s * 1000:.3f}"


# --- text -------------------------------------------------------------------------------------------------------------


def _text_line(stamp: str, summary: RequestSummary) -> str:
    parts = [stamp[11:23], str(summary.status), summary.method, summary.path, *_who(summary), *_numbers(summary)]
    parts += [f"overhead {seconds(summary.overhead_s)}", "client left" if summary.cancelled else "", summary.error]
    return "  ".join(plain(clean(_cut(part))) for part in parts if part) + "\n"


def _who(summary: RequestSummary) -> Iterator[str]:
    yield f"{summary.task_class} -> {summary.candidate or 'nobody'}" if summary.task_class else ""
    yield f"by {summary.decided_by}" if summary.decided_by else ""
    yield f"tenant {summary.tenant}" if summary.tenant else ""
    yield f"key {summary.key_id}" if summary.key_id else ""
    yield f"{summary.hops} hops" if summary.hops > 1 else ""


def _numbers(summary: RequestSummary) -> Iterator[str]:
    if summary.usage is not None:
        about = "about " if summary.estimated else ""
        yield f"{about}{summary.usage.input_tokens:,} + {summary.usage.output_tokens:,} tokens"
        yield usd(summary.cost_usd)
    if summary.first_token_s is not None:
        yield f"first token {seconds(summary.first_token_s)}"
    yield f"total {seconds(summary.total_s)}"


def _text_notice(stamp: str, text: str, level: Level) -> str:
    return f"{stamp[11:23]}  {level}: {clean(text)}\n"


def _stamp(at: float) -> str:
    """Format a moment in UTC, to the millisecond."""
    return f"{_second(int(at))}.{int(at % 1 * 1000):03d}Z"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")

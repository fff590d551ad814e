from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl import redaction
from routerctl.service import access_log
from routerctl.service.access_log import AccessLog, LogFormat
from routerctl.service.request_summary import RequestSummary
from routerctl.types import Usage

MOMENT = 1796083200.25  # 2026-12-01
SERVED = RequestSummary(
    wire="messages",
    path="/v1/messages",
    stream=True,
    status=200,
    request_id="d-1",
    tenant="acme",
    key_id="k-7",
    task_class="extract",
    candidate="small",
    decided_by="rule invoices",
    overhead_s=0.0012,
    first_token_s=0.31,
    total_s=1.5,
    usage=Usage(input_tokens=1812, output_tokens=33, cache_read_tokens=1000),
    cost_usd=Decimal("0.00040"),
    hops=2,
)


class Stderr:
    """What was written, a piece each."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def __call__(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def _log(write: Callable[[bytes], int], shape: LogFormat = "json", *, requests: bool = True) -> Iterator[AccessLog]:
    log = AccessLog(shape, requests=requests, write=write, clock=lambda: MOMENT)
    try:
        yield log
    finally:
        log.close()


def _changed(**changes: Any) -> RequestSummary:
    given = {name: getattr(SERVED, name) for name in RequestSummary.__slots__}
    return RequestSummary(**{**given, **changes})


def test_a_request_is_one_line_of_json() -> None:
    """Everything that is told of a request, its money exact and its times in milliseconds."""
    stderr = Stderr()
    with _log(stderr) as log:
        log.note(SERVED)
    assert stderr.lines == [
        {
            "ts": "2026-12-01T00:00:00.250Z",
            "request_id": "d-1",
            "method": "POST",
            "path": "/v1/messages",
            "status": 200,
            "api": "messages",
            "stream": True,
            "tenant": "acme",
            "key_id": "k-7",
            "class": "extract",
            "candidate": "small",
            "decided_by": "rule invoices",
            "hops": 2,
            "tokens": {"input": 1812, "output": 33, "cache_read": 1000, "cache_write": 0, "estimated": False},
            "cost_usd": "0.00040",
            "first_token_ms": 310.0,
            "total_ms": 1500.0,
            "overhead_ms": 1.2,
            "cancelled": False,
            "error": None,
        }
    ]


def test_what_is_not_there_is_null() -> None:
    """A refused request has no class, tokens or first token; its error is named by its code."""
    stderr = Stderr()
    refused = RequestSummary(
        wire="messages", path="/v1/messages", status=401, overhead_s=0.0001, total_s=0.0001,
        request_id="d-2", error="invalid_api_key",
    )  # fmt: skip
    with _log(stderr) as log:
        log.note(refused)
    (line,) = stderr.lines
    empty = {"tenant", "key_id", "class", "candidate", "decided_by", "tokens", "first_token_ms"}
    assert {name for name, value in line.items() if value is None} == empty
    assert (line["status"], line["error"], line["cost_usd"]) == (401, "invalid_api_key", "0")


def test_a_terminal_gets_text() -> None:
    """The same request for a person."""
    stderr = Stderr()
    with _log(stderr, "text") as log:
        log.note(_changed(cancelled=True, estimated=True))
        log.notify("the table is old", "warning")
    assert stderr.text == (
        "00:00:00.250  200  POST  /v1/messages  extract -> small  by rule invoices  tenant acme  key k-7  2 hops  "
        "about 1,812 + 33 tokens  $0.0004  first token 0.31 s  total 1.50 s  overhead 0.0012 s  client left\n"
        "00:00:00.250  warning: the table is old\n"
    )


@pytest.mark.parametrize("shape", ["json", "text"])
def test_hostile_names_stay_in_their_line(shape: LogFormat) -> None:
    """Line ends, escape sequences and marks of direction in what a client says neither forge a line nor steer."""
    stderr = Stderr()
    odd = 'a"\r\n{"forged": 1}\x1b[31m\x9b\u2028\u202e\ud800\x00'
    with _log(stderr, shape) as log:
        log.note(_changed(request_id=odd, path=f"/{odd}", tenant=odd))
        log.notify(odd, "info")
    assert len(stderr.text.splitlines()) == 2
    assert all(line.isprintable() for line in stderr.text.splitlines())


def test_long_names_are_cut_and_keys_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in a path or a tenant's name is taken out, one that the cut would halve too."""
    monkeypatch.setattr(redaction, "_known", [()])
    secret = "sk-proj-0123456789abcdef"  # noqa: S105 - nobody's
    redaction.learn([secret])
    stderr = Stderr()
    with _log(stderr) as log:
        log.note(_changed(request_id="d", path=f"/{secret}", tenant="t" * 90 + secret + "u" * 500))
        log.notify(f"{secret} is refused", "alarm")
    assert "sk-proj" not in stderr.text
    request, notice = stderr.lines
    assert (request["path"], len(request["tenant"])) == ("/[key]", 100)
    assert notice == {"ts": request["ts"], "level": "alarm", "message": "[key] is refused"}


def test_requests_can_be_left_out() -> None:
    """Turned off, notices are still written: a person must hear them."""
    stderr = Stderr()
    with _log(stderr, requests=False) as log:
        log.note(SERVED)
        log.notify("a new table is served", "info")
    assert [line["message"] for line in stderr.lines] == ["a new table is served"]


def test_pieces_are_whole_lines_that_a_pipe_takes_at_once() -> None:
    """Many lines are written in order, none across two writes and none of them longer than a pipe takes whole."""
    stderr = Stderr()
    with _log(stderr) as log:
        for number in range(500):
            log.note(_changed(request_id=str(number), path="\U0001f600" * 300, tenant="\x00" * 99))
    assert [line["request_id"] for line in stderr.lines] == [str(number) for number in range(500)]
    assert all(piece.endswith(b"\n") and len(piece) <= 4096 for piece in stderr.pieces)


def test_a_write_may_take_a_part() -> None:
    """What a full pipe did not take is written next."""
    written = bytearray()

    def write(data: bytes) -> int:
        written.extend(data[:100])
        return min(100, len(data))

    with _log(write) as log:
        log.note(SERVED)
        log.note(SERVED)
    assert len([json.loads(line) for line in written.decode().splitlines()]) == 2


def test_a_reader_that_is_gone_ends_nothing_and_is_told_of() -> None:
    """Where stderr is closed lines are lost; once it takes some again, it hears how many."""
    stderr, has_broken = Stderr(), threading.Event()

    def write(data: bytes) -> int:
        if has_broken.is_set():
            return stderr(data)
        has_broken.set()
        raise BrokenPipeError

    with _log(write) as log:
        log.note(SERVED)
        assert has_broken.wait(10)
        log.note(SERVED)
    told = [line["message"] for line in stderr.lines if "message" in line]
    assert told == ["1 line of the access log dropped: stderr is not read fast enough"]
    assert [line["request_id"] for line in stderr.lines if "request_id" in line] == ["d-1"]


def test_a_reader_that_stands_still_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a write hangs, so many lines wait and no more; the request itself never does."""
    monkeypatch.setattr(access_log, "_MOST_WAITING", 50)
    stderr, may_go_on, hangs = Stderr(), threading.Event(), threading.Event()

    def write(data: bytes) -> int:
        hangs.set()
        may_go_on.wait()
        return stderr(data)

    with _log(write) as log:
        log.note(SERVED)
        assert hangs.wait(10)
        for _ in range(200):
            log.note(SERVED)
        assert len(log._waiting) == 50
        may_go_on.set()
    assert len([line for line in stderr.lines if "request_id" in line]) == 51
    assert [line["message"][:9] for line in stderr.lines if "message" in line] == ["150 lines"]


def test_a_process_without_a_log_says_its_notices_on_stderr() -> None:
    """The real stderr, of a process of its own; it is closed for the second, which goes on all the same."""
    code = "from routerctl.service.access_log import AccessLog, notify; notify('hm\\x1b', 'info'); print('on')"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert json.loads(done.stderr)["message"] == "hm\x1b"
    assert "\x1b" not in done.stderr
    read, write = os.pipe()
    os.close(read)
    broken = subprocess.run(run, stdout=subprocess.PIPE, stderr=write, text=True, check=True)
    os.close(write)
    assert broken.stdout == "on\n"

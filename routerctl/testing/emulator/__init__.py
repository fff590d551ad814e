"""A small server that speaks both vendors' wire formats, and goes wrong on command: for tests, and for benchmarks.

    async with Emulator(lambda body: "42") as emu:
        emu.play(Fault(429, headers={"retry-after": "3"}), OK, CUT)   # what happens to the next three POSTs
        ... base_url=emu.url (Anthropic) or emu.url + "/v1" (OpenAI) ...
        emu.received[0].body["model"]
        emu.books()   # model -> USD, of what it would have billed at Emulator(prices=...)

It streams where a request asks for it; `answer` may give a `Said` with thoughts and tool calls instead of a text, and
`strict=True` refuses what the vendors refuse. `python -m routerctl.testing.emulator --port 8080 --latency-ms 200`
serves it by hand. It counts four characters as one token.
"""

from __future__ import annotations

from routerctl.testing.emulator.faults import (
    BROKEN_CHUNK,
    CUT,
    EMPTY,
    ENDED_EARLY,
    ERROR_FIRST,
    ERROR_MIDWAY,
    ERROR_OPENED,
    FAILED_WITHIN,
    HALF_OPEN,
    HANG_UP,
    HTML,
    NO_MODEL,
    NO_TERMINAL,
    NO_USAGE,
    NOT_HTTP,
    NOT_JSON,
    ODD_CHUNK,
    OK,
    ONLY_PINGS,
    REFUSAL,
    REFUSED_IN_WORDS,
    SILENT,
    TRUNCATED,
    WRONG_SHAPE,
    Fault,
)
from routerctl.testing.emulator.ledger import Entry, Ledger, Prices
from routerctl.testing.emulator.said import Body, Said, ToolCall, signature_of, tokens
from routerctl.testing.emulator.server import Emulator, Received

__all__ = [
    "BROKEN_CHUNK",
    "CUT",
    "EMPTY",
    "ENDED_EARLY",
    "ERROR_FIRST",
    "ERROR_MIDWAY",
    "ERROR_OPENED",
    "FAILED_WITHIN",
    "HALF_OPEN",
    "HANG_UP",
    "HTML",
    "NOT_HTTP",
    "NOT_JSON",
    "NO_MODEL",
    "NO_TERMINAL",
    "NO_USAGE",
    "ODD_CHUNK",
    "OK",
    "ONLY_PINGS",
    "REFUSAL",
    "REFUSED_IN_WORDS",
    "SILENT",
    "TRUNCATED",
    "WRONG_SHAPE",
    "Body",
    "Emulator",
    "Entry",
    "Fault",
    "Ledger",
    "Prices",
    "Received",
    "Said",
    "ToolCall",
    "signature_of",
    "tokens",
]

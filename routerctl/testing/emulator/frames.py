"""What a stream is made of: events as bytes, and which of them bring something that the model generated."""

from __future__ import annotations

from typing import Any, NamedTuple

from routerctl.testing.emulator.said import encoded


class Frame(NamedTuple):
    """One event as it is sent; the last one of a stream is its terminal event."""

    sent: bytes
    delta: bool = False  # brings a piece of what the model generated


def event(kind: str, **data: Any) -> Frame:
    """Write a named event, whose data say its name once more."""
    return Frame(f"event: {kind}\ndata: {encoded({'type': kind} | data)}\n\n".encode())


def delta(kind: str, data: str) -> Frame:
    """Write a named event that brings something; `data`: the JSON of its fields, without braces."""
    return Frame(f'event: {kind}\ndata: {{"type":"{kind}",{data}}}\n\n'.encode(), delta=True)

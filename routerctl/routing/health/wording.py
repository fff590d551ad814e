"""Turns what is known of a place into words: what terminal and pages say of it."""

from __future__ import annotations

from routerctl.words import lasting, plain


def breaker_words(state: str, for_s: float | None, error: str | None) -> str:
    """Say how a place's breaker stands, for how long, and after which error: `open for 40 s, after Overloaded`."""
    after = f", after {error}" if error else ""
    age = "" if for_s is None else f" for {plain(lasting(for_s))}"
    return f"{state.replace('_', '-')}{age}{after}"

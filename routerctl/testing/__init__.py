"""For tests of your own: a provider that answers from a script, a clock that stands still, and both vendors' APIs.

    table = shutil.copy("routes.yaml", tmp_path)  # log and shared state stand beside a table: a test has its own
    clock, providers = FixedClock(), scripted(table, {"*": "4"})
    async with Router.open(table, providers=providers, clock=clock) as router:
        assert (await router.route("2 + 2?", task_class="sums")).text == "4"

`routerctl.testing.emulator` answers over HTTP, for programs that take a base URL, and goes wrong on command.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, Script
from routerctl.table import load_table

__all__ = ["FakeProvider", "FixedClock", "Script", "scripted"]


def scripted(table: str | Path, script: Script) -> dict[str, FakeProvider]:
    """Give a provider in place of each that a table names, all answering from one script; none has a latency.

    `script`: a function of the request; a map from the last message as it is sent, after the template (or "*"), to the
    reply; or replies in order. A reply is a text, a `Reply`, or an error of `routerctl.errors` to raise.
    """
    outside = Outside(env={})
    providers = load_table(Path(table)).providers
    return {name: FakeProvider(spec, outside, script) for name, spec in providers.items()}


class FixedClock:
    """A clock that stands still; to sleep moves it, and so does `forward`."""

    def __init__(self, moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """`moment`: what it says first; with a time zone."""
        self._moment = moment

    def now(self) -> datetime:
        """Give the moment."""
        return self._moment

    def monotonic(self) -> float:
        """Give the seconds since 1970."""
        return self._moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move on without waiting."""
        self.forward(seconds)

    def forward(self, seconds: float) -> None:
        """Move on."""
        self._moment += timedelta(seconds=seconds)

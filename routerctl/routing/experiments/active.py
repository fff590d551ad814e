"""An inquiry and the experiment that is on -> its arm; and the end of an experiment whose guardrail is broken.

Place: the command line, beside the desks. Every process that serves sees within seconds that an experiment began or
ended, whoever began or ended it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from routerctl.cli.output.terminal import say
from routerctl.errors import RouterctlError, StateDown
from routerctl.routing.experiments.standing import ACTIVE, assigned, ended, from_document, key_of
from routerctl.routing.state import StateStore
from routerctl.routing.tenants import warn
from routerctl.types import Inquiry, Table
from routerctl.types.trying import Experiment

_LOOK_S = 2.0  # how old what is known of the experiment may be
_EVERY = 50  # decisions between two looks at the guardrails


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where an experiment puts an inquiry."""

    experiment: Experiment
    in_b: bool
    unit: str
    propensity: float

    @property
    def arm(self) -> str:
        """As the log has it."""
        return f"{self.experiment.name}:{'B' if self.in_b else 'A'}"


class Trying:
    """The experiment of one tenant, or of the project."""

    def __init__(
        self, store: StateStore, log: Path, table: Table, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`table`: A; `log`: of the decisions that its guardrails look at."""
        self._store, self._log, self._table, self._clock = store, log, table, clock
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._experiment: Experiment | None = None
        self._strange: set[str] = set()  # experiments that this process cannot take part in, by salt
        self._checking: asyncio.Task[None] | None = None
        self._decisions = 0

    async def seat_of(self, inquiry: Inquiry, fresh: Callable[[], str]) -> Seat | None:
        """Give an inquiry its seat; None where no experiment is on. `fresh`: the key of who has none."""
        experiment = await self._current()
        if experiment is None:
            return None
        arm, unit, propensity = assigned(experiment, key_of(experiment, inquiry) or fresh())
        return Seat(experiment=experiment, in_b=arm == "B", unit=unit, propensity=propensity)

    async def _current(self) -> Experiment | None:
        async with self._looking:
            now = self._clock()
            if self._looked_at is None or now - self._looked_at >= _LOOK_S:
                self._looked_at = now
                await asyncio.to_thread(self._look)
        return self._experiment

    def _look(self) -> None:
        try:
            found = from_document(self._store.get([ACTIVE])[ACTIVE])
        except StateDown:  # said by the store itself; what is not known is not tried
            found = None
        if found and found.salt not in self._strange and found.digest_a != self._table.digest:
            self.leave(found, "routes.yaml is not the table that it began with")
        self._experiment = found if found and found.salt not in self._strange else None

    def leave(self, experiment: Experiment, why: str) -> None:
        """Take no part in an experiment any more, and say so once."""
        self._strange.add(experiment.salt)
        self._experiment = None
        warn(f"experiment {experiment.name}: this process takes no part: {why}")

    def logged(self, experiment: Experiment, number: int) -> None:
        """Note that a decision of an experiment is in the log, as its `number`; now and then look at the guardrails."""
        self._decisions += 1
        if (self._decisions % _EVERY and number % _EVERY) or (self._checking and not self._checking.done()):
            return
        self._checking = asyncio.ensure_future(asyncio.to_thread(self._check, experiment))

    def _check(self, experiment: Experiment) -> None:
        from routerctl.routing.experiments.trial import stand_of
        from routerctl.routing.experiments.wording import guard_words

        try:
            broken = stand_of(experiment, self._log).broken
            if broken is None:
                return
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            keys, change = ended(experiment, "aborted", guard_words(broken), at)
            if self._store.update(keys, change):
                say(f"ALARM: experiment {experiment.name} is aborted: {guard_words(broken)}")
            self._looked_at = None
        except RouterctlError as error:
            warn(f"experiment {experiment.name}: its guardrails cannot be looked at: {error}")

    async def close(self) -> None:
        """Wait for a look at the guardrails that has begun."""
        if self._checking:
            await asyncio.gather(self._checking, return_exceptions=True)

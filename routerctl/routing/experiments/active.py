"""An inquiry and the experiment that is on -> its arm; and the end of an experiment whose guardrail is broken.

Every process that serves sees within seconds that an experiment began or ended, whoever began or ended it. It may wait
for the shared state and for the log, so a caller who serves others meanwhile runs `refresh` and `check` in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from routerctl.errors import RouterctlError, StateDown
from routerctl.notices import alarm, warn
from routerctl.routing.experiments.assignment import ACTIVE, assigned, ended, experiment_of_document, key_of
from routerctl.routing.state.base import StateStore
from routerctl.types import Experiment, Inquiry

_LOOK_S = 2.0  # how old what is known of the experiment may be
_EVERY = 50  # decisions between two looks at the guardrails


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Where an experiment puts an inquiry."""

    experiment: Experiment
    in_b: bool
    unit: str  # digest of what the experiment splits by
    propensity: float  # the arm's share of the inquiries
    by_chance: bool  # the inquiry does not say what the experiment splits by

    @property
    def arm(self) -> str:
        """The arm as the log has it."""
        return f"{self.experiment.name}:{'B' if self.in_b else 'A'}"


class ActiveExperiment:
    """The experiment of one tenant, or of the project."""

    def __init__(
        self,
        state: Callable[[], StateStore | None],
        log: Path,
        digest: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`state`: None where nothing was ever shared; `log`: what guardrails look at; `digest`: of A's table."""
        self._state, self._log, self._digest, self._clock = state, log, digest, clock
        self._looked_at: float | None = None
        self._experiment: Experiment | None = None
        self._left: set[str] = set()  # experiments that this process cannot take part in, by salt
        self._decisions = 0

    def is_stale(self) -> bool:
        """Tell whether what is known of the experiment is too old to go by."""
        return self._looked_at is None or self._clock() - self._looked_at >= _LOOK_S

    def refresh(self) -> None:
        """Look which experiment is on."""
        now = self._clock()
        try:
            store = self._state()
            found = experiment_of_document(store.get([ACTIVE])[ACTIVE]) if store else None
        except StateDown:  # said by the store itself; what is not known is not tried
            found = None
        if found and found.salt not in self._left and found.digest_a != self._digest:
            self.leave(found, "routes.yaml is not the table that it started with")
        self._experiment = found if found and found.salt not in self._left else None
        self._looked_at = now  # last: until then whoever asks waits for what is found

    @property
    def is_on(self) -> bool:
        """Whether one is known to be on."""
        return self._experiment is not None

    def assignment_of(self, inquiry: Inquiry, new_id: Callable[[], str]) -> Assignment | None:
        """Give an inquiry its arm; None where no experiment is known to be on. `new_id`: the key of one without."""
        experiment = self._experiment
        if experiment is None:
            return None
        key = key_of(experiment, inquiry)
        arm, unit, propensity = assigned(experiment, new_id() if key is None else key)
        return Assignment(
            experiment=experiment, in_b=arm == "B", unit=unit, propensity=propensity, by_chance=key is None
        )

    def leave(self, experiment: Experiment, why: str) -> None:
        """Take no part in an experiment any more, and say so once."""
        self._left.add(experiment.salt)
        self._experiment = None
        warn(f"experiment {experiment.name}: this process takes no part: {why}")

    def is_check_due(self, number: int) -> bool:
        """Count a decision that is in the log as its `number`; tell whether it is time to look at the guardrails."""
        self._decisions += 1
        return not (self._decisions % _EVERY and number % _EVERY)

    def check(self, experiment: Experiment) -> None:
        """Look at the guardrails of an experiment, and end it where one is broken."""
        from routerctl.routing.experiments.trial import stand_of
        from routerctl.routing.experiments.wording import guard_words

        try:
            broken, store = stand_of(experiment, self._log).broken, self._state()
            if broken is None or store is None:
                return
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            keys, change = ended(experiment, "aborted", guard_words(broken), at)
            if store.update(keys, change):
                alarm(f"experiment {experiment.name} is aborted: {guard_words(broken)}")
            self._looked_at = None
        except RouterctlError as error:
            warn(f"experiment {experiment.name}: its guardrails cannot be checked: {error}")

"""How calls of a place ended -> whether it may be called: a circuit breaker as a document.

Closed: everybody calls. Open: nobody does, until a moment that doubles with every failure. Half-open: one caller of all
processes tries at a time, until enough tries went well (Nygard, "Release It!", 2nd ed. 2018, ch. 5; Fowler,
https://martinfowler.com/bliki/CircuitBreaker.html). Deterministic: the moment and the jitter come with the event, so
every process that applies the same events to the same document gets the same one. Knows no clock, no store, no
provider.

The numbers. A call that fails here was retried by the wire already, so each failure weighs more than a failed request
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from routerctl.types import Json

State = Literal["closed", "open", "half_open"]

# As Envoy: five in a row (its consecutive_5xx). It finds a place that is down at any rate of calls.
IN_A_ROW = 5
# ... and nobody had an answer meanwhile: what processes note reaches the others within a second. One process whose own
# network or key is broken must not shut a place that answers everybody else.
ALONE_S = 2.0
# Half of the calls of a minute, as resilience4j's failureRateThreshold. It finds a place that is half down, where
# successes keep breaking the row. Ten calls at least: resilience4j and Polly want 100, which LLM traffic of one place
# seldom has in a minute; with 10, a place that fails one call in ten is shut by mistake once in 600 windows.
SHARE, LEAST_CALLS = 0.5, 10
WINDOW_S, BUCKET_S = 60, 10
# Five seconds as Polly and Hystrix, then doubled, five minutes at most as Envoy's max_ejection_time.
OPEN_S, OPEN_CAP_S = 5.0, 300.0
# A wrong key, an empty account: nobody mends that in seconds, and each try may count against the account.
LASTING_S = 300.0
# Between 80 % and 100 % of it, so that places that went down together are not tried together.
JITTER = 0.2
# Two tries that went well, one after the other: a single one may be luck where half of the calls fail.
CLOSING = 2
# A place that stayed closed for so long starts at five seconds again (Envoy takes its multiplier down likewise).
FORGIVEN_S = 300.0
# The right to try is given for ten seconds and renewed by the process that holds it, while that lives; after 90 s
# (more than a call's usual `timeout_s`) the try is given up, since whoever made it has gone away without a word.
LEASE_S, TRIAL_S = 10.0, 90.0
# What is dated later than this from now was noted by a clock that was wrong then: machines differ by less.
AHEAD_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """How one call of a place ended."""

    at: float  # seconds since the epoch
    began: float  # likewise
    good: bool | None  # None: nothing was learned about the place
    error: str = ""  # the error's class
    words: str = ""  # its HTTP status
    lasting: bool = False
    wait_s: float = 0.0  # what the place asked to wait
    jitter: float = 0.0  # in [0, 1)
    probe: bool = False  # nobody waited for this call
    times: int = 1  # of a row of good ones that ended within one bucket


class Breaker:
    """One place's breaker; `document()` and `Breaker(document)` are inverse."""

    __slots__ = (
        "buckets",
        "closed_at",
        "error",
        "good_at",
        "in_a_row",
        "opened",
        "since",
        "state",
        "trial",
        "until",
        "wins",
    )

    def __init__(self, document: Json = None) -> None:
        """`document`: what `document()` gave; None: a place that nothing is known of."""
        given = document or {}
        self.state: State = given.get("state", "closed")
        self.since: float = given.get("since", 0.0)  # when it came into this state
        self.until: float = given.get("until", 0.0)  # open: when a try may be made
        self.opened: int = given.get("opened", 0)  # times in a row
        self.closed_at: float = given.get("closed_at", 0.0)
        self.good_at: float = given.get("good_at", 0.0)  # the last success
        self.in_a_row: int = given.get("in_a_row", 0)  # failures since then
        self.wins: int = given.get("wins", 0)  # tries that went well
        self.trial: Json = given.get("trial")  # {"by", "since", "until"}: who is trying
        self.error: Json = given.get("error")  # {"name", "words", "at"}: the last one
        self.buckets: list[list[int]] = [list(bucket) for bucket in given.get("buckets", [])]  # [number, good, bad]

    def document(self) -> Json:
        """Write it for the shared state."""
        return {name: getattr(self, name) for name in self.__slots__}

    def forget_future(self, now: float) -> None:
        """Drop what is dated later than now, as of a clock that was set back: it would hold for as long as that."""
        last = now + AHEAD_S
        self.buckets = [bucket for bucket in self.buckets if bucket[0] * BUCKET_S <= last]
        self.good_at = self.good_at if self.good_at <= last else 0.0
        self.closed_at = min(self.closed_at, now) if self.closed_at > last else self.closed_at
        if self.since > last or (self.state == "open" and self.until > last + OPEN_CAP_S):
            self.since, self.until = now, min(self.until, now)  # a try tells how it is
        if self.trial and (self.trial["since"] > last or self.trial["until"] > last + LEASE_S):
            self.trial = None
        if self.error and self.error["at"] > last:
            self.error = self.error | {"at": now}

    def note(self, event: Event) -> None:
        """Change by how a call ended."""
        if event.good is None:
            if event.began >= self.since and self.state == "half_open":
                self.trial = None  # the try told nothing: another one may be made
            return
        if not event.good:
            self.error = {"name": event.error, "words": event.words, "at": event.at}
        if self.state == "closed":
            self._closed(event)
        elif event.began >= self.since:  # one that began before speaks of what is known already
            self._tried(event)

    def count_good(self, at: float) -> bool:
        """Count one more good call, where that is all it changes."""
        if self.state != "closed" or not self.buckets or self.buckets[-1][0] != int(at // BUCKET_S):
            return False
        self.buckets[-1][1] += 1
        self.in_a_row, self.good_at = 0, at
        return True

    def try_by(self, who: str, now: float) -> bool:
        """Give the right to try to this process, if it is time and nobody has it."""
        if self.state == "closed":
            return True
        if not self.may_be_tried(now):
            return False
        if self.state == "open":
            self.state, self.since, self.wins = "half_open", now, 0
        self.trial = {"by": who, "since": now, "until": now + LEASE_S}
        return True

    def may_be_tried(self, now: float) -> bool:
        """Tell whether somebody may try now."""
        if self.state == "open":
            return now >= self.until
        return self.trial is None or now >= self.trial["until"]

    def renew(self, who: str, now: float) -> bool:
        """Keep the right to try of a process that lives; tell whether it was kept."""
        mine = self.trial is not None and self.trial["by"] == who and now < self.trial["since"] + TRIAL_S
        if mine:
            self.trial = self.trial | {"until": now + LEASE_S}
        return mine

    def _closed(self, event: Event) -> None:
        quiet = event.probe and not self._has_traffic(event.at)
        self._count(event)
        if event.good:
            self.in_a_row, self.good_at = 0, max(self.good_at, event.at)
            return
        self.in_a_row += 1
        alone = event.at - self.good_at >= ALONE_S
        good, bad = self._counts(event.at)
        many = good + bad >= LEAST_CALLS and bad >= SHARE * (good + bad)
        # Where nobody calls, a probe that failed is all there is to know, and better known before somebody does.
        if many or quiet or (alone and (event.lasting or self.in_a_row >= IN_A_ROW)):
            self._open(event)

    def _tried(self, event: Event) -> None:
        if not event.good:
            if self.state == "half_open":
                self._open(event)
            return
        if self.state == "open":  # somebody asked all the same, having nobody else
            self.state, self.since, self.wins = "half_open", event.at, 0
        self.trial, self.in_a_row, self.good_at = None, 0, event.at
        self.wins += 1
        if self.wins >= CLOSING:
            self.state, self.since, self.closed_at = "closed", event.at, event.at
            self.buckets, self.wins = [], 0

    def _open(self, event: Event) -> None:
        if self.state == "closed" and event.at - self.closed_at >= FORGIVEN_S:
            self.opened = 0
        backoff_s = LASTING_S if event.lasting else OPEN_S * 2.0 ** min(self.opened, 10)
        wait_s = min(OPEN_CAP_S, max(backoff_s, event.wait_s)) * (1 - JITTER * event.jitter)
        self.state, self.since, self.trial, self.wins = "open", event.at, None, 0
        self.until = event.at + max(wait_s, min(event.wait_s, OPEN_CAP_S))
        self.opened += 1

    def _count(self, event: Event) -> None:
        number = int(event.at // BUCKET_S)
        if not self.buckets or self.buckets[-1][0] < number:
            self.buckets.append([number, 0, 0])
            oldest = number - WINDOW_S // BUCKET_S
            self.buckets = [bucket for bucket in self.buckets if bucket[0] > oldest]
        self.buckets[-1][1 if event.good else 2] += event.times

    def _counts(self, at: float) -> tuple[int, int]:
        oldest = int(at // BUCKET_S) - WINDOW_S // BUCKET_S
        live = [bucket for bucket in self.buckets if bucket[0] > oldest]
        return sum(bucket[1] for bucket in live), sum(bucket[2] for bucket in live)

    def _has_traffic(self, at: float) -> bool:
        return self._counts(at)[0] > 0

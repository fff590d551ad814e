"""Calls and how they ended, by place -> who may be called, alike in all processes.

What is asked for every call is answered from this process's own view. What was noted is shared, and what others noted
seen, by a thread: once a second, and at once when a breaker moves. Only the right to try a place that was shut is asked
of the shared state itself, since one caller of all processes has it. Where that state is down, each process goes on by
what it sees alone.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from routerctl.errors import ProviderError, StateDown
from routerctl.routing.health.breaker import AHEAD_S, BUCKET_S, Breaker, Event, State
from routerctl.routing.health.latency import NOTHING, Latency, Sketch
from routerctl.routing.state import Documents, StateStore
from routerctl.types import Json, PlaceKey

EVERY_S = 1.0
_FORGOTTEN_S = 7 * 86400.0  # a place that nobody has called for so long leaves the shared state
_PATIENCE_S = 10.0  # silence for so long speaks against a place whose usual latency nobody knows
_MOST_EVENTS = 1000  # kept for a state that is down; the latest tell enough


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStatus:
    """What a person may want to know of a place; moments are seconds since the epoch."""

    state: State
    since: float | None  # None: nothing has happened there
    until: float | None  # open: when a try may be made
    error: str | None  # the last one's class
    words: str | None  # and its HTTP status; what it said may quote the prompt of whoever met it
    error_at: float | None
    latency: Latency


class _Entry:
    """One place as this process sees it: what is shared, and what it noted since."""

    __slots__ = ("breaker", "flying", "fresh", "good", "latency", "latency_at", "retired", "shared", "told", "unsent")

    def __init__(self) -> None:
        self.breaker = Breaker()  # with everything noted here
        self.shared = Sketch()
        self.fresh = Sketch()  # not shared yet
        self.unsent: list[Event] = []
        self.good: list[float] = []  # of the latest calls, all good and of one bucket: how many, at, began
        self.retired = ""  # since when the place says that it has retired its model; "" = it does not say so
        self.told: str | None = None  # the same, not shared yet; None: nothing new
        self.flying: tuple[list[Event], Sketch, str | None] = [], Sketch(), None  # on its way into the shared state
        self.latency, self.latency_at = NOTHING, float("-inf")

    def note_good(self, at: float, latency_s: float) -> bool:
        """Note a call that went well, nearly always on a breaker that does not care: the path of every call."""
        good = self.good
        if not good or good[1] // BUCKET_S != at // BUCKET_S:
            self.fresh.forget_future(at)
        self.fresh.add(latency_s, at)
        if not good or good[1] // BUCKET_S != at // BUCKET_S or not self.breaker.count_good(at):
            return self.note(Event(at=at, began=at - latency_s, good=True))
        good[0] += 1
        good[1], good[2] = at, at - latency_s
        return False

    def note(self, event: Event) -> bool:
        """Note how a call ended; tell whether the breaker moved."""
        self.breaker.forget_future(event.at)
        before = self.breaker.state
        self.breaker.note(event)
        self._settle()
        if event.good and not event.probe:
            self.good = [event.times, event.at, event.began]
        else:
            self.unsent.append(event)
            del self.unsent[:-_MOST_EVENTS]
        return self.breaker.state != before

    def take(self) -> None:
        """Send what was noted."""
        self._settle()
        self.flying = self.unsent, self.fresh, self.told
        self.unsent, self.fresh, self.told = [], Sketch(), None

    def put_back(self) -> None:
        """It did not arrive: it is sent again."""
        self._settle()
        events, sketch, told = self.flying
        sketch.merge(self.fresh)
        self.unsent, self.fresh = (events + self.unsent)[-_MOST_EVENTS:], sketch
        self.told = told if self.told is None else self.told
        self.flying = [], Sketch(), None

    def see(self, document: Json, now: float) -> None:
        """Begin anew from what is shared, with what was noted meanwhile on top."""
        given = document or {}
        self._settle()
        self.breaker, self.shared = Breaker(given.get("breaker")), Sketch(given.get("latency"))
        self.forget_future(now)
        self.retired = given.get("retired", "") if self.told is None else self.told
        for event in self.unsent:
            self.breaker.note(event)
        self.flying = [], Sketch(), None

    def forget_future(self, now: float) -> None:
        """Drop what is dated later than now: the clock was set back, here or where it was noted."""
        self.breaker.forget_future(now)
        for sketch in (self.shared, self.fresh, self.flying[1]):
            sketch.forget_future(now)
        self.unsent = [event for event in self.unsent if event.at <= now + AHEAD_S]
        if self.good and self.good[1] > now + AHEAD_S:
            self.good = []

    def _settle(self) -> None:
        """Write the good ones down in the order of things."""
        if self.good:
            times, at, began = self.good
            self.unsent.append(Event(at=at, began=began, good=True, times=int(times)))
            self.good = []


class Health:
    """The health of places; may be used by several threads."""

    def __init__(
        self,
        store: StateStore,
        *,
        clock: Callable[[], float],
        rng: random.Random,
        every_s: float | None = EVERY_S,
    ) -> None:
        """`clock`: seconds since the epoch, alike on all machines to a second or so; `rng`: for jitter.

        `every_s`: how often the thread shares; None: only `sync` does, and there is no thread.
        """
        self._store, self._clock, self._rng, self._every_s = store, clock, rng, every_s
        self._me = f"{os.getpid()}-{rng.getrandbits(64):016x}"
        self._lock = threading.Lock()  # over the entries; never held while the store is asked
        self._turn = threading.Lock()  # one exchange with the store at a time
        self._entries: dict[PlaceKey, _Entry] = {}
        self._probed: dict[PlaceKey, float] = {}
        self._loaded = False
        self._wake, self._closing = threading.Event(), False
        self._thread: threading.Thread | None = None

    def allows(self, place: PlaceKey) -> bool:
        """Tell whether a place may be called now; a yes to a place on trial is meant for this caller alone."""
        entry = self._entry(place)
        if entry.breaker.state == "closed":
            return True
        with self._lock:
            entry.breaker.forget_future(self._clock())
        if not entry.breaker.may_be_tried(self._clock()):
            return False
        return self._exchange([place], trying=place)

    def skipped(self, place: PlaceKey) -> str | None:
        """Say why a place is not called; None where it is."""
        breaker, now = self._entry(place).breaker, self._clock()
        if breaker.state == "closed":
            return None
        error = breaker.error or {"name": "failures", "words": ""}
        why = f"{error['name']} ({error['words']})" if error["words"] else error["name"]
        if breaker.state == "open":
            left_s = max(0.0, breaker.until - now)
            return f"shut for {max(0.0, now - breaker.since):.0f} s after {why}; tried again in {left_s:.0f} s"
        return f"being tried again by one caller after {why}"

    def record(
        self, place: PlaceKey, problem: ProviderError | None, latency_s: float | None, *, probe: bool = False
    ) -> None:
        """Note how a call ended; `probe`: nobody waited for it, so it only speaks where nothing else does."""
        entry, at = self._entry(place), self._clock()
        if problem is None and latency_s is not None:
            with self._lock:
                moved = entry.note_good(at, latency_s)
        else:
            event = self._event(at, problem, probe=probe)
            if problem is not None and problem.hurried and not self._had_time(place, entry, problem.spent_s):
                event = replace(event, good=None)  # who used up the deadline before it is to blame
            with self._lock:
                moved = entry.note(event)
        if moved:
            self._wake.set()

    def retired(self, place: PlaceKey) -> str | None:
        """Say since when a place has retired its model, as some process's probe was told; None: not that is known."""
        return self._entry(place).retired or None

    def tell_retired(self, place: PlaceKey, since: str) -> None:
        """Note what a place says of its model: since when it is retired, "" where it is not."""
        entry = self._entry(place)
        if since != entry.retired:
            with self._lock:
                entry.retired = entry.told = since
            self._wake.set()

    def latency(self, place: PlaceKey) -> Latency:
        """Give the quantiles of the latest latencies, as of the last second."""
        entry, now = self._entry(place), self._clock()
        with self._lock:
            if not 0 <= now - entry.latency_at < EVERY_S:
                entry.forget_future(now)
                whole = Sketch(entry.shared.document())
                for fresh in (entry.flying[1], entry.fresh):
                    whole.merge(fresh)
                entry.latency, entry.latency_at = whole.latency(now), now
            return entry.latency

    def latency_s(self, place: PlaceKey, share: float) -> float | None:
        """Give a quantile of the latest latencies in seconds, the median or the p95, whichever is nearer to `share`."""
        found = self.latency(place)
        return found.p95_s if share > 0.5 else found.p50_s

    def shown(self, place: PlaceKey) -> PlaceStatus:
        """Give what a person may want to know of a place."""
        entry = self._entry(place)
        with self._lock:
            entry.forget_future(self._clock())
        breaker = entry.breaker
        error = breaker.error or {}
        return PlaceStatus(
            state=breaker.state,
            since=breaker.since or None,
            until=breaker.until if breaker.state == "open" else None,
            error=error.get("name"),
            words=error.get("words"),
            error_at=error.get("at"),
            latency=self.latency(place),
        )

    def due(self, place: PlaceKey, every_s: float) -> bool:
        """Tell whether this process shall probe a place now: one of all processes does in `every_s`."""
        key, now = _key("probe", place), self._clock()

        def claim(documents: Documents) -> tuple[Documents, bool]:
            last = documents[key]
            if last is not None and abs(now - last["at"]) < every_s:  # clocks differ, or were set back
                return {}, False
            return {key: {"at": now}}, True

        try:
            mine = self._store.update([key], claim, ttl_s=max(every_s, _FORGOTTEN_S))
        except StateDown:
            mine = abs(now - self._probed.get(place, float("-inf"))) >= every_s
        if mine:
            self._probed[place] = now
        return mine

    def sync(self) -> None:
        """Share what was noted, and see what others noted."""
        self._load()
        self._exchange(list(self._entries))

    def close(self) -> None:
        """Share the rest; the store stays open for who else uses it."""
        self._closing = True
        self._wake.set()
        if self._thread:
            self._thread.join()
        if self._loaded:
            self.sync()

    def _had_time(self, place: PlaceKey, entry: _Entry, seconds: float) -> bool:
        """Tell whether a place had as long as it usually takes; a try of one that was shut counts in any case."""
        usual_s = self.latency_s(place, 0.95)
        return entry.breaker.state != "closed" or seconds >= (_PATIENCE_S if usual_s is None else usual_s)

    def _event(self, at: float, problem: ProviderError | None, *, probe: bool) -> Event:
        if problem is None:
            return Event(at=at, began=at, good=True, probe=probe)
        return Event(
            at=at,
            began=at - problem.spent_s,
            good=False if problem.unhealthy else None,
            error=type(problem).__name__,
            words=f"HTTP {problem.status}" if problem.status else "",
            lasting=problem.lasting,
            wait_s=problem.retry_after_s or 0.0,
            jitter=self._rng.random(),
            probe=probe,
        )

    def _entry(self, place: PlaceKey) -> _Entry:
        entry = self._entries.get(place)
        if entry is None:
            self._load()
            with self._lock:
                entry = self._entries.setdefault(place, _Entry())
        return entry

    def _load(self) -> None:
        """At first use: see everything that is shared, then keep up with it."""
        with self._turn:
            if self._loaded:
                return
            now = self._clock()
            try:
                documents = self._store.scan("health/")
            except StateDown:  # said already; it is asked again with every exchange
                documents = {}
            with self._lock:
                for key, document in documents.items():
                    self._entries.setdefault(_first_place(key), _Entry()).see(document, now)
            self._loaded = True
        if self._every_s is not None:
            self._thread = threading.Thread(target=self._keep_up, name="health", daemon=True)
            self._thread.start()

    def _keep_up(self) -> None:
        while not self._closing:
            self._wake.wait(self._every_s)
            self._wake.clear()
            if not self._closing:
                self._exchange(list(self._entries))

    def _exchange(self, places: Iterable[PlaceKey], trying: PlaceKey | None = None) -> bool:
        """Share what was noted of places and see what is shared; tell whether `trying` may be tried from here."""
        with self._turn:
            with self._lock:
                entries = {_key("health", place): self._entries[place] for place in places}
                now = self._clock()
                for entry in entries.values():
                    entry.forget_future(now)
                    entry.take()
            wanted = _key("health", trying) if trying else None
            try:
                documents, mine = self._shared(entries, wanted, now)
            except StateDown:
                with self._lock:
                    for entry in entries.values():
                        entry.put_back()
                    return trying is not None and self._entries[trying].breaker.try_by(self._me, now)
            with self._lock:
                for key, entry in entries.items():
                    entry.see(documents[key], now)
            return mine

    def _shared(self, entries: Mapping[str, _Entry], wanted: str | None, now: float) -> tuple[Documents, bool]:
        """The documents after ours was added; nothing is written where there is nothing to add."""
        news = [key for key, entry in entries.items() if key == wanted or self._has_news(entry)]

        def add(documents: Documents) -> tuple[Documents, tuple[Documents, bool]]:
            after = {key: self._added(entries[key], documents[key], now) for key in news}
            mine = wanted is not None and _try(after[wanted], self._me, now)
            return after, (after, mine)

        written, mine = self._store.update(news, add, ttl_s=_FORGOTTEN_S) if news else ({}, False)
        rest = [key for key in entries if key not in written]
        return {**(self._store.get(rest) if rest else {}), **written}, mine

    def _has_news(self, entry: _Entry) -> bool:
        events, _, told = entry.flying
        trial = entry.breaker.trial
        return bool(events) or told is not None or (trial is not None and bool(trial["by"] == self._me))

    def _added(self, entry: _Entry, document: Json, now: float) -> dict[str, Json]:
        given = document or {}
        breaker, sketch = Breaker(given.get("breaker")), Sketch(given.get("latency"))
        breaker.forget_future(now)
        sketch.forget_future(now)
        events, fresh, told = entry.flying
        for event in events:
            breaker.note(event)
        breaker.renew(self._me, now)
        sketch.merge(fresh)
        retired = given.get("retired", "") if told is None else told
        return {"breaker": breaker.document(), "latency": sketch.document(), "retired": retired}


def _try(document: dict[str, Json], who: str, now: float) -> bool:
    breaker = Breaker(document["breaker"])
    mine = breaker.try_by(who, now)
    document["breaker"] = breaker.document()
    return mine


def _key(kind: str, place: PlaceKey) -> str:
    return f"{kind}/{quote(place.provider, safe='')}/{quote(place.model, safe='')}"


def _first_place(key: str) -> PlaceKey:
    _, provider, model = key.split("/")
    return PlaceKey(unquote(provider), unquote(model))

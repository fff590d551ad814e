"""A budget's books of one period and what a call may cost -> held, to wait, or over the cap.

Pure functions over the document that the state store keeps: `spent` in USD and what is `held` for calls under way, each
until a moment. A call is held at the most it can cost before it is made, and settled at what it did cost. A hold that
nobody settled in time (its process died) counts as spent: the call may have been paid for. One whose call was still
waiting to leave then counts for nothing.

A user stands in a key as a digest with the project's own salt. Books that an earlier version kept under the name itself
count as well: whoever opens the user's books takes them over.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from routerctl.redaction import redacted
from routerctl.routing.state import StateStore
from routerctl.types import Budget, Inquiry, Json

# {"spent": "1.25", "held": {hold id: ["0.01", seconds since 1970]}, "waiting": [hold id: its call has not left yet]}
Book = dict[str, Json]
# A hold that ends later was made before the clock was set back: a call that lives holds its money anew in time.
LONGEST_HOLD_S = 60.0
_ZERO = Decimal(0)
_KIND = "budget"
BOOKS = f"{_KIND}/"  # how the keys of their documents in the shared state begin
_ANY = "surrogatepass"  # JSON may hold half a character; it is a name like any other
_STEPS = [timedelta(minutes=minutes) for minutes in range(15, 121, 15)]  # to the next full hour, as clocks are moved
_DIGITS = 24  # hexadecimal, of a user's digest: two of a million users share one with a chance of 1e-17
_LABEL = "%Y-%m-%dT%H%M%z"  # a period's first moment, as it stands in a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """One budget's books for one inquiry: the period it falls in and, where the cap is per value, the value's."""

    key: str  # in the state store
    budget: Budget
    until: datetime  # when the period ends, in UTC
    older: str | None = None  # the key of an earlier version's books of the same purse


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Whether a call fits: `wait` = not now, but once calls under way are settled."""

    short: Purse | None = None  # the first purse without room; None: it fits
    wait: bool = False
    left_usd: Decimal = _ZERO  # in the short purse, were nothing under way
    held_usd: Decimal = _ZERO  # of it, for calls under way


def purses_of(
    budgets: Sequence[Budget], inquiry: Inquiry, task_class: str | None, now: datetime, *, salt: bytes | None = None
) -> tuple[Purse, ...]:
    """Give the purses that an inquiry is paid from; `task_class` None: while it is being found out.

    `salt`: of users' digests; None: a user's name stands in the key.
    """
    return tuple(_purse(one, inquiry, task_class, now, salt) for one in budgets if applies(one, inquiry, task_class))


def applies(budget: Budget, inquiry: Inquiry, task_class: str | None) -> bool:
    """Tell whether a budget is about an inquiry."""
    if budget.tenant and inquiry.tenant not in budget.tenant:
        return False
    if budget.task_class and task_class not in budget.task_class:
        return False
    return all(
        name in inquiry.features and _same(inquiry.features[name], value) for name, value in budget.features.items()
    )


def _same(one: Json, other: Json) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)  # 1 is not true


def _purse(budget: Budget, inquiry: Inquiry, task_class: str | None, now: datetime, salt: bytes | None) -> Purse:
    period = _period_at(budget, now)
    values = [_value(budget, inquiry, task_class, one) for one in ((salt, None) if salt else (None,))]
    keys = [_key(budget.name, budget.per, value, period.label) for value in dict.fromkeys(values)]
    return Purse(key=keys[0], budget=budget, until=period.until, older=keys[1] if len(keys) > 1 else None)


@lru_cache(maxsize=1024)
def _key(name: str, per: str | None, value: str, period: str) -> str:
    parts = [_KIND, name, *([per, value] if per else []), period]
    return "/".join(map(_quoted, parts))


def _value(budget: Budget, inquiry: Inquiry, task_class: str | None, salt: bytes | None) -> str:
    """Whose cap it is; inquiries that do not say it share one. Two tenants' users of one name are two users."""
    own = {"tenant": inquiry.tenant, "user": user_value(inquiry.tenant, inquiry.user, salt), "class": task_class}
    found = own[budget.per] if budget.per in own else inquiry.features.get(budget.per or "")
    return "" if found is None else redacted(str(found))


def user_value(tenant: str | None, user: str | None, salt: bytes | None) -> str | None:
    """Name a user of a tenant in a key, by a digest; None: nobody is named."""
    whose = None if tenant is None else _quoted(tenant, safe=" @+")
    who = user if user is None else _quoted(user, safe=" @+") if salt is None else _digest(user, salt)
    return who if whose is None else f"{whose}/{who or ''}"


def _digest(user: str, salt: bytes) -> str:
    """Digest a user's name: who has the state has the salt, and can try a guess, but finds no list of names."""
    return f"user-{hmac.digest(salt, user.encode('utf-8', _ANY), 'sha256').hex()[:_DIGITS]}"


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors=_ANY)


def plain_value(value: str) -> str:
    """Undo the quoting of `_value` for the eye, but for what would run a tenant's name and a user's together."""
    parts = (unquote(part, errors=_ANY) for part in value.split("/"))
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def period_of(budget: Budget, now: datetime) -> tuple[datetime, datetime]:
    """Give the calendar period that a moment falls in, in the budget's time zone: begin and end."""
    period = _period_at(budget, now)
    return period.begins, period.ends


class _Period(NamedTuple):
    """A calendar period, and what keys and books want of it."""

    begins: datetime
    ends: datetime
    until: datetime  # its end, in UTC
    label: str  # in keys


def _period_at(budget: Budget, now: datetime) -> _Period:
    key = budget.period, budget.time_zone
    latest = _latest.get(key)
    if latest is None or not latest.begins <= now < latest.ends:
        begins, ends = _period_of(budget, now)
        _latest[key] = latest = _Period(begins, ends, ends.astimezone(UTC), begins.strftime(_LABEL))
    return latest


# By kind and time zone: nearly every call falls in the period of the one before, and a time zone takes long to ask.
_latest: dict[tuple[str, str], _Period] = {}


def _period_of(budget: Budget, now: datetime) -> tuple[datetime, datetime]:
    zone = ZoneInfo(budget.time_zone)
    local = now.astimezone(zone)
    if budget.period == "hour":
        begins = local.replace(minute=0, second=0, microsecond=0)
        # Not always an hour: on Lord Howe Island clocks are moved by half of one.
        later = ((begins.astimezone(UTC) + step).astimezone(zone) for step in _STEPS)
        return begins, next(moment for moment in later if moment.minute == 0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if budget.period == "day":
        return day, day + timedelta(days=1)
    if budget.period == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the books of one purse say, to be looked at."""

    value: str  # whose, where the budget is per something
    begins: datetime
    until: datetime
    spent_usd: Decimal = _ZERO
    held_usd: Decimal = _ZERO


def whose_words(budget: Budget, books: Books) -> str:
    """Say whose purse it is: `all`, or by what and for whom."""
    return "all" if budget.per is None else f"{budget.per} {books.value or '(none)'}"


def left_usd(budget: Budget, books: Books) -> Decimal:
    """Give what may still be spent in the period."""
    return max(budget.cap_usd - books.spent_usd - books.held_usd, _ZERO)


def beyond_words(budget: Budget) -> str:
    """Say of a budget that serves on over its cap that this is none for its cheap candidates; "" of any other."""
    if budget.over != "cheap":
        return ""
    cheap = ", ".join(budget.cheap)
    return f"{budget.name}: over its cap, {cheap} still serves and is booked beyond it (over: refuse would stop there)"


def open_books(budgets: Sequence[Budget], store: StateStore, now: datetime) -> list[tuple[Budget, Books]]:
    """Give the books of each budget in its current period; raises StateDown."""
    documents = store.scan(BOOKS) if budgets else {}
    return [(one, books) for one in budgets for books in books_of(one, documents, now)]


def books_of(budget: Budget, documents: Mapping[str, Json], now: datetime, *, past: bool = False) -> list[Books]:
    """Give the books of a budget in its current period, with `past` also of those before, from the store's documents.

    A budget for all has books even where nothing was paid from it.
    """
    begins, ends = period_of(budget, now)
    found = []
    for key, document in sorted(documents.items()):
        kind, name, *whose, label = (unquote(part, errors=_ANY) for part in key.split("/"))
        if (kind, name, len(whose)) != (_KIND, budget.name, 2 if budget.per else 0):
            continue
        if whose and whose[0] != budget.per:
            continue
        since = datetime.strptime(label, _LABEL)  # noqa: DTZ007 - the label has its offset
        # In UTC: a moment in the hour in which clocks are moved never equals one with a fixed offset (PEP 495).
        if since.astimezone(UTC) != begins.astimezone(UTC) and not past:
            continue
        until = period_of(budget, since)[1].astimezone(UTC)
        value, book = whose[1] if whose else "", document
        value = plain_value(value) if budget.per == "user" else value
        found.append(
            Books(
                value=value,
                begins=since,
                until=until,
                spent_usd=spent_usd(book),
                held_usd=held_usd(book, now.timestamp()),
            )
        )
    if not found and budget.per is None:
        found = [Books(value="", begins=begins, until=ends.astimezone(UTC))]
    return found


def gathered(purses: Sequence[Purse], books: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Give the books with those of an earlier version in them, and what has to be written for that; money only adds."""
    whole, moved = dict(books), dict[str, Json]()
    for purse in purses:
        older = purse.older and whole.get(purse.older)
        if older:
            book = whole[purse.key]
            held = {**older["held"], **(book["held"] if book else {})}
            total = {"spent": str(spent_usd(book) + spent_usd(older)), "held": {}}
            whole[purse.key] = _book(total, held, {*_waiting(older), *_waiting(book)})
            whole[purse.older or ""] = None
            moved |= {purse.key: whole[purse.key], purse.older or "": None}
    return whole, moved


# --- the books --------------------------------------------------------------------------------------------------------


def spent_usd(book: Book | None) -> Decimal:
    """What is settled."""
    return Decimal(book["spent"]) if book else _ZERO


def held_usd(book: Book | None, now_s: float = 0.0) -> Decimal:
    """What is held, also for calls that nobody settled in time; not for those that never left, which is seen by now."""
    return sum(_held(_living(book, now_s), now_s), _ZERO)


def _held(book: Book | None, now_s: float) -> tuple[Decimal, Decimal]:
    """What is held for calls under way, and for those that nobody settled in time."""
    under_way = gone = _ZERO
    for amount, until_s in book["held"].values() if book else ():
        if now_s <= until_s <= now_s + LONGEST_HOLD_S:
            under_way += _usd(amount)
        else:
            gone += _usd(amount)
    return under_way, gone


_usd = lru_cache(maxsize=4096)(Decimal)  # a hold is looked at by every call that is made while it lasts


def _living(book: Book | None, now_s: float) -> Book | None:
    """Give the books without holds whose time ended before their call had left: nobody was called."""
    waiting = set(_waiting(book))
    if book is None or not waiting:
        return book
    over = {name for name in waiting & set(book["held"]) if book["held"][name][1] < now_s}
    return _book(book, {name: hold for name, hold in book["held"].items() if name not in over}, waiting - over)


def _waiting(book: Book | None) -> list[str]:
    return book.get("waiting", []) if book else []


def _book(book: Book | None, held: Mapping[str, Json], waiting: Iterable[str]) -> Book:
    """Give the books with other holds; those that wait are named only where there are any."""
    still = sorted([name for name in waiting if name in held])
    books: Book = {"spent": book["spent"] if book else "0", "held": held}
    return {**books, "waiting": still} if still else books


def room_for(purses: Sequence[Purse], books: Mapping[str, Book | None], usd: Decimal, now_s: float) -> Room:
    """Tell whether so much fits into every purse."""
    waiting: Room | None = None
    for purse in purses:
        book = _living(books[purse.key], now_s)
        under_way, gone = _held(book, now_s)
        left = purse.budget.cap_usd - spent_usd(book) - gone
        if usd > left:
            return Room(short=purse, left_usd=max(left, _ZERO))
        if usd > left - under_way and waiting is None:
            waiting = Room(short=purse, wait=True, left_usd=left, held_usd=under_way)
    return waiting or Room()


def with_hold(book: Book | None, hold: str, usd: Decimal, until_s: float, *, waits: bool = False) -> Book:
    """Give the books with so much held; `waits`: for a call that has not left yet."""
    held = {**(book["held"] if book else {}), hold: [str(usd), until_s]}
    waiting = {*_waiting(book), hold} if waits else {*_waiting(book)} - {hold}
    return _book(book, held, waiting)


def renewed(book: Book | None, hold: str, until_s: float, *, left: bool = False) -> Book | None:
    """Give the books with a hold that lasts longer, `left`: and whose call leaves; as they are where it is settled."""
    if book is None or hold not in book["held"]:
        return book
    waits = not left and hold in _waiting(book)
    return with_hold(book, hold, Decimal(book["held"][hold][0]), until_s, waits=waits)


def settled(book: Book | None, hold: str, usd: Decimal) -> Book:
    """Give the books with a hold replaced by what was spent; 0 gives it back.

    Books that are gone (their period has ended) begin anew: nothing is lost of a period that is over.
    """
    if book is not None and not usd and hold not in book["held"]:
        return book
    held = {name: value for name, value in (book["held"] if book else {}).items() if name != hold}
    return {**_book(book, held, _waiting(book)), "spent": str(spent_usd(book) + usd)}

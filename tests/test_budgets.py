"""A budget's arithmetic: whose purse, which period, what fits, and what the books say afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.routing.budgets import (
    LONGEST_HOLD_S,
    Book,
    Purse,
    Room,
    applies,
    books_of,
    held_usd,
    period_of,
    purses_of,
    renewed,
    room_for,
    settled,
    spent_usd,
    with_hold,
)
from routerctl.types import Budget, Inquiry

NOW = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
ASKED = Inquiry(prompt="hello", tenant="acme", user="ann", features={"plan": "free", "beta": True})


def budget(**changes: Any) -> Budget:
    """A budget of a dollar a month."""
    return replace(Budget(name="all", cap_usd=Decimal(1)), **changes)


@pytest.mark.parametrize(
    ("changes", "task_class", "wanted"),
    [
        ({}, None, True),
        ({"tenant": ("acme",)}, None, True),
        ({"tenant": ("other",)}, None, False),
        ({"task_class": ("sums",)}, "sums", True),
        ({"task_class": ("sums",)}, "talk", False),
        ({"task_class": ("sums",)}, None, False),
        ({"features": {"plan": "free"}}, None, True),
        ({"features": {"plan": "paid"}}, None, False),
        ({"features": {"beta": True}}, None, True),
        ({"features": {"beta": 1}}, None, False),
        ({"features": {"absent": None}}, None, False),
    ],
)
def test_which_budgets_apply(changes: dict[str, Any], task_class: str | None, wanted: bool) -> None:
    """Everything that a budget says of an inquiry must hold."""
    assert applies(budget(**changes), ASKED, task_class) is wanted


@pytest.mark.parametrize(
    ("period", "zone", "begins", "ends"),
    [
        ("hour", "UTC", "2026-11-25T23:00+00:00", "2026-11-26T00:00+00:00"),
        ("hour", "Asia/Kolkata", "2026-11-26T05:00+05:30", "2026-11-26T06:00+05:30"),
        ("day", "UTC", "2026-11-25T00:00+00:00", "2026-11-26T00:00+00:00"),
        ("day", "Europe/Berlin", "2026-11-26T00:00+01:00", "2026-11-27T00:00+01:00"),
        ("week", "UTC", "2026-11-23T00:00+00:00", "2026-11-30T00:00+00:00"),
        ("month", "UTC", "2026-11-01T00:00+00:00", "2026-12-01T00:00+00:00"),
        ("month", "America/New_York", "2026-11-01T00:00-04:00", "2026-12-01T00:00-05:00"),
    ],
)
def test_periods_follow_the_calendar(period: Any, zone: str, begins: str, ends: str) -> None:
    """Midnight is the time zone's, also in the month in which its clocks change."""
    found = period_of(budget(period=period, time_zone=zone), NOW)
    assert tuple(moment.isoformat(timespec="minutes") for moment in found) == (begins, ends)


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy adds the zone
    period=st.sampled_from(["hour", "day", "week", "month"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_every_moment_falls_in_its_period(moment: datetime, period: Any, zone: str) -> None:
    """No moment is outside its period, and the period's end opens the next."""
    one = budget(period=period, time_zone=zone)
    begins, ends = period_of(one, moment)
    assert begins <= moment < ends
    assert period_of(one, ends.astimezone(UTC))[0].astimezone(UTC) == ends.astimezone(UTC)


@pytest.mark.parametrize(
    ("period", "zone", "moment"),
    [
        ("hour", "Europe/Berlin", "2026-10-25T00:30"),  # the hour from 2 to 3 that comes twice, once
        ("hour", "Europe/Berlin", "2026-10-25T01:30"),  # and again
        ("day", "Africa/Cairo", "2026-04-24T10:00"),  # midnight was left out
        ("day", "America/Havana", "2026-11-01T12:00"),  # midnight came twice
        ("hour", "Australia/Lord_Howe", "2026-04-04T15:10"),  # an hour of ninety minutes
        ("hour", "Australia/Lord_Howe", "2026-10-03T15:40"),  # one of thirty
    ],
)
def test_the_books_of_a_period_in_which_clocks_are_moved_are_found(period: Any, zone: str, moment: str) -> None:
    """What was spent in it is shown in it, and it ends later than now."""
    one, now = budget(period=period, time_zone=zone), datetime.fromisoformat(moment).replace(tzinfo=UTC)
    (purse,) = purses_of([one], ASKED, None, now)
    (found,) = books_of(one, {purse.key: settled(None, "", Decimal("0.9"))}, now)
    assert (found.spent_usd, found.until) == (Decimal("0.9"), purse.until)
    assert found.begins.astimezone(UTC) <= now < found.until
    assert period_of(one, found.until)[0].astimezone(UTC) == found.until


@pytest.mark.parametrize(
    ("per", "asked", "shown"),
    [
        ("user", {"user": "Jürgen Müller"}, "Jürgen Müller"),
        ("user", {"user": "a/b 100%", "tenant": None}, "a%2Fb 100%25"),
        ("user", {"user": "Zoë", "tenant": "açme"}, "açme/Zoë"),
        ("user", {"user": "\ud800x"}, "\ud800x"),
        ("tenant", {"tenant": "\udc80/ü%20"}, "\udc80/ü%20"),
        ("class", {}, "\ud800"),
        ("plan", {"features": {"plan": "\ud800"}}, "\ud800"),
    ],
)
def test_whoever_asks_has_books_under_a_name_that_can_be_read(per: str, asked: dict[str, Any], shown: str) -> None:
    """Other alphabets, slashes, and half characters, which JSON may hold."""
    one = budget(per=per)
    (purse,) = purses_of([one], Inquiry(prompt="x", **asked), "\ud800", NOW)
    assert purse.key.isascii()
    assert [books.value for books in books_of(one, {purse.key: settled(None, "", Decimal(1))}, NOW)] == [shown]


def test_each_value_has_a_purse_of_its_own() -> None:
    """`per` splits a budget; those who do not say who they are share one purse; names cannot run into each other."""
    per_user = budget(per="user")
    people = [(None, "ann"), (None, "bob"), (None, "a/b"), ("a", "b"), ("acme", "ann"), ("acme", None), (None, None)]
    keys = {
        purses_of([per_user], Inquiry(prompt="x", tenant=tenant, user=user), None, NOW)[0].key
        for tenant, user in people
    }
    assert len(keys) == len(people)
    (one,) = purses_of([budget(name="a/user", per=None)], ASKED, None, NOW)
    assert one.key not in keys
    assert purses_of([budget(per="plan")], ASKED, None, NOW)[0].key.split("/")[2:4] == ["plan", "free"]


def _purse(cap: str = "1") -> Purse:
    return purses_of([budget(cap_usd=Decimal(cap))], ASKED, None, NOW)[0]


def _room(book: Book | None, usd: str, now_s: float = 0.0) -> Room:
    purse = _purse()
    return room_for([purse], {purse.key: book}, Decimal(usd), now_s)


def test_what_fits() -> None:
    """Up to the cap and no further; calls under way are waited for, those whose process died are not."""
    assert _room(None, "1").short is None
    assert (_room(None, "1.01").wait, _room(None, "1.01").left_usd) == (False, Decimal(1))
    book = with_hold(settled(None, "", Decimal("0.5")), "h1", Decimal("0.4"), until_s=10.0)
    assert (spent_usd(book), held_usd(book)) == (Decimal("0.5"), Decimal("0.4"))
    assert _room(book, "0.1").short is None
    room = _room(book, "0.2")
    assert (room.short is not None, room.wait) == (True, True)
    room = _room(book, "0.2", now_s=11.0)  # nobody settled the hold: it may have been paid for
    assert (room.short is not None, room.wait, room.left_usd) == (True, False, Decimal("0.1"))


def test_nobody_waits_for_money_that_was_held_before_the_clock_was_set_back() -> None:
    """A call that lives holds it anew; a dead process's would be waited for for as long as the clock was wrong."""
    book = with_hold(settled(None, "", Decimal("0.5")), "h1", Decimal("0.4"), until_s=86_400.0)
    room = _room(book, "0.2")
    assert (room.short is not None, room.wait, room.left_usd) == (True, False, Decimal("0.1"))
    assert _room(renewed(book, "h1", LONGEST_HOLD_S), "0.2").wait


def test_one_full_purse_decides_over_one_to_wait_for() -> None:
    """Where one budget is spent, waiting for another one's calls would be in vain."""
    full, busy = _purse("1"), purses_of([budget(name="busy")], ASKED, None, NOW)[0]
    books = {full.key: settled(None, "", Decimal(1)), busy.key: with_hold(None, "h", Decimal(1), until_s=9.0)}
    room = room_for([busy, full], books, Decimal("0.1"), 0.0)
    assert (room.short, room.wait) == (full, False)


amounts = st.decimals(min_value="0", max_value="0.6", places=4, allow_nan=False)


@given(st.lists(st.tuples(amounts, amounts, st.booleans()), max_size=12))
def test_never_over_the_cap(calls: list[tuple[Decimal, Decimal, bool]]) -> None:
    """However many calls are under way at once: what is spent and held never exceeds the cap, to the last digit."""
    purse, book, open_holds = _purse(), None, []
    for number, (most, share, settle_now) in enumerate(calls):
        if room_for([purse], {purse.key: book}, most, 0.0).short is None:
            book = with_hold(book, f"h{number}", most, until_s=1.0)
            open_holds.append((f"h{number}", min(share, most)))
        if settle_now and open_holds:
            name, cost = open_holds.pop()
            book = settled(book, name, cost)
        assert spent_usd(book) + held_usd(book) <= purse.budget.cap_usd
    for name, cost in open_holds:
        book = settled(book, name, cost)
    assert held_usd(book) == 0

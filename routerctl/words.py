"""Turns numbers and hostile text into what a reader sees: money, percents, seconds, visible control characters.

Pure; knows nothing of tables, runs or HTML.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from routerctl.types import Bar, Json, RelativeBar

NBSP = "\u00a0"
# Everything outside printable ASCII is looked up; U+200C and U+200D are ordinary letters' joiners in Persian, Hindi
# and emoji, and cannot reorder text.
_LOOK_UP = re.compile("[^\n\t\x20-\x7e\u200c\u200d]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Of four digits or more, and no part of a name, a date or a fraction.
_PLAIN_NUMBER = re.compile(r"(?<![\w.,-])[1-9][0-9]{3,}(?![\w-]|[.,][0-9])")
# The names of ASCII; Unicode's control pictures are missing from many fonts.
_CONTROLS = re.findall(
    r"\w+",
    "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI "
    "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US",
)


def lowered_words(before: Bar, now: Bar, was: float | None = None, comes_to: float | None = None) -> str:
    """Say that a bar is another one after scores had been seen that did not prove it; the scores as `bar_change`."""
    return (
        f"the bar was {bar_words(before, was)} when it was tested and not proven; it is now {bar_words(now, comes_to)}"
    )


def bar_change(before: Bar, now: Bar, was: float | None = None, comes_to: float | None = None) -> str:
    """Call a bar that took another's place `lowered` where that is known, else `changed`.

    `was`, `comes_to`: the scores that bars against a model ask for on their cases; None: not known.
    """
    if isinstance(before, RelativeBar) and isinstance(now, RelativeBar) and before.of == now.of:
        return "lowered" if now.within > before.within else "changed"
    one, other = (score if isinstance(bar, RelativeBar) else bar for bar, score in ((before, was), (now, comes_to)))
    return "lowered" if one is not None and other is not None and other < one - 1e-9 else "changed"


def bar_words(bar: Bar, came_to: float | None = None) -> str:
    """Write a bar as it was asked for: `80%`; of one against a model `opus - 2 points`.

    `came_to`: the score that the latter asks for on the cases at hand, where that is of use: `opus - 2 points (93.3%)`.
    """
    if not isinstance(bar, RelativeBar):
        return as_written(bar)
    number = "" if came_to is None else f" ({percent(came_to)})"
    return f"{bar.of} - {points_as_written(bar.within)}{number}"


def usd(amount: Decimal) -> str:
    """Cents from one dollar on, three significant digits below (so a figure is within 0.5 % of the truth)."""
    if amount < 0:
        return f"\u2212{usd(-amount)}"
    if amount == 0:
        return "$0"
    digits, _, decimals = f"{amount:,.{_places(amount)}f}".partition(".")
    return f"${digits}.{decimals.rstrip('0').ljust(2, '0')}"


def perhaps_words(amount: Decimal) -> str:
    """Go on from a known cost to what it may be beside that, at most; "" where it is known."""
    return f", perhaps up to {usd(amount)} more for calls without token counts" if amount else ""


def usd_between(one: Decimal, other: Decimal) -> str:
    """By how much two amounts differ: as the amounts that `usd` shows do, unless rounding them moves that by over 1 %.

    So $3.02 and $1.00 differ by $2.02 wherever both are shown.
    """
    exact, shown = abs(one - other), abs(_as_shown(one) - _as_shown(other))
    return usd(shown if abs(shown - exact) <= exact / 100 else exact)


def usd_to(least: Decimal, most: Decimal) -> str:
    """An amount that is known only to lie between two: `$1.20 to $1.50`; where these are the same, `$1.20`."""
    return usd(least) if least == most else f"{usd(least)} to {usd(most)}"


def _as_shown(amount: Decimal) -> Decimal:
    return round(amount, _places(amount)) if amount else amount


def _places(amount: Decimal) -> int:
    """Decimal places that are shown of an amount that is not 0."""
    return 2 if abs(amount) >= 1 else 2 - amount.adjusted()


def percent(share: float) -> str:
    """One decimal; never `100.0%` for less than all nor `0.0%` for more than nothing."""
    return f"{_tenths(share)}%"


def _tenths(share: float) -> str:
    text = f"{share * 100:.1f}"
    if text == "100.0" and share < 1:
        return "99.9"
    return "<0.1" if text == "0.0" and share > 0 else text


def spread(interval: tuple[float, float]) -> str:
    """An interval of shares, wherever one is shown: `88.1-96.0%` with an en dash."""
    low, high = interval
    return f"{_tenths(low)}\u2013{_tenths(high)}%"


def ends(interval: tuple[float, float]) -> str:
    """The same interval in a sentence: `88.1% to 96.0%`."""
    low, high = interval
    return f"{percent(low)} to {percent(high)}"


def odds(probability: float) -> str:
    """An error probability with three significant digits: `1.25%`."""
    return f"{probability * 100:.3g}%"


def risk_words(risk: float, *, at_most: bool = False) -> str:
    """Write a probability with two digits: 3.3%, 25%; never nothing or all of it; a bound of it as ≤28%."""
    if at_most:
        return f"≤{min(100.0, max(0.1, 100 * risk)):.2g}%" if risk < 0.995 else "≤100%"
    if risk < 0.0005:
        return "<0.1%"
    return ">99%" if risk > 0.99 else f"{100 * risk:.2g}%"


def as_written(share: float) -> str:
    """A share that a person chose (bar, risk), with all its digits: `90%`, `99.95%`."""
    return f"{share * 100:.10g}%"


def points_as_written(difference: float) -> str:
    """A difference of shares that a person chose, with all its digits: `2 points`, `0.5 points`."""
    number = f"{difference * 100:.10g}"
    return f"{number} point{'' if number == '1' else 's'}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: `+1.5 points`, `-0.3 points`."""
    return f"{100 * difference:+.1f} points"


def seconds(latency_s: float) -> str:
    """Two significant digits or more: `0.0019 s`, `0.019 s`, `0.19 s`, `1.90 s`, `19.0 s`, `190 s`; nothing: `0 s`."""
    # What rounds up belongs to the next line.
    for least, places in ((99.95, 0), (9.995, 1), (0.0995, 2), (0.00995, 3), (0.000995, 4)):
        if latency_s >= least:
            return f"{latency_s:.{places}f}{NBSP}s"
    return f"{latency_s:.5f}{NBSP}s" if latency_s else f"0{NBSP}s"


def lasting(length_s: float) -> str:
    """A length of time in its greatest unit: `40 s`, `3 min`, `2 h`, `4 d`."""
    units = ((86400, "d"), (3600, "h"), (60, "min"))
    size_s, unit = next((each for each in units if length_s >= each[0]), (1, "s"))
    return f"{length_s / size_s:.0f}{NBSP}{unit}"


def count(number: int) -> str:
    """Thousands set off by commas."""
    return f"{number:,}"


def out_of(part: int, whole: int) -> str:
    """A part of a number, both counted: `3,286/4,000`."""
    return f"{count(part)}/{count(whole)}"


def grouped(sentence: str) -> str:
    """A sentence of a table, which holds its numbers as plain digits, with thousands set off by commas."""
    return _PLAIN_NUMBER.sub(lambda match: count(int(match.group())), sentence)


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """The number with its noun: `1 class`, `1,200 classes`."""
    return f"{count(number)}{NBSP}{noun if number == 1 else nouns or noun + 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """The first names of a list and how many more there are: `a, b, c and 12 more`."""
    more = f" and {count(len(names) - most)} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def missing_words(failed: int, unscored: int) -> str:
    """What never became a score: `2 calls failed, 1 reply could not be scored`; "" where nothing is missing."""
    calls = f"{plural(failed, 'call')} failed" if failed else ""
    replies = f"{plural(unscored, 'reply', 'replies')} could not be scored" if unscored else ""
    return ", ".join(one for one in (calls, replies) if one)


def plain(text: str) -> str:
    """The text with ordinary spaces, for terminals."""
    return text.replace(NBSP, " ")


def day_and_time(stamp: str) -> str:
    """An ISO 8601 stamp to the minute in UTC, which one without an offset is in; any other text stays as it is."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def visible(text: str) -> str:
    """Show every character that could hide, reorder or command: controls by their names, others as U+XXXX.

    Lone surrogates go too: they cannot be written as UTF-8. Line feeds and tabs stay.
    """
    return _LOOK_UP.sub(_shown, text.replace("\r\n", "\n"))


def _shown(match: re.Match[str]) -> str:
    character = match.group()
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    name = _CONTROLS[code] if code < len(_CONTROLS) else "DEL" if code == 0x7F else f"U+{code:04X}"
    return f"\u27e8{name}\u27e9"


def as_text(value: Json) -> str:
    """A case's input or expected answer as text; structures as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def one_line(text: str, width: int) -> str:
    """The text's beginning on one line of at most `width` characters."""
    flat = " ".join(text[: 4 * width].split())
    return flat if len(flat) <= width and len(text) <= 4 * width else flat[: width - 1].rstrip() + "\u2026"


def clean(text: str) -> str:
    """Make foreign text harmless on a terminal: no escape sequences, no line breaks, nothing invisible."""
    return "".join(character if character.isprintable() else " " for character in text)


def p_words(p_value: float) -> str:
    """A p-value with two significant digits, none smaller than anybody needs: `p = 0.013`, `p < 0.0001`."""
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.2g}"

"""Turns what a look at the log found into plain sentences, not yet escaped: what moved, from what to what."""

from __future__ import annotations

from decimal import Decimal

from routerctl.monitoring.drift.detect import Alarm, Drift
from routerctl.words import NBSP, as_written, count, p_words, percent, plural, seconds, usd


def drift_words(drift: Drift) -> tuple[str, ...]:
    """Say what moved, the verdict first; then what was not looked at, and what the quiet tests could have seen."""
    tested = [one for one in drift.looked_at if one.quantity != "served model"]
    if not drift.looked_at:
        return ("Nothing could be compared: the log has no figures of what the table measured.",)
    rate = (
        f"{plural(len(tested), 'figure')} compared; undisturbed traffic alarms in at most "
        f"{as_written(drift.alpha)} of such looks"
    )
    if drift.alarms:
        found = [f"{plural(len(drift.alarms), 'figure')} moved ({rate}).", *map(alarm_words, drift.alarms)]
    else:
        found = [f"Nothing moved ({rate})."]
    noticed = [one for one in drift.looked_at if one.noticed is not None and not one.alarm]
    if noticed:
        falls = ", ".join(f"{one.task_class} {100 * (one.noticed or 0):.1f}{NBSP}points" for one in noticed)
        found.append(f"A drop of the score would have been noticed 4 times in 5 from: {falls}.")
    if drift.not_looked_at:
        found.append(f"Not compared, as figures are missing: {', '.join(drift.not_looked_at)}.")
    return tuple(found)


def alarm_words(one: Alarm) -> str:
    """Say what one figure did."""
    where = f"{one.task_class}: " if one.task_class else ""
    if one.quantity == "served model":
        pin, *others = one.names
        return f"{where}{', '.join(others)} served instead of {pin} ({percent(one.now or 0)} of {_n(one.now_n)})."
    named = f" of {one.names[0]}" if one.names else ""
    what = one.quantity.removeprefix("lower ")
    return (
        f"{where}{what}{named} moved from {_figure(one, one.before)} to {_figure(one, one.now)} "
        f"({count(one.before_n)} before, {count(one.now_n)} now; {p_words(one.adjusted_p)} among all compared)."
    )


def _n(number: int) -> str:
    return plural(number, "request")


def _figure(one: Alarm, value: float | None) -> str:
    if value is None:
        return "unknown"
    if one.quantity.startswith("latency"):
        return seconds(value)
    if "cost" in one.quantity:
        return usd(Decimal(repr(value)))
    return percent(value)

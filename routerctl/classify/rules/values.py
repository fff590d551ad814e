"""Two JSON values -> whether they are the same: 1 is 1.0 and never true.

Place: the arithmetic floor, for features, which an application hands in and a rule names.
"""

from __future__ import annotations

from collections.abc import Hashable

from routerctl.types.asking import Json


def key_of(value: Json) -> Hashable:
    """Give what is equal for the same values only, and may stand in a set."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, dict):
        return frozenset((name, key_of(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(key_of(item) for item in value)
    return value  # type: ignore[no-any-return]  # a text or a number


def any_of(wanted: Json) -> tuple[Json, ...]:
    """Give the values of which a rule wants any: those of a list, else the one."""
    return tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)


def is_any_of(value: Json, wanted: Json) -> bool:
    """Tell whether a value is one that a rule wants."""
    if type(value) is str and type(wanted) is str:  # nearly always
        return value == wanted
    return key_of(value) in [key_of(one) for one in any_of(wanted)]
